from __future__ import annotations

import re

import pytest
from pydicom.uid import UID_dictionary

from scpd.tables.sop_classes import ACCEPTED, FILE_PREFIXES, ONLY_NAMED, VERIFICATION
from scpd.tables.uid_names import UID_NAMES

# Classes of newer editions than pydicom's dictionary.
NEWER_THAN_PYDICOM = {
    "1.2.840.10008.5.1.4.1.1.9.100.1",
    "1.2.840.10008.5.1.4.1.1.9.100.2",
    "1.2.840.10008.5.1.4.1.1.66.7",
    "1.2.840.10008.5.1.4.1.1.66.8",
    "1.2.840.10008.5.1.4.1.1.601.3",
    "1.2.840.10008.5.1.4.1.1.601.4",
    "1.2.840.10008.5.1.4.1.1.601.5",
}
SAFE_PREFIX = re.compile("[A-Z][A-Za-z][A-Za-z0-9_]{0,2}")
# In pydicom's dictionary by a name with Storage, but not for objects of a C-STORE.
NOT_FOR_STORING = {
    "1.2.840.10008.1.3.10": "MediaStorageDirectoryStorage",
    "1.2.840.10008.1.20.1": "StorageCommitmentPushModel",
    "1.2.840.10008.1.20.2": "StorageCommitmentPullModel",
}


def test_205_classes_are_accepted_without_being_asked_for() -> None:
    assert len(ACCEPTED) == 205
    assert set(FILE_PREFIXES) - ACCEPTED == ONLY_NAMED
    assert set(FILE_PREFIXES) > ONLY_NAMED


def test_verification_is_no_storage_class() -> None:
    assert UID_dictionary[VERIFICATION][4] == "Verification"
    assert VERIFICATION not in FILE_PREFIXES


def test_every_class_is_a_storage_class() -> None:
    entries = {uid: UID_dictionary[uid] for uid in FILE_PREFIXES if uid in UID_dictionary}
    assert [entry for entry in entries.values() if entry[1] != "SOP Class" or "Storage" not in entry[4]] == []
    assert set(FILE_PREFIXES) - set(entries) <= NEWER_THAN_PYDICOM


def test_no_storage_class_that_pydicom_knows_is_missing() -> None:
    theirs = {uid: entry[4] for uid, entry in UID_dictionary.items() if entry[1] == "SOP Class"}
    missing = {uid: name for uid, name in theirs.items() if "Storage" in name and uid not in FILE_PREFIXES}
    assert missing == NOT_FOR_STORING


def test_every_class_has_a_name() -> None:
    assert set(FILE_PREFIXES) <= set(UID_NAMES)


def test_a_prefix_is_two_letters_and_at_most_two_more_characters_safe_in_a_file_name() -> None:
    assert [prefix for prefix in FILE_PREFIXES.values() if not SAFE_PREFIX.fullmatch(prefix)] == []


@pytest.mark.parametrize(
    ("uid", "prefix"),
    [
        ("1.2.840.10008.5.1.4.1.1.1", "CR"),
        ("1.2.840.10008.5.1.4.1.1.2", "CT"),
        ("1.2.840.10008.5.1.4.1.1.4", "MR"),
        ("1.2.840.10008.5.1.4.1.1.2.1", "CTe"),
        ("1.2.840.10008.5.1.4.1.1.9.1", "WV_d"),
        ("1.2.840.10008.5.1.4.1.1.200.1", "PPcd"),
        ("1.2.840.10008.5.1.4.1.1.481.5", "RP"),
    ],
)
def test_prefixes_are_those_that_storescp_gives(uid: str, prefix: str) -> None:
    assert FILE_PREFIXES[uid] == prefix
