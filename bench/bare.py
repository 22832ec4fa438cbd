"""The physical limit: one forked process that receives and writes, and knows no protocol at all."""

from __future__ import annotations

import multiprocessing
import os
import socket
from typing import TYPE_CHECKING, Self

from bench.servers import Store

if TYPE_CHECKING:
    from pathlib import Path

BUFFER = 1 << 20


class BareLoop:
    """recv_into and write, one file per connection. A context manager that guarantees its end."""

    heading = "bare recv+write"

    def __init__(self, below: Path) -> None:
        """Fork it, listening already."""
        self.store = Store(below)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.address = listener.getsockname()
            self._process = multiprocessing.get_context("fork").Process(
                target=_receive, args=(listener, self.store.directory), daemon=True
            )
            self._process.start()

    def __enter__(self) -> Self:
        """Return it: it runs already."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it and remove all it wrote."""
        self._process.terminate()
        self._process.join()
        self.store.remove()


def _receive(listener: socket.socket, directory: Path) -> None:
    buffer = memoryview(bytearray(BUFFER))
    while True:
        peer, (_, port) = listener.accept()
        with peer, open(directory / str(port), "wb", buffering=0) as file:
            while received := peer.recv_into(buffer):
                os.write(file.fileno(), buffer[:received])
