"""Study directories of forked workers, with real clients, and beside storescp's where it has the like.

No keeper runs here: no study ends.
"""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from tests.harness import wire
from tests.harness.clients import storescu
from tests.harness.objects import StorableObject, ct_image, data_set_bytes, new_uid
from tests.harness.raw_peer import STORE_CONTEXT
from tests.harness.scripts import visible
from tests.harness.storing import complaints, left_over, log_lines, store, wait_until_idle, worker_of
from tests.harness.waiting import wait_until
from tests.harness.wrapped import attached, require_strace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import Server, ServerFactory
    from tests.harness.wrapped import Call

FORKED = ("--fork", "--no-keeper")
SORTINGS = {"by time": ("-ss", "X"), "by uid": ("-su", "X"), "by patient": ("-sp",)}
FORMS = {"as it is": (), "bit-preserving": ("+B",), "rewritten": ("+ti",)}
STAMP = re.compile(r"[0-9]{8}_[0-9]{9}")
SENDERS = 4

all_sortings = pytest.mark.parametrize("sorting", SORTINGS.values(), ids=SORTINGS)
all_forms = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


def images(study: str, count: int, syntax: str = wire.EXPLICIT_LITTLE) -> list[StorableObject]:
    return [ct_image(2000, study_uid=study, transfer_syntax=syntax) for _ in range(count)]


def of_study(study: str) -> StorableObject:
    """An object of a study with a UID that pydicom would not write without a word."""
    image = ct_image(2000, study_uid="1.2")
    header, value = b"\x20\x00\x0d\x00UI", study.encode() + b"\0" * (len(study) % 2)
    old, new = header + b"\x04\x001.2\0", header + len(value).to_bytes(2, "little") + value
    assert old in image.data_set
    return replace(image, data_set=image.data_set.replace(old, new))


def folder_of(path: Path, objects: list[StorableObject]) -> Path:
    for number, each in enumerate(objects):
        each.write(path / f"{number:03}.dcm")
    return path


def stored(server: Server) -> dict[str, dict[str, bytes]]:
    """Every directory with the data sets in it, by file name; those in the output directory itself under ""."""
    found: dict[str, dict[str, bytes]] = {}
    for path in visible(server.inbox):
        relative = path.relative_to(server.inbox)
        if path.is_dir():
            found.setdefault(str(relative), {})
        else:
            folder = "" if relative.parent.name == "" else str(relative.parent)
            found.setdefault(folder, {})[path.name] = data_set_bytes(path)
    return found


def names(objects: list[StorableObject]) -> set[str]:
    return {f"CT.{each.sop_instance_uid}" for each in objects}


def send_at_once(server: Server, folders: list[Path]) -> None:
    """Send each folder on an association of its own, all at the same time."""
    with ThreadPoolExecutor(len(folders)) as pool:
        results = list(pool.map(lambda folder: storescu(server, "+sd", folder), folders))
    assert [result.returncode for result in results] == [0] * len(folders), (results, server.stderr)


@all_sortings
@all_forms
def test_a_study_that_comes_on_several_associations_at_once_has_one_directory(
    scpd: ServerFactory, tmp_path: Path, sorting: tuple[str, ...], form: tuple[str, ...]
) -> None:
    server = scpd(*FORKED, *sorting, *form)
    objects = images(new_uid(), SENDERS * 5)
    send_at_once(
        server,
        [folder_of(tmp_path / str(number), objects[number::SENDERS]) for number in range(SENDERS)],
    )

    ((_, content),) = stored(server).items()
    assert set(content) == names(objects)
    assert left_over(server) == []


@all_sortings
def test_studies_that_begin_at_once_never_share_a_directory(
    scpd: ServerFactory, tmp_path: Path, sorting: tuple[str, ...]
) -> None:
    server = scpd(*FORKED, *sorting)
    studies = [images(new_uid(), 5) for _ in range(SENDERS)]
    for round_ in range(3):
        send_at_once(
            server,
            [folder_of(tmp_path / f"{round_}-{number}", each) for number, each in enumerate(studies)],
        )

    directories = [set(content) for content in stored(server).values()]
    assert sorted(map(sorted, directories)) == sorted(sorted(names(each)) for each in studies)


@pytest.mark.parametrize("form", [(), ("+B",)], ids=["as it is", "bit-preserving"])
@pytest.mark.parametrize(
    "syntax", [wire.EXPLICIT_LITTLE, wire.EXPLICIT_BIG, wire.IMPLICIT_LITTLE, wire.DEFLATED]
)
def test_the_study_is_found_in_any_transfer_syntax(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], form: tuple[str, ...], syntax: str
) -> None:
    server = scpd(*FORKED, "+xd", *form, "-su", "")
    study = new_uid()
    objects = images(study, 3, syntax)
    peer = raw_peer(server)
    peer.associate([(STORE_CONTEXT, wire.CT_IMAGE_STORAGE, [syntax])])
    assert [store(peer, image).status for image in objects] == [0] * 3, server.stderr
    peer.release()

    assert stored(server) == {study: {f"CT.{each.sop_instance_uid}": each.data_set for each in objects}}


