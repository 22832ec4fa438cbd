"""Which policy names objects; what the names look like is in test_store, and in store's own tests."""

from __future__ import annotations

import re

import pytest

from scpd.dimse import messages
from scpd.store import duplicates
from scpd.worker.naming import ObjectNames, publication


@pytest.mark.parametrize(
    ("naming", "if_taken", "is_bit_preserving", "expected"),
    [
        ("uid", "replace", False, duplicates.replace),
        ("uid", "replace", True, duplicates.silent),
        ("unique", "keep", False, duplicates.keep),
        ("uid", "keep", True, duplicates.keep),
        ("uid", "both", True, duplicates.both),
        ("uid", "refuse", True, duplicates.refuse),
        ("time", "replace", False, duplicates.serial),
        ("time", "refuse", True, duplicates.serial),
    ],
)
def test_what_happens_when_a_name_is_taken(
    naming: str, if_taken: str, is_bit_preserving: bool, expected: duplicates.Policy
) -> None:
    assert publication(naming, if_taken, is_bit_preserving=is_bit_preserving) is expected


@pytest.mark.parametrize(
    ("naming", "uid", "pattern", "is_warned"),
    [
        ("uid", "1.2.3", r"CT\.1\.2\.3\.dcm", False),
        ("uid", "1/2", r"CT\.1_2\.dcm", True),
        ("unique", "1/2", r"CT\.X\.2\.25\.\d+\.dcm", False),
        ("time", "1/2", r"2\d{16}\.CT\.dcm", False),
    ],
)
def test_an_object_is_named_by_uid_anew_or_by_time_and_a_uid_that_is_no_name_is_warned_of(
    caplog: pytest.LogCaptureFixture, naming: str, uid: str, pattern: str, is_warned: bool
) -> None:
    request = messages.Request(messages.C_STORE_RQ, 1, has_data_set=True)
    request.affected_sop_class_uid, request.affected_sop_instance_uid = "1.2.840.10008.5.1.4.1.1.2", uid

    assert re.fullmatch(pattern, ObjectNames(naming, ".dcm").of(request))
    assert [record.levelname for record in caplog.records] == ["WARNING"] * is_warned


def test_objects_of_several_classes_have_their_own_names() -> None:
    names = ObjectNames("uid", "")
    rows = [
        ("1.2.840.10008.5.1.4.1.1.2", "CT.1.2"),
        ("1.2.840.10008.5.1.4.1.1.4", "MR.1.2"),
        ("", "UNKNOWN.1.2"),
    ]
    for sop_class, name in [*rows, *rows, *reversed(rows)]:
        request = messages.Request(messages.C_STORE_RQ, 1, has_data_set=True)
        request.affected_sop_class_uid, request.affected_sop_instance_uid = sop_class, "1.2"
        assert names.of(request) == name
