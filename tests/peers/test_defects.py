"""What storescp 3.6.7 does wrong and scpd does not; where it is cheap, storescp is shown doing it.

Names are scpd's promises, the docstrings tell storescp's behaviour.
"""

from __future__ import annotations

import os
import struct
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.harness import wire
from tests.harness.objects import StorableObject, ct_image, data_set_bytes
from tests.harness.processes import children_of
from tests.harness.programs import real_program
from tests.harness.raw_peer import CONTEXTS, STORE_CONTEXT
from tests.harness.storing import (
    announce,
    assert_holds,
    assert_serves,
    complaints,
    log_lines,
    padded_to,
    send_half,
    store,
    wait_for_temporaries,
    wait_until_idle,
    worker_of,
)
from tests.harness.wrapped import TracedFactory, require_root, require_strace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import Server, ServerFactory

OUT_OF_RESOURCES, MISMATCH, CANNOT_UNDERSTAND = 0xA700, 0xA900, 0xC000
MODES = [[], ["+B"]]
MODE_NAMES = ["default", "bit-preserving"]
ABORT = wire.ABORT


def associated(raw_peer: Callable[..., RawPeer], server: Server, **fields: str) -> RawPeer:
    peer = raw_peer(server)
    peer.associate(**fields)
    return peer


def stored(raw_peer: Callable[..., RawPeer], server: Server) -> StorableObject:
    """Store an object on an association of its own."""
    image = ct_image(200_000)
    peer = associated(raw_peer, server)
    assert store(peer, image).status == 0
    peer.release()
    (content,) = server.files().values()
    assert data_set_bytes(content) == image.data_set
    return image


# 1: a broken-off resend


def by_close(peer: RawPeer) -> None:
    peer.close()


def by_reset(peer: RawPeer) -> None:
    peer.reset()


def by_abort(peer: RawPeer) -> None:
    peer.abort()


def by_release(peer: RawPeer) -> None:
    peer.release()


def by_garbage(peer: RawPeer) -> None:
    peer.send(b"GET / HTTP/1.0\r\n\r\n")
    peer.receive_until_closed()
    peer.close()


BREAKS = [by_close, by_reset, by_abort, by_release, by_garbage]


@pytest.mark.parametrize("mode", MODES, ids=MODE_NAMES)
@pytest.mark.parametrize("break_off", BREAKS)
def test_a_broken_off_resend_leaves_the_stored_object_alone(
    scpd: ServerFactory,
    raw_peer: Callable[..., RawPeer],
    mode: list[str],
    break_off: Callable[[RawPeer], None],
) -> None:
    """Row 1: in storescp anyone who begins a C-STORE with a known UID and breaks it off removes the stored object."""
    server = scpd("--fork", *mode)
    image = stored(raw_peer, server)
    before = os.stat(server.inbox / f"CT.{image.sop_instance_uid}")
    break_off(begun(raw_peer, server, image))
    wait_until_idle(server)
    assert_holds(server, image)
    after = os.stat(server.inbox / f"CT.{image.sop_instance_uid}")
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("mode", MODES, ids=MODE_NAMES)
@pytest.mark.parametrize("break_off", BREAKS)
def test_storescp_loses_the_stored_object_by_a_broken_off_resend(
    storescp: ServerFactory,
    raw_peer: Callable[..., RawPeer],
    mode: list[str],
    break_off: Callable[[RawPeer], None],
) -> None:
    """Row 1."""
    server = storescp("--fork", *mode)
    break_off(begun(raw_peer, server, stored(raw_peer, server)))
    server.wait_for(lambda: server.files() == {}, what="the loss of the file")


def begun(raw_peer: Callable[..., RawPeer], server: Server, image: StorableObject) -> RawPeer:
    """Begin to send an object again; what is sent stops between two PDUs."""
    peer = associated(raw_peer, server)
    peer.send_command(STORE_CONTEXT, wire.c_store_request(image.sop_class_uid, image.sop_instance_uid))
    peer.send_data(STORE_CONTEXT, image.data_set[:180_000], is_last=False)
    return peer


