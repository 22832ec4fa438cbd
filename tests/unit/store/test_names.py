from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import UID

from scpd.errors import StartError
from scpd.store.names import check_extension, file_name, new_uid, unique_file_name

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
SAFE = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 -.:@_")


@pytest.mark.parametrize(
    ("sop_class_uid", "sop_instance_uid", "extension", "name"),
    [
        (CT_IMAGE, "1.2.3", "", "CT.1.2.3"),
        (CT_IMAGE, "1.2.3", ".dcm", "CT.1.2.3.dcm"),
        (CT_IMAGE, "1.2.3", "dcm", "CT.1.2.3dcm"),
        ("1.2.840.10008.5.1.4.1.1.9.1", "1.2.3", "", "WV_d.1.2.3"),
        ("1.2.840.10008.1.1", "1.2.3", "", "UNKNOWN.1.2.3"),
        ("", "1.2.3", "", "UNKNOWN.1.2.3"),
        ("x;y/../z", "1.2.3", "", "UNKNOWN.1.2.3"),
        (CT_IMAGE, "../../etc/passwd", "", "CT..._.._etc_passwd"),
        (CT_IMAGE, "a-b.c:d@e_f g", "", "CT.a-b.c:d@e_f g"),
        (CT_IMAGE, "1\0002\n3\\4~5", "", "CT.1_2_3_4_5"),
        (CT_IMAGE, "1.2\xe4\x7f\xff", "", "CT.1.2___"),
        (CT_IMAGE, "$(id)`id`'\"#*?<>|&", "", "CT.__id__id__________"),
        (CT_IMAGE, "1.2", " #a'\xe4", "CT.1.2 #a'\xe4"),
    ],
)
def test_a_name_is_prefix_uid_and_extension_as_storescp_writes_them(
    sop_class_uid: str, sop_instance_uid: str, extension: str, name: str
) -> None:
    assert file_name(sop_class_uid, sop_instance_uid, extension) == name


@pytest.mark.parametrize("code", range(256))
def test_a_byte_of_a_uid_is_kept_if_safe_and_else_an_underscore(code: int) -> None:
    character = chr(code)
    assert file_name(CT_IMAGE, character) == "CT." + (character if character in SAFE else "_")


@given(st.text(), st.text())
def test_any_uids_give_a_safe_name_in_this_directory(sop_class_uid: str, sop_instance_uid: str) -> None:
    name = file_name(sop_class_uid, sop_instance_uid)
    assert set(name) <= SAFE
    assert name not in {".", ".."}
    assert not name.startswith((".", "-", " "))
    assert len(name) <= len("UNKNOWN.") + len(sop_instance_uid)


def test_a_unique_name_has_the_prefix_an_x_and_a_new_uid() -> None:
    name = unique_file_name(CT_IMAGE, ".dcm")
    assert name.startswith("CT.X.2.25.")
    assert name.endswith(".dcm")
    assert UID(name.removeprefix("CT.X.").removesuffix(".dcm")).is_valid
    assert unique_file_name("").startswith("UNKNOWN.X.2.25.")


def test_new_uids_are_random_uuids_and_never_the_same() -> None:
    uids = {new_uid() for _ in range(1000)}
    assert len(uids) == 1000
    for uid in uids:
        root, number = uid.rsplit(".", 1)
        assert root == "2.25"
        assert len(uid) <= 64
        value = uuid.UUID(int=int(number))
        assert value.version == 4
        assert value.variant == uuid.RFC_4122


def test_new_uids_leave_the_random_bits_random() -> None:
    """Of 128 bits six are fixed; in 200 UIDs each of the others was both 0 and 1."""
    numbers = [int(new_uid().removeprefix("2.25.")) for _ in range(200)]
    always_one, ever_one = (1 << 128) - 1, 0
    for number in numbers:
        always_one &= number
        ever_one |= number
    assert always_one == 4 << 76 | 2 << 62
    assert ever_one == ((1 << 128) - 1) & ~(0xB << 76) & ~(1 << 62)


@pytest.mark.parametrize("extension", ["", ".dcm", "..", " ", "\n", "'", "#p", "\xe4"])
def test_any_other_extension_is_the_administrators_business(extension: str) -> None:
    check_extension(extension)


@pytest.mark.parametrize("extension", ["/", "/../x", ".d/cm", "\0", "a\0b"])
def test_an_extension_that_leaves_the_directory_is_refused_at_start(extension: str) -> None:
    with pytest.raises(StartError):
        check_extension(extension)
