from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scpd.ul.escape import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("1.2.840", "1.2.840"),
        ("", ""),
        (" a~", " a~"),
        (b"CT_1\x1b[31m", "CT_1\\x1b[31m"),
        (b"\xe4\0\x7f", "\\xe4\\x00\\x7f"),
        ("a\nb\r\t", "a\\x0ab\\x0d\\x09"),
        ("\\x0a", "\\\\x0a"),
        ("\u2028", "\\u2028"),
    ],
)
def test_only_printable_ascii_comes_out(text: str | bytes, shown: str) -> None:
    assert printable(text) == shown


@given(st.binary(), st.binary())
def test_different_bytes_stay_different(one: bytes, other: bytes) -> None:
    assert (printable(one) == printable(other)) is (one == other)
    assert printable(one).isascii()
    assert printable(one).isprintable()
