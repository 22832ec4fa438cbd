"""Lines of the files in the lock directory: fields of text, and a checksum that tells a whole line from a torn one.

    FIELD TAB FIELD TAB ... TAB CHECKSUM NEWLINE

A byte of a field (in UTF-8, where a lone surrogate, which stands for a byte of a file's name that is no UTF-8, is a
character like others) that is no printable ASCII, a space or a percent sign stands as %XX, so a line can be read by eye
and cut with cut(1).  CHECKSUM is the CRC-32 of all before it, tabs included, as eight hexadecimal digits.  It protects
against power cuts and full disks, not against forgers: who reads takes every field as hostile.

Versions live side by side: an upgraded receiver writes for a keeper that still runs, and back.  So a line is never
changed but by fields behind those that it has, or by a line of a new kind, and only for what who does not know it can
do without; whoever reads passes over both.  Where a field may be missing, and a later one is not, it is empty.
Requests are read to the letter: who does not know all that is asked for does nothing.

Pure; any fields survive, each line has one spelling, and `decode` raises nothing.
"""

from __future__ import annotations

from binascii import crc32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# No line of ours is longer: a name has at most 255 bytes, a UID 64, a title 16, each nine times as long at worst.
LONGEST = 1 << 13

_CHECKSUM = 9  # bytes: a tab and eight digits


def encode(fields: Sequence[str]) -> bytes:
    """Give a line of at least one field."""
    # Nearly all lines need no escape anywhere; one look at all fields together takes half the time.
    line = "\t".join(fields if is_plain("".join(fields)) else map(escaped, fields))
    return sealed(f"{line}\t")


def sealed(text: str) -> bytes:
    """Give the line of fields that are escaped already, with a tab behind each."""
    data = text.encode("ascii")
    return data + b"%08x\n" % crc32(data)


def decode(line: bytes) -> list[str] | None:
    """Give the fields of a line, without its newline; `None` if it is not whole."""
    text, checksum = line[: 1 - _CHECKSUM], line[1 - _CHECKSUM :]
    if not text.endswith(b"\t") or checksum != b"%08x" % crc32(text):
        return None
    try:
        fields = text[:-1].decode("ascii").split("\t")
        # As in `encode`: a keeper reads a line for each object that is received.
        return fields if is_plain("".join(fields)) else _all_unescaped(fields)
    except ValueError:
        return None


def _all_unescaped(escaped_fields: list[str]) -> list[str] | None:
    """Undo all escapes; `None` or `ValueError` where what stands there is not how a field is written."""
    fields = [_unescaped(field) for field in escaped_fields]
    return fields if list(map(escaped, fields)) == escaped_fields else None


def decode_all(lines: Iterable[bytes]) -> list[list[str]]:
    """Give the fields of those lines that are whole."""
    return [fields for line in lines if (fields := decode(line)) is not None]


def is_plain(text: str) -> bool:
    """Tell whether it stands in a line as it is."""
    return text.isascii() and text.isprintable() and "%" not in text and " " not in text


def escaped(text: str) -> str:
    """Give a field as it stands in a line."""
    if is_plain(text):
        return text
    data = text.encode("utf-8", "surrogatepass")
    return "".join(chr(byte) if 0x20 < byte < 0x7F and byte != 0x25 else f"%{byte:02X}" for byte in data)


def _unescaped(field: str) -> str:
    """Undo it; `ValueError` for what cannot be undone."""
    if "%" not in field:
        return field
    first, *rest = field.split("%")
    data = first.encode("ascii") + b"".join(
        bytes.fromhex(piece[:2]) + piece[2:].encode("ascii") for piece in rest
    )
    return data.decode("utf-8", "surrogatepass")
