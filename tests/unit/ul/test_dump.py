"""Requests and answers as text; tests/peers compares them with storescp's byte for byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scpd.ul.dump import accept_text, request_text, uid_text
from scpd.ul.items import ProposedContext, RoleSelection, UserIdentity, UserInformation
from scpd.ul.negotiation import Policy, negotiate
from scpd.ul.pdus import AssociateRequest
from scpd.ul.profiles import Profile

CT, MR, US = (f"1.2.840.10008.5.1.4.1.1.{end}" for end in ("2", "4", "6.1"))
LITTLE, IMPLICIT, WORKLIST = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.5.1.4.31"
OWN = UserInformation(
    max_length=32768, implementation_class_uid="2.25.1", implementation_version_name="SCPD_TEST"
)
POLICY = Policy((LITTLE, IMPLICIT), {CT, MR})
PROFILE = Profile(
    dict.fromkeys((CT, MR, US), (LITTLE,)), {CT: "SCU", MR: "SCP"}, ((CT, b"\x01\xab"), (US, b"\0"))
)

REQUEST = """\
====================== BEGIN A-ASSOCIATE-RQ =====================
Our Implementation Class UID:      2.25.1
Our Implementation Version Name:   SCPD_TEST
Their Implementation Class UID:    1.2.3
Their Implementation Version Name: THEIRS
Application Context Name:    1.2.840.10008.3.1.1.1
Calling Application Name:    CT_1
Called Application Name:     STORE
Responding Application Name:\x20
Our Max PDU Receive Size:    32768
Their Max PDU Receive Size:  16384
Presentation Contexts:
  Context ID:        1 (Proposed)
    Abstract Syntax: =CTImageStorage
    Proposed SCP/SCU Role: SCP/SCU
    Proposed Transfer Syntax(es):
      =LittleEndianExplicit
      1.9.9
  Context ID:        11 (Proposed)
    Abstract Syntax: =MRImageStorage
    Proposed SCP/SCU Role: Default
    Proposed Transfer Syntax(es):
      =LittleEndianExplicit
