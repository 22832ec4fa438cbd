from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from io import BytesIO
from struct import unpack_from
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import UID

import scpd
from scpd.store.filemeta import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, FileMeta

if TYPE_CHECKING:
    from pathlib import Path

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
INSTANCE = "1.2.826.0.1.3680043.8.498.1234"
CT_FILE = str(get_testdata_file("CT_small.dcm", read=False))
SECONDS = 20
OURS_ALONE = {0x0000, 0x0012, 0x0013, 0x0017, 0x0018}

# pynetdicom installs programs of the same names beside Python: they are not meant.
PATH = os.pathsep.join(folder for folder in os.get_exec_path() if folder != os.path.dirname(sys.executable))
DCMDUMP, STORESCU, STORESCP = (
    shutil.which(program, path=PATH) or "" for program in ("dcmdump", "storescu", "storescp")
)

UIDS = st.from_regex(r"[0-9.]{1,64}", fullmatch=True)
TITLES = st.binary(max_size=16)


def elements_of(data: bytes) -> dict[int, bytes]:
    """Element number > the whole element as it stands in the file, in its order."""
    assert data[:132] == bytes(128) + b"DICM"
    assert data[132:140] == b"\2\0\0\0UL\4\0"
    end = 144 + int.from_bytes(data[140:144], "little")
    elements, position = {}, 132
    while position < end:
        group, element, vr, length = unpack_from("<HH2sH", data, position)
        assert group == 2
        start, position = position, position + 8 + length
        if vr == b"OB":
            position = start + 12 + int.from_bytes(data[start + 8 : start + 12], "little")
        elements[element] = data[start:position]
    assert position == end
    return elements


def test_every_element_stands_in_its_place() -> None:
    data = FileMeta(EXPLICIT_LITTLE, b"CT_1            ", b"STORE           ").for_object(CT_IMAGE, INSTANCE)
    elements = elements_of(data)
    assert list(elements) == [0, 1, 2, 3, 0x10, 0x12, 0x13, 0x16, 0x17, 0x18]
    assert elements[0x01] == b"\2\0\1\0OB\0\0\2\0\0\0\0\1"
    assert elements[0x02] == b"\2\0\2\0UI\x1a\0" + CT_IMAGE.encode() + b"\0"
    assert elements[0x03] == b"\2\0\3\0UI\x1e\0" + INSTANCE.encode()
    assert elements[0x10] == b"\2\0\x10\0UI\x14\0" + EXPLICIT_LITTLE.encode() + b"\0"
    assert elements[0x16] == b"\2\0\x16\0AE\4\0CT_1"
    assert elements[0x17] == b"\2\0\x17\0AE\4\0CT_1"
    assert elements[0x18] == b"\2\0\x18\0AE\6\0STORE "


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (b"CT_1            ", b"CT_1"),
        (b"CT_12\0\0\0", b"CT_12 "),
        (b"  LEADING       ", b"  LEADING "),
        (b"IN NER          ", b"IN NER"),
        (b"SIXTEENLETTERS16", b"SIXTEENLETTERS16"),
        (b"M\xfcller \0 \0", b"M\xfcller"),
    ],
)
def test_titles_lose_what_fills_their_field_and_nothing_else(field: bytes, value: bytes) -> None:
    elements = elements_of(FileMeta(EXPLICIT_LITTLE, field, field).for_object(CT_IMAGE, INSTANCE))
    assert [elements[number][8:] for number in (0x16, 0x17, 0x18)] == [value] * 3


@pytest.mark.parametrize("blank", [b"", b" " * 16, bytes(16), b"  \0 "])
def test_a_blank_title_is_left_out(blank: bytes) -> None:
    elements = elements_of(FileMeta(EXPLICIT_LITTLE, blank, b"STORE").for_object(CT_IMAGE, INSTANCE))
    assert 0x18 in elements
    assert not {0x16, 0x17} & elements.keys()
    elements = elements_of(FileMeta(EXPLICIT_LITTLE, b"CT", blank).for_object(CT_IMAGE, INSTANCE))
    assert 0x18 not in elements
    assert {0x16, 0x17} <= elements.keys()


@given(UIDS, UIDS, UIDS, TITLES, TITLES)
def test_any_object_has_a_meta_group_as_long_as_it_says(
    transfer_syntax: str, sop_class: str, sop_instance: str, calling: bytes, called: bytes
) -> None:
    data = FileMeta(transfer_syntax, calling, called).for_object(sop_class, sop_instance)
    assert 144 + int.from_bytes(data[140:144], "little") == len(data)
    elements = elements_of(data)
    assert all(len(element) % 2 == 0 for element in elements.values())
    assert elements[0x02][8:].rstrip(b"\0") == sop_class.encode()
    assert elements[0x03][8:].rstrip(b"\0") == sop_instance.encode()
    assert elements[0x10][8:].rstrip(b"\0") == transfer_syntax.encode()


