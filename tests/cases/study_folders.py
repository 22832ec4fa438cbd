"""Study directories of -ss, -su and -sp: the bytes of three attributes, and the directory that is made for them.

`TIME` in a directory's name stands for YYYYMMDD_HHMMSSmmm; no directory means status C000H.  `AS_STORESCP` was seen in
storescp 3.6.7; `OURS` are the deliberate differences.
"""

from __future__ import annotations

from typing import NamedTuple

TIME = "TIME"
CONC, UID, NAME = "conc-studies", "study-uid", "patientname"  # as settings.sorting has them
OPTIONS = {CONC: "-ss", UID: "-su", NAME: "-sp"}

ABSENT = "element StudyInstanceUID (0020,000d) absent or empty in data set"
ANONYMOUS = "element PatientName (0010,0010) absent or empty in data set, using 'ANONYMOUS' instead"


class Case(NamedTuple):
    """One object; `None` is an attribute that is not there.  `said` is the warning or error in the log."""

    what: str
    sorting: tuple[str, str]
    uid: bytes | None
    name: bytes | None
    charset: bytes | None
    directory: str
    said: str = ""

    @property
    def found(self) -> dict[int, bytes]:
        """The attributes that are there, padded."""
        values = {0x00080005: self.charset, 0x00100010: self.name, 0x0020000D: self.uid}
        return {tag: padded(tag, value) for tag, value in values.items() if value is not None}


def padded(tag: int, value: bytes) -> bytes:
    """Give a value of even length, padded as its VR wants it."""
    return value + (b"\0" if tag == 0x0020000D else b" ") * (len(value) % 2)


def by_uid(what: str, uid: bytes | None, directory: str, said: str = "", prefix: str = "p") -> Case:
    return Case(what, (UID, prefix), uid, b"Doe^Jane", None, directory, said)


def by_time(what: str, uid: bytes | None, directory: str, said: str = "", prefix: str = "p") -> Case:
    return Case(what, (CONC, prefix), uid, b"Doe^Jane", None, directory, said)


def by_name(
    what: str, name: bytes | None, directory: str, said: str = "", charset: bytes | None = None
) -> Case:
    if directory:
        directory = f"{directory}_{TIME}"
    return Case(what, (NAME, ""), b"1.2.3", name, charset, directory, said)


def sanitised(before: str, after: str) -> str:
    return f'Sanitized unusual characters in Study Instance UID, converted from "{before}" to "{after}".'


def not_latin(charset: str) -> str:
    return f"Patient name not in Latin-1 (charset: {charset}), ASCII dir name may be broken"


def no_directory(name: str) -> str:
    return f"could not create subdirectory for study: {name}"


