"""`python -m tests.fuzz.recorder`: record anew what real clients send, into tests/cases/fuzz/sessions.

Each file has the bytes of one client's connection, from its A-ASSOCIATE-RQ to its end.  They are recorded between the
client and a scpd that takes whatever is proposed.
"""

from __future__ import annotations

import socket
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pynetdicom import AE

from tests.harness import wire
from tests.harness.clients import dcmsend, echoscu, gdcmscu, pynetdicom_send, storescu
from tests.harness.objects import DEFLATED, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, ct_image
from tests.harness.programs import real_program
from tests.harness.servers import Server, scpd_factory

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.harness.servers import ServerFactory

SESSIONS = Path(__file__).parents[1] / "cases" / "fuzz" / "sessions"
PIXEL_BYTES = 64
_STUDY = "1.2.826.0.1.3680043.8.498.1"


class Proxy:
    """Stands before a server; `sent` is what the clients have sent, a connection each.  Ends with its block."""

    def __init__(self, port: int) -> None:
        self.sent: list[bytearray] = []
        self.host = "127.0.0.1"
        self._server_port = port
        self._listener = socket.create_server((self.host, 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection((self.host, self._server_port))
                self.sent.append(bytearray())
                for source, target, copy in ((client, server, self.sent[-1]), (server, client, bytearray())):
                    self._threads.append(threading.Thread(target=_pass_on, args=(source, target, copy)))
                    self._threads[-1].start()


def _pass_on(source: socket.socket, target: socket.socket, copy: bytearray) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            copy += data
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def record(server: Server, name: str, client: Callable[[Server], object]) -> None:
    """Run a client and keep what it sends."""
    with Proxy(server.port) as proxy:
        client(proxy)  # type: ignore[arg-type]  # has what clients ask of a server: host and port
    for number, sent in enumerate(proxy.sent, 1):
        ending = f"_{number}" if len(proxy.sent) > 1 else ""
        (SESSIONS / f"{name}{ending}.pdus").write_bytes(sent)


def _echo(server: Server) -> None:
    application = AE(ae_title="PYNETDICOM")
    application.add_requested_context(wire.VERIFICATION)
    association = application.associate(server.host, server.port)
    association.send_c_echo()
    association.send_c_echo()
    association.release()


def record_all(scpd: ServerFactory, folder: Path) -> None:
    """Record every client; small images in four encodings of one study."""
    server = scpd("--fork", "+xa", "-pm")
    files = {}
    for syntax in (IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED):
        image = ct_image(PIXEL_BYTES, transfer_syntax=syntax, study_uid=_STUDY)
        files[syntax] = image.write(folder / f"{syntax}.dcm")
    implicit, little, big, deflated = files.values()
    record(server, "echoscu", lambda to: echoscu(to, "--repeat", "3"))
    record(server, "echoscu_abort", lambda to: echoscu(to, "--abort"))
    record(server, "storescu", lambda to: storescu(to, little, implicit))
    record(server, "storescu_big", lambda to: storescu(to, "-R", "-xb", big))
    record(server, "storescu_deflated", lambda to: storescu(to, "-R", "-xd", deflated))
    record(server, "storescu_required", lambda to: storescu(to, "-R", "-pdu", "4096", little))
    record(server, "dcmsend", lambda to: dcmsend(to, little, implicit, big))
    record(server, "gdcmscu_echo", lambda to: gdcmscu(to, "--echo"))
    record(server, "gdcmscu_store", lambda to: gdcmscu(to, "--store", "-i", little))
    record(server, "pynetdicom_echo", _echo)
    record(server, "pynetdicom_store", lambda to: pynetdicom_send(to, [little, implicit]))


def main() -> None:
    """Record into the checkout."""
    real_program("storescu")
    SESSIONS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        factory = scpd_factory(Path(folder))
        try:
            record_all(factory, Path(folder))
        finally:
            factory.finish()


if __name__ == "__main__":
    main()
