"""The same requests to storescp 3.6.7 and to scpd: contexts, results, syntaxes, roles, extended negotiation, rejects.

scpd's answers come from its pure functions, for every request; a few go to real servers too, which shows that the
options reach them.  Deliberate differences are the tables of tests/cases, and:

- An id proposed twice under a profile: storescp answers by the last entry, under the abstract syntax of the first; scpd
  as without a profile, by the best that is accepted.  Both give one answer.
- A class whose context has the id 0: storescp answers neither its role nor its extended negotiation.
- A SOP class with two accepted contexts: storescp answers its role for each, scpd once (PS3.7 D.3.3.4).
- What storescp leaves unanswered (blank titles, no contexts, more than 50 transfer syntaxes) is in test_odd_peers.
- Dumps: a passcode is never in them, bytes that are not printable are escaped.
"""

from __future__ import annotations

import re
import struct
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from scpd.dimse.commands import decode_command
from scpd.dimse.dump import command_text
from scpd.errors import Reject
from scpd.tables.sop_classes import ACCEPTED, FILE_PREFIXES, VERIFICATION
from scpd.tables.transfer_syntaxes import PREFERENCES
from scpd.tables.uid_names import UID_NAMES
from scpd.ul import dump, pdus
from scpd.ul.items import UserInformation
from scpd.ul.negotiation import Answer, Policy, check_request, negotiate
from scpd.ul.profiles import parse
from tests.cases.newer_uids import (
    DROPPED_CLASSES,
    FORGOTTEN_CLASSES,
    NEWER_CLASSES,
    NEWER_SYNTAXES,
    UNKNOWN_TO_367,
)
from tests.cases.profile_texts import CASES
from tests.harness import wire
from tests.harness.clients import run
from tests.harness.programs import real_program
from tests.harness.servers import REPOSITORY, scpd_factory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import Server, ServerFactory

    Connect = Callable[..., RawPeer]

CT, MR = wire.CT_IMAGE_STORAGE, wire.MR_IMAGE_STORAGE
US, WORKLIST = "1.2.840.10008.5.1.4.1.1.6.1", "1.2.840.10008.5.1.4.31"
LITTLE, BIG, IMPLICIT = wire.EXPLICIT_LITTLE, wire.EXPLICIT_BIG, wire.IMPLICIT_LITTLE
PRIVATE = "1.2.826.0.1.3680043.9.9"
DEBIANS_FILE = Path("/etc/dcmtk/storescp.cfg")
OUR_FILE = REPOSITORY / "etc" / "storescp.cfg"
ALL_SYNTAXES = PREFERENCES["accept-all"]
MPEG, J2K, RLE = "1.2.840.10008.1.2.4.100", "1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.5"


class Outcome(NamedTuple):
    """An answer: of an A-ASSOCIATE-AC its contexts in order, roles, extended negotiation; or the fields of the RJ."""

    contexts: tuple[tuple[int, int, str], ...] = ()
    roles: tuple[tuple[str, int, int], ...] = ()
    extended: tuple[tuple[str, bytes], ...] = ()
    reject: tuple[int, int, int] | None = None


# Requests


def batches(uids: Iterable[str], *syntaxes: str) -> list[bytes]:
    """Requests of 128 contexts each."""
    every = sorted(uids)
    return [
        wire.associate_request(
            [(2 * place + 1, uid, list(syntaxes)) for place, uid in enumerate(every[start : start + 128])]
        )
        for start in range(0, len(every), 128)
    ]


def request(*contexts: Any, user: bytes = b"", **fields: Any) -> bytes:
    return wire.associate_request(list(contexts), user_info=wire.user_information(extra=user), **fields)


def role(uid: str, scu: int, scp: int) -> bytes:
    return wire.item(0x54, struct.pack(">H", len(uid)) + uid.encode() + bytes((scu, scp)))


def extended(uid: str, data: bytes) -> bytes:
    return wire.item(0x56, struct.pack(">H", len(uid)) + uid.encode() + data)


def identity(kind: int, first: bytes, second: bytes = b"") -> bytes:
    lengths = [struct.pack(">H", len(value)) + value for value in (first, second)]
    return wire.item(0x58, bytes((kind, 1)) + b"".join(lengths))


