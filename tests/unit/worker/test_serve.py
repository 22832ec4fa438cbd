"""A worker from first byte to exit code: the peer has said all that it will say before it is served."""

from __future__ import annotations

import logging
import os
import socket
import struct
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from scpd.dataset.dictionary import Dictionary
from scpd.dataset.encoding import Encoding
from scpd.lockdir import layout
from scpd.lockdir.slots import Slots
from scpd.log.association import Association
from scpd.log.complaints import Complaints
from scpd.log.setup import Logging
from scpd.process import exitcodes, score
from scpd.process.score import Score
from scpd.process.scoreboard import Reading
from scpd.ul import negotiation
from scpd.ul.callers import Callers
from scpd.ul.connection import Connection, Timeouts
from scpd.ul.peers import parse
from scpd.worker.admission import Admission
from scpd.worker.faults import Faults
from scpd.worker.peer import Peer
from scpd.worker.rewrite import Form
from scpd.worker.serve import serve
from scpd.worker.service import ServicePolicy, Surroundings, Verbosity
from scpd.worker.store import ObjectStore, StorePolicy
from tests.harness import wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CT, MR, VERIFICATION, LITTLE = (
    wire.CT_IMAGE_STORAGE,
    wire.MR_IMAGE_STORAGE,
    wire.VERIFICATION,
    wire.EXPLICIT_LITTLE,
)
INSTANCE = "1.2.3.4.5"
REQUEST = wire.associate_request(
    [(1, CT, [LITTLE]), (3, VERIFICATION, [LITTLE]), (5, "1.2.3.4", [LITTLE])],
    called="STORESCP",
    calling="CT_1",
)
RELEASE = wire.release_request()


def uid_element(number: int, uid: str) -> bytes:
    value = uid.encode() + b"\0" * (len(uid) % 2)
    return struct.pack("<HH2sH", 8, number, b"UI", len(value)) + value


def data_set(instance: str = INSTANCE) -> bytes:
    pixels = struct.pack("<HH2s2xI", 0x7FE0, 0x10, b"OB", 1000) + bytes(1000)
    return uid_element(0x16, CT) + uid_element(0x18, instance) + pixels


def command(data: bytes, context_id: int = 1) -> bytes:
    return wire.p_data(wire.pdv(context_id, wire.COMMAND | wire.LAST, data))


def data(content: bytes, context_id: int = 1) -> bytes:
    return wire.p_data(wire.pdv(context_id, wire.DATA, content[:9])) + wire.p_data(
        wire.pdv(context_id, wire.LAST, content[9:])
    )


def c_store(instance: str = INSTANCE, message_id: int = 1, sop_class: str = CT) -> bytes:
    return command(wire.c_store_request(sop_class, instance, message_id)) + data(data_set())


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


class Watched(socket.socket):
    """A connected socket that looks at something whenever it sends."""

    def __init__(self, address: tuple[str, int], look: Callable[[], int]) -> None:
        super().__init__()
        self.connect(address)
        self.look = look
        self.seen: list[int] = []

    def send(self, data: object, flags: int = 0) -> int:
        self.seen.append(self.look())
        return super().send(data, flags)  # type: ignore[arg-type]


class Titles:
    def __init__(self) -> None:
        self.shown: list[str] = []

    def show(self, text: str) -> None:
        self.shown.append(text)


