"""Text in the character sets of DICOM (PS3.5 6.1, PS3.3 C.12.1.1.2): what the bytes of a value say.

    the default repertoire and Latin-1   each byte is a character: `is_latin` tells so, nothing is needed for it
    all else                             decoded with pydicom: other ISO 8859 parts, code extensions of ISO 2022
                                         (Japanese, Korean, Chinese), UTF-8, GB18030, GBK

pydicom takes a tenth of a second to be imported, so that is done when the first value needs it, or by `prepare`.

Peers declare what they like: terms that DICOM does not know count as Latin-1, so no other codec of Python's can be
asked for.  Never raises: bytes that are wrong in what is declared become U+FFFD, or characters that nobody meant, and
the answer says so.
"""

from __future__ import annotations

_ESCAPE = 0x1B
_LATIN_1 = frozenset(("ISO_IR 100", "ISO 2022 IR 100"))
_LATIN = _LATIN_1 | {"", "ISO_IR 6", "ISO 2022 IR 6"}
_UTF_8 = (["UTF", "8"], ["UTF8"])  # no terms of DICOM's, but there is no doubt
# The escape sequence of simplified Chinese (PS3.5 annex K), which Python's codec leaves in the text.
_LEFT_ESCAPE = "\x1b$)A"
# Each ends what a code extension began (PS3.5 6.1.2.5.3).
_DELIMITERS = frozenset(b"\t\n\f\r\\^=")


def is_latin(value: bytes, declared: bytes) -> bool:
    """Tell whether each byte of a value is the character of its code in Latin-1.

    `declared` is the value of (0008,0005), empty if there is none.  ASCII is the same in every character set.
    """
    if _ESCAPE not in value and value.isascii():
        return True
    terms = _terms(declared)
    return terms[0] in _LATIN and (len(terms) == 1 or _ESCAPE not in value)


def decoded(value: bytes, declared: bytes) -> tuple[str, bool]:
    """Give the text of a value in the character sets of (0008,0005), and whether it is what they say.

    Without any of them Latin-1 is right too: that is what storescp takes it for.
    """
    terms = _terms(declared)
    if is_latin(value, declared):
        return value.decode("latin-1"), value.isascii() or terms == [""] or not _LATIN_1.isdisjoint(terms)
    from pydicom import charset, config  # a worker pays for it when a value needs it

    encodings = _encodings(terms, charset.python_encoding)
    is_right = all(term in charset.python_encoding for term in terms)
    try:
        with config.strict_reading():  # else it logs and warns
            text = charset.decode_bytes(value, encodings, set(_DELIMITERS))
    except ValueError:  # bytes, or an escape sequence, that are not of these
        text, is_right = value.decode(encodings[0], "replace"), False
    return text.replace(_LEFT_ESCAPE, ""), is_right


def prepare() -> None:
    """Import what `decoded` will need: for a process whose children ask for it."""
    decoded("\u00c4".encode(), b"ISO_IR 192")


def _terms(declared: bytes) -> list[str]:
    """Give the terms as DICOM spells them; many write a hyphen, an underscore or a space where another one belongs."""
    return [_term(each) for each in declared.decode("latin-1").rstrip("\0").split("\\")]


def _term(text: str) -> str:
    words = text.upper().replace("_", " ").replace("-", " ").split()
    if words in _UTF_8:
        return "ISO_IR 192"
    if len(words) == 3 and words[:2] == ["ISO", "IR"]:
        return f"ISO_IR {words[2]}"
    return " ".join(words)


def _encodings(terms: list[str], known: dict[str, str]) -> list[str]:
    """Give Python's names of the terms that it has one for: at least one."""
    return [known[term] for term in terms if term in known] or ["latin-1"]
