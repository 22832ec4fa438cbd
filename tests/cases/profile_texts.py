"""Files of association profiles, good and bad, with what scpd and storescp 3.6.7 make of them."""

from __future__ import annotations

from typing import NamedTuple

# Lines 1 to 3, 4 to 6, 7 to 9.
SYNTAXES = "[[TransferSyntaxes]]\n[U]\nTransferSyntax1 = LittleEndianImplicit\n"
CONTEXTS = "[[PresentationContexts]]\n[P]\nPresentationContext1 = VerificationSOPClass\\U\n"
PROFILES = "[[Profiles]]\n[D]\nPresentationContexts = P\n"
GOOD = SYNTAXES + CONTEXTS + PROFILES

IN_FILE = "in config file"
JUNK = "syntax error: neither a section nor an entry of key and value"
ACCEPTED = ""
CT = "1.2.840.10008.5.1.4.1.1.2"
NOT_ACCEPTED = f"abstract syntax defined in {{}} list '{{}}' but not in presentation context list 'P': {CT}"
TOO_LONG = (
    f"extended negotiation data too long, cannot handle > 1024 bytes in entry EXTENDEDNEGOTIATION1 {IN_FILE}"
)


class Case(NamedTuple):
    """A text and the faults (line, text) that scpd finds in it, in its order.

    `theirs` is what storescp says behind `cannot read config file: `, "" if it takes the file, `None` if it says the
    same as our first fault; what differs is why it is in this table.
    """

    text: str
    faults: tuple[tuple[int, str], ...] = ()
    theirs: str | None = None


def with_role(role: str, used: bool = True) -> str:
    """Lines 7 to 9 are the roles; the profile's own entry is line 13 if it uses them."""
    roles = f"[[SCPSCURoleSelection]]\n[R]\n{role}\n"
    return SYNTAXES + CONTEXTS + roles + PROFILES + ("SCPSCURoleSelection = R\n" if used else "")


def with_extended(item: str, used: bool = True) -> str:
    """Lines 7 to 9 are the extended negotiation."""
    items = f"[[ExtendedNegotiation]]\n[X]\n{item}\n"
    return SYNTAXES + CONTEXTS + items + PROFILES + ("ExtendedNegotiation = X\n" if used else "")


def with_syntax(value: str) -> str:
    return GOOD.replace("LittleEndianImplicit", value)


def with_context(value: str) -> str:
    return GOOD.replace("VerificationSOPClass\\U", value)


def missing(*names: str) -> tuple[tuple[int, str], ...]:
    return tuple((0, f"cannot find section [[{name}]] {IN_FILE}") for name in names)


# What both take.
GOOD_CASES = {
    "plain": Case(GOOD),
    "no final newline": Case(GOOD.rstrip("\n")),
    "CRLF": Case(GOOD.replace("\n", "\r\n")),
    "CR": Case(GOOD.replace("\n", "\r")),
    "names in any case and spelling": Case(
        GOOD.replace("[[TransferSyntaxes]]", "[ [transfer Syn.taxes] ]").replace("[U]", "[ u! ]")
    ),
    "keys in any case and spelling": Case(GOOD.replace("TransferSyntax1", "transfer syntax 1")),
    "a reference in any case, with blanks": Case(with_context("VerificationSOPClass\\ u ")),
    "comments in column 1": Case(
        GOOD.replace("[", "# [\n[", 1).replace("PresentationContext1", "# Present\n\nPresentationContext1")
    ),
    "indented keys": Case(GOOD.replace("Transfer", "\t Transfer").replace("[[\t Transfer", "[[Transfer")),
    "value on an indented line": Case(GOOD.replace("= P", "=\n  P")),
    "reference on an indented line": Case(with_context("VerificationSOPClass\\\n# a comment\n\n U")),
    "brackets and entry on one line": Case(
        "[[TransferSyntaxes]] [U] TransferSyntax1 = 1.2\n" + GOOD[len(SYNTAXES) :]
    ),
    "three brackets": Case(GOOD.replace("[[TransferSyntaxes]]", "[[[TransferSyntaxes]]]")),
    "supersections in another order": Case(PROFILES + CONTEXTS + SYNTAXES),
    "an unknown supersection": Case(GOOD + "[[Other]]\n[Section]\nAnything = at all\n"),
    "an empty list that nobody uses": Case(GOOD.replace("[U]", "[EMPTY]\n[U]")),
    "sections of the same name": Case(
        GOOD.replace("[[Pre", "[U]\nTransferSyntax1 = LittleEndianExplicit\n[[Pre", 1)
    ),
    "a name behind =": Case(with_syntax("=LittleEndianImplicit")),
    "digits": Case(with_syntax("1.2.840.10008.1.2")),
    "digits of no known UID": Case(with_syntax("1.2.3...")),
    "a UID of the wrong kind": Case(with_syntax("CTImageStorage")),
    "an abstract syntax of the wrong kind": Case(with_context("LocalEndianExplicit\\U")),
    "the machine's own": Case(with_syntax("LocalEndianExplicit")),
    "the other machine's": Case(with_syntax("OppositeEndianExplicit")),
    "a syntax twice": Case(with_syntax("LittleEndianImplicit\nTransferSyntax2 = LittleEndianImplicit")),
    "a role": Case(with_role("Role1 = VerificationSOPClass\\both")),
    "a role of another list": Case(with_role("Role1 = CTImageStorage\\SCP", used=False)),
    "extended negotiation": Case(with_extended("ExtendedNegotiation1 = VerificationSOPClass\\0aFf")),
    "1023 bytes": Case(with_extended("ExtendedNegotiation1 = VerificationSOPClass\\" + "00" * 1023)),
    "a list of 60 syntaxes": Case(
        with_syntax("\n".join(["1.2.1", *(f"TransferSyntax{n} = 1.2.{n}" for n in range(2, 61))]))
    ),
    "not in order of lines": Case(
        GOOD.replace("TransferSyntax1", "TransferSyntax2 = LittleEndianExplicit\nTransferSyntax1")
    ),
}

