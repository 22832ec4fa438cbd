"""The answer to a request: storescp's results, and for ordinary requests pynetdicom's too."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pynetdicom.presentation import PresentationContext, negotiate_as_acceptor

from scpd.errors import Reject
from scpd.ul.items import ProposedContext, RoleSelection, UserIdentity, UserInformation
from scpd.ul.negotiation import Answer, Context, Policy, check_request, negotiate, peer_max_pdu
from scpd.ul.pdus import AssociateRequest
from scpd.ul.profiles import Profile

VERIFICATION = "1.2.840.10008.1.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
WORKLIST = "1.2.840.10008.5.1.4.31"
PRIVATE = "1.2.3.4.5"
IMPLICIT = "1.2.840.10008.1.2"
LITTLE = "1.2.840.10008.1.2.1"
BIG = "1.2.840.10008.1.2.2"
JPEG = "1.2.840.10008.1.2.4.70"
RLE = "1.2.840.10008.1.2.5"

DEFAULT = Policy((LITTLE, BIG, IMPLICIT), {VERIFICATION, CT, MR})
JPEG_FIRST = Policy((JPEG, LITTLE, BIG, IMPLICIT), {VERIFICATION, CT, MR})
IMPLICIT_ONLY = Policy((IMPLICIT,), {VERIFICATION, CT, MR})
PROMISCUOUS = Policy(
    (LITTLE, BIG, IMPLICIT), {VERIFICATION, CT, MR}, {VERIFICATION, CT, MR, WORKLIST, LITTLE}
)


def contexts_of(answer: Answer) -> tuple[list[tuple[int, int, str]], dict[int, Context]]:
    return answer.contexts, answer.accepted


def answer_to(policy: Policy, abstract_syntax: str, *transfer_syntaxes: str) -> tuple[int, str]:
    """Result and transfer syntax for one context."""
    answers, accepted = contexts_of(
        negotiate((ProposedContext(1, abstract_syntax, transfer_syntaxes),), policy)
    )
    ((context_id, result, syntax),) = answers
    assert context_id == 1
    assert list(accepted) == ([1] if result == 0 else [])
    return result, syntax


def request(**changes: object) -> AssociateRequest:
    fields: dict[str, object] = {
        "protocol_version": 1,
        "called_ae_title": b"STORESCP",
        "calling_ae_title": b"CT_1",
        "application_context_name": "1.2.840.10008.3.1.1.1",
        "contexts": (ProposedContext(1, CT, (LITTLE,)),),
        "user": UserInformation(max_length=16384),
    }
    return AssociateRequest(**(fields | changes))  # type: ignore[arg-type]


class TestOneContext:
    @pytest.mark.parametrize(
        ("policy", "offered", "chosen"),
        [
            (DEFAULT, (LITTLE,), LITTLE),
            (DEFAULT, (IMPLICIT,), IMPLICIT),
            (DEFAULT, (IMPLICIT, BIG, LITTLE), LITTLE),
            (DEFAULT, (IMPLICIT, BIG), BIG),
            (DEFAULT, (JPEG, RLE, IMPLICIT), IMPLICIT),
            (DEFAULT, (LITTLE, LITTLE), LITTLE),
            (JPEG_FIRST, (IMPLICIT, LITTLE, JPEG), JPEG),
            (IMPLICIT_ONLY, (LITTLE, IMPLICIT), IMPLICIT),
        ],
    )
    def test_the_acceptors_order_decides_never_the_requestors(
        self, policy: Policy, offered: tuple[str, ...], chosen: str
    ) -> None:
        assert answer_to(policy, CT, *offered) == (0, chosen)
        assert answer_to(policy, CT, *reversed(offered)) == (0, chosen)

    def test_verification_follows_the_same_list_of_transfer_syntaxes(self) -> None:
        assert answer_to(JPEG_FIRST, VERIFICATION, IMPLICIT, JPEG) == (0, JPEG)
        assert answer_to(IMPLICIT_ONLY, VERIFICATION, LITTLE) == (4, IMPLICIT)

    @pytest.mark.parametrize(
        "offered",
        [(RLE,), (JPEG, RLE), (), ("",), (LITTLE + " ",), (LITTLE + ".1",)],
        ids=["one", "two", "none", "empty", "trailing space", "longer"],
    )
    def test_without_a_common_transfer_syntax_the_result_is_4(self, offered: tuple[str, ...]) -> None:
        assert answer_to(DEFAULT, CT, *offered) == (4, IMPLICIT)

    @pytest.mark.parametrize("abstract_syntax", [WORKLIST, PRIVATE, "", CT + " ", "x;y/../z"])
    @pytest.mark.parametrize("offered", [(LITTLE,), (RLE,), ()], ids=["common", "not common", "none"])
    def test_any_other_sop_class_is_refused_by_result_3(
        self, abstract_syntax: str, offered: tuple[str, ...]
    ) -> None:
        assert answer_to(DEFAULT, abstract_syntax, *offered) == (3, IMPLICIT)


class TestPromiscuous:
    @pytest.mark.parametrize("abstract_syntax", [PRIVATE, "x;y/../z", "", CT, VERIFICATION])
    def test_what_nobody_knows_is_accepted_by_the_same_rule(self, abstract_syntax: str) -> None:
        assert answer_to(PROMISCUOUS, abstract_syntax, IMPLICIT, LITTLE) == (0, LITTLE)
        assert answer_to(PROMISCUOUS, abstract_syntax, RLE) == (4, IMPLICIT)

    @pytest.mark.parametrize("abstract_syntax", [WORKLIST, LITTLE])
    def test_a_known_uid_of_any_other_kind_stays_refused(self, abstract_syntax: str) -> None:
        assert answer_to(PROMISCUOUS, abstract_syntax, LITTLE) == (3, IMPLICIT)


class TestProfiles:
    PROFILE = Profile({CT: (JPEG, IMPLICIT), MR: (RLE,), VERIFICATION: ()}, {}, ((MR, b"m"), (CT, b"c")))

    @pytest.mark.parametrize(
        ("abstract_syntax", "offered", "answer"),
        [
            (CT, (IMPLICIT, JPEG), (0, JPEG)),
            (CT, (LITTLE, IMPLICIT), (0, IMPLICIT)),
            (CT, (LITTLE,), (4, IMPLICIT)),
            (MR, (RLE, JPEG), (0, RLE)),
            (MR, (JPEG,), (4, IMPLICIT)),
            (VERIFICATION, (IMPLICIT,), (4, IMPLICIT)),
            (WORKLIST, (IMPLICIT,), (3, IMPLICIT)),
            (PRIVATE, (IMPLICIT,), (3, IMPLICIT)),
        ],
    )
    def test_each_class_has_its_own_transfer_syntaxes_and_no_other_is_accepted(
        self, abstract_syntax: str, offered: tuple[str, ...], answer: tuple[int, str]
    ) -> None:
        policy = Policy((LITTLE, IMPLICIT), (), profile=self.PROFILE)
        assert answer_to(policy, abstract_syntax, *offered) == answer

    def test_a_promiscuous_acceptor_takes_by_its_own_list_what_profile_and_tables_do_not_know(self) -> None:
        policy = Policy((LITTLE, IMPLICIT), (), {CT, MR, WORKLIST}, profile=self.PROFILE)
        assert answer_to(policy, PRIVATE, IMPLICIT, LITTLE) == (0, LITTLE)
        assert answer_to(policy, WORKLIST, LITTLE) == (3, IMPLICIT)
        assert answer_to(policy, CT, LITTLE) == (4, IMPLICIT)

    def test_accepted_classes_are_told_their_bytes_in_the_order_of_the_profile(self) -> None:
        def extended(*contexts: tuple[str, str]) -> tuple[tuple[str, bytes], ...]:
            proposed = tuple(
                ProposedContext(2 * n, uid, (syntax,)) for n, (uid, syntax) in enumerate(contexts)
            )
            return negotiate(proposed, Policy((), (), profile=self.PROFILE)).extended

        assert extended((CT, JPEG), (MR, RLE), (CT, IMPLICIT)) == ((MR, b"m"), (CT, b"c"))
        assert extended((CT, JPEG), (MR, JPEG)) == ((CT, b"c"),)
        assert extended((CT, LITTLE)) == ()

    def test_without_a_profile_neither_roles_nor_extended_negotiation_are_answered(self) -> None:
        answer = negotiate((ProposedContext(1, CT, (LITTLE,)),), DEFAULT, (RoleSelection(CT, 1, 1),))
        assert (answer.contexts, answer.roles, answer.extended) == ([(1, 0, LITTLE)], (), ())


class TestManyContexts:
    def test_every_context_gets_one_answer_in_the_order_of_the_request(self) -> None:
        proposed = (
            ProposedContext(5, CT, (LITTLE,)),
            ProposedContext(1, PRIVATE, (LITTLE,)),
            ProposedContext(3, MR, (RLE,)),
            ProposedContext(255, CT, (IMPLICIT,)),
        )

        answers, accepted = contexts_of(negotiate(proposed, DEFAULT))

        assert answers == [(5, 0, LITTLE), (1, 3, IMPLICIT), (3, 4, IMPLICIT), (255, 0, IMPLICIT)]
        assert {number: (each.context_id, each.abstract_syntax) for number, each in accepted.items()} == {
            5: (5, CT),
            255: (255, CT),
        }
        assert accepted[255].transfer_syntax == IMPLICIT

    @pytest.mark.parametrize("context_id", [0, 1, 2, 128, 254, 255])
    def test_context_ids_are_not_judged(self, context_id: int) -> None:
        answers, accepted = contexts_of(negotiate((ProposedContext(context_id, CT, (LITTLE,)),), DEFAULT))

        assert answers == [(context_id, 0, LITTLE)]
        assert accepted[context_id].context_id == context_id

    @pytest.mark.parametrize(
        ("entries", "answer", "abstract_syntax"),
        [
            ([(CT, (LITTLE,)), (CT, (LITTLE,))], (0, LITTLE), CT),
            ([(CT, (IMPLICIT,)), (CT, (LITTLE,))], (0, LITTLE), CT),
            ([(CT, (LITTLE,)), (CT, (IMPLICIT,))], (0, LITTLE), CT),
            ([(CT, (IMPLICIT,)), (MR, (LITTLE,))], (0, LITTLE), CT),
            ([(CT, (RLE,)), (MR, (BIG,))], (0, BIG), MR),
            ([(WORKLIST, (LITTLE,)), (MR, (LITTLE,))], (0, LITTLE), MR),
            ([(CT, (LITTLE,)), (WORKLIST, (LITTLE,))], (0, LITTLE), CT),
            ([(CT, (RLE,)), (WORKLIST, (LITTLE,))], (4, IMPLICIT), None),
            ([(WORKLIST, (LITTLE,)), (CT, (RLE,))], (3, IMPLICIT), None),
            ([(CT, ()), (CT, (IMPLICIT,)), (CT, (BIG,))], (0, BIG), CT),
        ],
    )
    def test_an_id_proposed_twice_gets_one_answer_under_the_first_accepted_sop_class(
        self,
        entries: list[tuple[str, tuple[str, ...]]],
        answer: tuple[int, str],
        abstract_syntax: str | None,
    ) -> None:
        proposed = (
            ProposedContext(3, MR, (LITTLE,)),
            *(ProposedContext(1, *entry) for entry in entries),
            ProposedContext(5, MR, (LITTLE,)),
        )

        answers, accepted = contexts_of(negotiate(proposed, DEFAULT))

        assert answers == [(3, 0, LITTLE), (1, *answer), (5, 0, LITTLE)]
        assert (accepted[1].abstract_syntax if 1 in accepted else None) == abstract_syntax

    def test_all_contexts_may_be_refused(self) -> None:
        answers, accepted = contexts_of(negotiate((ProposedContext(1, WORKLIST, (LITTLE,)),), DEFAULT))

        assert answers == [(1, 3, IMPLICIT)]
        assert accepted == {}

    def test_128_contexts_of_many_syntaxes_are_negotiated(self) -> None:
        syntaxes = (*(f"1.2.3.{number}" for number in range(200)), IMPLICIT)
        proposed = tuple(ProposedContext(number, CT, syntaxes) for number in range(1, 256, 2))

        answers, accepted = contexts_of(negotiate(proposed, DEFAULT))

        assert answers == [(number, 0, IMPLICIT) for number in range(1, 256, 2)]
        assert len(accepted) == 128


UIDS = st.sampled_from([VERIFICATION, CT, MR, WORKLIST, PRIVATE])
SYNTAXES = st.sampled_from([IMPLICIT, LITTLE, BIG, JPEG, RLE])
ORDERS = st.lists(SYNTAXES, min_size=1, max_size=5, unique=True)
ORDINARY = st.dictionaries(
    st.integers(0, 127).map(lambda number: 2 * number + 1), st.tuples(UIDS, ORDERS), min_size=1, max_size=12
)


@settings(deadline=None)
@given(proposed=ORDINARY, order=ORDERS, classes=st.sets(UIDS, min_size=1))
def test_any_ordinary_request_has_pynetdicoms_results(
    proposed: dict[int, tuple[str, list[str]]], order: list[str], classes: set[str]
) -> None:
    # pynetdicom sorts by id, and names the first syntax proposed in a refused context: only results and what is
    # accepted can be compared.
    theirs, _ = negotiate_as_acceptor(
        [
            _their_context(number, abstract_syntax, offered)
            for number, (abstract_syntax, offered) in proposed.items()
        ],
        [_their_context(1, abstract_syntax, order) for abstract_syntax in classes],
    )

    answers, accepted = contexts_of(
        negotiate(
            tuple(
                ProposedContext(number, abstract_syntax, tuple(offered))
                for number, (abstract_syntax, offered) in proposed.items()
            ),
            Policy(tuple(order), classes),
        )
    )

    assert [context_id for context_id, _, _ in answers] == list(proposed)
    assert sorted((context_id, result) for context_id, result, _ in answers) == [
        (each.context_id, each.result) for each in theirs
    ]
    assert {number: (each.abstract_syntax, each.transfer_syntax) for number, each in accepted.items()} == {
        each.context_id: (each.abstract_syntax, each.transfer_syntax[0])
        for each in theirs
        if each.result == 0
    }


def _their_context(number: int, abstract_syntax: str, transfer_syntaxes: list[str]) -> PresentationContext:
    context = PresentationContext()
    context.context_id = number
    context.abstract_syntax = abstract_syntax  # type: ignore[assignment]
    context.transfer_syntax = list(transfer_syntaxes)  # type: ignore[arg-type]
    return context


class TestRequests:
    @pytest.mark.parametrize("version", [1, 3, 0x8001, 0xFFFF])
    def test_bit_0_of_the_protocol_version_is_all_that_counts(self, version: int) -> None:
        check_request(request(protocol_version=version), DEFAULT)

    @pytest.mark.parametrize(
        ("changes", "fields"),
        [
            pytest.param({"protocol_version": 0}, (1, 2, 2), id="version 0"),
            pytest.param({"protocol_version": 2}, (1, 2, 2), id="version 2"),
            pytest.param({"protocol_version": 0x8000}, (1, 2, 2), id="version 8000H"),
            pytest.param({"application_context_name": ""}, (1, 1, 2), id="no application context"),
            pytest.param({"application_context_name": "1.2.3"}, (1, 1, 2), id="other application context"),
            pytest.param(
                {"application_context_name": "1.2.840.10008.3.1.1.1 "}, (1, 1, 2), id="with a space behind it"
            ),
            pytest.param({"calling_ae_title": b""}, (1, 1, 3), id="no calling title"),
            pytest.param({"calling_ae_title": b"   "}, (1, 1, 3), id="blank calling title"),
            pytest.param({"called_ae_title": b""}, (1, 1, 7), id="no called title"),
            pytest.param({"called_ae_title": b" "}, (1, 1, 7), id="blank called title"),
            pytest.param({"contexts": ()}, (1, 1, 1), id="no contexts"),
            pytest.param({"user": UserInformation(max_length=1)}, (1, 1, 1), id="1 byte"),
            pytest.param({"user": UserInformation(max_length=7)}, (1, 1, 1), id="7 bytes"),
            pytest.param(
                {"protocol_version": 0, "application_context_name": "", "contexts": ()},
                (1, 2, 2),
                id="the version before everything else",
            ),
        ],
    )
    def test_what_cannot_be_served_is_rejected_with_the_reason_of_the_standard(
        self, changes: dict[str, object], fields: tuple[int, int, int]
    ) -> None:
        with pytest.raises(Reject) as caught:
            check_request(request(**changes), DEFAULT)

        assert (caught.value.result, caught.value.source, caught.value.reason) == fields
        assert str(caught.value)

    @pytest.mark.parametrize(
        ("orders", "changes", "fields", "text"),
        [
            pytest.param(
                {"refuse": True},
                {},
                (1, 1, 1),
                "Refusing Association (forced via command line)",
                id="refused",
            ),
            pytest.param(
                {"refuse": True, "reject": True},
                {"application_context_name": "", "calling_ae_title": b"", "contexts": ()},
                (1, 1, 1),
                "Refusing Association (forced via command line)",
                id="refused before anything else",
            ),
            pytest.param(
                {"refuse": True},
                {"protocol_version": 2},
                (1, 2, 2),
                "protocol version 0002H",
                id="but the version",
            ),
            pytest.param(
                {"reject": True},
                {},
                (1, 1, 1),
                "No Implementation Class UID provided",
                id="no implementation UID",
            ),
            pytest.param(
                {"reject": True},
                {"application_context_name": "1.2.\x1b"},
                (1, 1, 2),
                "Bad Application Context Name: 1.2.\\x1b",
                id="a wrong application context first",
            ),
        ],
    )
    def test_the_administrators_orders_are_carried_out(
        self, orders: dict[str, bool], changes: dict[str, object], fields: tuple[int, ...], text: str
    ) -> None:
        with pytest.raises(Reject) as caught:
            check_request(request(**changes), Policy((LITTLE,), {CT}, **orders))

        assert (caught.value.result, caught.value.source, caught.value.reason) == fields
        assert str(caught.value) == text

    def test_who_names_its_implementation_is_not_rejected(self) -> None:
        user = UserInformation(implementation_class_uid="1.2.3")
        check_request(request(user=user), Policy((LITTLE,), {CT}, reject=True))

    @pytest.mark.parametrize(
        "changes",
        [
            pytest.param({}, id="ordinary"),
            pytest.param({"called_ae_title": b"ANY-SCP"}, id="any called title"),
            pytest.param({"called_ae_title": b" LEADING"}, id="leading space"),
            pytest.param({"calling_ae_title": b"\xff\x01"}, id="no ASCII"),
            pytest.param({"contexts": (ProposedContext(2, "", ()),)}, id="an empty context of an even id"),
            pytest.param({"user": UserInformation()}, id="no user information"),
            pytest.param({"user": UserInformation(max_length=8)}, id="least maximum length"),
            pytest.param(
                {
                    "user": UserInformation(
                        async_operations=(5, 5),
                        roles=(RoleSelection(CT, 0, 1),),
                        user_identity=UserIdentity(1, True, b"someone"),
                    )
                },
                id="items that we do not answer",
            ),
        ],
    )
    def test_what_storescp_serves_is_not_rejected(self, changes: dict[str, object]) -> None:
        check_request(request(**changes), DEFAULT)

    @pytest.mark.parametrize(
        ("max_length", "longest"),
        [(0, 131072), (8, 8), (16384, 16384), (131072, 131072), (131073, 131072), (0xFFFFFFFF, 131072)],
    )
    def test_we_send_what_the_peer_takes_and_no_more_than_we_care_to(
        self, max_length: int, longest: int
    ) -> None:
        assert peer_max_pdu(request(user=UserInformation(max_length=max_length))) == longest