class Scene:
    """A worker's connection, and the peer that has spoken before."""

    def __init__(
        self, peer: socket.socket, ours: socket.socket, inbox: Path, log: pytest.LogCaptureFixture
    ) -> None:
        self.peer = peer
        self.ours = ours
        self.inbox = inbox
        self.wakeup = Wakeup()
        self.titles = Titles()
        self.complaints = Complaints()
        self.memory = memoryview(bytearray(score.SIZE))
        self.log = log

    def serve(
        self,
        *said: bytes,
        ignore: bool = False,
        deadline: float = 20.0,
        leaves: bool = True,
        faults: Faults | None = None,
        admission: Admission | None = None,
    ) -> int:
        """Let the peer say this and close its direction, if it `leaves`; gives the worker's exit code."""
        self.peer.sendall(b"".join(said))
        if leaves:
            self.peer.shutdown(socket.SHUT_WR)
        store = StorePolicy(
            output_directory=str(self.inbox),
            extension="",
            naming="uid",
            duplicates="replace",
            form=Form(Encoding(), Dictionary(), rejects_odd=False),
            with_file_meta=True,
            fsync=False,
        )
        policy = ServicePolicy(
            negotiation.Policy((LITTLE,), {CT, VERIFICATION}),
            16384,
            Timeouts(20, 20, None),
            None if ignore else store,
            faults,
            Verbosity(),
            admission=admission,
        )
        around = Surroundings(
            self.titles,  # type: ignore[arg-type]
            self.wakeup,  # type: ignore[arg-type]
            Logging(Association(), self.complaints, []),
            Score(self.memory),
        )
        peer = Peer(self.peer.getsockname())
        return serve(self.ours, peer, policy, around, monotonic() + deadline)

    def answers(self) -> list[tuple[int, bytes]]:
        """Type and body of every PDU that the peer got."""
        received = b""
        while piece := self.peer.recv(65536):
            received += piece
        pdus = []
        while received:
            kind, length = struct.unpack_from(">BxI", received)
            pdus.append((kind, received[6 : 6 + length]))
            received = received[6 + length :]
        return pdus

    def statuses(self) -> list[int]:
        """The status of every response, in their order."""
        commands = [
            wire.parse_command(wire.parse_pdvs(body)[0].data)
            for kind, body in self.answers()
            if kind == wire.P_DATA_TF
        ]
        return [wire.number(elements[wire.STATUS]) for elements in commands]

    def objects(self) -> list[str]:
        return sorted(name for name in os.listdir(self.inbox) if name != ".scpd")

    def last_line(self) -> tuple[str, str]:
        return self.log.records[-1].levelname, self.log.records[-1].getMessage()


@pytest.fixture
def scene(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Scene]:
    monkeypatch.delenv("TCP_NODELAY", raising=False)
    caplog.set_level(logging.DEBUG)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    peer.settimeout(30)
    scene = Scene(peer, ours, tmp_path, caplog)
    yield scene
    peer.close()
    ours.close()
    scene.wakeup.close()
    for descriptor in scene.complaints.descriptors():
        os.close(descriptor)


def test_objects_are_stored_and_answered_in_turn(scene: Scene) -> None:
    echo = command(wire.c_echo_request(7), 3)

    code = scene.serve(REQUEST, c_store(), echo, c_store(message_id=2), RELEASE)

    assert code == exitcodes.OK
    answers = scene.answers()
    assert [kind for kind, _ in answers] == [2, 4, 4, 4, 6]
    responses = [wire.parse_command(wire.parse_pdvs(body)[0].data) for kind, body in answers if kind == 4]
    assert [
        (wire.number(each[wire.COMMAND_FIELD]), wire.number(each[0x0120]), wire.number(each[wire.STATUS]))
        for each in responses
    ] == [(0x8001, 1, 0), (0x8030, 7, 0), (0x8001, 2, 0)]
    assert scene.objects() == [f"CT.{INSTANCE}"]
    level, text = scene.last_line()
    assert level == "INFO"
    assert text.startswith("Association Release (CT_1@127.0.0.1 -> STORESCP, 2 objects stored, ")


