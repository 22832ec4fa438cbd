"""Whatever a peer says, it writes no line of a log, no colour and no other control character, in any format."""

from __future__ import annotations

import json
import re
import socket
import struct
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.harness import wire
from tests.harness.files import paths_below
from tests.harness.objects import ct_image
from tests.harness.raw_peer import STORE_CONTEXT
from tests.harness.storing import wait_until_idle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import Server, ServerFactory

    Connect = Callable[..., RawPeer]

FORGED = "E: forged"
BARBS = [
    f"\n{FORGED}",
    f"\r{FORGED}",
    f"\u2028{FORGED}",
    f"\x85{FORGED}",
    "\x1b[31m",
    "\x1b]0;owned\x07",
    "\x9b2J",
    "\u202eabc",
    "\u2066abc",
    "\u200babc",
    "a\0b",
    "\x7f\b\t\v\f",
    "%s%n{0}",
    "\\x0a",
]
SORTED = ("-su", "S", "-xcr", "true #f #a #c #r")
CONFIGURATION = """\
log4cplus.rootLogger = DEBUG, A, B
log4cplus.appender.A = log4cplus::SysLogAppender
log4cplus.appender.A.host = 127.0.0.1
log4cplus.appender.A.port = {syslog}
log4cplus.appender.B = log4cplus::FileAppender
log4cplus.appender.B.File = {file}
log4cplus.appender.B.layout = log4cplus::PatternLayout
log4cplus.appender.B.layout.ConversionPattern = %m%n
"""


def send_everywhere(server: Server, raw_peer: Connect, barb: str) -> None:
    """Put it wherever a peer can: titles, UIDs, versions, identities, commands, data sets."""
    raw = barb.encode("utf-8")
    raw_peer(server).request_association(application_context=b"1.2" + raw, calling=b"C" + raw[:12])
    image = ct_image(500)
    peer = raw_peer(server)
    peer.associate(_contexts(raw), calling=b"C" + raw[:12], called=b"D" + raw[:12], user_info=_user(raw))
    command = wire.c_store_request(
        image.sop_class_uid, "1.2", 1, {wire.AFFECTED_SOP_INSTANCE_UID: _even(b"1.2" + raw)}
    )
    peer.send_command(STORE_CONTEXT, command)
    peer.send_data(STORE_CONTEXT, image.data_set)
    peer.receive_response()
    for data_set in (
        ct_image(500, study_uid="1.2.3.4.5.6.7.8", patient_id="4711"),
        ct_image(500, study_uid="1.2.3.4.5.6.7.8"),
    ):
        spoilt = data_set.data_set.replace(b"1.2.3.4.5.6.7.8", raw[:15].ljust(15, b"1"))
        peer.store(data_set.sop_class_uid, data_set.sop_instance_uid, spoilt)
    peer.abort()


def _contexts(raw: bytes) -> list[object]:
    odd = wire.item(0x30, b"1.2" + raw) + wire.item(0x40, b"1.3" + raw)
    return [
        (STORE_CONTEXT, wire.CT_IMAGE_STORAGE, [wire.EXPLICIT_LITTLE]),
        wire.item(0x20, bytes([5, 0, 0, 0]) + odd),
    ]


def _user(raw: bytes) -> bytes:
    identity = b"\2\0" + struct.pack(">H", len(raw)) + raw + struct.pack(">H", len(raw)) + raw
    extended = struct.pack(">H", len(raw)) + raw + raw
    extra = wire.item(0x58, identity) + wire.item(0x56, extended) + wire.item(0x54, extended)
    return wire.user_information(16384, b"1.2" + raw, (b"V" + raw)[:16], extra)


def _even(value: bytes) -> bytes:
    return value + bytes(len(value) % 2)


def demand_clean(log: bytes, server: Server) -> None:
    """Fail if a line has anything that cannot be printed, or is one that a peer has made; or if nothing is said."""
    text = log.decode("utf-8")
    for line in text.split("\n"):
        assert line.isprintable(), repr(line)
        assert not re.match(rf"\W*{FORGED}", line), line
    assert FORGED in text, "a peer was silent, or nobody said what it said"
    assert "Traceback" not in text
    assert server.is_running


@pytest.mark.parametrize("options", [("-v",), ("-d", "+v"), ("-d", "--log-format", "json")], ids="_".join)
def test_no_peer_forges_a_line_on_standard_error(
    scpd: ServerFactory, raw_peer: Connect, options: tuple[str, ...]
) -> None:
    server = scpd("--fork", *options, *SORTED)
    for barb in BARBS:
        send_everywhere(server, raw_peer, barb)
    wait_until_idle(server)
    log = server._log.read_bytes()
    demand_clean(log, server)
    if "json" in options:
        assert all({"time", "level", "message"} <= set(json.loads(line)) for line in log.splitlines())
        assert log.isascii()


@pytest.fixture
def syslog() -> Iterator[socket.socket]:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        receiver.bind(("127.0.0.1", 0))
        yield receiver


def test_no_peer_forges_a_message_of_syslog_or_a_line_of_a_file(
    scpd: ServerFactory, raw_peer: Connect, syslog: socket.socket, tmp_path: Path
) -> None:
    config = tmp_path / "logger.cfg"
    config.write_text(CONFIGURATION.format(syslog=syslog.getsockname()[1], file=tmp_path / "log"))
    server = scpd("--fork", "-lc", str(config), *SORTED)
    for barb in BARBS:
        send_everywhere(server, raw_peer, barb)
    wait_until_idle(server)
    syslog.setblocking(False)
    messages = []
    while True:
        try:
            messages.append(syslog.recv(65536))
        except BlockingIOError:
            break
    assert len(messages) > len(BARBS)
    assert all(re.match(rb"<\d+>1 ", message) for message in messages)
    demand_clean(b"\n".join(message.rstrip(b"\n") for message in messages), server)
    demand_clean((tmp_path / "log").read_bytes(), server)


def test_names_of_files_are_made_of_harmless_characters(scpd: ServerFactory, raw_peer: Connect) -> None:
    server = scpd("--fork", *SORTED)
    for barb in BARBS:
        send_everywhere(server, raw_peer, barb)
    wait_until_idle(server)
    names = [path.name for path in paths_below(server.inbox) if ".scpd" not in path.parts]
    assert len(names) > 10
    assert all(re.fullmatch(r"[A-Za-z0-9._:-]+", name) for name in names), names