def test_a_resend_cut_at_any_pdu_leaves_the_stored_object_alone(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    """Row 1, at every boundary: before the data set, and after each of its fragments but the last."""
    server = scpd("--fork")
    image = stored(raw_peer, server)
    for length in range(0, len(image.data_set), 20_000):
        peer = associated(raw_peer, server)
        announce(peer, image)
        if length:
            peer.send_data(STORE_CONTEXT, image.data_set[:length], is_last=False)
        peer.abort()
    wait_until_idle(server)
    assert_holds(server, image)


# 2 and 13: full disks


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one MiB, with an inbox on it."""
    require_root()
    disk = tmp_path / "disk"
    disk.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=1m", "scpd-test", str(disk)]
    mounted = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount here: {mounted.stderr.strip()}")
    try:
        (disk / "inbox").mkdir()
        yield disk / "inbox"
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], timeout=60, check=True)


def leave_free(inbox: Path, size: int) -> None:
    """Fill the disk up to so many bytes."""
    figures = os.statvfs(inbox)
    filler = bytes(figures.f_bavail * figures.f_frsize - size)
    (inbox.parent / "filler").write_bytes(filler)


@pytest.mark.parametrize("mode", MODES, ids=MODE_NAMES)
@pytest.mark.parametrize("shortage", [2, 1000, 4000])
def test_no_success_for_an_object_whose_last_bytes_do_not_fit(
    small_disk: Path, scpd: ServerFactory, raw_peer: Callable[..., RawPeer], mode: list[str], shortage: int
) -> None:
    """Row 2: storescp notices a full disk only when it closes the file, after its success."""
    server = scpd("--fork", *mode, inbox=small_disk)
    peer = associated(raw_peer, server)
    assert send_too_long(peer, small_disk, shortage) == OUT_OF_RESOURCES
    assert_holds(server)
    assert peer.echo() == 0


@pytest.mark.parametrize("mode", MODES, ids=MODE_NAMES)
def test_storescp_answers_success_for_an_object_that_the_disk_did_not_take(
    small_disk: Path, storescp: ServerFactory, raw_peer: Callable[..., RawPeer], mode: list[str]
) -> None:
    """Row 2; mended in 3.6.9."""
    if storescp_version() >= (3, 6, 9):
        pytest.skip("this storescp is newer than the defect")
    server = storescp("--fork", *mode, inbox=small_disk)
    peer = associated(raw_peer, server)
    assert send_too_long(peer, small_disk, 2) == 0
    (content,) = server.files().values()
    assert len(content) <= 8192


def send_too_long(peer: RawPeer, inbox: Path, shortage: int) -> int:
    """Store an object whose data set is that much longer than the free 8 kB; gives the status.

    It is short enough for storescp to keep all of it in the buffers of its C library.
    """
    image = padded_to(ct_image(500), 8192 + shortage)
    leave_free(inbox, 8192)
    return store(peer, image).status


def storescp_version() -> tuple[int, ...]:
    words = [real_program("storescp"), "--version"]
    said = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout
    number = said.split(" v", 1)[1].split()[0]
    return tuple(int(part.rstrip("+")) for part in number.split("."))


@pytest.mark.parametrize("mode", MODES, ids=MODE_NAMES)
def test_the_association_goes_on_when_the_last_fragment_does_not_fit(
    small_disk: Path, scpd: ServerFactory, raw_peer: Callable[..., RawPeer], mode: list[str]
) -> None:
    """Row 13: storescp +B then waits for more data, and aborts in the end."""
    server = scpd("--fork", *mode, inbox=small_disk)
    peer, image = associated(raw_peer, server), ct_image(300_000)
    leave_free(small_disk, len(image.data_set) - 8192)
    announce(peer, image)
    peer.send_data(STORE_CONTEXT, image.data_set[:-16_000], is_last=False)
    peer.send_data(STORE_CONTEXT, image.data_set[-16_000:])
    assert peer.receive_response().status == OUT_OF_RESOURCES
    assert peer.echo() == 0
    small = ct_image(1000)
    assert store(peer, small).status == 0
    assert_holds(server, small)


# 3: many PDVs in one PDU

# Lengths of the fragments of one PDU; the last takes the rest.
UNEQUAL = [[100, 2], [100, 2, 4898], [2, 2, 2, 2, 2], [0, 100, 0], [7000, 1000]]


@pytest.mark.parametrize("mode", MODES, ids=MODE_NAMES)
@pytest.mark.parametrize("lengths", UNEQUAL, ids=str)
def test_any_number_of_pdvs_in_one_pdu_makes_the_object_that_was_sent(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], mode: list[str], lengths: list[int]
) -> None:
    """Row 3: three or more of unequal length crash storescp, or spoil its file."""
    server, image = scpd("--fork", *mode), ct_image(9000)
    peer = associated(raw_peer, server)
    send_in_one_pdu(peer, image, lengths)
    assert peer.receive_response().status == 0
    assert_holds(server, image)
    assert peer.echo() == 0


def test_storescp_does_not_store_three_unequal_pdvs_of_one_pdu(
    storescp: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    """Row 3: signal 11, an A-ABORT, or other bytes than were sent."""
    server, image = storescp("--fork", "+B"), ct_image(9000)
    peer = associated(raw_peer, server)
    send_in_one_pdu(peer, image, [100, 2, 4898])
    answer = peer.receive()
    if answer is not None and answer.type == wire.P_DATA_TF:
        (content,) = server.files().values()
        assert data_set_bytes(content) != image.data_set
    else:
        assert answer is None or answer.type == ABORT


def send_in_one_pdu(peer: RawPeer, image: StorableObject, lengths: list[int]) -> None:
    """Send command and data set as the PDVs of one P-DATA-TF."""
    command = wire.c_store_request(image.sop_class_uid, image.sop_instance_uid)
    pdvs, position = [wire.pdv(STORE_CONTEXT, wire.COMMAND | wire.LAST, command)], 0
    for length in lengths:
        fragment = image.data_set[position : position + length]
        pdvs.append(wire.pdv(STORE_CONTEXT, wire.DATA, fragment))
        position += length
    pdvs.append(wire.pdv(STORE_CONTEXT, wire.LAST, image.data_set[position:]))
    peer.send(wire.p_data(*pdvs))


# 9: one write for each response

SOCKET_CALLS = "trace=sendto,sendmsg,write,writev,setsockopt"


def test_each_response_is_one_write(
    traced_server: Callable[..., tuple[TracedFactory, Server]], raw_peer: Callable[..., RawPeer]
) -> None:
    """Row 9: storescp writes header and command apart, which Nagle's algorithm makes 44 ms per object."""
    run, server = traced_server()
    peer = associated(raw_peer, server, calling="TRACED")
    worker = worker_of(server, "TRACED")
    for _ in range(5):
        assert store(peer, ct_image(1000)).status == 0
        assert peer.echo() == 0
    peer.release()
    server.wait_for(lambda: len(sent_by(run, worker)) >= 12, what="the last answer in the trace")
    assert len(sent_by(run, worker)) == 12  # acceptance, ten responses, release
    options = [call.line for call in run.calls(worker) if call.name == "setsockopt"]
    assert any("TCP_NODELAY, [1]" in line for line in options)


def sent_by(run: TracedFactory, pid: int) -> list[str]:
    """Give the calls by which a process has written to its connection."""
    writes = ("sendto", "sendmsg", "write", "writev")
    return [call.line for call in run.calls(pid) if call.name in writes and "socket:" in call.line]


@pytest.fixture
def traced_server(
    tmp_path: Path, _no_child_is_left_behind: None
) -> Iterator[Callable[..., tuple[TracedFactory, Server]]]:
    """Start scpd --fork under strace."""
    require_strace()
    runs = []

    def begin(environment: dict[str, str] | None = None) -> tuple[TracedFactory, Server]:
        runs.append(TracedFactory(tmp_path, (SOCKET_CALLS,)))
        return runs[-1], runs[-1].factory("--fork", env=environment)

    yield begin
    for run in runs:
        run.factory.finish()


@pytest.mark.parametrize(("value", "expected"), [("0", "[0]"), ("1", "[1]")])
def test_the_environment_may_ask_for_nagles_algorithm_as_in_storescp(
    traced_server: Callable[..., tuple[TracedFactory, Server]],
    raw_peer: Callable[..., RawPeer],
    value: str,
    expected: str,
) -> None:
    run, server = traced_server({"TCP_NODELAY": value})
    peer = associated(raw_peer, server, calling="TRACED")
    worker = worker_of(server, "TRACED")
    assert peer.echo() == 0
    peer.release()
    server.wait_for(lambda: sent_by(run, worker))
    options = [call.line for call in run.calls(worker) if call.name == "setsockopt"]
    assert [line.partition("TCP_NODELAY, ")[2][:3] for line in options if "TCP_NODELAY" in line] == [expected]


# 10: waiting for the peer to close


@pytest.mark.parametrize("mode", ["--fork", "--single-process"])
@pytest.mark.parametrize(
    ("request_bytes", "expected"),
    [
        (wire.associate_request(CONTEXTS, application_context="1.2.3"), [wire.ASSOCIATE_RJ]),
        (wire.associate_request(CONTEXTS) + wire.release_request(), [wire.ASSOCIATE_AC, wire.RELEASE_RP]),
        (wire.associate_request(CONTEXTS) + wire.pdu(9, b""), [wire.ASSOCIATE_AC, wire.ABORT]),
    ],
    ids=["rejected", "released", "aborted"],
)
def test_who_does_not_close_keeps_nobody_waiting(
    scpd: ServerFactory,
    raw_peer: Callable[..., RawPeer],
    mode: str,
    request_bytes: bytes,
    expected: list[int],
) -> None:
    """Row 10: storescp waits 180 s for the close, and a single process serves nobody meanwhile."""
    server = scpd(mode)
    peer = raw_peer(server)
    peer.send(request_bytes)
    assert [pdu.type for pdu in peer.receive_until_closed()] == expected
    assert_serves(server, raw_peer)
    wait_until_idle(server)


# 11 and 23: clocks that cover what they are for


@pytest.mark.parametrize("sent", [b"", b"\x01\x00", wire.associate_request(CONTEXTS)[:40]], ids=len)
@pytest.mark.parametrize("mode", ["--fork", "--single-process"])
def test_an_unfinished_request_ends_with_the_acse_timeout(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], mode: str, sent: bytes
) -> None:
    """Rows 11 and 23: storescp's -ta covers six bytes; forty hold it for 240 s, for ever with -ts 0."""
    server = scpd(mode, "-ta", "1", "-ts", "0")
    peer = raw_peer(server)
    peer.send(sent)
    assert peer.receive() is None
    assert_serves(server, raw_peer)
    server.wait_for(lambda: len(complaints(server)) >= bool(sent), what="a line about it")
    assert len(complaints(server)) == bool(sent)


