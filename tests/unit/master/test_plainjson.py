"""What scpctl is told is JSON, whatever is in it."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from scpd.master.plainjson import encode

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(values)
def test_an_answer_is_json_in_ascii(value: Any) -> None:
    text = encode(value)
    assert text.isascii()
    assert "\n" not in text
    assert json.loads(text) == value
