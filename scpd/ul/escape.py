"""Text from the network or from a file as it may stand in a line of a log: printable ASCII, whatever it was."""

from __future__ import annotations


def printable(text: str | bytes) -> str:
    r"""Give the text with all that is not printable ASCII as \xNN (a character beyond U+00FF as \uNNNN).

    A backslash is doubled, so that nobody can write what only looks like an escape.
    """
    if isinstance(text, bytes):
        text = text.decode("latin-1")
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text
    return "".join(map(_escape, text))


def _escape(character: str) -> str:
    code = ord(character)
    if character == "\\":
        return "\\\\"
    if 32 <= code < 127:
        return character
    if code < 256:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}"
