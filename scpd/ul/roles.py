"""SCP/SCU role selection by an acceptor whose profile says a role (PS3.7 D.3.3.4), with storescp's results.

The requestor proposes its own roles; without a proposal it is SCU, and an acceptor of which the profile wants the
opposite refuses the context.
"""

from __future__ import annotations

from scpd.ul.items import RoleSelection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SCU, SCP, BOTH = "SCU", "SCP", "BOTH"

# What the profile says > what the requestor proposes > the roles that it gets, as SCU and as SCP.
ANSWERS: dict[str, dict[str, tuple[int, int]]] = {
    SCU: {SCU: (1, 0), SCP: (0, 0), BOTH: (1, 0)},
    SCP: {SCU: (0, 0), SCP: (0, 1), BOTH: (0, 1)},
    BOTH: {SCU: (1, 0), SCP: (0, 1), BOTH: (1, 1)},
}


def proposals(items: Iterable[RoleSelection]) -> dict[str, str]:
    """Give the role that is proposed for each SOP class, by its first item; none at all (0, 0) counts as both."""
    found: dict[str, str] = {}
    for item in items:
        found.setdefault(item.sop_class_uid, proposal(item.scu_role, item.scp_role))
    return found


def proposal(scu_role: int, scp_role: int) -> str:
    """Give what an item means; values that the standard does not know are taken as storescp takes them."""
    if scu_role == scp_role:
        return BOTH
    return SCU if scu_role == 1 else SCP


def refused(profile: Mapping[str, str], proposed: Mapping[str, str]) -> frozenset[str]:
    """Give the SOP classes whose requestor is SCU without saying so, where the profile wants an SCP."""
    return frozenset(uid for uid, role in profile.items() if role == SCP and uid not in proposed)


def granted(
    profile: Mapping[str, str], proposed: Mapping[str, str], accepted: Iterable[str]
) -> tuple[RoleSelection, ...]:
    """Give the answer's items: one for each accepted SOP class for which there are a role and a proposal."""
    return tuple(
        RoleSelection(uid, *ANSWERS[profile[uid]][proposed[uid]])
        for uid in dict.fromkeys(accepted)
        if uid in profile and uid in proposed
    )
