"""Where files of records may lie: where the options say, and nowhere else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scpd.keeper.places import Places

PLACES = Places("/srv/in", ["/srv/ct", "/srv/mr"])


@pytest.mark.parametrize(("place", "path"), [("", "/srv/in"), ("/srv/ct", "/srv/ct"), ("/srv/mr", "/srv/mr")])
def test_a_place_of_the_options_has_its_path(place: str, path: str) -> None:
    assert place in PLACES
    assert PLACES[place] == path


@given(st.text() | st.sampled_from(["/srv/in", "/srv/ct/", "/srv/ct/..", "/srv", "/"]))
def test_any_other_is_none(place: str) -> None:
    if place in {"", "/srv/ct", "/srv/mr"}:
        return
    assert place not in PLACES
    with pytest.raises(KeyError):
        PLACES[place]