ODD_SYNTAXES = ("1.2.840.10008.1.2.4.57", "1.2.3.4", "", f"{LITTLE} ", f"{LITTLE}\0")
DUPLICATES = [
    request((1, CT, [IMPLICIT]), (1, CT, [LITTLE])),
    request((1, CT, [LITTLE]), (1, CT, [IMPLICIT])),
    request((1, CT, [RLE]), (1, MR, [IMPLICIT]), (3, CT, [LITTLE])),
    request((1, WORKLIST, [LITTLE]), (1, CT, [LITTLE])),
    request((1, CT, [LITTLE]), (1, WORKLIST, [LITTLE])),
]
PROPOSALS = [
    *(request((1, CT, [syntax])) for syntax in (*ALL_SYNTAXES, *ODD_SYNTAXES)),
    *(request((1, CT, [syntax, IMPLICIT])) for syntax in ALL_SYNTAXES),
    *(request((1, CT, [BIG, syntax, LITTLE, syntax])) for syntax in ALL_SYNTAXES[::4]),
    request((1, CT, list(ALL_SYNTAXES))),
    request((1, CT, list(reversed(ALL_SYNTAXES))), (3, VERIFICATION, list(reversed(ALL_SYNTAXES)))),
    request((1, VERIFICATION, [IMPLICIT])),
    request((1, VERIFICATION, [RLE])),
    request((1, VERIFICATION, [LITTLE, LITTLE, IMPLICIT, IMPLICIT])),
    request((1, CT, [LITTLE]), (3, CT, [BIG]), (5, CT, [IMPLICIT]), (7, CT, [RLE]), (9, CT, [J2K, MPEG])),
    request((9, CT, [LITTLE]), (1, WORKLIST, [LITTLE]), (3, MR, [RLE]), (255, PRIVATE, [IMPLICIT])),
    *(request((number, CT, [LITTLE]), (129, MR, [LITTLE])) for number in (0, 1, 2, 128, 254, 255)),
    request(*((number, CT, [IMPLICIT]) for number in range(255, 0, -2))),
    request(
        *((number, uid, [LITTLE]) for number, uid in enumerate(("", "x;y/../z", f"{CT} ", f"{CT}\0", "1")))
    ),
    request(wire.presentation_context(1, None, [LITTLE]), (3, CT, [LITTLE])),
    request((1, CT, [f"1.2.{number}" for number in range(49)] + [IMPLICIT])),
    request((1, CT, [LITTLE]), user=role(CT, 1, 1) + role(MR, 0, 1) + extended(CT, b"\1\2")),
    request((1, CT, [LITTLE]), called=" A ", calling="any thing", reserved=b"\xff" * 32),
    request((1, CT, [LITTLE]), protocol_version=3),
    request((1, CT, [LITTLE]), protocol_version=2),
    request((1, CT, [LITTLE]), application_context="1.2.840.10008.3.1.1.1.1"),
    request((1, CT, [LITTLE]), application_context=None),
]
CLASSES = batches({*UID_NAMES, PRIVATE, "1.2"}, LITTLE, IMPLICIT, RLE)


# Answers


def sent_to(server: Server, raw_peer: Connect, asked: bytes) -> Outcome:
    """Ask a real server."""
    peer = raw_peer(server)
    peer.send(asked)
    answer = peer.receive()
    assert answer is not None, "no answer"
    if answer.type == wire.ASSOCIATE_AC:
        peer.send(wire.release_request())
        assert peer.receive() == (wire.RELEASE_RP, bytes(4))
    peer.close()
    return outcome(answer)


def outcome(answer: wire.Pdu) -> Outcome:
    if answer.type == wire.ASSOCIATE_RJ:
        return Outcome(reject=(answer.body[1], answer.body[2], answer.body[3]))
    assert answer.type == wire.ASSOCIATE_AC
    accepted = wire.parse_accept(answer.body)
    kinds = [kind for kind, _ in accepted.user_items]
    assert kinds == sorted(kinds), "user information out of order"
    contexts = []
    for kind, data in accepted.items:
        if kind == 0x21:
            (syntax,) = (value.decode() for sub, value in wire.items(data[4:]) if sub == 0x40)
            contexts.append((data[0], data[2], syntax))
    roles, bytes_told = [], []
    for kind, data in accepted.user_items:
        length = int.from_bytes(data[:2], "big")
        uid, rest = data[2 : 2 + length].decode("latin-1"), data[2 + length :]
        if kind == 0x54:
            roles.append((uid, *rest))
        elif kind == 0x56:
            bytes_told.append((uid, rest))
    return Outcome(tuple(contexts), tuple(dict.fromkeys(roles)), tuple(bytes_told))  # type: ignore[arg-type]