def test_a_request_whose_bytes_drip_ends_with_the_acse_timeout(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    """Rows 11 and 23: each byte is another wait for storescp."""
    server = scpd("--fork", "-ta", "1")
    peer, request = raw_peer(server), wire.associate_request(CONTEXTS)
    for byte in request:
        peer.send(bytes([byte]))
        if closed_within(peer, 0.05):
            break
    assert peer.receive() is None
    server.wait_for_log("no A-ASSOCIATE-RQ in time")


def closed_within(peer: RawPeer, seconds: float) -> bool:
    try:
        return peer.receive(timeout=seconds) is None
    except TimeoutError:
        return False


@pytest.mark.parametrize("mode", ["--fork", "--single-process"])
def test_a_data_set_that_stops_ends_the_association_with_the_dimse_timeout(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], mode: str
) -> None:
    """Row 11: storescp drops the object, and waits on."""
    server = scpd(mode, "-td", "1", "-ts", "0")
    peer, image = associated(raw_peer, server), ct_image(100_000)
    send_half(peer, image)
    answer = peer.receive()
    assert answer is not None
    assert answer.type == ABORT
    peer.close()
    wait_until_idle(server)
    assert_holds(server)
    assert_serves(server, raw_peer)


# 12: an answer to every bad request

NO_SYNTAX = [wire.presentation_context(1, wire.CT_IMAGE_STORAGE, [])]
MANY_SYNTAXES = [(1, wire.CT_IMAGE_STORAGE, [f"1.2.3.{number}" for number in range(60)])]
BAD_REQUESTS = {
    "blank calling title": (wire.associate_request(CONTEXTS, calling=" "), wire.ASSOCIATE_RJ),
    "blank called title": (wire.associate_request(CONTEXTS, called=" "), wire.ASSOCIATE_RJ),
    "calling title of NUL": (wire.associate_request(CONTEXTS, calling=bytes(16)), wire.ASSOCIATE_RJ),
    "called title of NUL": (wire.associate_request(CONTEXTS, called=bytes(16)), wire.ASSOCIATE_RJ),
    "no contexts": (wire.associate_request([]), wire.ASSOCIATE_RJ),
    "no transfer syntax": (wire.associate_request(NO_SYNTAX), wire.ASSOCIATE_AC),
    "60 transfer syntaxes": (wire.associate_request(MANY_SYNTAXES), wire.ASSOCIATE_AC),
    "an item too long": (
        wire.associate_request(CONTEXTS, extra_items=wire.item(0x20, b"", length=500)),
        ABORT,
    ),
    "a UID of 65": (wire.associate_request([(1, "1." + "2" * 63, [wire.EXPLICIT_LITTLE])]), ABORT),
    "too short": (wire.pdu(wire.ASSOCIATE_RQ, bytes(20)), ABORT),
    "longer than 1 MiB": (wire.pdu(wire.ASSOCIATE_RQ, b"", length=2_000_000), ABORT),
    "a broken user identity": (
        wire.associate_request(CONTEXTS, user_info=wire.user_information(extra=wire.item(0x58, b"\1\0\xff"))),
        ABORT,
    ),
}


