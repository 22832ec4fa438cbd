"""Role selection, cell by cell, as measured with storescp 3.6.7."""

from __future__ import annotations

import pytest

from scpd.ul import roles
from scpd.ul.items import ProposedContext, RoleSelection
from scpd.ul.negotiation import Answer, Policy, negotiate
from scpd.ul.profiles import Profile

CT, MR, LITTLE = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.1.2.1"
ACCEPTED, CONFLICT = 0, 2


def answer(own: dict[str, str], proposed: list[tuple[str, int, int]], *uids: str) -> Answer:
    profile = Profile(dict.fromkeys((CT, MR), (LITTLE,)), own)
    contexts = tuple(
        ProposedContext(2 * place + 1, uid, (LITTLE,)) for place, uid in enumerate(uids or (CT,))
    )
    items = tuple(RoleSelection(*item) for item in proposed)
    return negotiate(contexts, Policy((), (), profile=profile), items)


@pytest.mark.parametrize(
    ("own", "proposed", "result", "granted"),
    [
        ("SCU", None, ACCEPTED, None),
        ("SCU", (1, 0), ACCEPTED, (1, 0)),
        ("SCU", (0, 1), ACCEPTED, (0, 0)),
        ("SCU", (1, 1), ACCEPTED, (1, 0)),
        ("SCU", (0, 0), ACCEPTED, (1, 0)),
        ("SCP", None, CONFLICT, None),
        ("SCP", (1, 0), ACCEPTED, (0, 0)),
        ("SCP", (0, 1), ACCEPTED, (0, 1)),
        ("SCP", (1, 1), ACCEPTED, (0, 1)),
        ("SCP", (0, 0), ACCEPTED, (0, 1)),
        ("BOTH", None, ACCEPTED, None),
        ("BOTH", (1, 0), ACCEPTED, (1, 0)),
        ("BOTH", (0, 1), ACCEPTED, (0, 1)),
        ("BOTH", (1, 1), ACCEPTED, (1, 1)),
        ("BOTH", (0, 0), ACCEPTED, (1, 1)),
        (None, None, ACCEPTED, None),
        (None, (1, 0), ACCEPTED, None),
        (None, (0, 1), ACCEPTED, None),
        (None, (1, 1), ACCEPTED, None),
        (None, (0, 0), ACCEPTED, None),
    ],
)
def test_the_profile_decides_what_is_granted(
    own: str | None, proposed: tuple[int, int] | None, result: int, granted: tuple[int, int] | None
) -> None:
    found = answer({CT: own} if own else {}, [(CT, *proposed)] if proposed else [])

    assert [context[1] for context in found.contexts] == [result]
    assert list(found.accepted) == ([1] if result == ACCEPTED else [])
    assert found.roles == ((RoleSelection(CT, *granted),) if granted else ())


def test_the_first_of_two_proposals_counts() -> None:
    assert answer({CT: "BOTH"}, [(CT, 1, 0), (CT, 0, 1)]).roles == (RoleSelection(CT, 1, 0),)


def test_a_class_gets_one_item_in_the_order_of_the_contexts() -> None:
    found = answer({CT: "BOTH", MR: "BOTH"}, [(CT, 1, 0), (MR, 0, 1)], MR, CT, MR, CT)
    assert found.roles == (RoleSelection(MR, 0, 1), RoleSelection(CT, 1, 0))


def test_a_class_that_is_not_accepted_gets_none() -> None:
    assert answer({CT: "BOTH", MR: "BOTH"}, [(CT, 1, 0), (MR, 0, 1)], MR).roles == (RoleSelection(MR, 0, 1),)


@pytest.mark.parametrize(
    ("scu", "scp", "meant"),
    [(2, 0, "SCP"), (0, 2, "SCP"), (1, 2, "SCU"), (2, 1, "SCP"), (2, 2, "BOTH"), (255, 0, "SCP")],
)
def test_values_beyond_the_standard_mean_what_storescp_takes_them_for(scu: int, scp: int, meant: str) -> None:
    assert roles.proposal(scu, scp) == meant
