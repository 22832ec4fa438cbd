"""Data sets for the load: explicit VR little endian, headers like a scanner's, pixels of noise or of a phantom.

Defined lengths, no group lengths, even values: a receiver that normalizes what it writes changes nothing, unless
`undefined_lengths` gives it the sequences to do.  Noise is what no compression can do anything with; for a
receiver that compresses there is the `phantom`, a slice of a body that deflates as one from a scanner does.
Headers of one image kind all have the same length, so that their encoded pixel data can be shared.
"""

from __future__ import annotations

import random
import struct
import sys
from array import array
from dataclasses import dataclass
from functools import cache

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
MULTIFRAME_WORD_SC = "1.2.840.10008.5.1.4.1.1.7.3"
LONG_VRS = {"OB", "OW", "SQ", "UN", "UT"}
UID_BASE = 10**38
NOISE = random.Random(1).randbytes(1 << 18)
UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_DELIMITER, SEQUENCE_DELIMITER = (
    struct.pack("<HHI", 0xFFFE, *rest) for rest in ((0xE000, UNDEFINED), (0xE00D, 0), (0xE0DD, 0))
)
# The phantom: half axes of the body in half widths of the image, its gray, and how much that varies.
BODY_WIDTH, BODY_HEIGHT, TISSUE, SHADING = 0.8, 0.6, 1000, 100


@dataclass(frozen=True)
class Image:
    """One kind of image: SOP class and matrix, 16 bits per pixel."""

    sop_class_uid: str
    rows: int
    columns: int
    frames: int = 1
    undefined_lengths: bool = False
    compressible: bool = False
    own_study: bool = False  # each object in a study of its own

    @property
    def pixel_bytes(self) -> int:
        """Length of the pixel data in bytes."""
        return self.rows * self.columns * self.frames * 2

    @property
    def pixels(self) -> bytes:
        """The pixel data if it is compressible, else noise to repeat."""
        return phantom(self.rows, self.columns) if self.compressible else NOISE

    def header(self, number: int) -> bytes:
        """All of the data set up to and with the pixel data's own tag, VR and length."""
        pixel_data = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, self.pixel_bytes)
        encoded = [(vr, _element(tag, vr, value)) for tag, vr, value in _ct_elements(self, number)]
        if self.undefined_lengths:
            encoded = [(vr, _with_undefined_lengths(each) if vr == "SQ" else each) for vr, each in encoded]
        return b"".join(each for _, each in encoded) + pixel_data


CT = Image(CT_IMAGE, 512, 512)
CT_UNDEFINED = Image(CT_IMAGE, 512, 512, undefined_lengths=True)
CT_PHANTOM = Image(CT_IMAGE, 512, 512, compressible=True)
SMALL = Image(CT_IMAGE, 32, 32)


def large(megabytes: int) -> Image:
    """Describe a multi-frame object of so many million bytes."""
    return Image(MULTIFRAME_WORD_SC, 512, 512, round(megabytes * 1e6 / (512 * 512 * 2)))


@cache
def phantom(rows: int, columns: int) -> bytes:
    """Draw one slice, little endian: nothing outside the field of view, an ellipse of tissue in air, and grain."""
    grains = random.Random(2).randbytes(rows * columns * 2)
    pixels = array("H")
    for place in range(rows * columns):
        row, column = divmod(place, columns)
        grain = (grains[2 * place] + grains[2 * place + 1]) >> 2
        pixels.append(_gray(2 * column / columns - 1, 2 * row / rows - 1, grain))
    if sys.byteorder == "big":
        pixels.byteswap()
    return pixels.tobytes()


def _gray(x: float, y: float, grain: int) -> int:
    if x * x + y * y > 1:
        return 0
    if (x / BODY_WIDTH) ** 2 + (y / BODY_HEIGHT) ** 2 > 1:
        return grain >> 1
    return round(TISSUE + SHADING * x * y) + grain


def instance_uid(number: int) -> str:
    """Make a SOP Instance UID, 44 characters for every number."""
    return f"2.25.{UID_BASE + number}"


def _element(tag: int, vr: str, value: str | int | bytes) -> bytes:
    if isinstance(value, int):
        value = struct.pack("<H", value)
    elif isinstance(value, str):
        value = value.encode() + (b"\0" if vr == "UI" else b" ") * (len(value) % 2)
    layout = "<HH2sxxI" if vr in LONG_VRS else "<HH2sH"
    return struct.pack(layout, tag >> 16, tag & 0xFFFF, vr.encode(), len(value)) + value


def _reference(tag: int, sop_class_uid: str, sop_instance_uid: str) -> tuple[int, str, bytes]:
    item = _element(0x00081150, "UI", sop_class_uid) + _element(0x00081155, "UI", sop_instance_uid)
    return (tag, "SQ", struct.pack("<HHI", 0xFFFE, 0xE000, len(item)) + item)


_REFERENCED_IMAGE = _reference(0x00081140, CT_IMAGE, f"2.25.{UID_BASE * 2 + 8}")
# How a sequence begins when its length is defined, in explicit VR little endian.
SEQUENCE_OF_DEFINED_LENGTH = _element(*_REFERENCED_IMAGE)[:12]


