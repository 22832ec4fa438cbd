"""The upper layer's state machine, acceptor side: PS3.8 table 9-10 as data.

`TABLE[state][event]` is `(action, next state)`, under the standard's own names.  It holds every state that an
acceptor can reach (Sta4, Sta5, Sta9 and Sta11 belong to the requestor) and every event that can happen there;
an event that PS3.8 leaves blank for a state is a mistake of ours, and `step` raises `LookupError` for it.
What the peer sends out of turn is said once per state, by `_unexpected`.

Nothing is done here: `acceptor` carries the actions out, `connection` owns the socket and the ARTIM clock.
"""

from __future__ import annotations

# States (PS3.8 9.2.1).
STA1 = 1  # idle, no transport connection
STA2 = 2  # transport connection open, waiting for the A-ASSOCIATE-RQ
STA3 = 3  # waiting for our own A-ASSOCIATE response
STA6 = 6  # association established
STA7 = 7  # we asked for release, waiting for the A-RELEASE-RP
STA8 = 8  # the peer asked for release, waiting for our own response
STA10 = 10  # release collision, acceptor: waiting for the A-RELEASE-RP
STA12 = 12  # release collision, acceptor: waiting for our own response
STA13 = 13  # waiting for the transport connection to close

# Events (PS3.8 9.2.2): PDUs from the peer, primitives of ours, the transport and the clock.
EVT3 = 3  # A-ASSOCIATE-AC PDU
EVT4 = 4  # A-ASSOCIATE-RJ PDU
EVT5 = 5  # transport connection indication
EVT6 = 6  # A-ASSOCIATE-RQ PDU
EVT7 = 7  # A-ASSOCIATE response primitive, accept
EVT8 = 8  # A-ASSOCIATE response primitive, reject
EVT9 = 9  # P-DATA request primitive
EVT10 = 10  # P-DATA-TF PDU
EVT11 = 11  # A-RELEASE request primitive
EVT12 = 12  # A-RELEASE-RQ PDU
EVT13 = 13  # A-RELEASE-RP PDU
EVT14 = 14  # A-RELEASE response primitive
EVT15 = 15  # A-ABORT request primitive
EVT16 = 16  # A-ABORT PDU
EVT17 = 17  # transport connection closed
EVT18 = 18  # ARTIM timer expired
EVT19 = 19  # unrecognized or invalid PDU

_PEER_PDUS = (EVT3, EVT4, EVT6, EVT10, EVT12, EVT13, EVT19)

Cell = tuple[str, int]


def _unexpected(action: str, expected: dict[int, Cell]) -> dict[int, Cell]:
    """Give a state's row: what is expected, and `action` on the way to Sta13 for every other PDU."""
    return dict.fromkeys(_PEER_PDUS, (action, STA13)) | expected


# Once there is an association, these three end it alike in every state (PS3.8 table 9-10).
_ENDINGS: dict[int, Cell] = {EVT15: ("AA-1", STA13), EVT16: ("AA-3", STA1), EVT17: ("AA-4", STA1)}

TABLE: dict[int, dict[int, Cell]] = {
    STA1: {EVT5: ("AE-5", STA2)},
    STA2: _unexpected(
        "AA-1",
        {EVT6: ("AE-6", STA3), EVT16: ("AA-2", STA1), EVT17: ("AA-5", STA1), EVT18: ("AA-2", STA1)},
    ),
    STA3: _unexpected("AA-8", {EVT7: ("AE-7", STA6), EVT8: ("AE-8", STA13)} | _ENDINGS),
    STA6: _unexpected(
        "AA-8",
        {EVT9: ("DT-1", STA6), EVT10: ("DT-2", STA6), EVT11: ("AR-1", STA7), EVT12: ("AR-2", STA8)}
        | _ENDINGS,
    ),
    STA7: _unexpected(
        "AA-8", {EVT10: ("AR-6", STA7), EVT12: ("AR-8", STA10), EVT13: ("AR-3", STA1)} | _ENDINGS
    ),
    STA8: _unexpected("AA-8", {EVT9: ("AR-7", STA8), EVT14: ("AR-4", STA13)} | _ENDINGS),
    STA10: _unexpected("AA-8", {EVT13: ("AR-10", STA12)} | _ENDINGS),
    STA12: _unexpected("AA-8", {EVT14: ("AR-4", STA13)} | _ENDINGS),
    # Too late for an answer: what still comes is thrown away until the peer closes or ARTIM expires.
    STA13: _unexpected(
        "AA-6",
        {
            EVT6: ("AA-7", STA13),
            EVT16: ("AA-2", STA1),
            EVT17: ("AR-5", STA1),
            EVT18: ("AA-2", STA1),
            EVT19: ("AA-7", STA13),
        },
    ),
}


def step(state: int, event: int) -> Cell:
    """Give the action and the next state of `event` in `state`; `LookupError` for a blank cell of the table."""
    return TABLE[state][event]