# What neither takes, for the same reason.
BAD_CASES = {
    "empty": Case("", missing("TRANSFERSYNTAXES", "PRESENTATIONCONTEXTS", "PROFILES")),
    "no transfer syntaxes": Case(
        CONTEXTS + PROFILES,
        (*missing("TRANSFERSYNTAXES"), (3, "transfer syntax key undefined: U")),
    ),
    "no contexts": Case(
        SYNTAXES + PROFILES,
        (*missing("PRESENTATIONCONTEXTS"), (5, "presentation context key undefined: P")),
    ),
    "no profiles": Case(SYNTAXES + CONTEXTS, missing("PROFILES")),
    "unknown name": Case(with_syntax("Foo"), ((3, "not a valid transfer syntax UID: Foo"),)),
    "a name in another case": Case(
        with_syntax("littleEndianImplicit"), ((3, "not a valid transfer syntax UID: littleEndianImplicit"),)
    ),
    "digits and a letter": Case(with_syntax("1.2a"), ((3, "not a valid transfer syntax UID: 1.2a"),)),
    "a blank behind =": Case(
        with_syntax("= LittleEndianImplicit"),
        ((3, "not a valid transfer syntax UID: = LittleEndianImplicit"),),
    ),
    "unknown abstract syntax": Case(with_context("Foo\\U"), ((6, "not a valid abstract syntax UID: Foo"),)),
    "a comment behind a value": Case(
        with_syntax("LittleEndianImplicit # no"),
        ((3, "not a valid transfer syntax UID: LittleEndianImplicit # no"),),
    ),
    "no backslash": Case(
        with_context("VerificationSOPClass"),
        ((6, f"syntax error: missing '\\' in entry PRESENTATIONCONTEXT1 {IN_FILE}"),),
    ),
    "undefined transfer syntaxes": Case(
        with_context("VerificationSOPClass\\no"), ((6, "transfer syntax key undefined: NO"),)
    ),
    "an empty list of transfer syntaxes": Case(
        with_context("VerificationSOPClass\\V").replace("[U]", "[V]\n[U]"),
        ((7, "transfer syntax key undefined: V"),),
    ),
    "a dot in a reference": Case(
        with_context("VerificationSOPClass\\U.1").replace("[U]", "[U.1]"),
        ((6, "transfer syntax key undefined: U.1"),),
    ),
    "a profile without contexts": Case(
        GOOD + "[E]\n", ((10, f"no PRESENTATIONCONTEXTS  entry in section E {IN_FILE}"),)
    ),
    "undefined contexts": Case(GOOD.replace("= P", "= No"), ((8, "presentation context key undefined: NO"),)),
    "undefined roles": Case(GOOD + "SCPSCURoleSelection = No\n", ((8, "role selection key undefined: NO"),)),
    "undefined extended negotiation": Case(
        GOOD + "ExtendedNegotiation = No\n", ((8, "extended negotiation key undefined: NO"),)
    ),
    "a role without backslash": Case(
        with_role("Role1 = VerificationSOPClass", used=False),
        ((9, f"syntax error: missing '\\' in entry ROLE1 {IN_FILE}"),),
    ),
    "an unknown role": Case(
        with_role("Role1 = VerificationSOPClass\\XXX", used=False),
        ((9, f"syntax error: unknown role key in entry ROLE1 {IN_FILE}"),),
    ),
    "a role of an unknown class": Case(
        with_role("Role1 = Foo\\SCP", used=False), ((9, "not a valid abstract syntax UID: Foo"),)
    ),
    "two roles": Case(
        with_role("Role1 = CTImageStorage\\SCP\nRole2 = =CTImageStorage\\SCU", used=False),
        ((10, "role selection defined twice for abstract syntax UID: =CTImageStorage"),),
    ),
    "a role of a class that is not accepted": Case(
        with_role("Role1 = CTImageStorage\\SCP"),
        (
            (
                11,
                NOT_ACCEPTED.format("role selection", "R"),
            ),
        ),
    ),
    "extended negotiation without backslash": Case(
        with_extended("ExtendedNegotiation1 = VerificationSOPClass", used=False),
        ((9, f"syntax error: missing '\\' in entry EXTENDEDNEGOTIATION1 {IN_FILE}"),),
    ),
    "half a byte": Case(
        with_extended("ExtendedNegotiation1 = VerificationSOPClass\\012", used=False),
        ((9, f"parse error in extended negotiation data in entry EXTENDEDNEGOTIATION1 {IN_FILE}"),),
    ),
    "not hexadecimal": Case(
        with_extended("ExtendedNegotiation1 = VerificationSOPClass\\0g", used=False),
        ((9, f"parse error in extended negotiation data in entry EXTENDEDNEGOTIATION1 {IN_FILE}"),),
    ),
    "1025 bytes": Case(
        with_extended("ExtendedNegotiation1 = VerificationSOPClass\\" + "00" * 1025, used=False),
        (
            (
                9,
                TOO_LONG,
            ),
        ),
    ),
    "extended negotiation twice": Case(
        with_extended(
            "ExtendedNegotiation1 = CTImageStorage\\00\nExtendedNegotiation2 = 1.2.840.10008.5.1.4.1.1.2\\01",
            used=False,
        ),
        ((10, "extended negotiation defined twice for abstract syntax UID: 1.2.840.10008.5.1.4.1.1.2"),),
    ),
    "many faults": Case(
        with_role("Role1 = Foo\\SCP\nRole2 = CTImageStorage\\No", used=False)
        .replace("LittleEndianImplicit", "Bar")
        .replace("Verification", "V"),
        (
            (3, "not a valid transfer syntax UID: Bar"),
            (6, "not a valid abstract syntax UID: VSOPClass"),
            (9, "not a valid abstract syntax UID: Foo"),
            (10, f"syntax error: unknown role key in entry ROLE2 {IN_FILE}"),
        ),
    ),
}

