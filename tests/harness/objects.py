"""Objects to send and files to look at: synthetic CT images, pydicom's test files, stored files taken apart."""

from __future__ import annotations

import random
import struct
import warnings
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from tests.harness.wire import CT_IMAGE_STORAGE, DEFLATED, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE

MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"
PREAMBLE_LENGTH = 132
LONG_VRS = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}


@dataclass(frozen=True)
class StorableObject:
    """An object as it goes over the wire: UIDs for the command, the encoded data set."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    data_set: bytes

    @property
    def file_bytes(self) -> bytes:
        """Give it as a DICOM file (PS3.10 7.1)."""
        meta = b"".join(
            (
                _explicit(0x0001, b"OB", b"\0\1"),
                _explicit(0x0002, b"UI", self.sop_class_uid.encode()),
                _explicit(0x0003, b"UI", self.sop_instance_uid.encode()),
                _explicit(0x0010, b"UI", self.transfer_syntax_uid.encode()),
                _explicit(0x0012, b"UI", b"1.2.3.4.5"),
            )
        )
        group_length = _explicit(0x0000, b"UL", struct.pack("<I", len(meta)))
        return bytes(128) + b"DICM" + group_length + meta + self.data_set

    def write(self, path: Path) -> Path:
        """Write it as a DICOM file, give the path."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.file_bytes)
        return path


class TestFile(NamedTuple):
    """One of pydicom's files, and what a client sends of it when it leaves the data set alone."""

    __test__ = False  # for pytest: no tests in here

    path: Path
    object: StorableObject


class MetaElement(NamedTuple):
    """One element of the file meta information, raw."""

    vr: bytes
    value: bytes


def new_uid() -> str:
    """Give a UID that nobody has used (PS3.5 B.2)."""
    from pydicom.uid import generate_uid

    return str(generate_uid(prefix=None))


