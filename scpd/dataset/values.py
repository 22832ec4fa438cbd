"""What the bytes of a value mean (PS3.5 6.2).  Never raises: any bytes give an answer."""

from __future__ import annotations

# What C's isspace() knows; DCMTK removes these wherever they stand in a UID, and so accepts senders that pad
# with spaces or break lines.
_WHITE_SPACE = b" \t\n\v\f\r"


def uid_text(value: bytes) -> str:
    """Return the UID in the value of a UI element: no white space anywhere, no trailing NULs (PS3.5 9.1).

    Other bytes that no UID may hold come back as the characters of their codes (Latin-1): nothing is lost.
    """
    return value.translate(None, _WHITE_SPACE).rstrip(b"\0").decode("latin-1")
