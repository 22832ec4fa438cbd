r"""What scpctl(8) says to the master, and what it is answered.

    client    one line, of at most 64 bytes, within two seconds: a word such as `status`
    master    one JSON object, and the end; {"error": "why"} if the word is none, or cannot be done

Nothing here blocks, whoever connects: the master reads what there is, sends what fits (an answer of its own is short),
and leaves all else to a child.  Eight clients may be there at a time; the one that has been silent longest makes room.
Who is neither root nor the daemon's user is told so, whatever the mode of the socket is.

An order is carried out by `begin(answer)`, which calls `answer(document)` once, at once or later; a question is passed
on with its connection.
"""

from __future__ import annotations

import logging
import os
import socket
from time import monotonic

from scpd.master.plainjson import encode
from scpd.process import unixsocket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scpd.master.door import Door
    from scpd.master.plainjson import Value
    from scpd.master.watch import Watch
    from scpd.process.succession import Estate

    Document = Mapping[str, Value]
    Answer = Callable[[Document], None]

# Of an estate: descriptor and path of the door, descriptors of those who wait for an answer.
DOOR, ASKERS = "door", "askers"

log = logging.getLogger("dcmtk.apps.storescp")

_LONGEST_LINE = 64
_SOME_MORE = 1 << 16
_PATIENCE_SECONDS = 2.0
_MOST_CLIENTS = 8
_REST_SECONDS = 1.0
_ROOT = 0


class Client:
    """A connection of scpctl's, since when (monotonic seconds), and what it has said so far."""

    __slots__ = ("_leave", "said", "since", "sock")

    def __init__(self, sock: socket.socket, since: float, leave: Callable[[Client], None]) -> None:
        self.sock = sock
        self.since = since
        self.said = b""
        self._leave = leave

    def fileno(self) -> int:
        """Give the descriptor, -1 once it is closed."""
        return self.sock.fileno()

    def answer(self, document: Document) -> None:
        """Send the answer, and that was it; who does not wait for it any more gets none."""
        if self.sock.fileno() == -1:
            return
        try:
            self.sock.send(encode(document).encode("ascii") + b"\n", socket.MSG_DONTWAIT)
            # What is unread when we close would be an error to the reader of the answer.
            self.sock.recv(_SOME_MORE, socket.MSG_DONTWAIT)
        except BlockingIOError:
            pass  # it has said no more
        except OSError as error:
            log.debug("scpctl has not heard the answer: %s", error.strerror)
        self.close()

    def close(self) -> None:
        """Let it go: a child has it, or nobody needs it."""
        self._leave(self)
        self.sock.close()


class Control:
    """The door and who is at it; `orders` and `ask(word, client)` do what they say."""

    __slots__ = (
        "_answering",
        "_asking",
        "_door",
        "_is_open",
        "_open_at",
        "_questions",
        "_watch",
        "orders",
    )

    def __init__(
        self,
        door: Door,
        watch: Watch,
        orders: Mapping[str, Callable[[Answer], None]],
        questions: Mapping[str, Callable[[Client], None]],
    ) -> None:
        self._door = door
        self._watch = watch
        self.orders = dict(orders)
        self._questions = questions
        self._asking: dict[Client, None] = {}  # who has not said all, the one silent longest first
        self._answering: dict[Client, None] = {}
        self._is_open = False
        self._open_at: float | None = None
        self._open()

    def estate(self) -> Estate:
        """Give what passes to our successor: the door, and those who wait for an answer to an order."""
        askers = [client.fileno() for client in self._answering]
        return {DOOR: [self._door.fileno(), self._door.path], ASKERS: askers}

    def take_over(self, askers: list[int], verdict: Document) -> None:
        """Answer those who have asked the master before us to give way."""
        for descriptor in askers:
            client = Client(socket.socket(fileno=descriptor), monotonic(), self._forget)
            client.answer(verdict)

    def close(self) -> None:
        """Close the door, for good; who waits for an answer gets none."""
        self._shut()
        for client in [*self._asking, *self._answering]:
            client.close()
        self._door.close()

    def next_time(self) -> float | None:
        """Give the time (monotonic seconds) at which something is to be done, if any."""
        times = [] if self._open_at is None else [self._open_at]
        for client in self._asking:
            times.append(client.since + _PATIENCE_SECONDS)
            break
        return min(times, default=None)

    def keep_time(self, now: float) -> None:
        """Close those that have had their time, and open the door again after a rest."""
        for client in [*self._asking]:
            if now < client.since + _PATIENCE_SECONDS:
                break
            client.close()
        if self._open_at is not None and now >= self._open_at:
            self._open()

    def _open(self) -> None:
        self._open_at = None
        self._is_open = True
        self._watch.add(self._door, self._accept)

    def _shut(self) -> None:
        if self._is_open:
            self._is_open = False
            self._watch.remove(self._door)

    def _accept(self, door: Door) -> None:
        now = monotonic()
        try:
            sock, _ = door.sock.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError:  # no descriptor is free: peers come first
            self._shut()
            self._open_at = now + _REST_SECONDS
            return
        sock.setblocking(False)
        client = Client(sock, now, self._forget)
        if not _may_ask(sock):
            client.answer({"error": "only root and the user of the daemon may ask"})
        elif self._has_room():
            self._asking[client] = None
            self._watch.add(client, self._heard)
        else:
            client.answer({"error": "too many ask at a time"})

    def _has_room(self) -> bool:
        """Make room for one more; `False` if all that are there wait for an answer."""
        if len(self._asking) + len(self._answering) < _MOST_CLIENTS:
            return True
        for client in self._asking:
            client.close()
            return True
        return False

    def _forget(self, client: Client) -> None:
        if client in self._asking:
            del self._asking[client]
            self._watch.remove(client)
        self._answering.pop(client, None)

    def _heard(self, client: Client) -> None:
        try:
            piece = client.sock.recv(_LONGEST_LINE + 1 - len(client.said))
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        client.said += piece
        line, is_whole, _ = client.said.partition(b"\n")
        if is_whole:
            self._obey(line.rstrip(b"\r").decode("ascii", "replace"), client)
        elif len(client.said) > _LONGEST_LINE:
            client.answer({"error": "unknown request"})
        elif not piece:
            client.close()

    def _obey(self, word: str, client: Client) -> None:
        self._forget(client)
        self._answering[client] = None
        if word in self._questions:
            self._questions[word](client)
        elif word in self.orders:
            log.info("scpctl: %s", word)
            self.orders[word](client.answer)
        else:
            client.answer({"error": "unknown request"})


def _may_ask(sock: socket.socket) -> bool:
    """Tell whether root or our own user is at the other end; whoever passed the connection on has answered for that."""
    try:
        _, user, _ = unixsocket.credentials(sock)
    except OSError:
        return False
    return user in {_ROOT, os.geteuid()}