def ct_image(
    size: int = 4096,
    *,
    transfer_syntax: str = EXPLICIT_LITTLE,
    sop_instance_uid: str | None = None,
    study_uid: str | None = None,
    patient_id: str = "4711",
) -> StorableObject:
    """Make a valid CT image with about `size` bytes of pixel data, in one of the four uncompressed encodings.

    Every value is as DICOM wants it (even, padded, in order), so nobody has a reason to change it.
    """
    from pydicom.filebase import DicomIO
    from pydicom.filewriter import write_dataset

    instance = sop_instance_uid or new_uid()
    data_set = _ct_data_set(max(size // 2, 1), instance, study_uid or new_uid(), patient_id)
    buffer = DicomIO(BytesIO())
    buffer.is_implicit_VR = transfer_syntax == IMPLICIT_LITTLE
    buffer.is_little_endian = transfer_syntax != EXPLICIT_BIG
    write_dataset(buffer, data_set)
    encoded = buffer.parent.getvalue()  # type: ignore[attr-defined]
    if transfer_syntax == DEFLATED:
        encoded = _deflated(encoded)
    return StorableObject(CT_IMAGE_STORAGE, instance, transfer_syntax, encoded)


def write_ct_images(
    folder: Path, count: int, size: int = 4096, *, transfer_syntax: str = EXPLICIT_LITTLE
) -> list[StorableObject]:
    """Write a series of so many CT images into a folder: 0001.dcm and so on."""
    study = new_uid()
    images = [ct_image(size, transfer_syntax=transfer_syntax, study_uid=study) for _ in range(count)]
    for index, image in enumerate(images, 1):
        image.write(folder / f"{index:04}.dcm")
    return images


def file_meta(content: bytes) -> dict[int, MetaElement]:
    """Read the file meta information of a DICOM file by element number (PS3.10 7.1)."""
    return _split(content)[0]


def data_set_bytes(content: bytes | Path) -> bytes:
    """Give what follows the file meta information, as it stands in the file."""
    return _split(content.read_bytes() if isinstance(content, Path) else content)[1]


def pydicom_test_files() -> list[TestFile]:
    """Find pydicom's own files of storage objects whose data set names the class and instance of its meta information.

    Only what came with the package is used: pydicom would load others over the network.  Left out are directories,
    files without meta information, data sets encoded otherwise than their transfer syntax says, and those of odd
    length, which no P-DATA can carry.
    """
    import pydicom.data

    root = Path(pydicom.data.__file__).parent
    found = []
    for path in sorted((*root.glob("test_files/**/*"), *root.glob("charset_files/*"))):
        candidate = _storable(path) if path.is_file() else None
        if candidate:
            found.append(TestFile(path, candidate))
    return found


def in_rounds(files: list[TestFile]) -> list[list[TestFile]]:
    """Split files into rounds, in each of which every SOP Instance UID occurs once."""
    rounds: list[dict[str, TestFile]] = []
    for file in files:
        uid = file.object.sop_instance_uid
        fitting = next((known for known in rounds if uid not in known), None)
        if fitting is None:
            fitting = {}
            rounds.append(fitting)
        fitting[uid] = file
    return [list(known.values()) for known in rounds]


def _storable(path: Path) -> StorableObject | None:
    import pydicom
    from pydicom.errors import InvalidDicomError

    with warnings.catch_warnings(record=True) as remarks:
        warnings.simplefilter("always")
        try:
            data_set = pydicom.dcmread(path, specific_tags=["SOPClassUID", "SOPInstanceUID"])
        except (InvalidDicomError, AttributeError):
            return None
        names = [str(data_set.get(key, "")) for key in ("SOPClassUID", "SOPInstanceUID")]
        meta = data_set.file_meta
        stated = [str(meta.get(f"MediaStorage{key}", "")) for key in ("SOPClassUID", "SOPInstanceUID")]
    syntax = str(meta.get("TransferSyntaxUID", ""))
    if names != stated or not all([*names, syntax]) or names[0] == MEDIA_STORAGE_DIRECTORY:
        return None
    if any("found implicit VR" in str(remark.message) for remark in remarks):
        return None
    encoded = data_set_bytes(path)
    if syntax == DEFLATED and len(encoded) % 2:
        encoded += b"\0"  # PS3.5 A.5: the client adds what the file lacks
    return None if len(encoded) % 2 else StorableObject(names[0], names[1], syntax, encoded)


def _ct_data_set(pixels: int, instance: str, study: str, patient_id: str):  # type: ignore[no-untyped-def]
    from pydicom.dataset import Dataset

    data_set = Dataset()
    data_set.SOPClassUID = CT_IMAGE_STORAGE
    data_set.SOPInstanceUID = instance
    data_set.StudyDate = "20240229"
    data_set.Modality = "CT"
    data_set.PatientName = "Doe^Jane"
    data_set.PatientID = patient_id
    data_set.StudyInstanceUID = study
    data_set.SeriesInstanceUID = f"{study[:60]}.1"
    data_set.InstanceNumber = "1"
    data_set.SamplesPerPixel = 1
    data_set.PhotometricInterpretation = "MONOCHROME2"
    columns = min(pixels, 256 if pixels <= 256 * 65535 else 16384)
    data_set.Columns, data_set.Rows = columns, pixels // columns
    data_set.BitsAllocated = data_set.BitsStored = 16
    data_set.HighBit = 15
    data_set.PixelRepresentation = 0
    length = data_set.Rows * data_set.Columns * 2
    # Its period is a prime: fragments that are swapped or lost show.
    pattern = random.Random(instance).randbytes(65521)
    data_set.PixelData = (pattern * (length // len(pattern) + 1))[:length]
    data_set["PixelData"].VR = "OW"
    return data_set


def _deflated(data: bytes) -> bytes:
    import zlib

    engine = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    stream = engine.compress(data) + engine.flush()
    return stream + b"\0" * (len(stream) % 2)


def _explicit(number: int, vr: bytes, value: bytes) -> bytes:
    value += b"\0" * (len(value) % 2)
    if vr in LONG_VRS:
        return struct.pack("<HH2s2xI", 2, number, vr, len(value)) + value
    return struct.pack("<HH2sH", 2, number, vr, len(value)) + value


def _split(content: bytes) -> tuple[dict[int, MetaElement], bytes]:
    if content[128:PREAMBLE_LENGTH] != b"DICM":
        raise AssertionError("not a DICOM file")
    elements = {}
    position = PREAMBLE_LENGTH
    end = PREAMBLE_LENGTH + 1
    while position < end:
        number, vr = struct.unpack_from("<H2s", content, position + 2)
        if vr in LONG_VRS:
            (length,) = struct.unpack_from("<I", content, position + 8)
            position += 12
        else:
            (length,) = struct.unpack_from("<H", content, position + 6)
            position += 8
        elements[number] = MetaElement(vr, content[position : position + length])
        position += length
        if number == 0:  # the group length: a data set may begin with group 0002H too
            end = position + int.from_bytes(elements[number].value, "little")
    return elements, content[position:]
