"""Who comes to the control socket, with what, and what he is answered."""

from __future__ import annotations

import errno
import gc
import json
import os
import socket
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from scpd.master import control as control_module
from scpd.master.control import Control
from scpd.master.door import open_door
from scpd.master.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from scpd.master.control import Answer, Client


class Scene:
    """A master with one order that is carried out at once, one that is not, and a question."""

    def __init__(self, folder: Path) -> None:
        self.watch = Watch()
        self.waiting: list[Answer] = []
        self.asked: list[Client] = []
        self.path = str(folder / "104.sock")
        orders = {"drain": lambda answer: answer({"ok": True}), "reload": self.waiting.append}
        door = open_door(str(folder), "104")
        self.control = Control(door, self.watch, orders, {"status": self.asked.append})
        self.clients: list[socket.socket] = []

    def come(self, said: bytes = b"") -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(30)
        client.connect(self.path)
        self.clients.append(client)
        client.sendall(said)
        self.turn()
        return client

    def turn(self) -> None:
        """Do all that is to be done now."""
        for _ in range(4):
            self.watch.wait(0.01)

    def end(self) -> None:
        self.control.close()
        for client in self.clients:
            client.close()


def answer(client: socket.socket) -> Any:
    """What a client is answered, `None` if the end comes without an answer."""
    said = b""
    while piece := client.recv(65536):
        said += piece
    return json.loads(said) if said else None


def is_served(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        client.recv(1)
    except BlockingIOError:
        return True
    return False


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.end()


def test_an_order_is_carried_out_and_answered(scene: Scene) -> None:
    assert answer(scene.come(b"drain\n")) == {"ok": True}
    assert answer(scene.come(b"drain\r\n")) == {"ok": True}


def test_an_order_may_be_answered_later(scene: Scene) -> None:
    client = scene.come(b"reload\n")
    scene.control.keep_time(monotonic() + 100)
    assert is_served(client)
    client.setblocking(True)
    scene.waiting[0]({"ok": False, "lines": ["a", "b"]})
    assert answer(client) == {"ok": False, "lines": ["a", "b"]}
    scene.waiting[0]({"ok": True})  # once is enough


def test_who_has_left_is_no_matter(scene: Scene) -> None:
    scene.come(b"reload\n").close()
    scene.turn()
    scene.waiting[0]({"ok": True})
    assert answer(scene.come(b"drain\n")) == {"ok": True}


def test_a_question_is_passed_on_with_its_connection(scene: Scene) -> None:
    client = scene.come(b"status\n")
    assert len(scene.asked) == 1
    other = socket.fromfd(scene.asked[0].fileno(), socket.AF_UNIX, socket.SOCK_STREAM)
    scene.asked[0].close()
    other.sendall(b"[1]")
    other.close()
    assert answer(client) == [1]


@pytest.mark.parametrize(
    "said",
    [
        b"\n",
        b"STATUS\n",
        b"statu\n",
        b"x" * 64 + b"\n",
        b"x" * 65,
        b"\xff\xfe\0\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"\0" * 500,
    ],
)
def test_whatever_else_is_said_is_an_unknown_request(scene: Scene, said: bytes) -> None:
    assert answer(scene.come(said)) == {"error": "unknown request"}
    assert scene.asked == scene.waiting == []
    assert answer(scene.come(b"drain\n")) == {"ok": True}


def test_a_word_may_come_in_pieces_and_what_follows_it_does_not_count(scene: Scene) -> None:
    client = scene.come(b"dr")
    client.sendall(b"ai")
    scene.turn()
    client.sendall(b"n\nstatus\n")
    scene.turn()
    assert answer(client) == {"ok": True}
    assert scene.asked == []


def test_half_a_word_is_none(scene: Scene) -> None:
    client = scene.come(b"drain")
    client.shutdown(socket.SHUT_WR)
    scene.turn()
    assert answer(client) is None


def test_who_says_nothing_has_two_seconds(scene: Scene) -> None:
    assert scene.control.next_time() is None
    client = scene.come(b"sta")
    at = scene.control.next_time()
    assert at is not None
    assert monotonic() < at <= monotonic() + 2
    scene.control.keep_time(at - 0.01)
    assert is_served(client)
    scene.control.keep_time(at)
    assert not is_served(client)
    assert scene.control.next_time() is None


def test_of_a_hundred_that_say_nothing_the_last_ones_stay_and_one_more_is_served(scene: Scene) -> None:
    gc.collect()  # of another test no socket is to vanish meanwhile
    before = len(os.listdir("/proc/self/fd"))
    clients = [scene.come() for _ in range(100)]
    assert len(os.listdir("/proc/self/fd")) == before + 100 + 8
    assert [is_served(client) for client in clients] == [False] * 92 + [True] * 8
    assert answer(scene.come(b"drain\n")) == {"ok": True}


def test_who_waits_for_an_answer_makes_no_room(scene: Scene) -> None:
    waiting = [scene.come(b"reload\n") for _ in range(8)]
    assert answer(scene.come(b"drain\n")) == {"error": "too many ask at a time"}
    scene.waiting[0]({"ok": True})
    assert answer(waiting[0]) == {"ok": True}
    assert answer(scene.come(b"drain\n")) == {"ok": True}


def test_without_a_free_descriptor_it_rests_and_goes_on(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Lacking:
        def accept(self) -> None:
            raise OSError(errno.EMFILE, "Too many open files")

        def fileno(self) -> int:
            return real.fileno()

    door = scene.control._door
    real = door.sock
    door.sock = Lacking()  # type: ignore[assignment]
    scene.control._accept(door)
    door.sock = real
    client = scene.come()
    at = scene.control.next_time()
    assert at is not None
    assert scene.control._asking == {}
    scene.control.keep_time(at)
    client.sendall(b"drain\n")
    scene.turn()
    assert answer(client) == {"ok": True}


def test_who_is_neither_root_nor_the_daemons_user_is_told_so(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_module, "_ROOT", -1)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert answer(scene.come(b"drain\n")) == {"error": "only root and the user of the daemon may ask"}


def test_at_its_end_nobody_is_kept(scene: Scene) -> None:
    clients = [scene.come(), scene.come(b"reload\n")]
    scene.control.close()
    assert [is_served(client) for client in clients] == [False, False]
    assert not os.path.exists(scene.path)
    scene.turn()
