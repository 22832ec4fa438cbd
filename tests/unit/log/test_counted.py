"""Numbers of things."""

from __future__ import annotations

import pytest

from scpd.log.counted import counted


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 associations"), (1, "1 association"), (2, "2 associations"), (21, "21 associations")],
)
def test_one_is_not_many(number: int, text: str) -> None:
    assert counted(number, "association") == text
