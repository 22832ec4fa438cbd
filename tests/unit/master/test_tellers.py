"""Children that answer, real ones."""

from __future__ import annotations

import json
import os
import signal
import socket
from typing import TYPE_CHECKING, Any

import pytest

from scpd.master import tellers as tellers_module
from scpd.master.children import TELLER, Children
from scpd.master.control import Client
from scpd.master.tellers import Tellers
from scpd.process.scoreboard import Scoreboard
from tests.harness.commands import ForkedWakeup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Scene:
    """Tellers, and clients that ask them."""

    def __init__(self) -> None:
        self.children = Children()
        self.board = Scoreboard()
        self.tell: Callable[[str, dict[str, Any]], dict[str, Any]] = lambda question, facts: {
            "asked": question,
            **facts,
        }
        self.facts = {"text": "é\n", "number": 1}
        self.tellers = Tellers(
            self._tell,
            lambda copy: {**self.facts, "stored": copy.read(0).stored},
            self.board,
            self.children,
            ForkedWakeup(),  # type: ignore[arg-type]
            (),
        )
        self.sockets: list[socket.socket] = []

    def _tell(self, question: str, facts: dict[str, Any]) -> dict[str, Any]:
        return self.tell(question, facts)

    def ask(self, question: str = "status") -> socket.socket:
        mine, ours = socket.socketpair()
        mine.settimeout(20)
        self.sockets.append(mine)
        self.tellers.begin(question, Client(ours, 0.0, lambda _: None))
        assert ours.fileno() == -1
        return mine

    def end(self) -> None:
        for sock in self.sockets:
            sock.close()
        self.children.send(signal.SIGKILL)
        for child in [*self.children]:
            os.waitpid(child.pid, 0)
        self.board.close()


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.end()


def answer(client: socket.socket) -> Any:
    said = b""
    while piece := client.recv(1 << 20):
        said += piece
    return json.loads(said) if said else None


def codes(scene: Scene) -> list[int]:
    """Reap all that have been forked, when they have ended."""
    for child in [*scene.children]:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    return [child.exit_code for child, _ in scene.children.reap()]


def test_a_question_is_answered_by_a_child(scene: Scene) -> None:
    client = scene.ask("ready")
    assert scene.children.count(TELLER) == 1
    assert scene.children.workers == 0
    assert answer(client) == {"asked": "ready", "text": "é\n", "number": 1, "stored": 0}
    assert codes(scene) == [0]


def test_it_tells_what_was_when_it_was_forked(scene: Scene) -> None:
    mine = scene.board.score(scene.board.take())
    mine.begin("x")
    mine.words[8] = 5
    reader, writer = os.pipe()
    scene.tell = lambda _, facts: {"then": facts["stored"], "seen": os.read(reader, 1).decode()}
    scene.tellers._kept = (reader,)
    client = scene.ask()
    mine.words[8] = 6
    scene.board.take_back(0)
    os.write(writer, b"!")
    assert answer(client) == {"then": 5, "seen": "!"}
    os.close(reader)
    os.close(writer)


def test_an_answer_may_be_long(scene: Scene) -> None:
    scene.facts = {"text": "x" * 3_000_000, "number": 1}
    assert len(answer(scene.ask())["text"]) == 3_000_000


def test_who_does_not_wait_is_no_failure(scene: Scene) -> None:
    scene.facts = {"text": "x" * 3_000_000, "number": 1}
    scene.ask().close()
    assert codes(scene) == [12]


def test_there_are_few_at_a_time(scene: Scene) -> None:
    scene.tell = lambda *_: signal.pause()  # type: ignore[return-value]
    for _ in range(tellers_module.MOST):
        scene.ask()
    assert answer(scene.ask()) == {"error": "too many ask at a time"}
    assert scene.children.count(TELLER) == tellers_module.MOST


def test_one_that_is_stuck_ends_by_itself(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tellers_module, "SECONDS", 1)
    scene.tell = lambda *_: signal.pause()  # type: ignore[return-value]
    assert answer(scene.ask()) is None
    assert codes(scene) == [-signal.SIGALRM]


def test_without_a_process_it_is_told_so(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(tellers_module, "spawn", fail)
    assert answer(scene.ask()) == {"error": "cannot fork: Resource temporarily unavailable"}
