from __future__ import annotations

import pytest

from scpd.dataset.identity import check_identity, is_known, study_uid
from scpd.dataset.plain import SOP_CLASS_UID, SOP_INSTANCE_UID, STUDY_INSTANCE_UID
from scpd.errors import Refused

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
INSTANCE = "1.2.826.0.1.3680043.8.498.1234"
BOTH = {SOP_CLASS_UID: CT_IMAGE.encode() + b"\0", SOP_INSTANCE_UID: INSTANCE.encode()}


def refusal(found: dict[int, bytes], nested: dict[int, bytes] | None = None) -> Refused:
    with pytest.raises(Refused) as caught:
        check_identity(found, nested or {}, CT_IMAGE, INSTANCE)
    assert len(caught.value.comment) <= 64  # of an Error Comment
    return caught.value


def test_the_object_that_was_announced_passes() -> None:
    check_identity(BOTH, {}, CT_IMAGE, INSTANCE)


@pytest.mark.parametrize("spoil", [b" %s", b"%s ", b"%s\0", b"\t%s\r\n", b"%s \0"])
@pytest.mark.parametrize("tag", BOTH)
def test_white_space_and_padding_do_not_matter(spoil: bytes, tag: int) -> None:
    check_identity(BOTH | {tag: spoil % BOTH[tag].rstrip(b"\0")}, {}, CT_IMAGE, INSTANCE)


@pytest.mark.parametrize(("tag", "name"), [(SOP_CLASS_UID, "Class"), (SOP_INSTANCE_UID, "Instance")])
@pytest.mark.parametrize("value", [b"", b"  ", b"1.2.3\0", b"%s5", b"%s\\1.2", b"\0%s", b"%s\xff"])
def test_another_object_than_announced_is_refused(tag: int, name: str, value: bytes) -> None:
    other = value.replace(b"%s", BOTH[tag].rstrip(b"\0"))
    refused = refusal(BOTH | {tag: other})
    assert refused.status == 0xA900
    assert name in refused.comment


@pytest.mark.parametrize(("tag", "name"), [(SOP_CLASS_UID, "Class"), (SOP_INSTANCE_UID, "Instance")])
def test_a_data_set_without_its_uids_cannot_be_understood(tag: int, name: str) -> None:
    refused = refusal({key: value for key, value in BOTH.items() if key != tag})
    assert refused.status == 0xC000
    assert name in refused.comment


def test_uids_of_an_item_stand_for_those_that_are_missing() -> None:
    check_identity({}, BOTH, CT_IMAGE, INSTANCE)
    assert refusal({}, BOTH | {SOP_INSTANCE_UID: b"1.2"}).status == 0xA900


def test_uids_of_an_item_do_not_stand_for_those_that_are_there() -> None:
    check_identity(BOTH, {SOP_CLASS_UID: b"1.2", SOP_INSTANCE_UID: b"3.4"}, CT_IMAGE, INSTANCE)
    assert refusal(BOTH | {SOP_CLASS_UID: b""}, BOTH).status == 0xA900


@pytest.mark.parametrize("missing", [{SOP_CLASS_UID}, {SOP_INSTANCE_UID}, set(BOTH), set()])
def test_an_object_is_known_by_both_uids(missing: set[int]) -> None:
    assert is_known({tag: value for tag, value in BOTH.items() if tag not in missing}) == (not missing)


@pytest.mark.parametrize(
    ("value", "study"),
    [
        (b"1.2.3\0", "1.2.3"),
        (b" 1. 2\n.3 ", "1.2.3"),
        (b"1.2\\3.4", "1.2"),
        (b"\\3.4", ""),
        (b"", ""),
        (b"\0\0", ""),
        (b"../\xe4", "../\xe4"),
    ],
)
def test_the_study_is_the_first_of_its_uids_without_padding(value: bytes, study: str) -> None:
    assert study_uid({STUDY_INSTANCE_UID: value, SOP_CLASS_UID: b"1.2"}) == study


def test_a_data_set_without_study_uid_has_no_study() -> None:
    assert study_uid({SOP_CLASS_UID: b"1.2"}) == ""