def test_one_association_writes_many_objects() -> None:
    meta = FileMeta(EXPLICIT_LITTLE, b"CT", b"STORE")
    first = meta.for_object(CT_IMAGE, "1.2")
    assert meta.for_object(CT_IMAGE, "1.2.3.4") != first
    assert meta.for_object(CT_IMAGE, "1.2") == first


def test_we_say_who_we_are_within_the_limits_of_the_standard() -> None:
    assert UID(IMPLEMENTATION_CLASS_UID).is_valid
    assert IMPLEMENTATION_CLASS_UID.startswith("2.25.")
    assert "SCPD_" + scpd.__version__.replace(".", "_") == IMPLEMENTATION_VERSION_NAME
    assert len(IMPLEMENTATION_VERSION_NAME) <= 16


def test_pydicom_reads_it() -> None:
    data = FileMeta(EXPLICIT_LITTLE, b"CT_1            ", b"STORESCP        ").for_object(CT_IMAGE, INSTANCE)
    meta = dcmread(BytesIO(data)).file_meta
    assert meta.FileMetaInformationGroupLength == len(data) - 144
    assert meta.FileMetaInformationVersion == b"\0\1"
    assert meta.MediaStorageSOPClassUID == CT_IMAGE
    assert meta.MediaStorageSOPInstanceUID == INSTANCE
    assert meta.TransferSyntaxUID == EXPLICIT_LITTLE
    assert meta.ImplementationClassUID == IMPLEMENTATION_CLASS_UID
    assert meta.ImplementationVersionName == IMPLEMENTATION_VERSION_NAME
    assert meta.SourceApplicationEntityTitle == "CT_1"
    assert meta.SendingApplicationEntityTitle == "CT_1"
    assert meta.ReceivingApplicationEntityTitle == "STORESCP"


@pytest.mark.skipif(not DCMDUMP, reason="dcmdump (DCMTK) is not installed")
def test_dcmdump_reads_it_without_complaint(tmp_path: Path) -> None:
    data = FileMeta(EXPLICIT_LITTLE, b"CT_1", b"STORESCP").for_object(CT_IMAGE, INSTANCE)
    patient_name = b"\x10\0\x10\0PN\4\0A^B "
    (tmp_path / "object").write_bytes(data + patient_name)
    dumped = subprocess.run(
        [DCMDUMP, "-Un", "object"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert dumped.returncode == 0
    assert dumped.stderr == ""
    for text in (CT_IMAGE, INSTANCE, "STORESCP", IMPLEMENTATION_VERSION_NAME, "A^B"):
        assert f"[{text}]" in dumped.stdout


def stored_by_storescp(directory: Path, calling: str, called: str) -> bytes:
    """Return what storescp +B makes of CT_small.dcm, started as inetd would start it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(SECONDS)
        port = str(listener.getsockname()[1])
        sender = subprocess.Popen([STORESCU, "-aet", calling, "-aec", called, "127.0.0.1", port, CT_FILE])
        try:
            connection, _ = listener.accept()
            with connection:
                subprocess.run(
                    [STORESCP, "--inetd", "+B", "-od", str(directory)],
                    stdin=connection,
                    timeout=SECONDS,
                    check=True,
                )
            assert sender.wait(SECONDS) == 0
        finally:
            sender.kill()
            sender.wait()
    (stored,) = directory.iterdir()
    return stored.read_bytes()


@pytest.mark.skipif(not STORESCP, reason="storescp (DCMTK) is not installed")
@pytest.mark.parametrize(
    ("calling", "called"),
    [("CT_1", "STORESCP"), ("ODD", "ANY"), ("  LEADING", "X"), ("SIXTEENLETTERS16", "A B")],
)
def test_storescp_writes_the_same_but_for_its_name_and_our_additions(
    tmp_path: Path, calling: str, called: str
) -> None:
    theirs = elements_of(stored_by_storescp(tmp_path, calling, called))
    sent = dcmread(CT_FILE, stop_before_pixels=True)
    meta = FileMeta(EXPLICIT_LITTLE, calling.encode().ljust(16), called.encode().ljust(16))
    ours = elements_of(meta.for_object(sent.SOPClassUID, sent.SOPInstanceUID))
    common = [(number, element) for number, element in ours.items() if number not in OURS_ALONE]
    assert common == [(number, element) for number, element in theirs.items() if number not in OURS_ALONE]
    assert theirs.keys() == ours.keys() - {0x17, 0x18}