_UIDS = [
    by_uid("a UID", b"1.2.840.4711", "p_1.2.840.4711"),
    by_uid("no prefix", b"1.2.840.4711", "1.2.840.4711", prefix=""),
    by_uid("a prefix of any characters", b"1.2", "a b;c._1.2", prefix="a b;c."),
    by_uid("a hidden prefix", b"1.2", "._1.2", prefix="."),
    by_uid("no UID at all", None, "", ABSENT),
    by_uid("an empty UID", b"", "", ABSENT),
    by_uid("a UID of a space", b" ", "", ABSENT),
    by_uid("a UID of NULs", b"\0\0", "", ABSENT),
    by_uid("several UIDs", b"1.2\\3.4", "p_1.2"),
    by_uid("an empty first UID", b"\\3.4", "", ABSENT),
    by_uid("spaces around", b" 1.2.4 ", "p_1.2.4"),
    by_uid("spaces and line breaks within", b"1. 2\t3\n\r4", "p_1.234"),
    by_uid("odd characters", b"a/b;c~d\x7fe\x1bf", "p_a_b_c_d_e_f", sanitised("a/b;c~d?e?f", "a_b_c_d_e_f")),
    by_uid("kept characters", b"A-b.c:d@e_f", "p_A-b.c:d@e_f"),
    by_uid("bytes above ASCII", b"1.\xe4\xff", "p_1.__", sanitised("1.??", "1.__")),
    by_uid("the parent behind a prefix", b"..", "p_.."),
    by_uid("a path upward", b"../x", "p_.._x", sanitised("../x", ".._x")),
    by_uid("an option", b"-rf", "-rf", prefix=""),
    by_uid("as long as a name may be", b"1" * 253, "p_" + "1" * 253),
    by_uid("longer than a name may be", b"1" * 254, "", no_directory("p_" + "1" * 254)),
]
_TIMES = [
    by_time("a prefix and the time", b"1.2", f"p_{TIME}"),
    by_time("the time alone", b"1.2", TIME, prefix=""),
    by_time("a study of the name of the parent", b"..", TIME, prefix=""),
    by_time("a time without UID", None, "", ABSENT),
    by_time("a time with an empty UID", b"", "", ABSENT),
]
_NAMES = [
    by_name("a name", b"Doe^Jane", "Doe_Jane"),
    by_name("no name at all", None, "ANONYMOUS", ANONYMOUS),
    by_name("an empty name", b"", "ANONYMOUS", ANONYMOUS),
    by_name("a blank name", b"  ", "ANONYMOUS", ANONYMOUS),
    by_name("an empty first name", b"\\C^D", "ANONYMOUS", ANONYMOUS),
    by_name("a blank first name", b"  \\C^D", "ANONYMOUS", ANONYMOUS),
    by_name("several names", b"A^B  \\C^D", "A_B"),
    by_name("a caret", b"^", "_"),
    by_name("carets behind", b"A^B^^^ ", "A_B___"),
    by_name("only groups", b"==", "__"),
    by_name("groups", b"A^B=C^D=E^F", "A_B_C_D_E_F"),
    by_name("a blank in front", b" A", "_A"),
    by_name("blanks behind", b"A^B    ", "A_B"),
    by_name("NULs behind", b"A\0\0\0", "A___"),
    by_name("dots", b"..", "__"),
    by_name("a dot in front", b".x", "_x"),
    by_name("punctuation", b"a-b_c d'e,f", "a_b_c_d_e_f"),
    by_name("control characters", b"A\tB\nC\x7f", "A_B_C_"),
    by_name("letters of Latin-1", b"M\xfcller^\xc4nne=\xdf", "Mueller_Aenne_ss"),
    by_name("all of ASCII but the backslash", bytes([*range(1, 0x5C), *range(0x5D, 0x80)]), "_" * 47 + "0123456789"
            + "_" * 7 + "ABCDEFGHIJKLMNOPQRSTUVWXYZ" + "_" * 5 + "abcdefghijklmnopqrstuvwxyz" + "_" * 5),
    by_name("the controls above ASCII", bytes(range(0x80, 0xC0)), "_" * 64),
    by_name("capitals of Latin-1", bytes(range(0xC0, 0xE0)), "AAAAAeAACEEEEIIIIDNOOOOOe_OUUUUeY_ss"),
    by_name("small letters of Latin-1", bytes(range(0xE0, 0x100)), "aaaaaeaaceeeeiiiidnoooooe_ouuuuey_y"),
    by_name("UTF-8 that is not declared", "José^Mü".encode(), "JosA__MA_"),
    by_name("an escape sequence that is not declared", b"A\x1b(B", "A__B"),
    by_name("declared Latin-1", b"M\xfcller", "Mueller", charset=b"ISO_IR 100"),
    by_name("the declared default", b"M\xfcller", "Mueller", not_latin("ISO_IR 6"), b"ISO_IR 6"),
    by_name("an empty declaration", b"M\xfcller", "Mueller", charset=b""),
    by_name("a set that nobody knows", b"M\xfcller", "Mueller", not_latin("UNKNOWN"), b"UNKNOWN"),
    by_name("bytes above the default", b"A\xfc", "Aue", not_latin("\\ISO 2022 IR 87"), b"\\ISO 2022 IR 87"),
    by_name("ASCII in another set", b"Doe^Jane=A", "Doe_Jane_A", charset=b"ISO_IR 192"),
    by_name("ASCII with code extensions", b"Doe^Jane=A", "Doe_Jane_A", charset=b"\\ISO 2022 IR 87"),
    by_name("as long as a name may be", b"A" * 236, "A" * 236),
]  # fmt: skip
AS_STORESCP = [*_UIDS, *_TIMES, *_NAMES]


class Difference(NamedTuple):
    """What we make of an object, and storescp's directory."""

    case: Case
    storescps: str


OURS = [
    # It stores these outside of the output directory, in it, or where nobody looks.
    Difference(by_uid("the parent", b"..", "", no_directory(".."), prefix=""), ".."),
    Difference(by_uid("the output directory", b".", "", no_directory("."), prefix=""), "."),
    Difference(by_uid("spaces around the parent", b" .. ", "", no_directory(".."), prefix=""), ".."),
    Difference(by_uid("a hidden directory", b".scpd", "", no_directory(".scpd"), prefix=""), ".scpd"),
    # It puts a letter there that is no part of the UID.
    Difference(by_uid("a NUL within", b"1.2\0005", "p_1.2_5", sanitised("1.2?5", "1.2_5")), "p_1.2L5"),
    # It takes one blank, of several values, for a name.
    Difference(by_name("a first name of one blank", b" \\C^D", "ANONYMOUS", ANONYMOUS), "__TIME"),
    # It takes the bytes of any character set for Latin-1.
    Difference(by_name("UTF-8", "José^Mü".encode(), "Jose_Mue", charset=b"ISO_IR 192"), "JosA__MA__TIME"),
    Difference(
        by_name("Cyrillic", b"\xbb\xee\xda\xd0", "Lyuka", charset=b"ISO_IR 144"),
        "_iUD_TIME",
    ),
    Difference(
        by_name(
            "Japanese beside Latin letters",
            b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
            "Yamada_Tarou",
            charset=b"\\ISO 2022 IR 87",
        ),
        "Yamada_Tarou___B_3ED__B___BB_O___B___B_d______B___B___m____B_TIME",
    ),
]  # fmt: skip