def test_who_sends_something_else_or_leaves_has_nothing_put_off(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def watch(kind: type, name: str) -> None:
        real = getattr(kind, name)

        def call(*arguments: object) -> None:
            done.append(name)
            real(*arguments)

        monkeypatch.setattr(kind, name, call)

    for name in ("rest", "leave", "close"):
        watch(ObjectStore, name)
    watch(Connection, "end")
    stores = c_store(), c_store(message_id=2)

    scene.serve(REQUEST, *stores, command(wire.c_echo_request(7), 3), *stores, RELEASE)
    # To close is to leave, if that was not done before.
    assert done == ["rest", "leave", "end", "close", "leave"]


def test_who_pauses_has_nothing_put_off(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    rests: list[bool] = []
    monkeypatch.setattr(ObjectStore, "rest", lambda _: rests.append(True))
    scene.serve(REQUEST, c_store(), RELEASE[:3], leaves=True)
    assert rests


def test_the_accept_names_us_and_every_context(scene: Scene) -> None:
    scene.serve(REQUEST, RELEASE)

    accepted = wire.parse_accept(scene.answers()[0][1])
    assert (accepted.called, accepted.calling) == (wire.title("STORESCP"), wire.title("CT_1"))
    assert {number: result.result for number, result in accepted.contexts.items()} == {1: 0, 3: 0, 5: 3}
    assert accepted.maximum_length == 16384
    assert [kind for kind, _ in accepted.user_items] == [0x51, 0x52, 0x55]


def test_a_refused_object_costs_a_status_and_not_the_association(scene: Scene) -> None:
    scene.serve(
        REQUEST,
        c_store("9.9.9"),
        command(wire.c_store_request(MR, INSTANCE)) + data(data_set()),
        command(wire.c_store_request(CT, INSTANCE)) + data(b"rubbish, and more of it"),
        c_store(),
        RELEASE,
    )

    assert scene.statuses() == [0xA900, 0x0122, 0xC000, 0]
    assert scene.objects() == [f"CT.{INSTANCE}"]
    assert Reading(scene.memory).objects == {"0000": 1, "0122": 1, "A900": 1, "C000": 1}


def test_ignored_objects_are_answered_and_not_stored(scene: Scene) -> None:
    scene.serve(REQUEST, c_store("9.9.9"), RELEASE, ignore=True)

    assert scene.statuses() == [0]
    assert scene.objects() == []


def wrong(**options: object) -> Faults:
    chosen = {"sleep_after": 0, "sleep_during": 0, "abort_after": False, "abort_during": False} | options
    return Faults(**chosen)  # type: ignore[arg-type]


ABORTS = {"during": wrong(abort_during=True), "after": wrong(abort_after=True)}


@pytest.mark.parametrize("faults", ABORTS.values(), ids=ABORTS)
@pytest.mark.parametrize("ignore", [True, False])
@pytest.mark.parametrize("said", [c_store(), c_store("9.9.9"), c_store(sop_class=MR)])
def test_a_simulated_abort_takes_the_place_of_every_response(
    scene: Scene, faults: Faults, ignore: bool, said: bytes
) -> None:
    echo = command(wire.c_echo_request(7), 3)

    assert scene.serve(REQUEST, echo, said, ignore=ignore, faults=faults) == exitcodes.ABORTED

    answers = scene.answers()
    assert [kind for kind, _ in answers] == [2, 4, 7]
    assert answers[-1][1] == bytes(4)
    assert scene.objects() == []
    assert "ABORT initiated (due to command line options)" in scene.log.messages
    level, text = scene.last_line()
    assert (level, text.partition(":")[0]) == ("ERROR", "Store SCP Failed (aborting association)")


def test_a_simulated_abort_within_an_object_does_not_wait_for_its_second_fragment(scene: Scene) -> None:
    begin = wire.p_data(wire.pdv(1, wire.DATA, data_set()[:10]))
    said = (REQUEST, command(wire.c_store_request(CT, INSTANCE)), begin)

    assert scene.serve(*said, faults=wrong(abort_during=True)) == exitcodes.ABORTED


@pytest.mark.parametrize("option", ["sleep_during", "sleep_after"])
def test_a_simulated_pause_ends_with_a_signal(scene: Scene, option: str) -> None:
    """The signal is in the pipe; the connection looks at the flag alone, and so the pause is what sees it."""
    os.write(scene.wakeup._writer, b"\x0f")

    code = scene.serve(REQUEST, c_store(), c_store(), faults=wrong(**{option: 3600}))

    assert code == exitcodes.STOPPED
    assert scene.objects() == ([f"CT.{INSTANCE}"] if option == "sleep_after" else [])


@pytest.mark.parametrize("has_data_set", [True, False])
def test_an_operation_that_is_not_ours_is_refused_and_the_association_goes_on(
    scene: Scene, has_data_set: bool
) -> None:
    changes: dict[int, int | str | bytes | None] = {wire.COMMAND_FIELD: 0x0020}
    if not has_data_set:
        changes[wire.COMMAND_DATA_SET_TYPE] = wire.NO_DATA_SET
    find = command(wire.c_store_request(CT, INSTANCE, 1, changes))

    scene.serve(REQUEST, find, data(b"what is looked for") * has_data_set, c_store(), RELEASE)

    assert scene.statuses() == [0x0211, 0]


def test_a_cancel_has_no_answer(scene: Scene) -> None:
    cancel = wire.command_set(
        {wire.COMMAND_FIELD: wire.C_CANCEL_RQ, 0x0120: 1, wire.COMMAND_DATA_SET_TYPE: 0x0101}
    )

    assert scene.serve(REQUEST, command(cancel), c_store(), RELEASE) == exitcodes.OK
    assert scene.statuses() == [0]


ABORT_BY_USER, ABORT_BY_PROVIDER = (7, b"\0\0\0\0"), (7, b"\0\0\2")
ENDINGS = {
    # what is said: exit code, level and begin of the last line, begin of the last PDU of the answer
    "nothing": ((), exitcodes.OK, "DEBUG", "No association: closed without a byte", None),
    "half a request": ((REQUEST[:50],), exitcodes.LOST, "ERROR", "Receiving Association failed: ", None),
    "HTTP": (
        (b"GET / HTTP/1.0\r\n\r\n",),
        exitcodes.NOT_DICOM,
        "ERROR",
        "Receiving Association failed: not DICOM: an HTTP request",
        None,
    ),
    "rubbish for a request": (
        (wire.pdu(1, bytes(10)),),
        exitcodes.ABORTED,
        "ERROR",
        "Receiving Association failed: ",
        ABORT_BY_USER,
    ),
    "a blank title": (
        (wire.associate_request([(1, CT, [LITTLE])], calling=""),),
        exitcodes.REJECTED,
        "ERROR",
        "Association Rejected: blank calling AE title",
        (3, b"\0\1\1\3"),
    ),
    "no release": ((REQUEST,), exitcodes.LOST, "INFO", "Association Aborted: connection closed", (2, b"")),
    "an abort": (
        (REQUEST, wire.abort()),
        exitcodes.LOST,
        "INFO",
        "Association Aborted: aborted by",
        (2, b""),
    ),
    "half an object": (
        (REQUEST, c_store()[:-10]),
        exitcodes.LOST,
        "ERROR",
        "Store SCP Failed: conn",
        (2, b""),
    ),
    "an abort within an object": (
        (REQUEST, command(wire.c_store_request(CT, INSTANCE)), wire.abort()),
        exitcodes.LOST,
        "ERROR",
        "Store SCP Failed: aborted by the peer",
        (2, b""),
    ),
    "a release within an object": (
        (REQUEST, command(wire.c_store_request(CT, INSTANCE)), RELEASE),
        exitcodes.LOST,
        "ERROR",
        "Store SCP Failed: released by the peer",
        (6, b""),
    ),
    "an unknown PDU": (
        (REQUEST, b"\x99" * 10),
        exitcodes.ABORTED,
        "ERROR",
        "DIMSE failure",
        ABORT_BY_PROVIDER,
    ),
    "a second request": ((REQUEST, REQUEST), exitcodes.ABORTED, "ERROR", "DIMSE failure", (7, b"\0\0\2\2")),
    "rubbish within an object": (
        (REQUEST, command(wire.c_store_request(CT, INSTANCE)), b"\x99" * 10),
        exitcodes.ABORTED,
        "ERROR",
        "Store SCP Failed (aborting association): ",
        ABORT_BY_PROVIDER,
    ),
    "a refused context": (
        (REQUEST, command(wire.c_echo_request(), 5)),
        exitcodes.ABORTED,
        "ERROR",
        "DIMSE failure (aborting association): a command on presentation context 5",
        ABORT_BY_USER,
    ),
    "a data set without a command": (
        (REQUEST, data(data_set())),
        exitcodes.ABORTED,
        "ERROR",
        "DIMSE failure",
        ABORT_BY_USER,
    ),
    "a response": (
        (REQUEST, command(wire.c_echo_request(1, {wire.COMMAND_FIELD: 0x8030}), 3)),
        exitcodes.ABORTED,
        "ERROR",
        "DIMSE failure",
        ABORT_BY_USER,
    ),
    "a command of rubbish": (
        (REQUEST, command(b"rubbish")),
        exitcodes.ABORTED,
        "ERROR",
        "DIMSE",
        ABORT_BY_USER,
    ),
}


@pytest.mark.parametrize("what", ENDINGS)
def test_every_ending_has_its_answer_its_line_and_its_exit_code(scene: Scene, what: str) -> None:
    said, code, level, text, answer = ENDINGS[what]

    assert scene.serve(*said) == code

    last_level, last_text = scene.last_line()
    assert last_level == level
    assert last_text.startswith(text)
    assert "127.0.0.1" in last_text
    pdus = scene.answers()
    if answer is None:
        assert pdus == []
    else:
        assert pdus[-1][0] == answer[0]
        assert pdus[-1][1].startswith(answer[1])
    assert scene.objects() == []
    assert scene.ours.fileno() == -1


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("nothing", (score.SILENT, 0, 0, 0)),
        ("HTTP", (0, 0, 0, 0)),
        ("rubbish for a request", (score.ABORTED, 0, 0, 0)),
    ],
)
def test_why_it_ended_is_on_the_scoreboard(scene: Scene, what: str, why: tuple[int, ...]) -> None:
    scene.serve(*ENDINGS[what][0])

    assert Reading(scene.memory).why == why
    assert Reading(scene.memory).phase == score.ENDING


