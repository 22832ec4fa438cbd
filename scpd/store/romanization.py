"""Text as letters and digits of ASCII, for names of directories: `Müller^Änne` becomes `Mueller_Aenne`.

`romanized_latin` is storescp's, for text of characters up to FFH:

    letters and digits of ASCII             as they are
    Ä Ö Ü ä ö ü ß                           Ae Oe Ue ae oe ue ss
    other letters of Latin-1                their base letter; Æ is A, Ð is D, Ø is O
    all else, U+00D7, U+00F7, Þ and þ too   `_`

`romanized` does the same to text in any script: other letters by `anyascii`, character by character and without a
context: Japanese ideographs get their Chinese reading.  What is no letter becomes `_`; what is part of the letter
before, or is not seen at all, becomes nothing.  Pure; never raises.
"""

from __future__ import annotations

_FROM_C0 = "AAAAAAACEEEEIIIIDNOOOOO_OUUUUY_saaaaaaaceeeeiiiidnooooo_ouuuuy_y"
_LATIN = {code: chr(code) if chr(code).isascii() and chr(code).isalnum() else "_" for code in range(0xC0)}
_LATIN |= dict(enumerate(_FROM_C0, 0xC0))
_LATIN |= {ord(umlaut): letter + "e" for umlaut, letter in zip("ÄÖÜäöü", "AOUaou", strict=True)} | {
    ord("ß"): "ss"
}

_END_OF_BMP = 0x10000
_BLOCK = 0x100


def romanized_latin(text: str) -> str:
    """Give what storescp makes of text in Latin-1."""
    return text.translate(_LATIN)


def romanized(text: str) -> str:
    """Give text of any script."""
    from unicodedata import normalize  # as `anyascii`: only for what is more than Latin-1

    return "".join(map(_romanized, normalize("NFKC", text)))


def prepare() -> None:
    """Load what `romanized` will need, but for the rarest scripts: for a process whose children ask for it."""
    for block in range(0, _END_OF_BMP, _BLOCK):
        romanized(chr(block))


def _romanized(character: str) -> str:
    known = _LATIN.get(ord(character))
    if known is not None:
        return known
    from unicodedata import category

    from anyascii import anyascii

    try:
        letters = "".join(filter(str.isalnum, anyascii(character)))
    except OSError:  # its table of that script is not loaded, and cannot be read any more
        letters = ""
    if letters or category(character)[0] in "LM" or category(character) == "Cf":
        return letters
    return "_"
