"""DCMTK's dictionary files, from text to entries: a pure parser that skips what it cannot read and says so.

    (0010,0020)<tab>LO<tab>PatientID<tab>1<tab>DICOM
    (6000-60FF,3000)<tab>ox<tab>OverlayData
    (0019,"ACME 1.0",10)<tab>DS<tab>Dose<tab>1-n

Three to five fields, separated by one tab each: tag, VR, name, VM, version.  Lines whose first character is `#`, and
empty ones, say nothing.  Numbers are hexadecimal.  A group or element may be a range: `llll-hhhh` and `llll-e-hhhh`
are the even numbers of it, `llll-o-hhhh` the odd ones, `llll-u-hhhh` all.  Two digits behind a creator's name are an
element in whatever block it reserves, four digits that element only.

VRs are those of PS3.5 and the names in small letters of `dictionary`.  Other two capitals are an error, anything else
means UN.  Of a name and a version nothing is kept.  What is read is what storescp 3.6.7 reads, with these exceptions:
a line may be of any length (there: 2047 bytes, the rest is a line of its own), signs before a number are refused,
and so is a creator's name in another place than between group and element.
"""

from __future__ import annotations

import re

from scpd.dataset.dictionary import ALL, CONTEXT_DEPENDENT, EVEN, ODD, Entry, Span
from scpd.log.escape import escape

_BLANKS = " \t\n\v\f\r"  # what C's isspace() knows
_NO_BLANKS = str.maketrans("", "", _BLANKS)

_STANDARD_VRS = (
    "AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR US UT UV"
)
_VRS = CONTEXT_DEPENDENT.union(_STANDARD_VRS.split())
_PARITIES = {"e": EVEN, "o": ODD, "u": ALL}

_NUMBER = "(?:0x)?([0-9a-f]+)"
_SPAN = re.compile(f"{_NUMBER}(?:-(.)-{_NUMBER}|-{_NUMBER})?", re.ASCII | re.IGNORECASE)
_TAG = re.compile(r'\((?P<group>[^",]*)(?:,?\s*"(?P<creator>[^"]*)"\s*)?,(?P<element>[^"]*)\)', re.ASCII)
_VM = re.compile(r"n.*|[+-]?\d+(?:-[+-]?\d+)?(?:n.*)?|[+-]?\d+-n.*", re.ASCII | re.IGNORECASE)


class Complaint:
    """What is wrong with a line: its number, the reason in DCMTK's words, the field as it may stand in a log."""

    __slots__ = ("field", "line", "reason")

    def __init__(self, line: int, reason: str, field: str | None = None) -> None:
        self.line = line
        self.reason = reason
        self.field = field

    def __str__(self) -> str:
        return f"{self.reason} (line {self.line})" + ("" if self.field is None else f": {self.field}")


def parse(text: str) -> tuple[list[Entry], list[Complaint]]:
    """Read a file's text, decoded as Latin-1: gives the entries in their order, and what was skipped."""
    entries: list[Entry] = []
    complaints: list[Complaint] = []
    for number, line in enumerate(text.split("\n"), 1):
        content = line.rstrip(_BLANKS)
        if not content or content.lstrip(_BLANKS).startswith("#"):
            continue
        entry, found = _read_line(number, content.split("\t"))
        complaints += found
        if entry is not None:
            entries.append(entry)
    return entries, complaints


def _read_line(number: int, fields: list[str]) -> tuple[Entry | None, list[Complaint]]:
    if not 3 <= len(fields) <= 5:
        reason = "too few fields" if len(fields) < 3 else "too many fields"
        return None, [Complaint(number, reason)]
    tag, vr = fields[0].strip(_BLANKS), fields[1].translate(_NO_BLANKS)
    complaints = []
    if len(fields) > 3:
        vm = fields[3].translate(_NO_BLANKS)
        if not _VM.fullmatch(vm):
            complaints.append(Complaint(number, "bad VM field", escape(vm)))
    entry = _entry(tag)
    if entry is None:
        complaints.append(Complaint(number, "bad Tag field", escape(tag)))
    # As storescp: of several faults of a line, that of the VR is not named.
    if entry is None or complaints:
        return None, complaints
    name = _vr(vr)
    if name is None:
        return None, [Complaint(number, "bad VR field", escape(vr))]
    entry.vr = name
    return entry, []


def _vr(field: str) -> str | None:
    """Give the VR that a field means; `None` if it looks like one but is none."""
    name = field[:2]
    if name in _VRS:
        return name
    if len(name) == 2 and name.isascii() and name.isalpha() and name.isupper():
        return None
    return "UN"


def _entry(field: str) -> Entry | None:
    """Give an entry for the tags of a field, its VR still open; `None` if it names no tags."""
    tag = _TAG.fullmatch(field)
    if tag is None:
        return None
    group, element = _span(tag["group"]), _span(tag["element"])
    if group is None or element is None:
        return None
    return Entry(group, element, "UN", tag["creator"] or "")


def _span(text: str) -> Span | None:
    """Read a number or a range; what stands behind it does not count."""
    match = _SPAN.match(text.translate(_NO_BLANKS))
    if match is None:
        return None
    first, restrictor, restricted_end, end = match.groups()
    low = int(first, 16) & 0xFFFF
    if restrictor is not None:
        parity = _PARITIES.get(restrictor.lower())
        return None if parity is None else Span(low, int(restricted_end, 16) & 0xFFFF, parity)
    return Span(low, low) if end is None else Span(low, int(end, 16) & 0xFFFF, EVEN)