@all_sortings
@all_forms
def test_what_is_refused_leaves_no_directory(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], sorting: tuple[str, ...], form: tuple[str, ...]
) -> None:
    server = scpd(*FORKED, *sorting, *form)
    peer = raw_peer(server)
    peer.associate()
    image = ct_image(2000)
    without_study = replace(image, data_set=image.data_set.replace(b"\x20\0\x0d\0UI", b"\x20\0\x0c\0UI"))
    assert store(peer, without_study).status == 0xC000
    if "+B" not in form:
        other = replace(image, sop_instance_uid="1.2.3")
        assert store(peer, other).status == 0xA900
    assert stored(server) == {}

    assert store(peer, image).status == 0
    peer.release()
    wait_until_idle(server)
    assert [set(content) for content in stored(server).values()] == [names([image])]
    assert left_over(server) == []


@pytest.mark.parametrize("study", [".", "..", "../../x", ".scpd"])
def test_no_study_leads_out_of_the_output_directory(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], study: str
) -> None:
    server = scpd(*FORKED, "-su", "", "-rns")
    before = sorted(server.inbox.parent.iterdir())
    peer = raw_peer(server)
    peer.associate()
    status = store(peer, of_study(study)).status
    peer.release()

    assert sorted(server.inbox.parent.iterdir()) == before
    assert (status, stored(server)) == (0xC000, {}) or list(stored(server)) == [".._.._x"], server.stderr


def _let_a_millisecond_pass() -> None:
    earliest = monotonic() + 0.002
    wait_until(lambda: monotonic() > earliest)


class TestBesideStorescp:
    """The same objects, one association after the other, to both."""

    def exchanged(
        self, server: Server, raw_peer: Callable[..., RawPeer], studies: list[list[StorableObject]]
    ) -> list[int]:
        peer = raw_peer(server)
        peer.associate()
        statuses = []
        for study in studies:
            # In storescp two studies of one millisecond share a directory.
            _let_a_millisecond_pass()
            statuses += [store(peer, image).status for image in study]
        peer.release()
        wait_until_idle(server)
        return statuses

    def told(self, server: Server) -> list[str]:
        """What its log says of files and directories, whatever the time."""
        lines = [
            STAMP.sub("TIME", line) for line in log_lines(server) if "study" in line or "storing" in line
        ]
        return [line.replace(f"{server.inbox}/", "") for line in lines]

    @all_sortings
    def test_both_make_the_same_directories_and_say_so(
        self,
        scpd: ServerFactory,
        storescp: ServerFactory,
        raw_peer: Callable[..., RawPeer],
        sorting: tuple[str, ...],
    ) -> None:
        studies = [images(new_uid(), 3) for _ in range(3)]
        servers = [scpd(*FORKED, "-v", *sorting), storescp("--fork", "-v", *sorting)]
        statuses = [self.exchanged(server, raw_peer, studies) for server in servers]

        ours, theirs = (stored(server) for server in servers)
        assert statuses[0] == statuses[1] == [0] * 9
        assert sorted(map(sorted, map(dict.items, ours.values()))) == sorted(
            map(sorted, map(dict.items, theirs.values()))
        )
        assert sorted(STAMP.sub("TIME", name) for name in ours) == sorted(
            STAMP.sub("TIME", name) for name in theirs
        )
        assert self.told(servers[0]) == self.told(servers[1])

    def test_both_come_back_to_the_directory_of_a_uid(
        self, scpd: ServerFactory, storescp: ServerFactory, raw_peer: Callable[..., RawPeer]
    ) -> None:
        first, second, again = (images(study, 2) for study in ("1.2.3", "1.2.4", "1.2.3"))
        servers = [scpd(*FORKED, "-v", "-su", "X"), storescp("--fork", "-v", "-su", "X")]
        for server in servers:
            assert self.exchanged(server, raw_peer, [first, second, again]) == [0] * 6

        assert stored(servers[0]) == stored(servers[1])
        assert self.told(servers[0]) == self.told(servers[1])

    @pytest.mark.parametrize("prefix", ["", "X", "a b", "$(id)"])
    def test_prefixes(
        self, scpd: ServerFactory, storescp: ServerFactory, raw_peer: Callable[..., RawPeer], prefix: str
    ) -> None:
        study = [images("1.2.3", 1)]
        servers = [scpd(*FORKED, "-su", prefix), storescp("--fork", "-su", prefix)]
        for server in servers:
            assert self.exchanged(server, raw_peer, study) == [0]

        assert stored(servers[0]) == stored(servers[1])

    def test_a_directory_whose_name_a_file_has(
        self, scpd: ServerFactory, storescp: ServerFactory, raw_peer: Callable[..., RawPeer]
    ) -> None:
        servers = [scpd(*FORKED, "-su", "X"), storescp("--fork", "-su", "X")]
        for server in servers:
            (server.inbox / "X_1.2.3").write_bytes(b"precious")
            assert self.exchanged(server, raw_peer, [images("1.2.3", 1)]) == [0xA700]
            assert (server.inbox / "X_1.2.3").read_bytes() == b"precious"