def test_the_scoreboard_tells_who_has_sent_how_much(scene: Scene) -> None:
    scene.serve(REQUEST, c_store(), c_store("1.2"), RELEASE)

    reading = Reading(scene.memory)
    assert reading.peer == (f"127.0.0.1:{scene.peer.getsockname()[1]}", "CT_1", "STORESCP", "")
    assert (reading.pid, reading.stored) == (os.getpid(), 1)
    assert reading.bytes == 2 * len(data_set())


def test_an_object_is_counted_before_its_sender_learns_of_it(scene: Scene) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = Watched(listener.getsockname(), lambda: Reading(scene.memory).stored)
        scene.peer.close()
        scene.ours.close()
        scene.ours, (scene.peer, _) = ours, listener.accept()
    scene.serve(REQUEST, c_store(), RELEASE)
    assert ours.seen == [0, 1, 1]


def test_a_signal_ends_it_with_an_abort(scene: Scene) -> None:
    scene.wakeup.signalled = True

    assert scene.serve(REQUEST, c_store(), RELEASE) == exitcodes.STOPPED
    assert scene.answers() == [(7, bytes(4))]
    level, text = scene.last_line()
    assert (level, text.partition(" (")[0]) == (
        "WARNING",
        "Association Aborted: stopped by the administrator",
    )


