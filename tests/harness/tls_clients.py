"""Real TLS clients: DCMTK's with key and certificate, and openssl s_client, which tells what was agreed on."""

from __future__ import annotations

import struct
import subprocess
from typing import TYPE_CHECKING

from tests.harness import wire
from tests.harness.clients import CLIENT_SECONDS, echoscu, run
from tests.harness.programs import real_program

if TYPE_CHECKING:
    from tests.harness.certificates import Infrastructure, Pair
    from tests.harness.servers import Server

# So that a server that says nothing is noticed.
PATIENCE = ("-to", "30", "-ta", "30", "-td", "30")
_RECORD = struct.Struct("!BBBH")
_RECORD_TYPES = range(20, 24)  # change of cipher, alert, handshake, data


def credentials(certificates: Infrastructure, pair: Pair | None, profile: str = "") -> list[str]:
    """Give the options of a client of DCMTK with this pair, or without one."""
    own = ["+tla"] if pair is None else ["+tls", pair.key, pair.crt]
    return [*own, "+cf", certificates.ca.crt, *([profile] if profile else [])]


def is_served(server: Server, certificates: Infrastructure, pair: Pair | None, profile: str = "") -> bool:
    """Tell whether a client of DCMTK is answered."""
    result = echoscu(server, *PATIENCE, *credentials(certificates, pair, profile))
    return result.returncode == 0


def s_client(
    server: Server, certificates: Infrastructure, *options: str, says: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run openssl s_client with a good certificate; with something to say it stays until the server closes."""
    pair = certificates.good
    words = [real_program("openssl"), "s_client", "-connect", f"{server.host}:{server.port}"]
    words += ["-cert", pair.crt, "-key", pair.key, "-CAfile", certificates.ca.crt, *options]
    if says:
        words.append("-ign_eof")
    return subprocess.run(words, input=says, capture_output=True, timeout=CLIENT_SECONDS, check=False)


def agrees(server: Server, certificates: Infrastructure, *options: str) -> bool:
    """Tell whether a handshake of openssl's comes to its end."""
    return s_client(server, certificates, *options).returncode == 0


def goes_on(server: Server, certificates: Infrastructure, *options: str) -> bool:
    """Tell whether an association's beginning shows that a session went on; it is broken off by an A-ABORT."""
    result = s_client(server, certificates, *options, says=wire.abort())
    kinds = [word for word in (b"\nNew, ", b"\nReused, ") if word in b"\n" + result.stdout]
    assert len(kinds) == 1, result.stdout[-2000:] + result.stderr[-2000:]
    return kinds == [b"\nReused, "]


def known_suites(*options: str) -> list[str]:
    """Give the cipher suites that the openssl of this machine can offer."""
    listed = run([real_program("openssl"), "ciphers", "-s", *options, "ALL:COMPLEMENTOFALL:@SECLEVEL=0"])
    return listed.stdout.strip().split(":")


def record_types(sent: bytes) -> list[int]:
    """Give the type of each record (RFC 8446 5.1) that was sent; AssertionError if it is anything but whole ones."""
    types, at = [], 0
    while at < len(sent):
        kind, major, _, length = _RECORD.unpack_from(sent, at)
        assert kind in _RECORD_TYPES, sent[at : at + 80]
        assert major == 3, sent[at : at + 80]
        at += _RECORD.size + length
        types.append(kind)
    assert at == len(sent), "a record that is cut"
    return types