class TestFlushes:
    """What --fsync costs an object, from the second one of an association on."""

    def flushed(
        self, server: Server, raw_peer: Callable[..., RawPeer], trace: Path
    ) -> list[tuple[str, Call]]:
        """Flushes and renames of three objects, in their order; a rename's kind is "rename"."""
        require_strace()
        peer = raw_peer(server)
        peer.associate(calling="FLUSHER")
        study = new_uid()
        assert store(peer, ct_image(2000, study_uid=study)).status == 0
        with attached(
            worker_of(server, "FLUSHER"), trace, "trace=fsync,fdatasync,renameat2,renameat,rename"
        ) as calls:
            statuses = [store(peer, ct_image(2000, study_uid=study)).status for _ in range(3)]
        peer.release()
        assert statuses == [0, 0, 0]
        return [("rename" if "rename" in call.name else call.name, call) for call in calls()]

    @pytest.mark.parametrize(
        ("options", "flushes"),
        [
            ([], 2),
            (["-su", "X"], 2),
            (["-su", "X", "-rns"], 3),
            (["-ss", "X"], 3),
            (["-sp"], 3),
            (["-xcr", "true"], 3),
            (["-ss", "X", "-xcr", "true", "-rns", "-tos", "5"], 3),
            (["+B", "-ss", "X"], 3),
        ],
    )
    def test_sorting_costs_one_flush_more(
        self,
        scpd: ServerFactory,
        raw_peer: Callable[..., RawPeer],
        tmp_path: Path,
        options: list[str],
        flushes: int,
    ) -> None:
        kinds = [kind for kind, _ in self.flushed(scpd(*FORKED, *options), raw_peer, tmp_path / "trace")]

        assert kinds.count("rename") == 3
        assert len(kinds) - 3 == 3 * flushes

    def test_the_line_of_record_is_durable_before_the_object_has_its_name(
        self, scpd: ServerFactory, raw_peer: Callable[..., RawPeer], tmp_path: Path
    ) -> None:
        found = self.flushed(scpd(*FORKED, "-ss", "X"), raw_peer, tmp_path / "trace")

        assert [kind for kind, _ in found] == ["fsync", "fdatasync", "rename", "fsync"] * 3
        assert ["journals" in call.line for _, call in found] == [False, True, False, False] * 3

    def test_without_fsync_nothing_is_flushed(
        self, scpd: ServerFactory, raw_peer: Callable[..., RawPeer], tmp_path: Path
    ) -> None:
        server = scpd(*FORKED, "--no-fsync", "-ss", "X", "-xcr", "true")
        assert [kind for kind, _ in self.flushed(server, raw_peer, tmp_path / "trace")] == ["rename"] * 3


class TestStart:
    def test_a_second_daemon_with_other_rules_does_not_start(self, scpd: ServerFactory) -> None:
        first = scpd(*FORKED, "-ss", "X", "-tos", "5")
        with pytest.raises(AssertionError, match="is in use with --eostudy-timeout 5, not 10"):
            scpd(*FORKED, "-ss", "X", "-tos", "10", inbox=first.inbox)
        scpd(*FORKED, "-ss", "X", "-tos", "5", inbox=first.inbox)

    def test_a_lock_directory_that_is_none_ends_the_start(self, scpd: ServerFactory, tmp_path: Path) -> None:
        (tmp_path / "lock").write_bytes(b"")
        with pytest.raises(AssertionError, match=r"cannot use lock directory: .*/lock: Not a directory"):
            scpd(*FORKED, "-ss", "X", "--lock-directory", str(tmp_path / "lock"))

    def test_two_daemons_share_the_directory_of_a_study(
        self, scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
    ) -> None:
        first = scpd(*FORKED, "-ss", "X")
        second = scpd(*FORKED, "-ss", "X", inbox=first.inbox)
        objects = images(new_uid(), 4)
        peers = [raw_peer(server) for server in (first, second)]
        for peer in peers:
            peer.associate()
        assert [store(peers[n % 2], image).status for n, image in enumerate(objects)] == [0] * 4
        for peer in peers:
            peer.release()

        assert [set(content) for content in stored(first).values()] == [names(objects)]
        assert complaints(first) == complaints(second) == []

    def test_without_sorting_and_commands_there_is_no_lock_directory(
        self, scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
    ) -> None:
        server = scpd("--fork")
        peer = raw_peer(server)
        peer.associate()
        assert store(peer, ct_image(2000)).status == 0
        peer.release()
        assert set(os.listdir(server.inbox / ".scpd")) == {"tmp", f"control-{server.port}.sock"}