OWN = UserInformation(
    max_length=16384,
    implementation_class_uid="1.2.276.0.7230010.3.0.3.6.7",
    implementation_version_name="OFFIS_DCMTK_367",
)


def decoded(asked: bytes) -> pdus.AssociateRequest:
    return pdus.decode_associate_request(memoryview(asked)[6:])


def encoded(asked: pdus.AssociateRequest, answer: Answer) -> wire.Pdu:
    user = UserInformation(max_length=16384, roles=answer.roles, extended=answer.extended)
    accept = pdus.encode_associate_accept(
        asked.called_ae_title, asked.calling_ae_title, answer.contexts, user
    )
    return wire.Pdu(accept[0], accept[6:])


def ours(policy: Policy, asked: bytes) -> Outcome:
    """Ask scpd's functions, and read what they encode."""
    understood = decoded(asked)
    try:
        check_request(understood, policy)
    except Reject as reject:
        return Outcome(reject=(reject.result, reject.source, reject.reason))
    return outcome(encoded(understood, negotiate(understood.contexts, policy, understood.user.roles)))


def assert_same(server: Server, raw_peer: Connect, policy: Policy, requests: list[bytes]) -> None:
    differing = []
    for asked in requests:
        theirs, mine = sent_to(server, raw_peer, asked), ours(policy, asked)
        if any(context.context_id == 0 for context in decoded(asked).contexts):
            theirs = theirs._replace(roles=mine.roles, extended=mine.extended)
        if theirs != mine:
            differing.append((decoded(asked).contexts, theirs, mine))
    assert differing == []


def policy_of(option: str, promiscuous: bool = False) -> Policy:
    """What scpd negotiates."""
    if promiscuous:
        return Policy(PREFERENCES[option], FILE_PREFIXES.keys() | {VERIFICATION}, UID_NAMES)
    return Policy(PREFERENCES[option], ACCEPTED | {VERIFICATION})


def policy_of_367(option: str, promiscuous: bool = False) -> Policy:
    """The same without what storescp 3.6.7 does not have."""
    syntaxes = tuple(uid for uid in PREFERENCES[option] if uid not in NEWER_SYNTAXES)
    classes = (ACCEPTED | {VERIFICATION}) - NEWER_CLASSES - DROPPED_CLASSES
    return Policy(syntaxes, classes, UID_NAMES.keys() - UNKNOWN_TO_367 if promiscuous else None)


# Preferences and classes


@pytest.mark.parametrize("option", PREFERENCES)
def test_every_preference_negotiates_as_storescps_does(
    storescp: ServerFactory, raw_peer: Connect, option: str
) -> None:
    server = storescp(f"--{option}")
    assert_same(server, raw_peer, policy_of_367(option), PROPOSALS + batches(FILE_PREFIXES, *ALL_SYNTAXES))
    for asked in DUPLICATES:
        accepted = [
            [context for context in found.contexts if context[1] == 0]
            for found in (sent_to(server, raw_peer, asked), ours(policy_of_367(option), asked))
        ]
        assert accepted[0] == accepted[1]


@pytest.mark.parametrize("promiscuous", [False, True], ids=["default", "promiscuous"])
def test_every_class_is_accepted_or_refused_as_by_storescp(
    storescp: ServerFactory, raw_peer: Connect, promiscuous: bool
) -> None:
    server = storescp(*(["--promiscuous"] if promiscuous else []))
    policy = policy_of_367("prefer-uncompr", promiscuous)
    assert_same(server, raw_peer, policy, CLASSES + (PROPOSALS if promiscuous else []))


@pytest.mark.parametrize("option", PREFERENCES)
@pytest.mark.parametrize("promiscuous", [False, True], ids=["default", "promiscuous"])
def test_newer_classes_and_syntaxes_are_the_only_difference(option: str, promiscuous: bool) -> None:
    newer = (
        NEWER_CLASSES | DROPPED_CLASSES | (UNKNOWN_TO_367 | FORGOTTEN_CLASSES if promiscuous else frozenset())
    )
    for asked in PROPOSALS + CLASSES:
        uids = {context.context_id: context.abstract_syntax for context in decoded(asked).contexts}
        pair = [make(option, promiscuous) for make in (policy_of, policy_of_367)]
        for mine, theirs in zip(*(ours(policy, asked).contexts for policy in pair), strict=True):
            assert mine == theirs or uids[mine[0]] in newer or mine[2] in NEWER_SYNTAXES


