"""TLS where a super-server starts a process for each connection (scpd(8), "Under inetd")."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest

from tests.harness import wire
from tests.harness.clients import echoscu, storescu
from tests.harness.inherited import output_with, start
from tests.harness.objects import write_ct_images
from tests.harness.raw_peer import CONTEXTS
from tests.harness.superservers import KINDS, SuperServers
from tests.harness.tls_clients import PATIENCE, credentials, is_served, record_types
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from tests.harness.certificates import Infrastructure

SECONDS = 30.0
HANDSHAKE, ALERT = 22, 21
REFUSED = "Receiving Association failed: no TLS connection: "


def complaints(log: Path) -> list[str]:
    """Give the warnings and errors of a log."""
    return [line for line in log.read_text().splitlines() if line[:2] in {"W:", "E:", "F:"}]


@pytest.mark.parametrize("kind", KINDS)
def test_who_has_a_good_certificate_stores_through_it_and_nobody_else(
    superservers: SuperServers,
    certificates: Infrastructure,
    server_words: list[str],
    tmp_path: Path,
    kind: str,
) -> None:
    log = tmp_path / "log"
    line = f"exec storescp -id {' '.join(server_words)} -od {superservers.inbox} 2>>{log}"
    server = superservers.start(kind, line)
    write_ct_images(tmp_path / "images", 3)
    result = storescu(
        server, *PATIENCE, *credentials(certificates, certificates.good), "+sd", tmp_path / "images"
    )
    assert result.returncode == 0, result.stderr
    assert len(server.files()) == 3
    assert complaints(log) == []

    subject = certificates.foreign.subject
    for number, (is_refused, why) in enumerate(
        (
            (lambda: echoscu(server, *PATIENCE).returncode != 0, "DICOM without TLS"),
            (lambda: not is_served(server, certificates, certificates.foreign), f": {subject}, issued by"),
            (lambda: not is_served(server, certificates, None), "the peer has no certificate"),
        ),
        1,
    ):
        assert is_refused()
        wait_until(lambda count=number: len(complaints(log)) >= count, what="a line about it")
        found = complaints(log)
        assert len(found) == number
        assert REFUSED in found[-1]
        assert why in found[-1]


def test_a_bad_certificate_is_answered_by_an_alert_and_nothing_that_is_not_tls(
    connection: tuple[socket.socket, socket.socket],
    certificates: Infrastructure,
    server_words: list[str],
    tmp_path: Path,
) -> None:
    theirs, ours = connection
    port = theirs.getsockname()[1]
    process = start(ours, "-id", "-d", *server_words, "-od", str(tmp_path))
    came = answer_to_a_client(theirs, certificates)

    assert process.wait(SECONDS) != 70
    kinds = record_types(came)
    assert kinds[0] == HANDSHAKE
    assert b"Receiving" not in came
    (line,) = [each for each in output_with(f"127.0.0.1:{port})").splitlines() if each[:2] == "E:"]
    assert REFUSED in line
    assert certificates.foreign.subject in line


def answer_to_a_client(peer: socket.socket, certificates: Infrastructure) -> bytes:
    """Play a client with a certificate of somebody unknown to the end; give every byte that it was sent."""
    context = ssl.create_default_context(cafile=certificates.ca.crt)
    context.load_cert_chain(certificates.foreign.crt, certificates.foreign.key)
    incoming, outgoing, came = ssl.MemoryBIO(), ssl.MemoryBIO(), bytearray()
    client = context.wrap_bio(incoming, outgoing, server_hostname="localhost")

    def play(act: Callable[[], object]) -> None:
        while True:
            try:
                act()
            except ssl.SSLWantReadError:
                peer.sendall(outgoing.read())
                piece = peer.recv(65536)
                came.extend(piece)
                if not piece:
                    incoming.write_eof()
                incoming.write(piece)
            else:
                return

    play(client.do_handshake)
    with pytest.raises(ssl.SSLError, match="UNKNOWN_CA"):  # in TLS 1.3 the verdict comes behind it
        play(lambda: client.read(1))
    while piece := peer.recv(65536):
        came += piece
    return bytes(came)


def test_who_speaks_without_tls_is_sent_no_dicom_and_no_text(
    connection: tuple[socket.socket, socket.socket], server_words: list[str], tmp_path: Path
) -> None:
    theirs, ours = connection
    port = theirs.getsockname()[1]
    process = start(ours, "-id", "-d", *server_words, "-od", str(tmp_path))
    theirs.sendall(wire.associate_request(CONTEXTS))
    came = b""
    while piece := theirs.recv(65536):
        came += piece

    assert process.wait(SECONDS) != 70
    assert set(record_types(came)) <= {ALERT}
    (line,) = [each for each in output_with(f"127.0.0.1:{port})").splitlines() if each[:2] == "E:"]
    assert f"{REFUSED}DICOM without TLS" in line


def test_a_key_that_cannot_be_read_is_told_in_the_log_and_never_to_the_peer(
    connection: tuple[socket.socket, socket.socket], certificates: Infrastructure, tmp_path: Path
) -> None:
    theirs, ours = connection
    missing = str(tmp_path / "missing.key")
    process = start(ours, "-id", "+tls", missing, certificates.server.crt, "-ic", "-od", str(tmp_path))

    assert process.wait(SECONDS) == 1
    assert theirs.recv(1) == b""
    assert output_with(missing).splitlines() == [f"F: cannot read {missing}: No such file or directory"]


def test_nobody_is_asked_for_a_password_least_of_all_the_peer(
    connection: tuple[socket.socket, socket.socket], certificates: Infrastructure, tmp_path: Path
) -> None:
    theirs, ours = connection
    pair = certificates.server
    theirs.sendall(b"secret\n")
    process = start(ours, "-id", "+tls", pair.locked, pair.crt, "-ic", "-od", str(tmp_path))

    assert process.wait(SECONDS) == 1
    # It has not been read: to close then is a reset.
    with pytest.raises(ConnectionResetError):
        theirs.recv(1)
    assert f"{pair.locked} is encrypted" in output_with(pair.locked)
