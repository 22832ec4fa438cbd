"""The harness does what tests rely on, shown against DCMTK's storescp."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.harness import wire
from tests.harness.clients import dcmsend, echoscu, gdcm_was_answered, gdcmscu, pynetdicom_send, run, storescu
from tests.harness.objects import (
    ct_image,
    data_set_bytes,
    file_meta,
    in_rounds,
    pydicom_test_files,
    write_ct_images,
)
from tests.harness.ports import ReservedPort, is_listening
from tests.harness.processes import (
    children_of,
    command_line,
    end_children,
    end_session,
    is_running,
    processes,
)
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import ServerFactory

ENCODINGS = [wire.IMPLICIT_LITTLE, wire.EXPLICIT_LITTLE, wire.EXPLICIT_BIG, wire.DEFLATED]


def test_a_server_accepts_when_it_is_given_and_is_gone_when_it_is_stopped(storescp: ServerFactory) -> None:
    server = storescp()
    assert is_listening(server.port)
    assert echoscu(server).returncode == 0
    assert server.stop() == -15
    assert not is_listening(server.port)
    assert not is_running(server.pid)


def test_two_servers_of_one_test_have_ports_and_inboxes_of_their_own(storescp: ServerFactory) -> None:
    first, second = storescp(), storescp("--fork")
    assert first.port != second.port
    assert first.inbox != second.inbox


def test_a_server_that_does_not_start_fails_with_its_last_words(storescp: ServerFactory) -> None:
    with pytest.raises(AssertionError, match="Unknown option --nonsense"):
        storescp("--nonsense")


def test_a_reserved_port_is_given_once() -> None:
    ports = [ReservedPort() for _ in range(20)]
    assert len({port.number for port in ports}) == 20
    for port in ports:
        port.release()


def test_workers_of_a_forking_server_are_seen(
    storescp: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = storescp("--fork")
    assert server.workers() == []
    peer = raw_peer(server)
    peer.associate()
    (worker,) = server.wait_for(server.workers)
    peer.abort()
    server.wait_for(lambda: not server.workers())
    assert not is_running(worker)


def test_a_child_that_a_test_leaves_behind_is_found_and_ended(pytester_free_folder: Path) -> None:
    sleep = f"sleep 60.{os.getpid()}"
    (pytester_free_folder / "test_leak.py").write_text(
        f"import subprocess\ndef test_leak():\n    subprocess.Popen(['sh', '-c', '{sleep} & {sleep}'])\n"
    )
    result = run([sys.executable, "-m", "pytest", "-p", "tests.conftest", "-q", str(pytester_free_folder)])
    assert "left child processes behind" in result.stdout, result.stdout + result.stderr
    assert not [found for found in processes() if command_line(found.pid) == sleep]


@pytest.fixture
def pytester_free_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "tests"
    folder.mkdir()
    return folder


def test_an_orphan_becomes_a_child_of_the_tests_and_can_be_ended() -> None:
    before = {child.pid for child in children_of(os.getpid())}
    shell = subprocess.run(
        ["sh", "-c", "sleep 60 >/dev/null 2>&1 & echo $!"], capture_output=True, text=True, check=True
    )
    orphan = int(shell.stdout)
    wait_until(lambda: orphan in {child.pid for child in children_of(os.getpid())})
    assert [child.pid for child in end_children(before)] == [orphan]
    assert not is_running(orphan)


def test_what_a_leader_leaves_is_ended_with_its_session() -> None:
    words = ["sh", "-c", "sleep 60 & echo $!"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True) as leader:
        assert leader.stdout is not None
        left = int(leader.stdout.readline())
    assert [found.pid for found in end_session(leader.pid)] == [left]
    assert not is_running(left)


def test_a_session_that_has_a_leader_is_another_and_left_alone() -> None:
    words = ["sh", "-c", "sleep 60 & echo $!; wait"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True) as leader:
        assert leader.stdout is not None
        member = int(leader.stdout.readline())
        assert end_session(leader.pid) == []
        assert is_running(member)
        os.killpg(leader.pid, signal.SIGKILL)
    wait_until(lambda: not is_running(member))


@pytest.mark.parametrize("options", [(), ("+B",)], ids=["default", "bit-preserving"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_raw_peer_stores_what_storescp_keeps_unchanged(
    storescp: ServerFactory, raw_peer: Callable[..., RawPeer], encoding: str, options: tuple[str, ...]
) -> None:
    server = storescp("+xa" if encoding != wire.EXPLICIT_BIG else "+xb", *options)
    image = ct_image(70000, transfer_syntax=encoding)
    peer = raw_peer(server)
    accepted = peer.associate([(1, image.sop_class_uid, [encoding])], calling="CALLER")
    assert accepted.contexts == {1: (0, encoding)}
    assert peer.store(image.sop_class_uid, image.sop_instance_uid, image.data_set, fragments=[2, 4, 8]) == 0
    peer.release()
    (content,) = server.wait_for_files(1).values()
    # A deflated stream is made anew by the default mode.
    if encoding != wire.DEFLATED or options:
        assert data_set_bytes(content) == image.data_set
    meta = file_meta(content)
    assert meta[0x0016].value.rstrip() == b"CALLER"
    assert wire.uid(meta[0x0003].value) == image.sop_instance_uid
    assert wire.uid(meta[0x0010].value) == encoding


def test_a_raw_peer_echoes_sees_aborts_and_the_end_of_the_connection(
    storescp: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = storescp("--fork")
    peer = raw_peer(server)
    peer.associate()
    assert peer.echo() == 0
    peer.send(wire.pdu(0x99, b""), chunk=1)
    assert peer.receive() == (wire.ABORT, bytes(4))
    stranger = raw_peer(server)
    stranger.send(b"GET / HTTP/1.0\r\n\r\n")
    assert stranger.receive() is None


def test_a_raw_peer_that_waits_for_nothing_times_out(
    storescp: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    peer = raw_peer(storescp("--fork"))
    peer.associate()
    usual = peer.socket.gettimeout()
    with pytest.raises(TimeoutError):
        peer.receive(timeout=0.05)
    assert peer.socket.gettimeout() == usual, "that was for this one alone"


def test_a_rejection_is_the_pdu_that_it_is(storescp: ServerFactory, raw_peer: Callable[..., RawPeer]) -> None:
    answer = raw_peer(storescp()).request_association(application_context="1.2.3")
    assert answer == (wire.ASSOCIATE_RJ, bytes([0, 1, 1, 2]))


def test_every_client_stores(storescp: ServerFactory, tmp_path: Path) -> None:
    server = storescp("+xa", "--fork")
    folder = tmp_path / "out"
    images = write_ct_images(folder, 2)
    names = {f"CT.{image.sop_instance_uid}" for image in images}
    senders: list[Callable[[], object]] = [
        lambda: storescu(server, "+sd", folder).returncode,
        lambda: dcmsend(server, "+sd", folder).returncode,
        lambda: (
            not all(gdcm_was_answered(gdcmscu(server, "--store", "-i", path)) for path in folder.iterdir())
        ),
        lambda: sum(pynetdicom_send(server, folder.iterdir())),
    ]
    for sender in senders:
        assert sender() == 0
        assert set(server.files()) == names
        for path in server.inbox.iterdir():
            path.unlink()


def test_gdcm_is_known_to_have_been_answered(storescp: ServerFactory) -> None:
    assert gdcm_was_answered(gdcmscu(storescp(), "--echo"))
    assert not gdcm_was_answered(gdcmscu(storescp("--refuse"), "--echo"))


def test_a_client_that_hangs_is_a_failure_in_bounded_time() -> None:
    with pytest.raises(AssertionError, match=r"more than 0\.2 s"):
        run(["sleep", "60"], timeout=0.2)


def test_synthetic_images_are_valid_and_distinct(tmp_path: Path) -> None:
    import pydicom

    images = write_ct_images(tmp_path, 3, size=100000)
    assert len({image.sop_instance_uid for image in images}) == 3
    for path, image in zip(sorted(tmp_path.iterdir()), images, strict=True):
        data_set = pydicom.dcmread(path)
        assert (data_set.SOPInstanceUID, data_set.SOPClassUID) == (
            image.sop_instance_uid,
            image.sop_class_uid,
        )
        assert len(data_set.PixelData) == data_set.Rows * data_set.Columns * 2
        assert abs(len(data_set.PixelData) - 100000) < 1000


def test_pydicoms_files_serve_as_input_in_many_encodings() -> None:
    files = pydicom_test_files()
    assert len(files) > 100
    assert len({file.object.transfer_syntax_uid for file in files}) >= 10
    rounds = in_rounds(files)
    assert sum(map(len, rounds)) == len(files)
    for files_of_round in rounds:
        assert len({file.object.sop_instance_uid for file in files_of_round}) == len(files_of_round)