def _with_undefined_lengths(element: bytes) -> bytes:
    """Encode a sequence of one item anew: delimiters behind both instead of lengths."""
    tag_and_vr, item = element[:8], element[20:]
    return b"".join(
        (tag_and_vr, struct.pack("<I", UNDEFINED), ITEM, item, ITEM_DELIMITER, SEQUENCE_DELIMITER)
    )


def _ct_elements(image: Image, number: int) -> list[tuple[int, str, str | int | bytes]]:
    study, series, frame_of_reference = (f"2.25.{UID_BASE * 2 + n}" for n in range(3))
    if image.own_study:
        study = f"2.25.{UID_BASE * 3 + number}"
    time, position = f"{101500 + number % 100000:06d}.000000", f"{number % 10000:04d}.500000"
    return [
        (0x00080005, "CS", "ISO_IR 100"),
        (0x00080008, "CS", "ORIGINAL\\PRIMARY\\AXIAL\\CT_SOM5 SPI"),
        (0x00080012, "DA", "20240304"),
        (0x00080013, "TM", time),
        (0x00080016, "UI", image.sop_class_uid),
        (0x00080018, "UI", instance_uid(number)),
        (0x00080020, "DA", "20240304"),
        (0x00080021, "DA", "20240304"),
        (0x00080022, "DA", "20240304"),
        (0x00080023, "DA", "20240304"),
        (0x00080030, "TM", "101412.218000"),
        (0x00080031, "TM", "101455.781000"),
        (0x00080032, "TM", time),
        (0x00080033, "TM", time),
        (0x00080050, "SH", "A2024030400017"),
        (0x00080060, "CS", "CT"),
        (0x00080070, "LO", "Example Medical Systems"),
        (0x00080080, "LO", "General Hospital, Radiology"),
        (0x00080081, "ST", "1 Hospital Road, Springfield"),
        (0x00080090, "PN", "Referrer^Rita^^Dr."),
        (0x00081010, "SH", "CT_1"),
        (0x00081030, "LO", "Thorax^01_ThoraxRoutine (Adult)"),
        (0x0008103E, "LO", "Thorax  5.0  B31f"),
        (0x00081040, "LO", "Radiology"),
        (0x00081050, "PN", "Performer^Paul^^Dr."),
        (0x00081070, "PN", "Operator^Olga"),
        (0x00081090, "LO", "Example Spiral 64"),
        _reference(0x00081110, "1.2.840.10008.3.1.2.3.1", f"2.25.{UID_BASE * 2 + 7}"),
        _REFERENCED_IMAGE,
        (0x00100010, "PN", "Example^Patient^Maria"),
        (0x00100020, "LO", "PID-0004711"),
        (0x00100030, "DA", "19570214"),
        (0x00100040, "CS", "F"),
        (0x00101010, "AS", "067Y"),
        (0x00101030, "DS", "71.5"),
        (0x001021B0, "LT", "Cough since three weeks, smoker."),
        (0x00180015, "CS", "CHEST"),
        (0x00180022, "CS", "HELICAL"),
        (0x00180050, "DS", "5.0"),
        (0x00180060, "DS", "120"),
        (0x00180090, "DS", "500"),
        (0x00181000, "LO", "54321"),
        (0x00181020, "LO", "syngo CT 2012B"),
        (0x00181030, "LO", "01_ThoraxRoutine"),
        (0x00181100, "DS", "350"),
        (0x00181110, "DS", "1085.6"),
        (0x00181111, "DS", "595"),
        (0x00181120, "DS", "0"),
        (0x00181130, "DS", "156"),
        (0x00181140, "CS", "CW"),
        (0x00181150, "IS", "500"),
        (0x00181151, "IS", "147"),
        (0x00181152, "IS", "73"),
        (0x00181160, "SH", "WEDGE_3"),
        (0x00181170, "IS", "60"),
        (0x00181190, "DS", "1.2"),
        (0x00181210, "SH", "B31f"),
        (0x00185100, "CS", "HFS"),
        (0x0020000D, "UI", study),
        (0x0020000E, "UI", series),
        (0x00200010, "SH", "20240304-17"),
        (0x00200011, "IS", "2"),
        (0x00200012, "IS", "1"),
        (0x00200013, "IS", f"{number % 10000:04d}"),
        (0x00200032, "DS", f"-174.65820312\\-174.65820312\\-{position}"),
        (0x00200037, "DS", "1\\0\\0\\0\\1\\0"),
        (0x00200052, "UI", frame_of_reference),
        (0x00201040, "LO", ""),
        (0x00201041, "DS", f"-{position}"),
        (0x00280002, "US", 1),
        (0x00280004, "CS", "MONOCHROME2"),
        (0x00280008, "IS", str(image.frames)),
        (0x00280010, "US", image.rows),
        (0x00280011, "US", image.columns),
        (0x00280030, "DS", "0.68359375\\0.68359375"),
        (0x00280100, "US", 16),
        (0x00280101, "US", 12),
        (0x00280102, "US", 11),
        (0x00280103, "US", 0),
        (0x00281050, "DS", "40\\-600"),
        (0x00281051, "DS", "400\\1200"),
        (0x00281052, "DS", "-1024"),
        (0x00281053, "DS", "1"),
    ]