Requested Extended Negotiation: none
Accepted Extended Negotiation:  none
Requested User Identity Negotiation: none
User Identity Negotiation Response:  none
======================= END A-ASSOCIATE-RQ ======================"""


def request(*contexts: ProposedContext, **user: object) -> AssociateRequest:
    values: dict[str, object] = {
        "max_length": 16384,
        "implementation_class_uid": "1.2.3",
        "implementation_version_name": "THEIRS",
    }
    return AssociateRequest(
        protocol_version=1,
        called_ae_title=b"STORE",
        calling_ae_title=b"CT_1",
        application_context_name="1.2.840.10008.3.1.1.1",
        contexts=contexts,
        user=UserInformation(**(values | user)),  # type: ignore[arg-type]
    )


ASKED = request(
    ProposedContext(1, CT, (LITTLE, "1.9.9")),
    ProposedContext(11, MR, (LITTLE,)),
    roles=(RoleSelection(CT, 1, 1),),
)


def accepted(asked: AssociateRequest, policy: Policy) -> list[str]:
    answer = negotiate(asked.contexts, policy, asked.user.roles)
    return accept_text(asked, answer, OWN, policy).split("\n")


def test_a_request_is_dumped_in_storescps_layout() -> None:
    assert request_text(ASKED, OWN) == REQUEST


def test_an_answer_says_what_became_of_each_context() -> None:
    asked = request(
        ProposedContext(1, CT, (IMPLICIT,)),
        ProposedContext(3, CT, ("1.9",)),
        ProposedContext(5, WORKLIST, (LITTLE,)),
    )
    lines = accepted(asked, POLICY)
    assert lines[0] == "====================== BEGIN A-ASSOCIATE-AC ====================="
    assert lines[8] == "Responding Application Name: STORE"
    assert lines[12:25] == [
        "  Context ID:        1 (Accepted)",
        "    Abstract Syntax: =CTImageStorage",
        "    Proposed SCP/SCU Role: Default",
        "    Accepted SCP/SCU Role: Default",
        "    Accepted Transfer Syntax: =LittleEndianImplicit",
        "  Context ID:        3 (Transfer Syntaxes Not Supported)",
        "    Abstract Syntax: =CTImageStorage",
        "    Proposed SCP/SCU Role: Default",
        "    Accepted SCP/SCU Role: Default",
        "  Context ID:        5 (Abstract Syntax Not Supported)",
        "    Abstract Syntax: =FINDModalityWorklistInformationModel",
        "    Proposed SCP/SCU Role: Default",
        "    Accepted SCP/SCU Role: Default",
    ]
    assert lines[-1] == "======================= END A-ASSOCIATE-AC ======================"


def test_an_answer_by_a_profile_shows_roles_and_extended_negotiation() -> None:
    lines = accepted(ASKED, Policy((), (), profile=PROFILE))
    assert lines[12:-3] == [
        "  Context ID:        1 (Accepted)",
        "    Abstract Syntax: =CTImageStorage",
        "    Proposed SCP/SCU Role: SCP/SCU",
        "    Accepted SCP/SCU Role: SCU",
        "    Accepted Transfer Syntax: =LittleEndianExplicit",
        "  Context ID:        11 (No Reason)",
        "    Abstract Syntax: =MRImageStorage",
        "    Proposed SCP/SCU Role: Default",
        "    Accepted SCP/SCU Role: SCP",
        "Requested Extended Negotiation: none",
        "Accepted Extended Negotiation:",
        "  =CTImageStorage (1.2.840.10008.5.1.4.1.1.2)",
        "    [0x01, 0xab]",
    ]


def test_an_id_proposed_twice_is_shown_once_under_its_first_class() -> None:
    asked = request(ProposedContext(1, CT, ("1.9",)), ProposedContext(1, MR, (LITTLE,)))
    assert accepted(asked, POLICY)[12:15] == [
        "  Context ID:        1 (Accepted)",
        "    Abstract Syntax: =CTImageStorage",
        "    Proposed SCP/SCU Role: Default",
    ]


@pytest.mark.parametrize(
    ("identity", "lines"),
    [
        (
            UserIdentity(1, True, b"me"),
            ["mode 1: Username", "Username: [me]", "Positive Response requested: Yes"],
        ),
        (
            UserIdentity(2, False, b"me", b"secret"),
            [
                "mode 2: Username/Password",
                "Username: [me]",
                "Password (not dumped) length: 6",
                "Positive Response requested: No",
            ],
        ),
        (
            UserIdentity(3, False, b"secret"),
            [
                "mode 3: Kerberos",
                "Kerberos Service Ticket (not dumped) length: 6",
                "Positive Response requested: No",
            ],
        ),
        (
            UserIdentity(4, False, b"secret"),
            ["mode 4: SAML", "SAML Assertion (not dumped) length: 6", "Positive Response requested: No"],
        ),
        (
            UserIdentity(5, False, b"secret"),
            ["mode 5: JWT", "JSON Web Token (not dumped) length: 6", "Positive Response requested: No"],
        ),
        (
            UserIdentity(9, True, b"secret", b"x"),
            [
                "mode: Unknown ",
                "First value (not dumped), length: 6",
                "Second Value (not dumped), length: 1",
                "Positive Response requested: Yes",
            ],
        ),
    ],
    ids=["name", "passcode", "Kerberos", "SAML", "JWT", "unknown"],
)
def test_a_user_is_named_but_no_secret_is_told(identity: UserIdentity, lines: list[str]) -> None:
    text = request_text(request(ProposedContext(1, CT, (LITTLE,)), user_identity=identity), OWN)
    expected = [f"  Authentication {lines[0]}", *(f"  {line}" for line in lines[1:])]
    assert text.split("\n")[-2 - len(lines) : -2] == expected
    assert "secret" not in text


def test_a_uid_is_called_by_its_name_or_shown_escaped() -> None:
    assert uid_text(CT) == "=CTImageStorage"
    assert uid_text("1.2.3") == "1.2.3"
    assert uid_text("1.2\x1b[0m") == "1.2\\x1b[0m"
    assert uid_text("") == ""


TEXT = st.text(st.characters(max_codepoint=255), max_size=64)


@given(TEXT, TEXT, TEXT, st.binary(max_size=16), st.binary(max_size=16), st.binary(max_size=20))
def test_whatever_a_peer_sends_a_dump_is_printable(
    abstract: str, transfer: str, name: str, calling: bytes, called: bytes, data: bytes
) -> None:
    asked = request(
        ProposedContext(1, abstract, (transfer,)),
        implementation_class_uid=name,
        implementation_version_name=transfer,
        extended=((abstract, data),),
        roles=(RoleSelection(abstract, 1, 7),),
        user_identity=UserIdentity(2, True, calling, b"\nsecret"),
    )
    asked.calling_ae_title, asked.called_ae_title, asked.application_context_name = calling, called, name
    texts = request_text(asked, OWN), "\n".join(accepted(asked, POLICY))
    for text in texts:
        assert text.isascii()
        assert all(line.isprintable() for line in text.split("\n"))
        assert "secret" not in text
    assert texts[0].count("\n") == 27, "a line feed of the peer made a line"