# Deliberate: what storescp loses in silence is a fault here.
STRICTER_CASES = {
    "a gap": Case(
        GOOD.replace("[[Pre", "TransferSyntax3 = 1.2\n[[Pre", 1),
        ((4, "entry TRANSFERSYNTAX3 is never read, since section [U] has no TRANSFERSYNTAX2"),),
        ACCEPTED,
    ),
    "a leading zero": Case(
        GOOD.replace("[[Pre", "TransferSyntax02 = 1.2\n[[Pre", 1),
        ((4, "entry TRANSFERSYNTAX02 is never read, since section [U] has no TRANSFERSYNTAX2"),),
        ACCEPTED,
    ),
    "a key twice": Case(
        GOOD.replace("[[Pre", "TransferSyntax1 = 1.2\n[[Pre", 1),
        ((4, "entry TRANSFERSYNTAX1 given twice in section [U]"),),
        ACCEPTED,
    ),
    "an unknown key": Case(
        GOOD.replace("[[Pre", "TransferSyntaxes2 = 1.2\n[[Pre", 1),
        ((4, "unknown entry TRANSFERSYNTAXES2 in section [U]"),),
        ACCEPTED,
    ),
    "an unknown key in a profile": Case(
        GOOD + "Role = R\n", ((10, "unknown entry ROLE in section [D]"),), ACCEPTED
    ),
    "a supersection twice": Case(
        GOOD + SYNTAXES, ((10, "section [[TRANSFERSYNTAXES]] given twice"),), ACCEPTED
    ),
    "an entry before any section": Case(
        "Foo = 1\n" + GOOD, ((1, "entry FOO stands in no [section]"),), ACCEPTED
    ),
    "an entry between the sections": Case(
        GOOD.replace("[U]", "Foo = 1\n[U]"), ((2, "entry FOO stands in no [section]"),), ACCEPTED
    ),
    "a section before any supersection": Case(
        "[A]\nFoo = 1\n" + GOOD, ((1, "section [A] stands in no [[section]]"),), ACCEPTED
    ),
    "junk at the end": Case(GOOD + "hello\n", ((10, JUNK),), ACCEPTED),
    "a header over two lines": Case(
        GOOD.replace("[D]", "[D\n]"),
        ((8, "syntax error: missing ']' in section header"), (9, JUNK)),
        ACCEPTED,
    ),
}