@pytest.mark.parametrize(("request_bytes", "kind"), BAD_REQUESTS.values(), ids=BAD_REQUESTS)
def test_every_bad_request_is_answered(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], request_bytes: bytes, kind: int
) -> None:
    """Row 12: storescp gives none, and waits for the peer to close."""
    server = scpd("--fork")
    peer = raw_peer(server)
    peer.send(request_bytes)
    answer = peer.receive()
    assert answer is not None
    assert answer.type == kind
    peer.close()
    wait_until_idle(server)
    assert len(complaints(server)) == (kind != wire.ASSOCIATE_AC)


# 14: refused objects


def as_another_class(image: StorableObject) -> tuple[StorableObject, int]:
    data = image.data_set.replace(b"5.1.4.1.1.2\0", b"5.1.4.1.1.4\0", 1)
    return changed(image, data), MISMATCH


def as_another_instance(image: StorableObject) -> tuple[StorableObject, int]:
    uid = image.sop_instance_uid
    other = uid[:-1] + ("1" if uid[-1] != "1" else "2")
    return changed(image, image.data_set.replace(uid.encode(), other.encode(), 1)), MISMATCH


def without_instance(image: StorableObject) -> tuple[StorableObject, int]:
    value = image.sop_instance_uid.encode()
    value += b"\0" * (len(value) % 2)
    element = struct.pack("<HH2sH", 0x0008, 0x0018, b"UI", len(value)) + value
    assert element in image.data_set
    return changed(image, image.data_set.replace(element, b"", 1)), CANNOT_UNDERSTAND


