from __future__ import annotations

import re

import pytest
from pydicom.uid import UID_dictionary

from scpd.tables.sop_classes import FILE_PREFIXES
from scpd.tables.uid_names import UID_NAMES

PREFIXES_OF_DCMTK = re.compile("^(RETIRED_|DRAFT_|DICONDE_|DICOS_)+")


def test_all_477_are_there() -> None:
    assert len(UID_NAMES) == 477


def test_every_uid_is_a_valid_one_and_every_name_one_word() -> None:
    valid = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*))+")
    assert [uid for uid in UID_NAMES if not valid.fullmatch(uid) or len(uid) > 64] == []
    assert [name for name in UID_NAMES.values() if not re.fullmatch("[!-~]+", name)] == []


@pytest.mark.parametrize(
    ("uid", "name"),
    [
        ("1.2.840.10008.1.1", "VerificationSOPClass"),
        ("1.2.840.10008.1.2", "LittleEndianImplicit"),
        ("1.2.840.10008.5.1.4.1.1.2", "CTImageStorage"),
        # where the name changed: that of 3.6.7, not the newest
        ("1.2.840.10008.1.4.4.1", "SRI24FrameOfReferenc"),
        ("1.2.840.10008.5.1.4.1.1.88.70", "ImplantationPlanSRDocumentStorage"),
        # where the reference version has none: the newest
        ("1.2.840.10008.1.2.4.110", "JPEGXLLossless"),
    ],
)
def test_names_are_those_of_the_reference_version(uid: str, name: str) -> None:
    assert UID_NAMES[uid] == name


def test_storage_classes_are_called_as_in_the_standard_but_for_the_retired_and_the_renamed() -> None:
    """A row of the tables that slipped would give many classes their neighbours' names."""
    differing = []
    for uid in FILE_PREFIXES.keys() & UID_dictionary.keys():
        name, keyword = UID_NAMES[uid], UID_dictionary[uid][4]
        if name.startswith(("RETIRED_", "DRAFT_")):
            continue
        ours, theirs = PREFIXES_OF_DCMTK.sub("", name).lower(), keyword.lower()
        if ours not in (theirs, theirs.removeprefix("dicos")):
            differing.append((name, keyword))
    assert differing == [("ImplantationPlanSRDocumentStorage", "ImplantationPlanSRStorage")]