# Deliberate: what storescp stumbles over does no harm here.
MORE_LIBERAL_CASES = {
    "a trailing blank": Case(
        with_syntax("LittleEndianImplicit "), (), "not a valid transfer syntax UID: LittleEndianImplicit "
    ),
    "a blank before the backslash": Case(
        with_context("VerificationSOPClass \\U"), (), "not a valid abstract syntax UID: VerificationSOPClass "
    ),
    "a blank before a role": Case(
        with_role("Role1 = VerificationSOPClass\\ SCP "),
        (),
        f"syntax error: unknown role key in entry ROLE1 {IN_FILE}",
    ),
    "a blank behind bytes": Case(
        with_extended("ExtendedNegotiation1 = VerificationSOPClass\\0a "),
        (),
        f"parse error in extended negotiation data in entry EXTENDEDNEGOTIATION1 {IN_FILE}",
    ),
    "1024 bytes": Case(
        with_extended("ExtendedNegotiation1 = VerificationSOPClass\\" + "00" * 1024),
        (),
        TOO_LONG,
    ),
    "an indented comment": Case(
        GOOD.replace("[[Pre", "  # a comment\n[[Pre", 1),
        (),
        "not a valid transfer syntax UID: LittleEndianImplicit\n# a comment",
    ),
    "a comment behind a section": Case(
        GOOD.replace("[U]", "[U] # a comment"), (), "transfer syntax key undefined: U"
    ),
    "an indented entry behind an entry": Case(
        GOOD.replace("[[Pre", "  TransferSyntax2 = 1.2\n[[Pre", 1),
        (),
        "not a valid transfer syntax UID: LittleEndianImplicit\nTransferSyntax2 = 1.2",
    ),
    "a byte order mark": Case("\xef\xbb\xbf" + GOOD, (), missing("TRANSFERSYNTAXES")[0][1]),
    "a keyword of PS3.6": Case(
        with_syntax("ImplicitVRLittleEndian"), (), "not a valid transfer syntax UID: ImplicitVRLittleEndian"
    ),
    "a name of a newer version": Case(
        with_syntax("JPEGXLLossless"), (), "not a valid transfer syntax UID: JPEGXLLossless"
    ),
    "a name of an older version": Case(
        with_context("FINDGeneralPurposeWorklistInformationModel\\U"),
        (),
        "not a valid abstract syntax UID: FINDGeneralPurposeWorklistInformationModel",
    ),
    "200 contexts": Case(
        with_context(
            "\n".join(["1.2.1\\U", *(f"PresentationContext{n} = 1.2.{n}\\U" for n in range(2, 201))])
        ),
        (),
        "presentation context list too long (> 128 entries): P",
    ),
}

# Deliberate: refused by both, said better here.
OTHER_WORDS_CASES = {
    "no abstract syntax": Case(
        with_context("\\U"),
        ((6, "not a valid abstract syntax UID: "),),
        "Illegal call, perhaps wrong parameters",
    ),
    "no bytes": Case(
        with_extended("ExtendedNegotiation1 = VerificationSOPClass\\", used=False),
        ((9, f"parse error in extended negotiation data in entry EXTENDEDNEGOTIATION1 {IN_FILE}"),),
        "Illegal call, perhaps wrong parameters",
    ),
    "extended negotiation of a class that is not accepted": Case(
        with_extended("ExtendedNegotiation1 = CTImageStorage\\00"),
        (
            (
                11,
                NOT_ACCEPTED.format("extended negotiation", "X"),
            ),
        ),
        NOT_ACCEPTED.format("role selection", "X"),
    ),
    "a profile twice": Case(
        GOOD + PROFILES.partition("\n")[2],
        ((10, "two profiles defined for key: D"),),
        "two profiles defined for key: P",
    ),
    "junk at the beginning": Case("hello\n" + GOOD, ((1, JUNK),), missing("TRANSFERSYNTAXES")[0][1]),
    "junk between the sections": Case(
        GOOD.replace("[[Pre", "hello\n[[Pre", 1), ((4, JUNK),), missing("PRESENTATIONCONTEXTS")[0][1]
    ),
    "a key without =": Case(
        GOOD.replace("[[Pre", "TransferSyntax2\n[[Pre", 1),
        ((4, JUNK),),
        missing("PRESENTATIONCONTEXTS")[0][1],
    ),
    "no bracket at the end": Case(
        GOOD + "[E",
        ((10, "syntax error: missing ']' in section header"),),
        f"no PRESENTATIONCONTEXTS  entry in section E {IN_FILE}",
    ),
    "a control character": Case(
        with_syntax("Foo\x1b"), ((3, "not a valid transfer syntax UID: Foo\\x1b"),), None
    ),
}

CASES = {**GOOD_CASES, **BAD_CASES, **STRICTER_CASES, **MORE_LIBERAL_CASES, **OTHER_WORDS_CASES}