def changed(image: StorableObject, data_set: bytes) -> StorableObject:
    return StorableObject(image.sop_class_uid, image.sop_instance_uid, image.transfer_syntax_uid, data_set)


REFUSALS = [as_another_class, as_another_instance, without_instance]


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("size", [500, 300_000])
def test_a_refused_object_leaves_no_file(
    scpd: ServerFactory,
    raw_peer: Callable[..., RawPeer],
    refusal: Callable[[StorableObject], tuple[StorableObject, int]],
    size: int,
) -> None:
    """Row 14: in storescp it stays, in the place of an earlier one."""
    server = scpd("--fork", "-v")
    peer = associated(raw_peer, server)
    wrong, status = refusal(ct_image(size))
    assert store(peer, wrong).status == status
    assert_holds(server)
    good = changed(wrong, ct_image(size, sop_instance_uid=wrong.sop_instance_uid).data_set)
    assert store(peer, good).status == 0
    assert store(peer, wrong).status == status
    assert_holds(server, good)
    refusals = [line for line in log_lines(server) if "Store SCP Failed" in line]
    assert [line[:2] for line in refusals] == ["E:", "I:"]  # the second is the same complaint


@pytest.mark.parametrize("refusal", REFUSALS)
def test_storescp_keeps_the_file_of_a_refused_object(
    storescp: ServerFactory,
    raw_peer: Callable[..., RawPeer],
    refusal: Callable[[StorableObject], tuple[StorableObject, int]],
) -> None:
    """Row 14."""
    server = storescp("--fork")
    wrong, status = refusal(ct_image(500))
    assert store(associated(raw_peer, server), wrong).status == status
    assert len(server.files()) == 1


# 15: the final name


