"""Association profiles: what a text means, and what is wrong with it."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scpd.ul.profiles import Config, Profile, ProfileError, parse
from tests.cases.profile_texts import CASES, CONTEXTS, GOOD, PROFILES, SYNTAXES, with_extended, with_role

VERIFICATION, CT = "1.2.840.10008.1.1", "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
IMPLICIT, LITTLE, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
OUR_FILE = Path(__file__).resolve().parents[3] / "etc" / "storescp.cfg"


def faults(config: Config) -> tuple[tuple[int, str], ...]:
    return tuple((fault.line, fault.text) for fault in config.faults)


def refusal(text: str, name: str = "D") -> tuple[int, str]:
    with pytest.raises(ProfileError) as caught:
        parse(text).profile(name)
    return caught.value.fault.line, str(caught.value)


@pytest.mark.parametrize("name", CASES)
def test_every_fault_is_found_with_its_line(name: str) -> None:
    assert faults(parse(CASES[name].text)) == CASES[name].faults


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.faults])
def test_what_has_no_faults_has_profiles(name: str) -> None:
    assert parse(CASES[name].text).profile("D").transfer_syntaxes


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.faults])
def test_what_has_faults_has_none(name: str) -> None:
    assert refusal(CASES[name].text) == CASES[name].faults[0]


def test_a_profile_is_its_lists() -> None:
    text = r"""
        [[TransferSyntaxes]]
        [Some]
        TransferSyntax2 = LittleEndianImplicit
        TransferSyntax1 = OppositeEndianExplicit
        [Other]
        TransferSyntax1 = LittleEndianExplicit
        [[PresentationContexts]]
        [Images]
        PresentationContext1 = MRImageStorage\Other
        PresentationContext2 = CTImageStorage\Some
        [[SCPSCURoleSelection]]
        [Roles]
        Role1 = CTImageStorage\Both
        [[ExtendedNegotiation]]
        [Bytes]
        ExtendedNegotiation1 = CTImageStorage\0102ff
        ExtendedNegotiation2 = MRImageStorage\00
        [[Profiles]]
        [All]
        PresentationContexts = Images
        SCPSCURoleSelection = Roles
        ExtendedNegotiation = Bytes
        [Plain]
        PresentationContexts = Images
    """
    whole, plain = parse(text).profile("all"), parse(text).profile(" PLAIN ")

    assert whole.transfer_syntaxes == {MR: (LITTLE,), CT: (BIG, IMPLICIT)}
    assert whole.roles == {CT: "BOTH"}
    assert whole.extended == ((CT, b"\1\2\xff"), (MR, b"\0"))
    assert (plain.transfer_syntaxes, plain.roles, plain.extended) == (whole.transfer_syntaxes, {}, ())


def test_sections_of_the_same_name_are_one_list() -> None:
    assert parse(CASES["sections of the same name"].text).profile("D").transfer_syntaxes == {
        VERIFICATION: (IMPLICIT, LITTLE)
    }


@pytest.mark.parametrize(
    ("written", "uid"),
    [
        ("LittleEndianExplicit", LITTLE),
        ("=LittleEndianExplicit", LITTLE),
        ("ExplicitVRLittleEndian", LITTLE),
        ("1.2.840.10008.1.2.1", LITTLE),
        ("LocalEndianExplicit", LITTLE),
        ("OppositeEndianExplicit", BIG),
        ("JPEGExtended:Process2+4", "1.2.840.10008.1.2.4.51"),
        ("JPEG2000", "1.2.840.10008.1.2.4.91"),
        ("MPEG2MainProfile@MainLevel", "1.2.840.10008.1.2.4.100"),
        ("HTJ2KLossless", "1.2.840.10008.1.2.4.201"),
        ("1.2.3", "1.2.3"),
    ],
)
def test_a_uid_may_be_written_in_many_ways(written: str, uid: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.byteorder", "little")
    text = GOOD.replace("LittleEndianImplicit", written)
    assert parse(text).profile("D").transfer_syntaxes == {VERIFICATION: (uid,)}


def test_on_a_big_endian_machine_the_local_byte_order_is_big(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.byteorder", "big")
    both = "LocalEndianExplicit\nTransferSyntax2 = OppositeEndianExplicit"
    text = GOOD.replace("LittleEndianImplicit", both)
    assert parse(text).profile("D").transfer_syntaxes == {VERIFICATION: (BIG, LITTLE)}


@pytest.mark.parametrize("name", ["NO", "D.", "", "\x1b"])
def test_a_profile_that_is_not_there_is_refused(name: str) -> None:
    line, text = refusal(GOOD, name)
    assert (line, text[: text.index(":")]) == (0, "unknown configuration profile name")
    assert text.isprintable()


def test_an_acceptor_needs_each_abstract_syntax_once() -> None:
    twice = "PresentationContext2 = 1.2.840.10008.1.1\\U\n"
    assert refusal(SYNTAXES + CONTEXTS + twice + PROFILES, "d") == (
        9,
        "profile 'D' is not valid for SCP use, duplicate abstract syntaxes found",
    )


def test_profiles_that_are_not_asked_for_may_be_for_requestors() -> None:
    text = GOOD + "[E]\nPresentationContexts = Q\n"
    twice = "[Q]\nPresentationContext1 = 1.2\\U\nPresentationContext2 = 1.2\\U\n[[Profiles]]"
    assert parse(text.replace("[[Profiles]]", twice)).profile("D")


def test_an_answer_must_have_room_for_all_extended_negotiation() -> None:
    classes = [f"1.2.{number}" for number in range(60)]
    contexts = "".join(f"PresentationContext{n} = {uid}\\U\n" for n, uid in enumerate(classes, 2))
    extended = "\n".join(f"ExtendedNegotiation{n} = {uid}\\{'00' * 1000}" for n, uid in enumerate(classes, 1))
    text = with_extended(extended).replace(CONTEXTS, CONTEXTS + contexts)
    line, reason = refusal(text)
    assert text.split("\n")[line - 1] == "[D]"
    assert reason == "profile 'D' has more extended negotiation data than an answer can carry"


def test_our_own_file_has_no_faults_and_every_profile_is_for_an_acceptor() -> None:
    config = parse(OUR_FILE.read_text(encoding="ascii"))
    assert faults(config) == ()
    names = [
        line.strip("[]\n")
        for line in OUR_FILE.read_text(encoding="ascii").partition("[[Profiles]]")[2].split("\n")
        if line.startswith("[")
    ]
    assert len(names) == 11
    for name in names:
        profile = config.profile(name)
        assert VERIFICATION in profile.transfer_syntaxes
        assert all(IMPLICIT in syntaxes for syntaxes in profile.transfer_syntaxes.values())


PIECES = st.sampled_from(
    [
        *(line + "\n" for case in CASES.values() for line in case.text.split("\n")[:14]),
        *(
            "[[Profiles]]",
            "[",
            "]",
            "[[",
            "]]",
            "=",
            "\\",
            "\n",
            " ",
            "#",
            "\r",
            "\0",
            "TransferSyntax",
            "1",
            "\x85",
        ),
    ]
)


@given(st.one_of(st.text(), st.lists(PIECES, max_size=40).map("".join)))
def test_any_text_is_a_config_or_has_faults_of_one_printable_line(text: str) -> None:
    config = parse(text)
    for fault in config.faults:
        assert fault.text.isascii()
        assert fault.text.isprintable()
        assert 0 <= fault.line <= text.count("\n") + text.count("\r") + 1
    with contextlib.suppress(ProfileError):
        assert isinstance(config.profile("D"), Profile)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 400_000,
        "[a]" * 130_000,
        "[[a]]\n" * 60_000,
        GOOD + " x\n" * 130_000,
        "[[TransferSyntaxes]]\n[U]\n" + "TransferSyntax1 = 1.2\n" * 20_000,
        SYNTAXES + "".join(f"TransferSyntax{n} = 1.2\n" for n in range(2, 20_000)) + CONTEXTS + PROFILES,
        SYNTAXES + "".join(f"TransferSyntax{n} = 1.2\n" for n in range(3, 20_000)) + CONTEXTS + PROFILES,
        with_role("Role1 = 1.2\\SCP" + "".join(f"\nRole{n} = 1.2\\SCP" for n in range(2, 20_000))),
        GOOD.replace("TransferSyntax1", "TransferSyntax" + "1" * 400_000),
        with_extended("ExtendedNegotiation1 = CTImageStorage\\" + "0" * 400_001),
    ],
    ids=range(10),
)
def test_a_large_text_takes_time_in_proportion(text: str) -> None:
    begin = time.process_time()
    parse(text)
    assert time.process_time() - begin < 3
