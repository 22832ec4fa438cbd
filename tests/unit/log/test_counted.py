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


@pytest.mark.parametrize(("number", "text"), [(1, "1 open study"), (2, "2 open studies")])
def test_a_plural_may_be_another(number: int, text: str) -> None:
    assert counted(number, "open study", "open studies") == text
