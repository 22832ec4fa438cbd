"""Who may send, by AE title and address: what real clients get, and the one line of the log about each refusal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.harness import wire
from tests.harness.clients import pynetdicom_send, run, scpctl, storescu
from tests.harness.objects import ct_image
from tests.harness.raw_peer import CONTEXTS
from tests.harness.servers import REPOSITORY
from tests.harness.storing import complaints, worker_of
from tests.harness.studies import (
    SECONDS,
    Hook,
    numbered,
    series,
    study_of,
    wait_until_all_has_ended,
    write,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import Server, ServerFactory
    from tests.harness.wire import Pdu

    Connect = Callable[..., RawPeer]

TABLE = """\
# called  callers
STORE     CT1@127.0.0.1 "CT TWO"@::1
STORE     MR*
OTHER     CT1@192.0.2.1
"""
UNKNOWN_CALLING, UNKNOWN_CALLED, CONGESTION = (1, 1, 3), (1, 1, 7), (2, 3, 1)
MODES = pytest.mark.parametrize("mode", [["--fork"], []], ids=["fork", "single process"])


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "peers"
    path.write_text(TABLE)
    return path


def fields_of(pdu: Pdu | None) -> tuple[int, int, int] | None:
    """Give result, source and reason of an A-ASSOCIATE-RJ (PS3.8 9.3.4)."""
    assert pdu is not None
    return tuple(pdu.body[1:4]) if pdu.type == wire.ASSOCIATE_RJ else None  # type: ignore[return-value]


def answer(raw_peer: Connect, server: Server, called: str, calling: str) -> tuple[int, int, int] | None:
    """Ask for an association, and release one that is given; the fields of the reject, if there is one."""
    peer = raw_peer(server, timeout=SECONDS)
    fields = fields_of(peer.request_association(called=called, calling=calling))
    if fields is None:
        peer.release()
    else:
        peer.close()
    return fields


def refusals(server: Server) -> list[str]:
    """Give the lines of the log that are errors."""
    return [line for line in complaints(server) if line.startswith("E:")]


def wait_for_refusals(server: Server, count: int) -> None:
    """Wait for so many lines; each worker writes its own when the peer has had its answer."""
    server.wait_for(lambda: len(refusals(server)) == count, SECONDS, f"{count} errors in the log")


def send_to(server: Server, path: Path, calling: str, called: str) -> str:
    """Send a file by storescu; give what it says, nothing if all went well."""
    result = storescu(server, "-aet", calling, "-aec", called, path)
    assert (result.returncode == 0) == (not result.stderr), result.stderr
    return result.stderr


class TestStorescu:
    @MODES
    def test_allowed_titles_store_and_others_learn_the_reason(
        self, scpd: ServerFactory, table: Path, tmp_path: Path, mode: list[str]
    ) -> None:
        server = scpd(*mode, "--peers", str(table))
        (path,) = write(tmp_path / "out", series(1))
        for calling in ("CT1", "MR", "MR_ROOM 1"):
            assert send_to(server, path, calling, "STORE") == ""
        assert len(server.wait_for_files(1)) == 1
        assert refusals(server) == []
        attempts = (
            ("CT TWO", "STORE", "Calling AE Title Not Recognized"),
            ("ct1", "STORE", "Calling AE Title Not Recognized"),
            ("CT1", "OTHER", "Calling AE Title Not Recognized"),
            ("CT1", "store", "Called AE Title Not Recognized"),
            ("NOBODY", "NOTHING", "Called AE Title Not Recognized"),
        )
        for number, (calling, called, reason) in enumerate(attempts, 1):
            said = send_to(server, path, calling, called)
            assert "Result: Rejected Permanent, Source: Service User" in said
            assert f"Reason: {reason}" in said
            wait_for_refusals(server, number)
        told = [line.removeprefix("E: Association Rejected: ") for line in refusals(server)]
        begins = (
            "calling AE title CT TWO at 127.0.0.1 not recognized: not allowed to call STORE from there ({0}:2)",
            "calling AE title ct1 at 127.0.0.1 not recognized: not among those who may call STORE ({0}:2, {0}:3)",
            "calling AE title CT1 at 127.0.0.1 not recognized: not allowed to call OTHER from there ({0}:4)",
            "called AE title store not recognized, CT1 calls it from 127.0.0.1: no entry is for it ({0}, lines 2 to 4)",
            "called AE title NOTHING not recognized, NOBODY calls it from 127.0.0.1: no entry is for it ({0}, lines 2",
        )
        for line, begin in zip(told, begins, strict=True):
            assert line.startswith(begin.format(table)), line

    @MODES
    def test_options_say_the_same_for_a_handful(
        self, scpd: ServerFactory, tmp_path: Path, mode: list[str]
    ) -> None:
        (path,) = write(tmp_path / "out", series(1))
        words = ["-aet", "OURS", "--require-called-aet", "--called-aet", "ALSO OURS"]
        server = scpd(
            *mode, *words, "--allow-calling-aet", "CT1@127.0.0.0/8", "--allow-calling-aet", "MR1@10.0.0.1"
        )
        assert send_to(server, path, "CT1", "OURS") == send_to(server, path, "CT1", "ALSO OURS") == ""
        assert "Calling AE Title Not Recognized" in send_to(server, path, "MR1", "OURS")
        wait_for_refusals(server, 1)
        assert "Called AE Title Not Recognized" in send_to(server, path, "CT1", "STORESCP")
        wait_for_refusals(server, 2)
        assert "(--allow-calling-aet)" in refusals(server)[0]
        assert "(--require-called-aet)" in refusals(server)[1]


class TestAddresses:
    @MODES
    @pytest.mark.parametrize(
        ("listen", "host", "allowed", "refused"),
        [
            ("-i4", "127.0.0.1", "CT1", "CT TWO"),
            ("-i6", "::1", "CT TWO", "CT1"),
            ("-i0", "127.0.0.1", "CT1", "CT TWO"),
            ("-i0", "::1", "CT TWO", "CT1"),
        ],
    )
    def test_each_caller_from_his_own(  # noqa: PLR0917 - the table has as many columns
        self,
        scpd: ServerFactory,
        raw_peer: Connect,
        table: Path,
        mode: list[str],
        listen: str,
        host: str,
        allowed: str,
        refused: str,
    ) -> None:
        server = scpd(*mode, listen, "--peers", str(table), host=host)
        assert answer(raw_peer, server, "STORE", allowed) is None
        assert answer(raw_peer, server, "STORE", refused) == UNKNOWN_CALLING
        wait_for_refusals(server, 1)
        assert answer(raw_peer, server, "NOT", allowed) == UNKNOWN_CALLED
        wait_for_refusals(server, 2)
        assert f"calling AE title {refused} at {host} not recognized" in refusals(server)[0]
        assert f"({table}:2)" in refusals(server)[0]

    def test_clients_store_by_ipv6(self, scpd: ServerFactory, table: Path, tmp_path: Path) -> None:
        server = scpd("--fork", "-i6", "--peers", str(table), host="::1")
        paths = write(tmp_path / "out", series(2))
        assert pynetdicom_send(server, paths[:1], calling="CT TWO", called="STORE") == [0]
        sent = scpctl("send", "-aet", "CT TWO", "-aec", "STORE", "::1", server.port, paths[1])
        assert sent.returncode == 0, sent.stderr
        assert len(server.wait_for_files(2)) == 2


class TestWhatAnEntryBrings:
    @MODES
    def test_its_own_output_directory(self, scpd: ServerFactory, tmp_path: Path, mode: list[str]) -> None:
        own = tmp_path / "own"
        own.mkdir()
        table = tmp_path / "peers"
        table.write_text(f"OWN * directory={own}\n* *\n")
        server = scpd(*mode, "--peers", str(table))
        (path,) = write(tmp_path / "out", series(1))
        assert send_to(server, path, "CT1", "OWN") == ""
        assert [each.name for each in own.iterdir() if each.is_file()] == [f"CT.{path.stem}"]
        assert server.files() == {}
        assert send_to(server, path, "CT1", "STORE") == ""
        assert len(server.wait_for_files(1)) == 1

    def test_what_a_killed_worker_left_there_is_swept(
        self, scpd: ServerFactory, raw_peer: Connect, tmp_path: Path
    ) -> None:
        own = tmp_path / "own"
        own.mkdir()
        (tmp_path / "peers").write_text(f"OWN * directory={own}\n")
        server = scpd("--fork", "--peers", str(tmp_path / "peers"))
        peer = raw_peer(server, timeout=SECONDS)
        peer.associate(called="OWN", calling="CT1")
        image = ct_image(200_000)
        peer.send_command(1, wire.c_store_request(image.sop_class_uid, image.sop_instance_uid, 1))
        peer.send_data(1, image.data_set[:150_000], is_last=False)
        temporary = own / ".scpd" / "tmp"
        server.wait_for(lambda: temporary.exists() and len(os.listdir(temporary)) == 2)
        os.kill(worker_of(server, "CT1"), signal.SIGKILL)
        server.wait_for(lambda: os.listdir(temporary) == ["lock"], 60)

    def test_its_own_profile(self, scpd: ServerFactory, raw_peer: Connect, tmp_path: Path) -> None:
        (tmp_path / "profiles.cfg").write_text(
            "[[TransferSyntaxes]]\n[A]\nTransferSyntax1 = LittleEndianImplicit\n"
            "[[PresentationContexts]]\n[A]\nPresentationContext1 = VerificationSOPClass\\A\n"
            "[[Profiles]]\n[Echo]\nPresentationContexts = A\n"
        )
        (tmp_path / "peers").write_text(f"ECHO * profile={tmp_path}/profiles.cfg:Echo\n* *\n")
        server = scpd("--fork", "--peers", str(tmp_path / "peers"))
        accepted = {}
        for called in ("ECHO", "STORE"):
            peer = raw_peer(server, timeout=SECONDS)
            contexts = peer.associate(called=called, calling="CT1").contexts
            accepted[called] = sorted(number for number, context in contexts.items() if context.result == 0)
            peer.release()
        assert accepted == {"ECHO": [3], "STORE": [1, 3]}

    def test_so_many_associations_at_a_time_in_all_daemons(
        self, scpd: ServerFactory, raw_peer: Connect, tmp_path: Path
    ) -> None:
        table = tmp_path / "peers"
        table.write_text("STORE CT* limit=2\nSTORE MR1\n")
        words = ["--fork", "--peers", str(table), "--lock-directory", str(tmp_path / "locks")]
        first, second = scpd(*words), scpd(*words)
        peers = [raw_peer(server, timeout=SECONDS) for server in (first, second)]
        for number, peer in enumerate(peers):
            peer.associate(called="STORE", calling=f"CT{number}")
        assert answer(raw_peer, first, "STORE", "CT7") == CONGESTION
        assert answer(raw_peer, second, "STORE", "CT8") == CONGESTION
        assert answer(raw_peer, second, "STORE", "MR1") is None
        wait_for_refusals(second, 1)
        assert (
            f"E: Association Rejected: limit of 2 associations reached (CT8 at 127.0.0.1, {table}:1) "
            in refusals(second)[0]
        )
        peers[0].release()
        first.wait_for(lambda: answer(raw_peer, second, "STORE", "CT9") is None, SECONDS)
        os.kill(worker_of(second, "CT1"), signal.SIGKILL)
        third = raw_peer(first, timeout=SECONDS)
        third.associate(called="STORE", calling="CT3")
        first.wait_for(lambda: answer(raw_peer, second, "STORE", "CT4") is None, SECONDS)
        third.release()

    def test_storescu_is_told_that_it_may_come_again(
        self, scpd: ServerFactory, raw_peer: Connect, tmp_path: Path
    ) -> None:
        (tmp_path / "peers").write_text("STORE CT* limit=1\n")
        server = scpd("--fork", "--peers", str(tmp_path / "peers"))
        peer = raw_peer(server, timeout=SECONDS)
        peer.associate(called="STORE", calling="CT1")
        (path,) = write(tmp_path / "out", series(1))
        said = send_to(server, path, "CT2", "STORE")
        assert "Result: Rejected Transient, Source: Service Provider (Presentation Related)" in said
        assert "Reason: Temporary Congestion" in said
        peer.release()


class TestStudiesOfTitles:
    """Sorting, names and commands below the directory of the title."""

    @pytest.fixture
    def hook(self, tmp_path: Path) -> Hook:
        return Hook(tmp_path / "runs")

    @pytest.fixture
    def own(self, tmp_path: Path) -> Path:
        path = tmp_path / "own"
        path.mkdir()
        (tmp_path / "peers").write_text(f"OWN * directory={path}\n* *\n")
        return path

    def words(self, hook: Hook, tmp_path: Path) -> list[str]:
        table = str(tmp_path / "peers")
        return ["--fork", "--peers", table, "-su", "X", "-rns", "-xcs", hook.command, "-tos", "0"]

    def send(self, server: Server, paths: list[Path], called: str) -> None:
        result = storescu(server, "-aet", f"TO_{called}", "-aec", called, *paths)
        assert result.returncode == 0, result.stderr

    def test_a_study_ends_in_each_of_its_directories(
        self, scpd: ServerFactory, hook: Hook, own: Path, tmp_path: Path
    ) -> None:
        server = scpd(*self.words(hook, tmp_path))
        objects = series(4)
        name = f"X_{study_of(objects)}"
        paths = write(tmp_path / "out", objects)
        for called in ("OWN", "STORE"):
            self.send(server, paths, called)
        hook.wait_for(2, server)
        wait_until_all_has_ended(server)
        for calling in ("TO_OWN", "TO_STORE"):  # it may have ended before its last object came, and once more
            assert sum(run.objects for run in hook.runs() if run.calling == calling) == 4
        for folder in (own, server.inbox):
            assert sorted(os.listdir(folder / name)) == numbered(4)
        assert complaints(server) == []

    def test_a_keeper_of_its_own_reads_the_table_too(
        self, scpd: ServerFactory, hook: Hook, own: Path, tmp_path: Path
    ) -> None:
        words = self.words(hook, tmp_path)
        server = scpd(*words, "--no-keeper")
        objects = series(2)
        self.send(server, write(tmp_path / "out", objects), "OWN")
        with keeping("-od", str(server.inbox), *words):
            (run,) = hook.wait_for(1, server)
            wait_until_all_has_ended(server)
        assert (run.calling, list(run.files)) == ("TO_OWN", numbered(2))

    def test_a_keeper_with_another_table_does_not_start(
        self, scpd: ServerFactory, hook: Hook, own: Path, tmp_path: Path
    ) -> None:
        server = scpd(*self.words(hook, tmp_path), "--no-keeper")
        (tmp_path / "peers").write_text("* *\n")
        kept = scpctl("keep", "-od", str(server.inbox), *self.words(hook, tmp_path))
        assert kept.returncode == 1
        assert f"in use with --peers directory={own}, not without it" in kept.stderr

    def test_commands_for_objects_are_told_of_it(
        self, scpd: ServerFactory, own: Path, tmp_path: Path
    ) -> None:
        told = tmp_path / "told"
        server = scpd(
            "--fork", "--peers", str(tmp_path / "peers"), "-xcr", f'echo "#p/#f $SCPD_DIRECTORY" >>{told}'
        )
        objects = series(1)
        self.send(server, write(tmp_path / "out", objects), "OWN")
        server.wait_for(lambda: told.exists() and told.read_text().endswith("\n"), SECONDS)
        assert told.read_text() == f"{own}/CT.{objects[0].sop_instance_uid} {own}\n"


@contextmanager
def keeping(*words: str) -> Iterator[None]:
    """Have `scpctl keep` with these words, as long as this lasts."""
    keeper = subprocess.Popen(
        [sys.executable, "-m", "scpd.ctl.main", "keep", *words],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdin=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        keeper.terminate()
        assert keeper.wait(SECONDS) == 0


class TestFaults:
    FAULTY = "STORE CT1\nSTORE CT2@10.0.0.1/8\nOWN * directory=/nowhere/at/all profile=X\n"

    def run(self, tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
        table = tmp_path / "peers"
        table.write_text(self.FAULTY)
        options = ["--peers", str(table), "-od", str(tmp_path), *words, "11112"]
        return run([sys.executable, "-m", "scpd", *options], env={"PYTHONPATH": str(REPOSITORY)})

    def test_a_start_ends_with_one_line_and_exit_code_1(self, tmp_path: Path) -> None:
        result = self.run(tmp_path)
        assert result.returncode == 1
        (line,) = result.stderr.splitlines()
        assert line.startswith(
            f"F: {tmp_path}/peers: line 2: CT2@10.0.0.1/8: an address with the length of a net; "
        )
        assert line.endswith(" (and 2 more)")

    def test_check_config_tells_all(self, tmp_path: Path) -> None:
        result = self.run(tmp_path, "--check-config")
        assert result.returncode == 1
        begin = f"scpd: {tmp_path}/peers: line "
        lines = result.stderr.splitlines()
        assert all(line.startswith(begin) for line in lines)
        assert [line.removeprefix(begin).partition(": ")[0] for line in lines] == ["2", "3", "3"]

    def test_check_config_has_nothing_to_say_of_a_sound_one(self, tmp_path: Path, table: Path) -> None:
        words = ["--check-config", "--peers", str(table), "-od", str(tmp_path), "11112"]
        result = run([sys.executable, "-m", "scpd", *words], env={"PYTHONPATH": str(REPOSITORY)})
        assert (result.returncode, result.stderr) == (0, "")


class TestLiars:
    def test_a_caller_with_odd_bytes_in_his_title_is_rejected_in_one_line(
        self, scpd: ServerFactory, raw_peer: Connect, table: Path
    ) -> None:
        server = scpd("--fork", "--peers", str(table))
        peer = raw_peer(server, timeout=SECONDS)
        request = wire.associate_request(CONTEXTS, called="STORE", calling=b"CT1\n\xff\x1b[2J       ")
        peer.send(request)
        assert fields_of(peer.receive()) == UNKNOWN_CALLING
        wait_for_refusals(server, 1)
        assert r"calling AE title CT1\x0a\xff\x1b[2J at 127.0.0.1 " in refusals(server)[0]
