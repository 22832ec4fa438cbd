"""Images of a series that are written anew while they arrive: what was learnt from one must not show in the next."""

from __future__ import annotations

import random

import pytest

from scpd.dataset.encoding import Encoding
from scpd.dataset.forward import Forward
from scpd.dataset.likeness import Likeness
from scpd.dataset.recode import Source
from scpd.dataset.scan import Scan
from scpd.dataset.template import Template
from scpd.tables.transfer_syntaxes import EXPLICIT_BIG, EXPLICIT_LITTLE
from tests.harness.recoding import DICTIONARY, ENCODINGS, PLAIN_SYNTAXES, Memory, recoded
from tests.harness.trees import PIXEL_DATA, Element, Item, Node, Sequence, data_set

PIXELS = 600
OPTIONS = ENCODINGS | {"+tb -u": Encoding(transfer_syntax=EXPLICIT_BIG, young_vrs=False)}


def image(
    chance: random.Random, *, undefined: bool = False, name: bytes = b"Doe^Jane", other: tuple[Node, ...] = ()
) -> tuple[Node, ...]:
    """Give an image with values of its own, of the same lengths as those of all others."""
    item = Item((Element(0x00081155, "UI", b"1.2.3.4\0"), Element(0x00281052, "DS", b"-10.5 ")))
    return (
        Element(0x00080016, "UI", b"1.2.840.10008.5.1.4.1.1.2\0"),
        Element(0x00080018, "UI", b"1.2.3.4\0"),
        Element(0x00080020, "DA", b"20240229"),
        Sequence(0x00081140, (item, item), undefined),
        Element(0x00100010, "PN", name),
        Element(0x00180010, "LO", chance.choice((b"ab", b"cd"))),
        Element(0x00189073, "FD", chance.randbytes(8)),
        Element(0x00189089, "FD", chance.randbytes(24)),
        *other,
        Element(0x0020000D, "UI", b"1.2.3." + bytes([chance.choice(b"123456789")]) + b"\0"),
        Element(0x00280010, "US", chance.randbytes(2)),
        Element(0x00280030, "DS", b"1.5\\0."),
        Element(0x00281103, "US", chance.randbytes(6)),
        Element(0x00281200, "OW", chance.randbytes(6)),
        Element(0x00291010, "OB", chance.randbytes(10)),
        Element(0x00660016, "OF", chance.randbytes(8)),
        Element(PIXEL_DATA, "OW", chance.randbytes(PIXELS)),
    )


def arrived(data: bytes, syntax: str, encoding: Encoding, likeness: Likeness | None) -> bytes | None:
    """Write an image anew when all but some of its pixels are there; `None` if nothing has to be written."""
    scan = Scan(syntax, encoding, DICTIONARY, likeness)
    first = data[: len(data) - PIXELS // 2]
    scan.feed([first], len(first))
    begin, value, end = scan.pixel_data
    if not scan.changes:
        return None
    assert value + PIXELS == end == len(data)
    target = Memory()
    source = Source(memoryview(data[:value]), syntax, scan.unordered, scan.same_headers())
    forward = Forward(source, begin, encoding, DICTIONARY, target, 0)
    forward.take([data[value:]])
    forward.end_value()
    forward.finish(Source(memoryview(b""), syntax, set()))
    return bytes(target.content)


@pytest.fixture
def filled(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What templates have been filled with."""
    seen: list[bytes] = []
    fill = Template.fill

    def noting(template: Template, begin: memoryview) -> bytearray:
        seen.append(bytes(begin))
        return fill(template, begin)

    monkeypatch.setattr(Template, "fill", noting)
    return seen


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("syntax", PLAIN_SYNTAXES)
def test_each_of_a_series_is_written_as_it_would_be_alone(syntax: str, option: str, undefined: bool) -> None:
    chance, encoding, likeness = random.Random(1), OPTIONS[option], Likeness()
    varied = [
        {},
        {},
        {},
        {"name": b"Doe^John Q"},
        {},
        {"name": b"Roe^Jane"},
        {"undefined": not undefined},
        {},
    ]
    others = [{"undefined": not undefined}] * 4
    odd = [*others, {"name": b"Doe  "}, {"other": (Element(0x00189170, "CS", b"ab"),)}, {}, {}]
    for changes in (*varied, *odd):
        data = data_set(image(chance, **({"undefined": undefined} | changes)), syntax)  # type: ignore[arg-type]
        written = arrived(data, syntax, encoding, likeness)
        assert (data if written is None else written) == recoded(data, syntax, encoding)


@pytest.mark.parametrize("option", ["-e", "+ti", "+te", "+tb", "-g"])
@pytest.mark.parametrize("syntax", [EXPLICIT_LITTLE, EXPLICIT_BIG])
def test_the_third_image_of_a_series_is_filled_into_what_was_written(
    filled: list[bytes], syntax: str, option: str
) -> None:
    chance, likeness = random.Random(2), Likeness()
    written = [
        arrived(data_set(image(chance, undefined=True), syntax), syntax, ENCODINGS[option], likeness)
        for _ in range(3)
    ]
    assert len(filled) == (1 if written[2] is not None else 0)


def test_an_image_with_another_length_is_not_filled_in(filled: list[bytes]) -> None:
    chance, likeness, encoding = random.Random(3), Likeness(), ENCODINGS["+tb"]
    for name in (b"Doe^Jane", b"Doe^Jane", b"Doe^John Q", b"Doe^John Q", b"Doe^Jane"):
        data = data_set(image(chance, name=name), EXPLICIT_LITTLE)
        assert arrived(data, EXPLICIT_LITTLE, encoding, likeness) == recoded(data, EXPLICIT_LITTLE, encoding)
    assert filled == []
