"""Value representations: what each VR is like, and what the odd ones that senders write are taken for (PS3.5 6.2).

    form     short: 16-bit length; long: 32-bit length behind two reserved bytes (PS3.5 7.1.2)
    rule     what makes a value presentable: text ends with at most one space, a UID holds no white space and ends
             with at most one NUL, all have an even length
    unit     bytes that change their order together between little and big endian
    young    made after 1993, when programs knew no others than the first 24

What storescp makes of two bytes that are no VR is kept: two capitals are one that is yet to come, with the long form
(PS3.5 6.2.2 has such values written as UN), the small names of DCMTK's own dictionary mean what they mean there, and
all else is UN with the short form.  No I/O, no state.
"""

from __future__ import annotations

from scpd.errors import Refused

PLAIN, TEXT, UID, SEQUENCE = "plain", "text", "UID", "sequence"

_CANNOT_UNDERSTAND = 0xC000  # PS3.4 B.2.3

PIXEL_DATA = 0x7FE00010
_OVERLAY_DATA = 0x60003000
_ANY_OVERLAY = 0xFF01FFFF  # groups 60xx, even


class Representation:
    """What one VR is like."""

    __slots__ = ("is_long", "is_young", "rule", "unit", "vr")

    def __init__(self, vr: bytes, rule: str, unit: int, *, is_long: bool, is_young: bool) -> None:
        self.vr = vr
        self.rule = rule
        self.unit = unit
        self.is_long = is_long
        self.is_young = is_young


_TEXTS = b"AE AS CS DA DS DT IS LO LT PN SH ST TM UC UR UT"
_UNITS = {2: b"AT OW SS US", 4: b"FL OF OL SL UL", 8: b"FD OD OV SV UV", 1: b"OB UN"}
_LONG = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_YOUNG = frozenset(b"UN UT UC UR OF OD OL OV SV UV".split())


def _row(vr: bytes, rule: str, unit: int = 1) -> tuple[bytes, Representation]:
    return vr, Representation(vr, rule, unit, is_long=vr in _LONG, is_young=vr in _YOUNG)


REPRESENTATIONS: dict[bytes, Representation] = dict(
    (
        *(_row(vr, TEXT) for vr in _TEXTS.split()),
        *(_row(vr, PLAIN, unit) for unit, vrs in _UNITS.items() for vr in vrs.split()),
        _row(b"UI", UID),
        _row(b"SQ", SEQUENCE),
    )
)
SHORT = frozenset(vr for vr, representation in REPRESENTATIONS.items() if not representation.is_long)

OB, OW, SQ, UL, UN, US = (REPRESENTATIONS[vr] for vr in b"OB OW SQ UL UN US".split())

# DCMTK's own names, as VRs in a data set: what they stand for.  Those of two letters it reads with a long header.
_OWN_LONG = frozenset((b"ox", b"px", b"lt"))
_OWN_NAMES = {b"ox": OB, b"px": OW, b"lt": OW, b"xs": US, b"up": UL}
_NO_ELEMENTS = frozenset((b"na", b"pi"))


def has_long_form(vr: bytes) -> bool:
    """Tell whether an element with these two bytes for a VR has a 32-bit length."""
    if vr in REPRESENTATIONS:
        return REPRESENTATIONS[vr].is_long
    return vr in _OWN_LONG or (vr.isalpha() and vr.isupper())


def received(vr: bytes, tag: int) -> Representation:
    """Give what an element is that came with these two bytes for a VR; `Refused` for what none can have."""
    known = REPRESENTATIONS.get(vr)
    if known is not None:
        return known
    if vr in _NO_ELEMENTS:
        raise Refused(_CANNOT_UNDERSTAND, f"an element with VR {vr.decode()}")
    if (vr == b"OX" and tag == PIXEL_DATA) or (vr == b"ox" and is_pixel_or_overlay(tag)):
        return OW
    return _OWN_NAMES.get(vr, UN)


def is_pixel_or_overlay(tag: int) -> bool:
    """Tell whether this is pixel data or the data of an overlay, which are words unless their sender says bytes."""
    return tag == PIXEL_DATA or tag & _ANY_OVERLAY == _OVERLAY_DATA
