"""What an administrator reads: lines with their association, log files that move, complaints that do not pile up."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.harness import wire
from tests.harness.objects import ct_image
from tests.harness.ports import is_listening
from tests.harness.raw_peer import STORE_CONTEXT
from tests.harness.servers import REPOSITORY
from tests.harness.storing import store
from tests.harness.waiting import wait_until
from tests.harness.wrapped import wrapped

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.harness.ports import ReservedPort
    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import Server, ServerFactory

LOG_CONFIGURATION = """\
log4cplus.rootLogger = INFO, file
log4cplus.appender.file = log4cplus::FileAppender
log4cplus.appender.file.File = {path}
log4cplus.appender.file.Append = true
log4cplus.appender.file.layout = log4cplus::PatternLayout
log4cplus.appender.file.layout.ConversionPattern = %i %P %m%n
"""


def send_one(server: Server, raw_peer: Callable[..., RawPeer], calling: str = "CT_1") -> None:
    peer = raw_peer(server)
    peer.associate(calling=calling)
    assert store(peer, ct_image(2000)).status == 0
    peer.release()


def test_every_line_of_an_association_carries_its_id_and_no_other_does(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork", "-v")
    send_one(server, raw_peer, "ONE")
    send_one(server, raw_peer, "TWO")
    server.wait_for(lambda: server.stderr.count("Association Release") == 2)
    ids = {}
    for calling in ("ONE", "TWO"):
        (line,) = [
            line
            for line in server.stderr.splitlines()
            if "Association Received" in line and f"{calling}@" in line
        ]
        found = re.match(r"I: \[([0-9a-f]{6})\] Association Received in child process \(pid: \d+\)", line)
        assert found, line
        ids[calling] = found[1]
    assert ids["ONE"] != ids["TWO"]
    for identifier in ids.values():
        texts = [line.partition("] ")[2] for line in server.stderr.splitlines() if f"[{identifier}]" in line]
        begins = [" ".join(text.split()[:2]) for text in texts]
        assert begins == [
            "Association Received",
            "Association Acknowledged",
            "Received Store",
            "storing DICOM",
            "Association Release",
        ]


def test_the_last_line_of_an_association_sums_it_up(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork", "-v")
    peer = raw_peer(server)
    peer.associate(calling="CT_1")
    image = ct_image(2000)
    assert store(peer, image).status == 0
    peer.send_command(STORE_CONTEXT, wire.c_store_request(image.sop_class_uid, "9.9.9", 2))
    peer.send_data(STORE_CONTEXT, image.data_set)
    assert peer.receive_response().status == 0xA900
    peer.release()
    server.wait_for_log("Association Release")
    (line,) = [line for line in server.stderr.splitlines() if "Association Release" in line]
    assert re.search(
        r"\(CT_1@.* -> .*, 1 object stored, 1 refused, \d+\.\d MB received, \d+\.\d s, \d+\.\d MB/s\)$", line
    ), line


def test_the_peers_name_is_looked_up_for_verbose_logs_only_and_not_against_the_administrators_will(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    verbose, forbidden = scpd("--fork", "-v"), scpd("--fork", "-v", "-dhl")
    for server in (verbose, forbidden):
        send_one(server, raw_peer)
        server.wait_for_log("Association Release")
    assert "CT_1@localhost [127.0.0.1] -> " in verbose.stderr
    assert "CT_1@127.0.0.1 -> " in forbidden.stderr
    assert "localhost" not in forbidden.stderr


def test_json_has_one_object_a_line_with_the_same_fields_in_each(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork", "-v", "+v", "--log-format", "json")
    send_one(server, raw_peer)
    server.wait_for_log("Association Release")
    records = [json.loads(line) for line in server.stderr.splitlines()]
    fields = {
        *("time", "level", "logger", "message", "pid"),
        *("association", "calling_aet", "called_aet", "peer", "tls_subject", "study", "status"),
    }
    assert {frozenset(record) for record in records} == {frozenset(fields)}
    (release,) = [record for record in records if record["message"].startswith("Association Release")]
    assert re.fullmatch("[0-9a-f]{6}", release["association"])
    assert (release["calling_aet"], release["status"]) == ("CT_1", "0000")
    assert release["tls_subject"] is None
    assert release["peer"].startswith("127.0.0.1")


def test_json_tells_no_status_before_there_is_one(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork", "-v", "--abort-after", "--log-format", "json")
    peer = raw_peer(server)
    peer.associate(calling="CT_1")
    with pytest.raises(AssertionError):
        store(peer, ct_image(2000))
    server.wait_for_log("Store SCP Failed")
    assert {json.loads(line)["status"] for line in server.stderr.splitlines()} == {None}


@pytest.mark.parametrize(("options", "is_known"), [("", True), ("+B -su study", True), ("+B", False)])
def test_json_tells_the_study_of_the_object_at_hand_where_somebody_looks_at_it(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], options: str, is_known: bool
) -> None:
    server = scpd("--fork", "-v", "-d", "--duplicates", "refuse", "--log-format", "json", *options.split())
    peer = raw_peer(server)
    peer.associate(calling="CT_1")
    image, other = ct_image(2000, study_uid="1.2.3"), ct_image(2000, study_uid="1.2.4")
    answers = [store(peer, one).status for one in (image, other, image)]
    peer.release()
    server.wait_for_log("Association Release")

    records = [json.loads(line) for line in server.stderr.splitlines()]
    (refused,) = [record for record in records if record["message"].startswith("Store SCP Failed")]
    around = [record for record in records if re.match("Received Store|Association Re", record["message"])]
    assert answers == [0, 0, 0x0111]
    assert refused["study"] == ("1.2.3" if is_known else None)
    assert {record["study"] for record in around} == {None}


def test_log_files_are_opened_anew_at_sigusr1_by_the_master_and_by_workers_alike(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], tmp_path: Path
) -> None:
    path, configuration = tmp_path / "scpd.log", tmp_path / "logger.cfg"
    configuration.write_text(LOG_CONFIGURATION.format(path=path))
    server = scpd("--fork", "-lc", str(configuration))
    send_one(server, raw_peer)
    server.wait_for(lambda: "Association Release" in path.read_text())
    before = path.read_text()
    moved = tmp_path / "scpd.log.1"
    path.rename(moved)
    server.signal(signal.SIGUSR1)
    server.wait_for(path.exists)
    server.wait_for(lambda: "log files reopened" in path.read_text())

    def is_in_the_new_file() -> bool:
        send_one(server, raw_peer, "AFTER")
        return "AFTER" in path.read_text()

    server.wait_for(is_in_the_new_file)
    assert moved.read_text().startswith(before)
    assert server.is_running
    assert server.stderr == ""


def test_the_same_complaint_about_a_host_is_made_once_whichever_worker_makes_it(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork")
    for _ in range(6):
        peer = raw_peer(server)
        peer.send(b"GET / HTTP/1.0\r\n\r\n")
        assert peer.receive_until_closed() == []
    other = raw_peer(server)
    other.send(wire.associate_request([(1, wire.CT_IMAGE_STORAGE, [wire.EXPLICIT_LITTLE])], called=" "))
    other.receive_until_closed()
    server.wait_for_log("Association Rejected")
    assert server.stderr.count("not DICOM") == 1


@pytest.mark.parametrize("form", ["text", "json"])
def test_nothing_that_a_peer_sends_makes_a_line_of_its_own(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], form: str
) -> None:
    server = scpd("--fork", "-d", "--log-format", form)
    peer = raw_peer(server)
    evil = "1.2\nF: all is lost\x1b[2J"
    peer.send(
        wire.associate_request(
            [(1, evil, [wire.EXPLICIT_LITTLE]), (3, wire.VERIFICATION, [wire.EXPLICIT_LITTLE])],
            calling="A\nF: B",
        )
    )
    peer.receive()
    peer.release()
    server.wait_for_log("Association Release")
    assert "\x1b" not in server.stderr
    # In a JSON line the backslash of the escape is one that is escaped itself.
    shown = "1.2\\x0aF: all is lost\\x1b[2J" if form == "text" else "1.2\\\\x0aF: all is lost\\\\x1b[2J"
    assert server.stderr.count("F: all is lost") == server.stderr.count(shown) > 0
    if form == "json":
        assert {json.loads(line)["level"] for line in server.stderr.splitlines()} <= {"info", "debug"}


def test_a_debug_log_names_no_patient(scpd: ServerFactory, raw_peer: Callable[..., RawPeer]) -> None:
    server = scpd("--fork", "-d", "+v")
    send_one(server, raw_peer)
    server.wait_for_log("Association Release")
    assert "INCOMING DIMSE MESSAGE" in server.stderr
    assert "BEGIN A-ASSOCIATE-RQ" in server.stderr
    image = ct_image(2000)
    assert b"Doe^Jane" in image.data_set
    assert "Doe" not in server.stderr


@pytest.mark.parametrize("number", [1, 2])
def test_the_journal_gets_no_dots(tmp_path: Path, raw_peer: Callable[..., RawPeer], number: int) -> None:
    stream = f'JOURNAL_STREAM=$(stat -L -c %d:%i "/proc/$$/fd/{number}") exec "$@"'
    factory = wrapped(tmp_path, ["sh", "-c", stream, "sh"])
    try:
        server = factory("--fork", "-v")
        send_one(server, raw_peer)
        server.wait_for(lambda: "Association Release" in server.stderr)
        assert ("RECV: " in server.stdout) == (number != 1)
    finally:
        factory.finish()


def test_a_log_that_nobody_reads_stops_neither_objects_nor_a_sigterm(
    tmp_path: Path, reserved_port: ReservedPort, raw_peer: Callable[..., RawPeer]
) -> None:
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    command = [sys.executable, "-m", "scpd", "--fork", "-d", "-od", str(tmp_path), str(reserved_port.number)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(command, stdout=writer, stderr=writer, env=environment) as process:
        try:
            wait_until(lambda: is_listening(reserved_port.number))
            for _ in range(3):
                peer = raw_peer(reserved_port.number)
                peer.associate(calling="CT_1")
                assert store(peer, ct_image(2000)).status == 0
                peer.release()
            process.terminate()
            assert process.wait(60) == 0
        finally:
            process.kill()
            os.close(reader)
            os.close(writer)
    assert len([path for path in tmp_path.iterdir() if path.name.startswith("CT.")]) == 3