@pytest.mark.parametrize("mode", MODES, ids=MODE_NAMES)
def test_the_final_name_appears_with_the_whole_object(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], mode: list[str]
) -> None:
    """Row 15: storescp opens the final name and writes there; in +B from the first byte on."""
    server, image = scpd("--fork", *mode), ct_image(1_000_000)
    peer = associated(raw_peer, server)
    announce(peer, image)
    peer.send_data(STORE_CONTEXT, image.data_set[:-2], is_last=False)
    wait_for_temporaries(server, 1)
    assert server.files() == {}
    peer.send_data(STORE_CONTEXT, image.data_set[-2:])
    assert peer.receive_response().status == 0
    assert_holds(server, image)


def test_storescp_shows_the_final_name_before_the_object_is_there(
    storescp: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    """Row 15."""
    server, image = storescp("--fork", "+B"), ct_image(1_000_000)
    peer = associated(raw_peer, server)
    announce(peer, image)
    peer.send_data(STORE_CONTEXT, image.data_set[:-2], is_last=False)
    server.wait_for_files(1)
    peer.send_data(STORE_CONTEXT, image.data_set[-2:])
    assert peer.receive_response().status == 0


def test_who_reads_an_object_reads_on_undisturbed_while_it_is_replaced(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    """Row 15: storescp truncates the file in place."""
    server = scpd("--fork")
    image = stored(raw_peer, server)
    with open(server.inbox / f"CT.{image.sop_instance_uid}", "rb") as reader:
        begin = reader.read(1000)
        peer = associated(raw_peer, server)
        another = ct_image(100_000, sop_instance_uid=image.sop_instance_uid)
        assert store(peer, another).status == 0
        assert data_set_bytes(begin + reader.read()) == image.data_set
    assert_holds(server, another)


def test_storescp_truncates_what_others_read(
    storescp: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    """Row 15."""
    server = storescp("--fork")
    image = stored(raw_peer, server)
    with open(server.inbox / f"CT.{image.sop_instance_uid}", "rb") as reader:
        begin = reader.read(1000)
        peer = associated(raw_peer, server)
        another = ct_image(1000, sop_instance_uid=image.sop_instance_uid)
        assert store(peer, another).status == 0
        assert data_set_bytes(begin + reader.read()) != image.data_set


def test_a_link_under_the_final_name_is_replaced_and_not_followed(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], tmp_path: Path
) -> None:
    """Row 15: what truncates in place writes wherever a link leads."""
    server, image = scpd("--fork"), ct_image(1000)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"not yours")
    (server.inbox / f"CT.{image.sop_instance_uid}").symlink_to(elsewhere)
    assert store(associated(raw_peer, server), image).status == 0
    assert elsewhere.read_bytes() == b"not yours"
    assert_holds(server, image)


# 16: memory

LARGE = 64_000_000
MIB = 1 << 20


def private_memory(pid: int) -> int:
    """Give the anonymous memory of a process in bytes (proc_pid_smaps(5))."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        line = next(line for line in file if line.startswith("Anonymous:"))
    return int(line.split()[1]) * 1024


def memory_for_a_large_object(peer: RawPeer, pid: int) -> int:
    """Send all of an object but its end; gives by how much the private memory has grown."""
    image = ct_image(LARGE)
    before = private_memory(pid)
    announce(peer, image)
    peer.send_data(STORE_CONTEXT, image.data_set[:-2], is_last=False)
    grown = private_memory(pid) - before
    peer.send_data(STORE_CONTEXT, image.data_set[-2:])
    assert peer.receive_response().status == 0
    return max(grown, private_memory(pid) - before)


@pytest.mark.parametrize("mode", MODES, ids=MODE_NAMES)
def test_memory_does_not_grow_with_the_object(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], mode: list[str]
) -> None:
    """Row 16: storescp keeps the whole data set in memory in its default mode."""
    server = scpd("--fork", "--no-fsync", "-pdu", "131072", *mode)
    peer = associated(raw_peer, server, calling="LARGE")
    assert memory_for_a_large_object(peer, worker_of(server, "LARGE")) < 12 * MIB


def test_storescp_keeps_the_whole_data_set_in_memory(
    storescp: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    """Row 16."""
    server = storescp("--fork", "-pdu", "131072")
    peer = associated(raw_peer, server)
    (child,) = children_of(server.pid)
    assert memory_for_a_large_object(peer, child.pid) > LARGE * 3 // 4
