from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
from pydicom.datadict import DicomDictionary, RepeatersDictionary

from scpd.tables import generate, vrs

# A digit behind an x: no range; all of them were retired before 1998.
UNLISTED = ["1000xxx0", "1000xxx1", "1000xxx2", "1000xxx3", "1000xxx4", "1000xxx5"] + [
    f"0028{element}" for element in ["04x0", "04x1", "04x2", "04x3", "08x0", "08x2", "08x3", "08x4", "08x8"]
]


def test_the_committed_module_is_what_pydicom_generates() -> None:
    text = Path(str(vrs.__file__)).read_text(encoding="utf-8")
    if f"pydicom {pydicom.__version__}." not in text:
        pytest.skip("made from another version of pydicom; the next test compares them")
    assert generate.vrs() == text


def test_table_and_pydicom_agree_about_every_tag_that_the_table_has() -> None:
    differing = []
    for name, tags in vrs.TAGS.items():
        for tag in tags.split():
            vr = DicomDictionary[int(tag, 16)][0]
            if name not in (vr, generate.DEPENDENT_VRS.get(vr)) and (name, tag) != ("px", "7FE00010"):
                differing.append((tag, name, vr))
    assert differing == []


def test_each_tag_is_there_once() -> None:
    tags = " ".join(vrs.TAGS.values()).split()
    assert len(tags) == len(set(tags)) > 5000


def test_repeating_groups_are_there_but_for_masks_that_are_no_ranges() -> None:
    listed = {row[:4] for row in vrs.RANGES}
    missing = [mask for mask in RepeatersDictionary if generate.repeating_bounds(mask) not in listed]
    assert sorted(missing) == sorted(UNLISTED)


@pytest.mark.parametrize(
    ("mask", "bounds"),
    [
        ("60xx3000", (0x6000, 0x60FF, 0x3000, 0x3000)),
        ("002031xx", (0x0020, 0x0020, 0x3100, 0x31FF)),
        ("1010xxxx", (0x1010, 0x1010, 0x0000, 0xFFFF)),
    ],
)
def test_a_mask_is_a_range(mask: str, bounds: tuple[int, int, int, int]) -> None:
    assert generate.repeating_bounds(mask) == bounds
