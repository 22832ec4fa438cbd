"""A refuser from first byte to exit code: the peer has said all that it will say before."""

from __future__ import annotations

import logging
import os
import socket
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from scpd.access.tables import Tables
from scpd.log.association import Association
from scpd.log.complaints import Complaints
from scpd.log.setup import Logging
from scpd.process import exitcodes
from scpd.ul.connection import Timeouts
from scpd.worker.gate import Gate
from scpd.worker.peer import Peer
from scpd.worker.refuse import RefusalPolicy, refuse
from scpd.worker.service import Surroundings
from tests.harness import wire
from tests.harness.raw_peer import CONTEXTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REQUEST = wire.associate_request(CONTEXTS, called="STORESCP", calling="CT_1")
REFUSED = wire.pdu(wire.ASSOCIATE_RJ, b"\0\2\3\1")
WHY = "has 4 already, --max-associations-per-host 4"


class Wakeup:
    """Signals that never come, or came before."""

    cause = "stopped by the administrator"

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        self.signalled = False

    def fileno(self) -> int:
        return self._reader

    def take(self) -> bytes:
        self.signalled = False
        return b""

    def close(self) -> None:
        os.close(self._reader)
        os.close(self._writer)


class Titles:
    def __init__(self) -> None:
        self.shown: list[str] = []

    def show(self, text: str) -> None:
        self.shown.append(text)


class Scene:
    """Connections to refuse, and what is shown and logged of them."""

    def __init__(self, log: pytest.LogCaptureFixture) -> None:
        self.wakeup = Wakeup()
        self.titles = Titles()
        self.association = Association()
        self.complaints = Complaints()
        self.log = log

    def refuse(
        self, said: bytes, *, leaves: bool = True, acse_timeout: float = 20.0, gate: Gate | None = None
    ) -> tuple[int, bytes]:
        """Let a peer say this and close its direction, if it `leaves`; gives exit code and answer."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            peer = socket.create_connection(listener.getsockname())
            ours, address = listener.accept()
        peer.settimeout(30)
        peer.sendall(said)
        if leaves:
            peer.shutdown(socket.SHUT_WR)
        policy = RefusalPolicy(16384, Timeouts(acse_timeout, 20, None), 4, gate)
        logs = Logging(self.association, self.complaints, [])
        around = Surroundings(self.titles, self.wakeup, logs)  # type: ignore[arg-type]
        with ours, peer:
            code = refuse(ours, Peer((address[0], 4711)), 4, policy, around)
            answer = b""
            try:
                while piece := peer.recv(99):
                    answer += piece
            except ConnectionResetError:  # what the peer said was not read
                assert not answer
        return code, answer

    def lines(self) -> list[tuple[str, str]]:
        return [(record.levelname, record.getMessage()) for record in self.log.records]


@pytest.fixture
def scene(caplog: pytest.LogCaptureFixture) -> Iterator[Scene]:
    caplog.set_level(logging.DEBUG)
    scene = Scene(caplog)
    yield scene
    scene.wakeup.close()
    for descriptor in scene.complaints.descriptors():
        os.close(descriptor)


def test_a_request_is_refused_for_now(scene: Scene) -> None:
    assert scene.refuse(REQUEST) == (exitcodes.REJECTED, REFUSED)
    assert scene.lines() == [
        (
            "ERROR",
            f"Association Rejected: too many connections of this host (CT_1@127.0.0.1 -> STORESCP, {WHY})",
        )
    ]
    assert scene.titles.shown == ["refusing 127.0.0.1:4711, one too many of its host"]


def test_lines_about_it_can_tell_who_asked(scene: Scene) -> None:
    scene.refuse(REQUEST)
    association = scene.association
    assert (association.peer, association.calling_aet, association.called_aet) == (
        "127.0.0.1:4711",
        "CT_1",
        "STORESCP",
    )
    assert association.id


def test_the_same_host_again_is_a_detail(scene: Scene) -> None:
    for _ in range(3):
        assert scene.refuse(REQUEST) == (exitcodes.REJECTED, REFUSED)
    assert [level for level, _ in scene.lines()] == ["ERROR", "DEBUG", "DEBUG"]


@pytest.mark.parametrize(
    ("said", "code", "answer", "level", "text"),
    [
        (b"", exitcodes.OK, b"", "DEBUG", "No association: closed without a byte"),
        (
            b"\1\0",
            exitcodes.LOST,
            b"",
            "ERROR",
            "Receiving Association failed: connection closed by the peer",
        ),
        (
            b"GET / HTTP/1.1\r\n\r\n",
            exitcodes.NOT_DICOM,
            b"",
            "ERROR",
            "Receiving Association failed: not DICOM: ",
        ),
        (
            wire.release_request(),
            exitcodes.ABORTED,
            wire.abort(),
            "ERROR",
            "Receiving Association failed: unexpected PDU of type 05H in Sta2",
        ),
    ],
)
def test_anything_but_a_request_is_dealt_with_as_by_a_worker(
    scene: Scene, said: bytes, code: int, answer: bytes, level: str, text: str
) -> None:
    assert scene.refuse(said) == (code, answer)
    ((logged_level, logged),) = scene.lines()
    assert logged_level == level
    assert logged.startswith(text)
    assert logged.endswith(f"(127.0.0.1:4711, {WHY})")


def test_who_says_nothing_has_no_longer_than_any_peer(scene: Scene) -> None:
    begin = monotonic()
    assert scene.refuse(b"", leaves=False, acse_timeout=0.1) == (exitcodes.LOST, b"")
    assert monotonic() - begin < 5  # which all have
    assert scene.lines()[0][1].startswith("Receiving Association failed: no A-ASSOCIATE-RQ in time")


def test_who_says_nothing_and_does_not_close_is_gone_within_five_seconds(scene: Scene) -> None:
    begin = monotonic()
    assert scene.refuse(b"\1", leaves=False) == (exitcodes.LOST, b"")
    assert monotonic() - begin < 15  # of the 20 that others have; some are the machine's


def test_a_refuser_that_is_told_to_end_aborts(scene: Scene) -> None:
    scene.wakeup.signalled = True
    code, answer = scene.refuse(REQUEST)
    assert (code, answer) == (exitcodes.STOPPED, wire.abort())
    assert scene.lines()[0][0] == "WARNING"


@pytest.mark.parametrize(
    ("options", "level"),
    [("", "ERROR"), (": severity info", "INFO"), (": spawn touch {folder}/told", "ERROR")],
)
def test_whom_the_host_rules_do_not_let_in_gets_no_answer(
    scene: Scene, tmp_path: Path, options: str, level: str
) -> None:
    deny = tmp_path / "hosts.deny"
    deny.write_text(f"ALL: ALL{options.format(folder=tmp_path)}\n")
    gate = Gate(Tables(str(tmp_path / "none"), str(deny)), ("storescp",), 104, asks_names=False)
    assert scene.refuse(REQUEST, gate=gate) == (exitcodes.REJECTED, b"")
    text = f"Receiving Association failed: denied by {deny}:1 (127.0.0.1:4711, {WHY})"
    assert scene.lines() == [(level, text)]
    assert list(tmp_path.iterdir()) == [deny]


def test_whom_they_let_in_is_refused_for_now(scene: Scene, tmp_path: Path) -> None:
    gate = Gate(Tables(str(tmp_path / "none"), str(tmp_path / "none")), ("storescp",), 104, asks_names=False)
    assert scene.refuse(REQUEST, gate=gate) == (exitcodes.REJECTED, REFUSED)
