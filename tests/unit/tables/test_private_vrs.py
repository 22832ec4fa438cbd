from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pydicom
import pytest
from pydicom._private_dict import private_dictionaries

from scpd.tables import generate, private_vrs

if TYPE_CHECKING:
    from collections.abc import Iterator


def listed() -> Iterator[tuple[str, str, str]]:
    """Creator, VR and tag of each word of the table."""
    for creator, text in private_vrs.TAGS.items():
        vr = ""
        for word in text.split():
            if len(word) == 2:
                vr = word
            else:
                yield creator, vr, word


def test_the_committed_module_is_what_pydicom_generates() -> None:
    text = Path(str(private_vrs.__file__)).read_text(encoding="utf-8")
    if f"pydicom {pydicom.__version__}." not in text:
        pytest.skip("made from another version of pydicom; the next test compares them")
    assert generate.private_vrs() == text


def test_table_and_pydicom_agree_about_every_element_that_the_table_has() -> None:
    differing = []
    for creator, name, tag in listed():
        entries = private_dictionaries[creator]
        vr = (entries.get(tag) or entries[tag.replace("xx", "00")])[0]
        if name not in (vr, generate.DEPENDENT_VRS.get(vr)):
            differing.append((creator, tag, name, vr))
    assert differing == []


def test_each_element_of_a_creator_is_there_once() -> None:
    words = [(creator, tag) for creator, _, tag in listed()]
    assert len(words) == len(set(words)) > 10000


def test_what_pydicom_has_besides_can_be_of_no_creator() -> None:
    known = {(creator, tag) for creator, _, tag in listed()}
    left_out = {
        tag
        for creator, entries in private_dictionaries.items()
        for tag in entries
        if (creator, tag) not in known and (creator, f"{tag[:4]}xx{tag[6:]}") not in known
    }
    creators = {tag for tag in left_out if tag.endswith("10xx")}
    assert left_out - creators == {"0032xx32", "0032xx33"}


@pytest.mark.parametrize(
    ("mask", "tag"),
    [
        ("0019xx10", "0019xx10"),
        ("00191110", "00191110"),
        ("00190010", "0019xx10"),
        ("70xxxx04", "70xxxx04"),
        ("001910xx", None),
        ("0032xx32", None),
    ],
)
def test_a_mask_is_an_element_of_every_block_or_of_one(mask: str, tag: str | None) -> None:
    assert generate.private_tag(mask) == tag
