"""The state table of the acceptor, cell by cell: against PS3.8 table 9-10 as printed, and against pynetdicom's."""

from __future__ import annotations

import pytest
from pynetdicom import fsm

from scpd.ul import machine

# PS3.8 table 9-10, its rows as they are printed: event, then a cell for each state that an acceptor can be in;
# a dot is a blank cell.
STATES = (1, 2, 3, 6, 7, 8, 10, 12, 13)
PRINTED = """
     Sta1 Sta2 Sta3 Sta6 Sta7 Sta8 Sta10 Sta12 Sta13
3    .    AA-1 AA-8 AA-8 AA-8 AA-8 AA-8  AA-8  AA-6
4    .    AA-1 AA-8 AA-8 AA-8 AA-8 AA-8  AA-8  AA-6
5    AE-5 .    .    .    .    .    .     .     .
6    .    AE-6 AA-8 AA-8 AA-8 AA-8 AA-8  AA-8  AA-7
7    .    .    AE-7 .    .    .    .     .     .
8    .    .    AE-8 .    .    .    .     .     .
9    .    .    .    DT-1 .    AR-7 .     .     .
10   .    AA-1 AA-8 DT-2 AR-6 AA-8 AA-8  AA-8  AA-6
11   .    .    .    AR-1 .    .    .     .     .
12   .    AA-1 AA-8 AR-2 AR-8 AA-8 AA-8  AA-8  AA-6
13   .    AA-1 AA-8 AA-8 AR-3 AA-8 AR-10 AA-8  AA-6
14   .    .    .    .    .    AR-4 .     AR-4  .
15   .    .    AA-1 AA-1 AA-1 AA-1 AA-1  AA-1  .
16   .    AA-2 AA-3 AA-3 AA-3 AA-3 AA-3  AA-3  AA-2
17   .    AA-5 AA-4 AA-4 AA-4 AA-4 AA-4  AA-4  AR-5
18   .    AA-2 .    .    .    .    .     .     AA-2
19   .    AA-1 AA-8 AA-8 AA-8 AA-8 AA-8  AA-8  AA-7
"""

# Tables 9-6 to 9-9: where each action leads.
NEXT_STATE = {
    "AE-5": 2,
    "AE-6": 3,
    "AE-7": 6,
    "AE-8": 13,
    "DT-1": 6,
    "DT-2": 6,
    "AR-1": 7,
    "AR-2": 8,
    "AR-3": 1,
    "AR-4": 13,
    "AR-5": 1,
    "AR-6": 7,
    "AR-7": 8,
    "AR-8": 10,
    "AR-10": 12,
    "AA-1": 13,
    "AA-2": 1,
    "AA-3": 1,
    "AA-4": 1,
    "AA-5": 1,
    "AA-6": 13,
    "AA-7": 13,
    "AA-8": 13,
}

# Where the standard lets an action lead to one of two states, and why ours is the one that it is.
CHOICES = {
    # AE-6 may reject at once (Sta13); here every request goes to the negotiation, which rejects out of Sta3 (AE-8).
    "AE-6": ("Sta3", "Sta13"),
    # AR-8 leads the requestor of the association to Sta9, its acceptor to Sta10.
    "AR-8": ("Sta9", "Sta10"),
}

ROWS = [line.split() for line in PRINTED.strip().splitlines()[1:]]
CELLS = {(state, int(row[0])): cell for row in ROWS for state, cell in zip(STATES, row[1:], strict=True)}


def name(cell: tuple[int, int]) -> str:
    return f"Sta{cell[0]}-Evt{cell[1]}"


@pytest.mark.parametrize("cell", [cell for cell, action in CELLS.items() if action != "."], ids=name)
def test_every_cell_has_the_action_and_the_next_state_of_the_standard(cell: tuple[int, int]) -> None:
    action = CELLS[cell]

    assert machine.step(*cell) == (action, NEXT_STATE[action])


@pytest.mark.parametrize("cell", [cell for cell, action in CELLS.items() if action == "."], ids=name)
def test_a_blank_cell_is_a_mistake_of_ours(cell: tuple[int, int]) -> None:
    with pytest.raises(LookupError):
        machine.step(*cell)


def test_there_is_no_cell_besides_those_of_the_standard() -> None:
    ours = {(state, event) for state, row in machine.TABLE.items() for event in row}

    assert ours == {cell for cell, action in CELLS.items() if action != "."}


@pytest.mark.parametrize("cell", CELLS, ids=name)
def test_every_cell_is_as_in_pynetdicom(cell: tuple[int, int]) -> None:
    state, event = cell
    action = fsm.TRANSITION_TABLE.get((f"Evt{event}", f"Sta{state}"), ".")

    assert CELLS[cell] == action
    if action != ".":
        theirs = fsm.ACTIONS[action][2]
        assert theirs == CHOICES.get(action, f"Sta{NEXT_STATE[action]}")


def test_pynetdicom_has_no_state_or_event_that_an_acceptor_can_reach_and_we_lack() -> None:
    of_the_requestor = {"Sta4", "Sta5", "Sta9", "Sta11", "Evt1", "Evt2"}
    theirs = {cell for cell in fsm.TRANSITION_TABLE if not of_the_requestor & set(cell)}

    assert theirs == {
        (f"Evt{event}", f"Sta{state}") for (state, event), action in CELLS.items() if action != "."
    }


@pytest.mark.parametrize("state", [state for state in STATES if state != 1])
def test_whatever_a_peer_sends_and_whenever_it_leaves_there_is_a_cell(state: int) -> None:
    from_the_peer = (3, 4, 6, 10, 12, 13, 16, 17, 19)

    assert all(machine.step(state, event) for event in from_the_peer)