def test_a_promiscuous_acceptor_takes_the_storage_classes_that_storescp_forgot() -> None:
    for asked in batches(FORGOTTEN_CLASSES, LITTLE):
        assert {result for _, result, _ in ours(policy_of("prefer-uncompr"), asked).contexts} == {3}
        assert {result for _, result, _ in ours(policy_of("prefer-uncompr", True), asked).contexts} == {0}


# Refusals

REFUSALS = [
    wire.associate_request(
        [(1, CT, [LITTLE])],
        user_info=wire.user_information(implementation_class_uid=uid),
        application_context=name,
        protocol_version=version,
    )
    for uid in ("1.2.3", "", None)
    for name in (wire.APPLICATION_CONTEXT, "1.2.3", None)
    for version in (0, 1, 2, 3, 0x8000, 0x8001)
]


@pytest.mark.parametrize("orders", [(), ("refuse",), ("reject",), ("refuse", "reject")], ids=str)
def test_requests_are_rejected_with_storescps_fields(
    storescp: ServerFactory, raw_peer: Connect, orders: tuple[str, ...]
) -> None:
    server = storescp(*(f"--{order}" for order in orders))
    policy = policy_of_367("prefer-uncompr")
    policy.refuse, policy.reject = "refuse" in orders, "reject" in orders
    assert_same(server, raw_peer, policy, REFUSALS)


# Profiles

ROLE_FILE = r"""
[[TransferSyntaxes]]
[Big]
TransferSyntax1 = BigEndianExplicit
TransferSyntax2 = LittleEndianImplicit
[Little]
TransferSyntax1 = LittleEndianExplicit
[[PresentationContexts]]
[All]
PresentationContext1 = CTImageStorage\Big
PresentationContext2 = MRImageStorage\Little
PresentationContext3 = UltrasoundImageStorage\Little
PresentationContext4 = VerificationSOPClass\Big
PresentationContext5 = 1.2.826.0.1.3680043.9.9\Little
[[SCPSCURoleSelection]]
[Roles]
Role1 = UltrasoundImageStorage\BOTH
Role2 = MRImageStorage\SCP
Role3 = CTImageStorage\SCU
[[ExtendedNegotiation]]
[Bytes]
ExtendedNegotiation1 = UltrasoundImageStorage\010203
ExtendedNegotiation2 = CTImageStorage\aBcd
ExtendedNegotiation3 = 1.2.826.0.1.3680043.9.9\00
[[Profiles]]
[Whole]
PresentationContexts = All
SCPSCURoleSelection = Roles
ExtendedNegotiation = Bytes
"""
ROLE_VALUES = [(1, 0), (0, 1), (1, 1), (0, 0), (2, 0), (1, 2), (0, 2), (2, 2)]
ROLE_PROPOSALS = [
    *(
        request(
            *((2 * place + 1, uid, [LITTLE, BIG]) for place, uid in enumerate((CT, MR, US, VERIFICATION))),
            user=user,
        )
        for user in (b"", *(role(CT, *own) + role(MR, *own) + role(US, *own) for own in ROLE_VALUES))
    ),
    request((1, US, [LITTLE]), user=role(US, 1, 0) + role(US, 0, 1)),
    request((1, US, [IMPLICIT]), (3, US, [LITTLE]), (5, US, [LITTLE]), user=role(US, 1, 1)),
    request((1, MR, [IMPLICIT]), (3, PRIVATE, [LITTLE]), (5, CT, [IMPLICIT]), user=role(PRIVATE, 1, 1)),
    request((1, WORKLIST, [LITTLE]), user=role(WORKLIST, 1, 1) + extended(WORKLIST, b"\0")),
    request((1, US, [LITTLE]), (3, CT, [BIG]), user=extended(CT, b"\1\2") + extended(US, b"\3")),
]


def profile_requests(classes: Iterable[str]) -> list[bytes]:
    """Every class with all syntaxes, with each alone, and with each pair of neighbours."""
    syntaxes = [uid for uid in ALL_SYNTAXES if uid not in NEWER_SYNTAXES]
    found = batches(classes, *syntaxes) + batches(classes, *reversed(syntaxes))
    for one, other in pairwise(syntaxes):
        found += batches(classes, one) + batches(classes, other, one)
    return found


