"""A certificate that is renewed while peers send: nobody notices but that it is another one."""

from __future__ import annotations

import signal
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from tests.harness.clients import storescu
from tests.harness.objects import ct_image, write_ct_images
from tests.harness.raw_peer import RawPeer
from tests.harness.storing import serving, store
from tests.harness.tls_clients import PATIENCE, credentials
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from tests.harness.certificates import Infrastructure, Pair
    from tests.harness.servers import Server, ServerFactory

RELOADED = "I: reloaded"


class Senders:
    """Two that go on with their sessions and two that are storescu, until told to stop."""

    def __init__(self, server: Server, certificates: Infrastructure, folder: Path) -> None:
        self._server = server
        self._certificates = certificates
        self._folder = folder
        self._ends = threading.Event()
        self.serials: set[int] = set()  # of the certificates that the server has shown
        self.resumed = 0
        self._pool = ThreadPoolExecutor(4)
        kinds = (self._by_hand, self._by_hand, self._by_storescu, self._by_storescu)
        self._futures = [self._pool.submit(kind) for kind in kinds]

    def _by_hand(self) -> int:
        pair = self._certificates.good
        context = ssl.create_default_context(cafile=self._certificates.ca.crt)
        context.load_cert_chain(pair.crt, pair.key)
        image, sent, session = ct_image(2000), 0, None
        while not self._ends.is_set():
            with RawPeer(self._server.port, timeout=30) as peer:
                peer.socket = tls = context.wrap_socket(
                    peer.socket, server_hostname="localhost", session=session
                )
                self.resumed += bool(tls.session_reused)
                shown = tls.getpeercert(binary_form=True)
                assert shown is not None
                self.serials.add(x509.load_der_x509_certificate(shown).serial_number)
                peer.associate()
                assert store(peer, image).status == 0
                session = tls.session
                peer.release()
            sent += 1
        return sent

    def _by_storescu(self) -> int:
        options, sent = credentials(self._certificates, self._certificates.good), 0
        while not self._ends.is_set():
            result = storescu(self._server, *PATIENCE, *options, "+sd", self._folder)
            assert result.returncode == 0, result.stderr
            sent += 1
        return sent

    def stop(self) -> list[int]:
        """Give how many associations each has had; raises what one of them failed by."""
        self._ends.set()
        self._pool.shutdown()
        return [future.result() for future in self._futures]


def put_in_place(new: Pair, mine: Pair) -> None:
    """Renew key and certificate as a tool for that does: each file at once."""
    for source, target in ((new.key, mine.key), (new.crt, mine.crt)):
        fresh = Path(f"{target}.new")
        fresh.write_bytes(Path(source).read_bytes())
        fresh.replace(target)


@pytest.mark.timeout(600)
def test_a_certificate_is_renewed_again_and_again_and_no_association_fails(
    certificates: Infrastructure, scpd: ServerFactory, tmp_path: Path, is_long: bool
) -> None:
    names = ("localhost", "127.0.0.1")
    first = certificates.server
    mine = type(first)(tmp_path, "mine", first.private, first.certificate).write()
    write_ct_images(tmp_path / "images", 1)
    server = scpd("--fork", "--no-fsync", "-v", "+tls", mine.key, mine.crt, "+cf", certificates.ca.crt)
    senders = Senders(server, certificates, tmp_path / "images")
    pause, renewed = threading.Event(), [first]
    try:
        wait_until(lambda: first.certificate.serial_number in senders.serials, what="the first certificate")
        begin = monotonic()
        for number in range(40 if is_long else 4):
            pause.wait(max(begin + number - monotonic(), 0))
            key = renewed[-1].private if number % 2 else None  # by turns the old key and a new one
            renewed.append(certificates.issue(f"renewed-{number}", certificates.ca, names=names, key=key))
            put_in_place(renewed[-1], mine)
            server.signal(signal.SIGHUP)
            server.wait_for(lambda count=number + 1: server.stderr.count(RELOADED) >= count, 20, "a reload")
            latest = renewed[-1].certificate.serial_number
            wait_until(lambda serial=latest: serial in senders.serials, what="the new certificate")
    finally:
        sent = senders.stop()
    assert all(sent), sent
    assert senders.resumed
    assert senders.serials == {pair.certificate.serial_number for pair in renewed}
    assert "not reloaded" not in server.stderr
    assert [line for line in server.stderr.splitlines() if line[:2] in {"E:", "F:"}] == []
    wait_until(lambda: not serving(server))
    assert server.stop() == 0
