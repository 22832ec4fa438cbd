from __future__ import annotations

import re

import pytest
from pydicom.uid import UID_dictionary

from scpd.tables.uid_names import UID_NAMES
from scpd.tables.uid_symbols import OTHER_NAMES


def test_every_symbol_is_one_word_of_a_uid_that_has_another_name() -> None:
    assert [name for name in OTHER_NAMES if not re.fullmatch("[A-Za-z][!-Z^-~]*", name)] == []
    assert set(OTHER_NAMES.values()) <= set(UID_NAMES)
    assert set(OTHER_NAMES) & set(UID_NAMES.values()) == set()


def test_every_keyword_of_the_standard_is_understood() -> None:
    names = {**{name: uid for uid, name in UID_NAMES.items()}, **OTHER_NAMES}
    kinds = ("SOP Class", "Transfer Syntax", "Meta SOP Class")
    keywords = {
        entry[4]: uid for uid, entry in UID_dictionary.items() if entry[1] in kinds and uid in UID_NAMES
    }
    assert len(keywords) > 300
    assert {keyword: names.get(keyword) for keyword in keywords} == keywords


@pytest.mark.parametrize(
    ("name", "uid"),
    [
        ("ImplicitVRLittleEndian", "1.2.840.10008.1.2"),
        ("ImplantationPlanSRStorage", "1.2.840.10008.5.1.4.1.1.88.70"),
        ("GeneralPurposeWorklistManagementMetaSOPClass", "1.2.840.10008.5.1.4.32"),
    ],
)
def test_names_of_other_versions_are_there(name: str, uid: str) -> None:
    assert OTHER_NAMES[name] == uid
