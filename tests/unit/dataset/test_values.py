from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scpd.dataset.values import uid_text


@pytest.mark.parametrize(
    ("value", "uid"),
    [
        (b"", ""),
        (b"1.2.3", "1.2.3"),
        (b"1.2.3\0", "1.2.3"),
        (b"1.2.3\0\0", "1.2.3"),
        (b" 1.2.3 ", "1.2.3"),
        (b"1 .\t2\n.\v3\f\r", "1.2.3"),
        (b"1.2.3\0 ", "1.2.3"),
        (b"1.2.3 \0", "1.2.3"),
        (b"\0 1.2", "\x001.2"),
        (b"1.2\0\\3.4\0", "1.2\0\\3.4"),
        (b"1.2\xa0\x85", "1.2\xa0\x85"),
    ],
)
def test_a_uid_loses_white_space_anywhere_and_nuls_at_its_end(value: bytes, uid: str) -> None:
    assert uid_text(value) == uid


@given(st.binary())
def test_any_bytes_are_a_text_that_is_already_clean(value: bytes) -> None:
    text = uid_text(value)
    assert uid_text(text.encode("latin-1")) == text