@pytest.mark.parametrize(
    ("file", "name"),
    [
        *((DEBIANS_FILE, name) for name in ("Default", "AllDICOM")),
        *(
            (OUR_FILE, name)
            for name in re.findall(
                r"^\[([\w-]+)\]$", OUR_FILE.read_text().partition("[[Prof")[2], re.MULTILINE
            )
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else value.parts[1],
)
def test_every_profile_negotiates_as_with_storescp(
    storescp: ServerFactory, raw_peer: Connect, file: Path, name: str
) -> None:
    if not file.exists():
        pytest.skip(f"{file} is not there (Debian: dcmtk)")
    server = storescp("--config-file", str(file), name)
    profile = parse(file.read_bytes().decode("latin-1")).profile(name)
    policy = Policy(PREFERENCES["prefer-uncompr"], (), profile=profile)
    assert_same(server, raw_peer, policy, PROPOSALS + CLASSES + profile_requests(profile.transfer_syntaxes))


def test_roles_and_extended_negotiation_are_answered_as_by_storescp(
    storescp: ServerFactory, raw_peer: Connect, tmp_path: Path
) -> None:
    (tmp_path / "roles.cfg").write_text(ROLE_FILE)
    server = storescp("--config-file", str(tmp_path / "roles.cfg"), "Whole")
    policy = Policy((), (), profile=parse(ROLE_FILE).profile("Whole"))
    assert_same(server, raw_peer, policy, ROLE_PROPOSALS + PROPOSALS)
    for asked in DUPLICATES:
        assert [len(found.contexts) for found in (sent_to(server, raw_peer, asked), ours(policy, asked))] == [
            len({context.context_id for context in decoded(asked).contexts})
        ] * 2


@pytest.mark.parametrize("name", CASES)
def test_storescp_says_of_each_file_what_the_table_says(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    (tmp_path / "file.cfg").write_bytes(case.text.encode("latin-1"))
    words = ["--config-file", str(tmp_path / "file.cfg"), "D", "-od", str(tmp_path / "none"), "11112"]
    done = run([real_program("storescp"), *words])
    said = "\n".join(line.removeprefix("F: ") for line in done.stderr.rstrip("\n").split("\n"))
    expected = case.theirs
    if expected is None:
        expected = case.faults[0][1] if case.faults else ""
    if expected:
        assert said.replace("\x1b", "\\x1b") == f"cannot read config file: {expected}"
    else:
        assert said == "specified output directory does not exist"


# Real servers of ours


@pytest.fixture(scope="module")
def our_options(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give scpd's usage text."""
    command = scpd_factory(tmp_path_factory.mktemp("usage"))._command
    return run([*command, "--help"], env={"PYTHONPATH": str(REPOSITORY)}).stdout


@pytest.mark.parametrize(
    "options",
    [
        "--prefer-lossless",
        "--accept-all",
        "--implicit",
        "--promiscuous",
        "--refuse",
        "--reject",
        "--config-file Whole",
        "--config-file Whole --promiscuous",
    ],
)
def test_the_options_reach_our_server(
    scpd: ServerFactory, raw_peer: Connect, tmp_path: Path, our_options: str, options: str
) -> None:
    if missing := [word for word in options.split() if word.startswith("-") and word not in our_options]:
        pytest.skip(f"no option {missing[0]} yet")
    words = options.split()
    promiscuous = "--promiscuous" in words
    policy = policy_of("prefer-uncompr" if words[0][2:] not in PREFERENCES else words[0][2:], promiscuous)
    policy.refuse, policy.reject = "--refuse" in words, "--reject" in words
    if "--config-file" in words:
        (tmp_path / "roles.cfg").write_text(ROLE_FILE)
        words.insert(1, str(tmp_path / "roles.cfg"))
        known = UID_NAMES if promiscuous else None
        policy = Policy(PREFERENCES["prefer-uncompr"], (), known, profile=parse(ROLE_FILE).profile("Whole"))
    server = scpd("--fork", *words)
    assert_same(server, raw_peer, policy, [*PROPOSALS[-22:], *ROLE_PROPOSALS, *CLASSES, *REFUSALS[:20]])


# Dumps

BEGIN = re.compile(r"^=+ (?:BEGIN A-ASSOCIATE-..|INCOMING DIMSE MESSAGE) =+$")
END = re.compile(r"^=+ END (?:A-ASSOCIATE-..|DIMSE MESSAGE) =+$")
DUMPED = [
    *ROLE_PROPOSALS,
    request(
        (1, CT, [LITTLE, "1.2.3"]), (2, PRIVATE, [RLE, ""]), (255, WORKLIST, [IMPLICIT]), (0, "", [LITTLE])
    ),
    request((11, VERIFICATION, [LITTLE, J2K]), called=" A B", calling="X"),
    *(request((1, CT, [LITTLE]), user=identity(kind, b"someone")) for kind in (1, 3, 4, 5, 9)),
    wire.associate_request(
        [(1, CT, [BIG])], user_info=wire.user_information(None, None, None), application_context="1.2"
    ),
    wire.associate_request([(1, CT, [BIG])], user_info=wire.user_information(0, "1.2.276", "")),
]


def dumps(server: Server) -> list[str]:
    """Every dump in the log, without the level in front of each line."""
    found: list[str] = []
    lines: list[str] | None = None
    for line in server.stderr.split("\n"):
        text = line[3:]
        if BEGIN.match(text):
            lines = []
        if lines is not None:
            lines.append(text)
            if END.match(text):
                found.append("\n".join(lines))
                lines = None
    return found


def our_dumps(policy: Policy, asked: bytes) -> list[str]:
    understood = decoded(asked)
    found = [dump.request_text(understood, OWN)]
    try:
        check_request(understood, policy)
    except Reject:
        return found
    answer = negotiate(understood.contexts, policy, understood.user.roles)
    return [*found, dump.accept_text(understood, answer, OWN, policy)]


@pytest.mark.parametrize("with_profile", [False, True], ids=["default", "profile"])
def test_dumps_are_storescps_byte_for_byte(
    storescp: ServerFactory, raw_peer: Connect, tmp_path: Path, with_profile: bool
) -> None:
    (tmp_path / "roles.cfg").write_text(ROLE_FILE)
    profile = parse(ROLE_FILE).profile("Whole")
    policy = Policy((), (), profile=profile) if with_profile else policy_of_367("prefer-uncompr")
    words = ["--config-file", str(tmp_path / "roles.cfg"), "Whole"] if with_profile else []
    server = storescp("--verbose", "--verbose-pc", *words)
    expected = []
    for asked in DUMPED:
        sent_to(server, raw_peer, asked)
        expected += our_dumps(policy, asked)
    server.wait_for(lambda: len(dumps(server)) >= len(expected))
    assert dumps(server) == expected


def test_a_dump_shows_no_passcode_and_nothing_unprintable(storescp: ServerFactory, raw_peer: Connect) -> None:
    asked = request((1, CT, [LITTLE]), user=identity(2, b"some\x1bone", b"secret"), calling=b"X\x1b[31m\x80")
    server = storescp("--verbose", "--verbose-pc")
    sent_to(server, raw_peer, asked)
    server.wait_for(lambda: len(dumps(server)) == 2)
    theirs, mine = dumps(server), our_dumps(policy_of_367("prefer-uncompr"), asked)
    assert "\x1b[31m" in theirs[0]
    assert "  Password: [secret]" in theirs[0]
    for text in mine:
        assert text.isascii()
        assert all(line.isprintable() for line in text.split("\n"))
        assert "secret" not in text
        assert "  Password (not dumped) length: 6" in text.split("\n")
        assert "Calling Application Name:    X\\x1b[31m\\x80" in text.split("\n")


def test_dumps_of_commands_are_storescps_byte_for_byte(storescp: ServerFactory, raw_peer: Connect) -> None:
    server = storescp("--debug", "--ignore")
    data = wire.element(8, b"")[:2] + b"\x08\0" + bytes(4)
    commands = [
        wire.c_echo_request(9),
        wire.c_store_request(CT, "1.2.3", 7),
        wire.c_store_request(CT, "1.2.3", 65535, {wire.PRIORITY: 1, 0x1030: b"MOVER ", 0x1031: 5}),
        wire.c_store_request(PRIVATE, "1.2.3.4", 0, {wire.PRIORITY: 2}),
        wire.command_set({2: WORKLIST, 0x100: 0x20, 0x110: 5, 0x700: 0, 0x800: 0}),
    ]
    peer = raw_peer(server)
    peer.associate([(1, CT, [IMPLICIT]), (3, VERIFICATION, [IMPLICIT])])
    expected = []
    for command in commands:
        elements = decode_command(command)
        context_id = 3 if elements[0x100] == b"\x30\0" else 1
        peer.send_command(context_id, command)
        if elements[0x100] == b"\1\0":
            peer.send_data(1, data)
        expected.append(command_text(elements, context_id))
        peer.receive()

    def theirs() -> list[str]:
        return [text for text in dumps(server) if "DIMSE" in text]

    server.wait_for(lambda: len(theirs()) >= len(expected))
    assert theirs() == expected
