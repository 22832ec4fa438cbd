"""The status codes that our responses carry (PS3.7 annex C; PS3.4 B.2.3 for C-STORE).

The peer's log and the Error Comment (0000,0902) say more; these numbers are what its program acts on.
"""

from __future__ import annotations

SUCCESS = 0x0000
INVALID_ATTRIBUTE_VALUE = 0x0106
DUPLICATE_SOP_INSTANCE = 0x0111
MISSING_ATTRIBUTE = 0x0120
SOP_CLASS_NOT_SUPPORTED = 0x0122
UNRECOGNIZED_OPERATION = 0x0211

# C-STORE's own.  The standard leaves the last digits to us (A7xx, A9xx, Cxxx); zero is what storescp sends.
OUT_OF_RESOURCES = 0xA700
DATA_SET_MISMATCH = 0xA900
CANNOT_UNDERSTAND = 0xC000


def text(code: int) -> str:
    """Return a status as it is written: four hexadecimal digits."""
    # The usual one costs no formatting, nor a fresh worker the pages of that.
    return f"{code:04X}" if code else "0000"
