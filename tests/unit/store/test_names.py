from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import UID

from scpd.errors import StartError
from scpd.store.names import (
    check_extension,
    check_prefix,
    file_name,
    is_plain_name,
    name_beside,
    name_with_serial,
    new_uid,
    prefix_of,
    sanitised,
    time_file_name,
    unique_file_name,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    assert file_name(prefix_of(sop_class_uid), sop_instance_uid, extension) == name


@pytest.mark.parametrize("code", range(256))
def test_a_byte_of_a_uid_is_kept_if_safe_and_else_an_underscore(code: int) -> None:
    character = chr(code)
    assert file_name("CT", character) == "CT." + (character if character in SAFE else "_")


@given(st.text(), st.text())
def test_any_uids_give_a_safe_name_in_this_directory(sop_class_uid: str, sop_instance_uid: str) -> None:
    name = file_name(prefix_of(sop_class_uid), sop_instance_uid)
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


@pytest.fixture
def _in_nuuk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Far from UTC, and from where this may run."""
    monkeypatch.setenv("TZ", "<-02>2")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


NOON = 1785240672  # 2026-07-28 12:11:12 UTC


@pytest.mark.usefixtures("_in_nuuk")
@pytest.mark.parametrize(
    ("sop_class_uid", "extension", "now", "name"),
    [
        (CT_IMAGE, "", NOON + 0.345, "20260728101112345.CT"),
        (CT_IMAGE, ".dcm", NOON, "20260728101112000.CT.dcm"),
        ("1.2.840.10008.5.1.4.1.1.9.1", "x", NOON + 0.0625, "20260728101112062.WV_dx"),
        ("9.9", "", NOON + 0.9999, "20260728101112999.UNKNOWN"),
        (CT_IMAGE, "", 0, "19691231220000000.CT"),
    ],
)
def test_a_time_name_is_local_time_to_the_millisecond_prefix_and_extension(
    sop_class_uid: str, extension: str, now: float, name: str
) -> None:
    assert time_file_name(sop_class_uid, extension, now) == name


@given(st.floats(0, 4e9))
def test_any_time_gives_seventeen_digits(now: float) -> None:
    stamp, prefix = time_file_name(CT_IMAGE, "", now).split(".")
    assert (len(stamp), stamp.isdigit(), prefix) == (17, True, "CT")


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (0, "20260728101112345.SR_a.dcm"),
        (1, "20260728101112345_0000.SR_a.dcm"),
        (2, "20260728101112345_0001.SR_a.dcm"),
        (10_000, "20260728101112345_9999.SR_a.dcm"),
        (10_001, "20260728101112345_10000.SR_a.dcm"),
    ],
)
def test_a_taken_time_gets_storescps_serial_numbers(number: int, name: str) -> None:
    assert name_with_serial("20260728101112345.SR_a.dcm", number) == name


@pytest.mark.parametrize(("number", "name"), [(0, "CT.1.2.dcm"), (1, "CT.1.2.dcm.1"), (12, "CT.1.2.dcm.12")])
def test_what_stands_beside_has_a_number_behind_all(number: int, name: str) -> None:
    assert name_beside("CT.1.2.dcm", number) == name


@given(st.text())
def test_any_uid_is_sanitised_once_and_for_all(uid: str) -> None:
    assert set(sanitised(uid)) <= SAFE
    assert sanitised(sanitised(uid)) == sanitised(uid)
    assert len(sanitised(uid)) == len(uid)


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


@pytest.mark.parametrize("extension", ["", ".dcm", "..", " ", "'", "#p", "\xe4"])
def test_any_other_extension_is_the_administrators_business(extension: str) -> None:
    check_extension(extension)


@pytest.mark.parametrize("extension", ["/", "/../x", ".d/cm", "\0", "a\0b", "\n", "\x1b[1m"])
def test_an_extension_that_leaves_the_directory_is_refused_at_start(extension: str) -> None:
    with pytest.raises(StartError):
        check_extension(extension)


@pytest.mark.parametrize("prefix", ["", "scp", "in box", "-v", "a.b", "1", "#p", "\xe4"])
def test_any_other_prefix_is_the_administrators_business(prefix: str) -> None:
    check_prefix(prefix)


@pytest.mark.parametrize(
    ("prefix", "reason"),
    [
        ("/", "must not contain '/' or control characters: '/'"),
        ("../x", "must not contain '/' or control characters: '../x'"),
        ("a/b", "must not contain '/' or control characters: 'a/b'"),
        ("a\0b", r"must not contain '/' or control characters: 'a\x00b'"),
        ("\n", r"must not contain '/' or control characters: '\n'"),
        ("\udcff", r"must not contain '/' or control characters: '\udcff'"),
        (".", "must not begin with a dot: '.'"),
        ("..", "must not begin with a dot: '..'"),
        (".scpd", "must not begin with a dot: '.scpd'"),
    ],
)
def test_a_prefix_that_leaves_the_directory_or_hides_is_refused_at_start(prefix: str, reason: str) -> None:
    with pytest.raises(StartError) as caught:
        check_prefix(prefix)
    assert str(caught.value) == f"sort prefix {reason}"


@pytest.mark.parametrize(
    ("name", "is_plain"),
    [
        ("CT.1", True),
        ("a b", True),
        ("é", True),
        ("\udce9", True),
        ("n" * 255, True),
        ("é" * 127, True),
        ("é" * 128, False),
        ("n" * 256, False),
        ("", False),
        (".", False),
        ("..", False),
        (".x", False),
        ("a/b", False),
        ("a\0", False),
        ("a\n", False),
        ("a\x1b[2J", False),
        ("\ud800", False),
        ("a\u202eb", False),
    ],
)
def test_plain_names(name: str, is_plain: bool) -> None:
    assert is_plain_name(name) == is_plain
