"""Other protocols, told from their first bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scpd.ul import noise

OTHERS = {
    b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03": "TLS",
    b"\x16\x03\x03\0\xa5": "TLS",
    b"GET / HTTP/1.1\r\n": "HTTP",
    b"HEAD / HTTP/1.0\r\n": "HTTP",
    b"POST /dicom HTTP/1.1\r\n": "HTTP",
    b"OPTIONS / HTTP/1.0": "HTTP",
    b"CONNECT a:1 HTTP/1": "HTTP",
    b"PRI * HTTP/2.0\r\n\r\nSM": "HTTP/2",
    b"\x0bMSH|^~\\&|": "HL7 (MLLP)",
    b"MSH|^~\\&|": "HL7",
    b"SSH-2.0-OpenSSH_9.2": "SSH",
    b"PROXY TCP4 192.0.2": "PROXY",
    b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0": "PROXY",
    b"EHLO me\r\n": "SMTP",
    b"\x03\0\0\x13\x0e\xe0\0\0\0\0\0\1\0\x08\0\x03": "TPKT",
    b"\0\0\0\x90\xffSMB": "unknown protocol (begins with 00 00 00 90 FF 53 4D 42)",
    b"\r\n": "unknown protocol (begins with 0D 0A)",
    b"\x08\0\0\0\0\4": "unknown protocol",
}
POSSIBLE = [
    b"",
    b"\1",
    b"\1\0\0\0\0\xcf\0\1",
    b"\2\0\0\0\0\xcf",
    b"\3",
    b"\3\0",
    b"\3\0\0",
    b"\3\0\0\0\0\4\0\1\1\1",
    b"\4\0\0\1\0\0",
    b"\5\0\0\0\0\4\0\0\0\0",
    b"\6\0\0\0\0\4",
    b"\7\0\0\0\0\4\0\0\2\0",
    b"\1\xff\0\0\0\xcf",
]


@pytest.mark.parametrize("first", OTHERS, ids=ascii)
def test_another_protocol_is_called_by_its_name(first: bytes) -> None:
    assert OTHERS[first] in noise.recognize(first[: noise.ENOUGH])


@pytest.mark.parametrize("first", POSSIBLE, ids=ascii)
def test_what_may_be_a_pdu_is_not_noise(first: bytes) -> None:
    assert noise.recognize(first) == ""


@given(st.binary(max_size=noise.ENOUGH))
def test_any_first_bytes_have_a_printable_name_or_none(first: bytes) -> None:
    name = noise.recognize(first)

    assert name.isprintable()
    assert name.isascii()
    assert len(name) < 100
    if first and first[0] not in range(1, 8):
        assert name
