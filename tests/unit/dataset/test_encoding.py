from __future__ import annotations

import pytest

from scpd.dataset.elements import syntax_of
from scpd.dataset.encoding import CREATE, REMOVE, Encoding
from scpd.tables.transfer_syntaxes import (
    DEFLATED,
    DEFLATED_DATA_SETS,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    JPEG_BASELINE,
)
from tests.harness.recoding import ENCODINGS, SYNTAXES


@pytest.mark.parametrize("received", [*SYNTAXES, "1.2.3"])
def test_what_is_received_is_written_unless_another_one_is_asked_for(received: str) -> None:
    assert Encoding().written(received) == received
    assert Encoding(transfer_syntax=EXPLICIT_BIG).written(received) == EXPLICIT_BIG


@pytest.mark.parametrize("received", [*SYNTAXES, *sorted(DEFLATED_DATA_SETS), "1.2.3"])
def test_four_transfer_syntaxes_compress_no_pixels(received: str) -> None:
    uncompressed = received in {IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED}
    assert Encoding().is_uncompressed(received) == uncompressed


@pytest.mark.parametrize("received", SYNTAXES)
@pytest.mark.parametrize("target", SYNTAXES)
def test_another_transfer_syntax_changes_all(received: str, target: str) -> None:
    assert Encoding(transfer_syntax=target).changes_all(received) == (received != target)


@pytest.mark.parametrize("received", SYNTAXES)
@pytest.mark.parametrize(
    ("encoding", "changes"),
    [
        (Encoding(group_lengths=CREATE), True),
        (Encoding(group_lengths=REMOVE), False),
        (Encoding(padding=(2, 0)), True),
        (Encoding(padding=(0, 2)), True),
        (Encoding(explicit_lengths=False), False),
        (Encoding(young_vrs=False), False),
        (Encoding(convert_un=True), False),
        (Encoding(), False),
    ],
)
def test_what_is_added_everywhere_changes_all(encoding: Encoding, changes: bool, received: str) -> None:
    assert encoding.changes_all(received) == changes


def test_a_level_of_compression_changes_what_is_deflated() -> None:
    assert Encoding(compression_level=6).changes_all(DEFLATED)
    assert not Encoding(compression_level=6).changes_all(EXPLICIT_LITTLE)
    assert not Encoding(compression_level=6).changes_all(JPEG_BASELINE)
    assert not Encoding().changes_all(DEFLATED)


@pytest.mark.parametrize(("level", "used"), [(None, 6), (0, 0), (1, 1), (9, 9)])
def test_the_level_of_compression_is_that_of_the_option_or_the_usual_one(
    level: int | None, used: int
) -> None:
    assert Encoding(compression_level=level).compression_level == used


@pytest.mark.parametrize("option", ENCODINGS)
def test_sequences_stay_unless_something_is_added_to_items_or_lengths_go(option: str) -> None:
    loses = "-e" in option or "+g" in option or "+p" in option
    assert ENCODINGS[option].keeps_sequences() != loses
    assert Encoding(padding=(512, 0)).keeps_sequences()


@pytest.mark.parametrize("name", sorted(ENCODINGS))
@pytest.mark.parametrize("received", [*SYNTAXES, *sorted(DEFLATED_DATA_SETS), JPEG_BASELINE, "1.2.3"])
def test_what_is_kept_of_a_transfer_syntax_is_what_is_said_of_it(name: str, received: str) -> None:
    encoding = ENCODINGS[name]
    arriving = encoding.arriving(received)
    assert encoding.arriving(received) is arriving
    assert arriving.syntax is syntax_of(received)
    assert arriving.changes_all == encoding.changes_all(received)
    assert arriving.is_compressed != encoding.is_uncompressed(received)
    assert arriving.is_deflated == (received in DEFLATED_DATA_SETS)
    assert arriving.allows_fast_loops == encoding.allows_fast_loops(arriving.syntax)
    assert arriving.keeps_sequences == encoding.keeps_sequences()
