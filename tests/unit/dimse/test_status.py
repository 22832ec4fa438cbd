from __future__ import annotations

import pytest
from pynetdicom.status import GENERAL_STATUS, STORAGE_SERVICE_CLASS_STATUS

from scpd.dataset import elements, identity
from scpd.dimse import status
from scpd.process import score

PYNETDICOM = {**GENERAL_STATUS, **STORAGE_SERVICE_CLASS_STATUS}


@pytest.mark.parametrize(
    ("code", "category", "words"),
    [
        (status.SUCCESS, "Success", ""),
        (status.INVALID_ATTRIBUTE_VALUE, "Failure", "invalid attribute value"),
        (status.MISSING_ATTRIBUTE, "Failure", "missing attribute"),
        (status.SOP_CLASS_NOT_SUPPORTED, "Failure", "sop class not supported"),
        (status.UNRECOGNIZED_OPERATION, "Failure", "unrecognised operation"),
        (status.OUT_OF_RESOURCES, "Failure", "out of resources"),
        (status.DATA_SET_MISMATCH, "Failure", "data set does not match sop class"),
        (status.CANNOT_UNDERSTAND, "Failure", "cannot understand"),
    ],
)
def test_pynetdicom_reads_a_code_as_it_is_meant(code: int, category: str, words: str) -> None:
    assert PYNETDICOM[code][0] == category
    assert words in PYNETDICOM[code][1].lower()


def test_each_of_them_that_answers_a_c_store_is_counted_by_itself() -> None:
    codes = {value for name, value in vars(status).items() if name.isupper() and isinstance(value, int)}
    assert set(score.STATUSES) == codes - {status.UNRECOGNIZED_OPERATION}
    assert sorted(score.PLACES.values()) == [*range(score.STORED, score.OTHER)]


def test_the_data_set_room_below_refuses_with_the_same_codes() -> None:
    assert elements.CANNOT_UNDERSTAND == status.CANNOT_UNDERSTAND
    assert identity._DATA_SET_MISMATCH == status.DATA_SET_MISMATCH


@pytest.mark.parametrize(("code", "digits"), [(status.SUCCESS, "0000"), (0x0111, "0111"), (0xC0AB, "C0AB")])
def test_a_status_is_written_with_four_digits(code: int, digits: str) -> None:
    assert status.text(code) == digits
