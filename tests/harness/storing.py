"""Objects in the middle of their way, and a look at what a server does with them meanwhile."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

from tests.harness import wire
from tests.harness.objects import StorableObject, ct_image, data_set_bytes
from tests.harness.processes import children_of, command_line
from tests.harness.raw_peer import STORE_CONTEXT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.harness.raw_peer import RawPeer, Response
    from tests.harness.servers import Server

SERVED = ("->", "waiting for the request")
ASSOCIATION_ID = re.compile(r"^([FEWIDT]: )\[[0-9a-f]{6}\] ")
# The creator of a private block, then an element of it, which stands behind all pixel data.
PADDING_CREATOR = struct.pack("<HH2sH8s", 0x7FE1, 0x0010, b"LO", 8, b"PADDING ")
PADDING_HEADER = struct.Struct("<HH2s2xI")


def announce(peer: RawPeer, image: StorableObject, message_id: int = 1) -> None:
    """Send the C-STORE-RQ of an object."""
    command = wire.c_store_request(image.sop_class_uid, image.sop_instance_uid, message_id)
    peer.send_command(STORE_CONTEXT, command)


def send_half(peer: RawPeer, image: StorableObject) -> None:
    """Send the C-STORE-RQ and the first half of the data set."""
    announce(peer, image)
    peer.send_data(STORE_CONTEXT, image.data_set[: _half(image)], is_last=False)


def send_rest(peer: RawPeer, image: StorableObject) -> None:
    """Send what `send_half` left."""
    peer.send_data(STORE_CONTEXT, image.data_set[_half(image) :])


def finish(peer: RawPeer, image: StorableObject) -> Response:
    """Send what `send_half` left, give the response."""
    send_rest(peer, image)
    return peer.receive_response()


def store(peer: RawPeer, image: StorableObject, message_id: int = 1) -> Response:
    """Send a whole object, give the response."""
    announce(peer, image, message_id)
    peer.send_data(STORE_CONTEXT, image.data_set)
    return peer.receive_response()


def temporaries(server: Server) -> list[Path]:
    """Give the objects under way in scpd's directory of temporary files, none if there is no such directory."""
    try:
        return sorted(path for path in (server.inbox / ".scpd" / "tmp").iterdir() if path.name != "lock")
    except FileNotFoundError:
        return []


def wait_for_temporaries(server: Server, count: int) -> list[Path]:
    """Wait until there are exactly so many temporary files."""
    server.wait_for(lambda: len(temporaries(server)) == count, what=f"{count} temporary files")
    return temporaries(server)


def left_over(server: Server) -> list[Path]:
    """Give the temporary files, less the one that each living worker may have made ready for its next object."""
    ready = _workers(server)
    found = temporaries(server)
    ready |= _workers(server)  # one that was forked meanwhile
    left = []
    for path in found:
        pid = path.name.partition(".")[0]
        if pid in ready:
            ready.remove(pid)
        else:
            left.append(path)
    return left


def _workers(server: Server) -> set[str]:
    return {str(child.pid) for child in children_of(server.pid) if child.is_running}


def assert_holds(server: Server, *images: StorableObject) -> None:
    """Fail unless exactly these objects are visible, whole, and no other file is there."""
    stored = server.files()
    assert set(stored) == {f"CT.{image.sop_instance_uid}" for image in images}, server.stderr
    for image in images:
        assert data_set_bytes(stored[f"CT.{image.sop_instance_uid}"]) == image.data_set
    assert left_over(server) == []


def assert_serves(server: Server, raw_peer: Callable[..., RawPeer], calling: str = "HONEST") -> None:
    """Fail unless a new association stores an object, which is taken away again."""
    image = ct_image(2000)
    peer = raw_peer(server)
    peer.associate(calling=calling)
    assert store(peer, image).status == 0, server.stderr
    peer.release()
    path = server.inbox / f"CT.{image.sop_instance_uid}"
    assert data_set_bytes(path) == image.data_set
    path.unlink()


def serving(server: Server) -> list[int]:
    """Give the workers that serve a connection, by their titles; not those that stand by."""
    children = [child.pid for child in children_of(server.pid) if child.is_running]
    return [pid for pid in children if any(word in command_line(pid) for word in SERVED)]


def standing_by(server: Server) -> list[int]:
    """Give the workers that wait for their first connection."""
    children = [child.pid for child in children_of(server.pid) if child.is_running]
    return [pid for pid in children if command_line(pid).endswith("standby worker")]


def worker_of(server: Server, calling_ae_title: str) -> int:
    """Wait for the worker whose title names this calling AE title."""

    def find() -> list[int]:
        return [pid for pid in serving(server) if f"{calling_ae_title}@" in command_line(pid)]

    (pid,) = server.wait_for(find, what=f"a worker for {calling_ae_title}")
    return pid


def wait_until_idle(server: Server) -> None:
    """Wait until no connection is served."""
    server.wait_for(lambda: not serving(server), what="the end of every association")


def log_lines(server: Server) -> list[str]:
    """Give the lines of its log, without the ids that scpd gives to associations."""
    return [ASSOCIATION_ID.sub(r"\1", line) for line in server.stderr.splitlines()]


def complaints(server: Server) -> list[str]:
    """Give the lines of its log that are warnings or worse, without the ids of associations."""
    return [line for line in log_lines(server) if line[:2] in {"W:", "E:", "F:"}]


def padded_to(image: StorableObject, size: int) -> StorableObject:
    """Make the data set (explicit little endian) exactly so long, by a private element that everybody keeps."""
    missing = size - len(image.data_set) - len(PADDING_CREATOR) - PADDING_HEADER.size
    padding = PADDING_CREATOR + PADDING_HEADER.pack(0x7FE1, 0x1000, b"OB", missing) + bytes(missing)
    return StorableObject(
        image.sop_class_uid, image.sop_instance_uid, image.transfer_syntax_uid, image.data_set + padding
    )


def _half(image: StorableObject) -> int:
    return len(image.data_set) // 4 * 2
