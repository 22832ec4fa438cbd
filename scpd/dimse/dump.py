"""Received commands as text, in storescp's layout (the debug level).

A pure function; what comes from the peer stands in the text as printable ASCII.  A command says nothing of a patient.
For those who want dumps only: it imports the table of names.
"""

from __future__ import annotations

from scpd.dataset.values import uid_text
from scpd.tables.uid_names import UID_NAMES
from scpd.ul.escape import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# Command Field (PS3.7 annex E.1) > name; responses bear the same with RSP.
_OPERATIONS = {
    0x0001: "C-STORE",
    0x0010: "C-GET",
    0x0020: "C-FIND",
    0x0021: "C-MOVE",
    0x0030: "C-ECHO",
    0x0100: "N-EVENT-REPORT",
    0x0110: "N-GET",
    0x0120: "N-SET",
    0x0130: "N-ACTION",
    0x0140: "N-CREATE",
    0x0150: "N-DELETE",
    0x0FFF: "C-CANCEL",
}
_RESPONSE_BIT = 0x8000
_COMMAND_FIELD = 0x0100
_DATA_SET_TYPE = 0x0800
_NO_DATA_SET = 0x0101
_PRIORITIES = {0x0000: "medium", 0x0001: "high", 0x0002: "low"}


def command_text(elements: dict[int, bytes], context_id: int) -> str:
    """Give a received command set, element number > value, as text, without a line feed at its end."""
    lines = ["===================== INCOMING DIMSE MESSAGE ===================="]
    lines += (f"{label:<30}: {value}" for label, value in _fields(elements, context_id))
    lines.append("======================= END DIMSE MESSAGE =======================")
    return "\n".join(lines)


def _fields(elements: dict[int, bytes], context_id: int) -> Iterator[tuple[str, str]]:
    number = _number(elements, _COMMAND_FIELD)
    operation = _OPERATIONS.get(number & ~_RESPONSE_BIT)
    kind = "RSP" if number & _RESPONSE_BIT else "RQ"
    yield "Message Type", f"{operation} {kind}" if operation else f"unknown ({number:04X}H)"
    yield "Presentation Context ID", f"{context_id}"
    for element, label in ((0x0110, "Message ID"), (0x0120, "Message ID Being Responded To")):
        if element in elements:
            yield label, f"{_number(elements, element)}"
    if operation != "C-ECHO":
        yield from _uids(elements)
    yield "Data Set", "none" if _number(elements, _DATA_SET_TYPE) == _NO_DATA_SET else "present"
    if 0x0700 in elements:
        priority = _number(elements, 0x0700)
        yield "Priority", _PRIORITIES.get(priority, f"unknown ({priority:04X}H)")
    if 0x1030 in elements:
        yield "Move Originator AE Title", printable(elements[0x1030].strip(b" \0"))
    if 0x1031 in elements:
        yield "Move Originator ID", f"{_number(elements, 0x1031)}"


def _uids(elements: dict[int, bytes]) -> Iterator[tuple[str, str]]:
    for element, label in (
        (0x0002, "Affected SOP Class UID"),
        (0x0003, "Requested SOP Class UID"),
        (0x1000, "Affected SOP Instance UID"),
        (0x1001, "Requested SOP Instance UID"),
    ):
        if element in elements:
            uid = uid_text(elements[element])
            yield label, UID_NAMES.get(uid) or printable(uid)


def _number(elements: dict[int, bytes], element: int) -> int:
    return int.from_bytes(elements.get(element, b"")[:2], "little")