def test_the_peers_silence_is_lost_at_the_deadline(scene: Scene) -> None:
    assert scene.serve(REQUEST[:50], deadline=-1.0, leaves=False) == exitcodes.LOST
    assert "no A-ASSOCIATE-RQ in time" in scene.last_line()[1]


def test_titles_tell_who_and_what(scene: Scene) -> None:
    scene.serve(REQUEST, c_store(), RELEASE)

    port = scene.peer.getsockname()[1]
    assert scene.titles.shown == [
        f"127.0.0.1:{port}: waiting for the request",
        "CT_1@127.0.0.1 -> STORESCP: associated",
    ]


def test_a_title_that_is_no_text_harms_neither_log_nor_ps(scene: Scene) -> None:
    request = wire.associate_request([(1, CT, [LITTLE])], calling=b"\x1b[2J\xff")

    scene.serve(request, RELEASE)

    assert "?[2J?@127.0.0.1 -> ANY-SCP" in scene.last_line()[1]
    assert all(text.isprintable() for text in [*scene.titles.shown, *scene.log.messages])


class TestAdmission:
    def admission(self, text: str, lock_directory: Path) -> Admission:
        layout.make(str(lock_directory))
        entries, faults = parse(text, "t")
        assert not faults
        slots = {entry: Slots(str(lock_directory), "S", entry.limit) for entry in entries if entry.limit}
        return Admission(Callers(entries, "no entry is for it"), {}, slots)

    @pytest.mark.parametrize(
        ("text", "fields", "words"),
        [
            ("OTHER *", (1, 1, 7), "called AE title STORESCP not recognized"),
            ("STORESCP CT_1@192.0.2.1", (1, 1, 3), "calling AE title CT_1 at 127.0.0.1 not recognized"),
        ],
    )
    def test_who_may_not_send_is_rejected_and_named_in_one_line(
        self, scene: Scene, tmp_path: Path, text: str, fields: tuple[int, int, int], words: str
    ) -> None:
        admission = self.admission(text, tmp_path / "lock")
        assert scene.serve(REQUEST, admission=admission) == exitcodes.REJECTED
        assert [(kind, tuple(body[1:4])) for kind, body in scene.answers()] == [(wire.ASSOCIATE_RJ, fields)]
        assert Reading(scene.memory).why == (score.REJECTED, *fields)
        level, text = scene.last_line()
        assert level == "ERROR"
        assert text.startswith(f"Association Rejected: {words}")
        assert [record.levelname for record in scene.log.records].count("ERROR") == 1

    def test_a_slot_is_free_when_the_association_has_ended(self, scene: Scene, tmp_path: Path) -> None:
        admission = self.admission("STORESCP CT_1 limit=1", tmp_path / "lock")
        assert scene.serve(REQUEST, c_store(), RELEASE, admission=admission) == exitcodes.OK
        _, slot = admission.admit(b"STORESCP", b"CT_1", "127.0.0.1")
        os.close(slot)

    def test_what_is_wrong_with_every_request_comes_first(self, scene: Scene, tmp_path: Path) -> None:
        admission = self.admission("STORESCP CT_1", tmp_path / "lock")
        useless = wire.associate_request([], called="OTHER", calling="CT_1")
        assert scene.serve(useless, admission=admission) == exitcodes.REJECTED
        assert [tuple(body[1:4]) for _, body in scene.answers()] == [(1, 1, 1)]
