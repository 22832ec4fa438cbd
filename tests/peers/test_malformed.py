"""Data sets that cannot be understood, or not wholly: sent to storescp 3.6.7 and to scpd, each over an earlier file.

storescp aborts and deletes the file that was there, or stores less than it got and says success.  scpd answers C000H
and leaves the file, or stores what it got, with a warning, unless --reject-malformed asks for C000H.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.cases.malformed_data_sets import (
    AS_RECEIVED,
    AS_STORESCP,
    CANNOT_UNDERSTAND,
    EBE,
    ELE,
    ILE,
    KEPT,
    NAMES,
    NOTHING,
    UID,
    cases,
    cut_off,
)
from tests.harness import wire
from tests.harness.corpus import JPEG_BASELINE
from tests.harness.deliveries import LARGEST_PDU, comparable, profile, send_each
from tests.harness.objects import StorableObject, data_set_bytes, file_meta
from tests.harness.storing import complaints

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cases.malformed_data_sets import Case
    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import Server, ServerFactory

    Connect = Callable[..., RawPeer]

CASES = {case.name: case for case in cases()}
OBJECTS = {name: case.sent for name, case in CASES.items()}
EARLIER = b"what was stored earlier"
SYNTAXES = (ILE, ELE, EBE, wire.DEFLATED, JPEG_BASELINE)


@pytest.fixture
def options(tmp_path: Path) -> list[str]:
    """Those with which each program takes every transfer syntax of the cases."""
    objects = [StorableObject(wire.CT_IMAGE_STORAGE, UID, syntax, b"") for syntax in SYNTAXES]
    return [*profile(tmp_path, objects), "-pdu", LARGEST_PDU]


class Outcome(NamedTuple):
    """What became of one object: the file is None if there is none, and `EARLIER` if it is still the one before it."""

    status: int | None
    file: bytes | None


def outcomes(connect: Connect, server: Server, objects: dict[str, StorableObject]) -> dict[str, Outcome]:
    """Send each, over a file of its name."""
    path = server.inbox / f"CT.{UID}"
    path.write_bytes(EARLIER)
    found = {}
    for name, status in send_each(connect, server, objects):
        found[name] = Outcome(status, path.read_bytes() if path.exists() else None)
        path.write_bytes(EARLIER)
    return found


@pytest.fixture
def theirs(storescp: ServerFactory, raw_peer: Connect, options: list[str]) -> dict[str, Outcome]:
    return outcomes(raw_peer, storescp(*options), OBJECTS)


def test_each_is_refused_or_kept(
    scpd: ServerFactory, raw_peer: Connect, options: list[str], theirs: dict[str, Outcome]
) -> None:
    assert {name: outcome.status for name, outcome in theirs.items()} == {
        name: case.theirs for name, case in CASES.items()
    }
    server = scpd(*options)
    ours = outcomes(raw_peer, server, OBJECTS)
    different = {
        name: (ours[name].status, case.ours)
        for name, case in CASES.items()
        if (ours[name].status, stored(ours[name], theirs[name], case)) != case.ours
    }
    assert different == {}
    kept = sum(case.ours == KEPT for case in CASES.values())
    server.wait_for(lambda: len(warnings_of(server)) >= kept)
    assert len(warnings_of(server)) == kept


def warnings_of(server: Server) -> list[str]:
    """What its log says of each object that is kept as it came."""
    return [line for line in complaints(server) if line.startswith("W: ") and "stored as received" in line]


def stored(ours: Outcome, theirs: Outcome, case: Case) -> str:
    """Say what scpd stored, in the terms of the cases."""
    if ours.file == EARLIER:
        return NOTHING
    if ours.file is None:
        return "the earlier file is gone"
    if data_set_bytes(ours.file) == case.sent.data_set and case.ours == KEPT:
        return AS_RECEIVED
    if theirs.file in {None, EARLIER}:
        return "what storescp does not"
    data_sets = {
        comparable(data_set_bytes(found.file or b""), case.sent.transfer_syntax_uid)
        for found in (ours, theirs)
    }
    return AS_STORESCP if len(data_sets) == 1 else "something else"


def test_what_is_kept_is_what_storescp_alters_or_should_not_take(theirs: dict[str, Outcome]) -> None:
    kept = {name for name, case in CASES.items() if case.ours == KEPT}
    altered = {name for name in kept if stored(theirs[name], theirs[name], CASES[name]) != AS_RECEIVED}
    assert {name for name in kept - altered if not name.startswith("element 000")} == set()


def test_reject_malformed_refuses_what_else_were_kept(
    scpd: ServerFactory, raw_peer: Connect, options: list[str]
) -> None:
    kept = {name: case.sent for name, case in CASES.items() if case.ours == KEPT}
    ours = outcomes(raw_peer, scpd(*options, "--reject-malformed"), kept)
    assert set(ours.values()) == {Outcome(CANNOT_UNDERSTAND, EARLIER)}


@pytest.mark.parametrize("written", ["+te", "+tb", "+ti", "+td -e +g"])
def test_what_is_kept_is_not_encoded_anew_either(
    scpd: ServerFactory, raw_peer: Connect, options: list[str], written: str
) -> None:
    kept = {name: case.sent for name, case in CASES.items() if case.ours == KEPT}
    ours = outcomes(raw_peer, scpd(*options, *written.split()), kept)
    for name, outcome in ours.items():
        assert outcome.status == 0
        assert outcome.file is not None
        assert data_set_bytes(outcome.file) == kept[name].data_set
        assert wire.uid(file_meta(outcome.file)[0x0010].value) == kept[name].transfer_syntax_uid


@pytest.mark.parametrize("syntax", [ILE, ELE, EBE, JPEG_BASELINE], ids=NAMES.__getitem__)
def test_a_data_set_cut_off_anywhere_is_refused_where_storescp_aborts_and_else_kept(
    scpd: ServerFactory, storescp: ServerFactory, raw_peer: Connect, options: list[str], syntax: str
) -> None:
    cuts = {
        f"undefined {undefined}, {len(sent.data_set)} bytes": (sent, is_complete)
        for undefined in product((False, True), repeat=2)
        for sent, is_complete in cut_off(syntax, undefined)
    }
    objects = {name: sent for name, (sent, _) in cuts.items()}
    ours, theirs = (outcomes(raw_peer, server(*options), objects) for server in (scpd, storescp))
    different = {}
    for name, (sent, is_complete) in cuts.items():
        file = theirs[name].file
        data_set = sent.data_set if file is None or not is_complete else data_set_bytes(file)
        expected = (CANNOT_UNDERSTAND, None) if theirs[name].status is None else (0, data_set)
        mine = ours[name].file
        actual = ours[name].status, None if mine in {None, EARLIER} else data_set_bytes(mine or b"")
        if actual != expected:
            different[name] = actual[0], expected[0]
    assert different == {}


def test_the_file_meta_information_has_the_uids_of_the_command(
    scpd: ServerFactory, raw_peer: Connect, options: list[str]
) -> None:
    """storescp takes those of an item, or invents them, if the data set has none."""
    sent = CASES["UIDs: in an item, ELE"].sent
    (outcome,) = outcomes(raw_peer, scpd(*options), {"": sent}).values()
    meta = file_meta(outcome.file or b"")
    assert (wire.uid(meta[0x0002].value), wire.uid(meta[0x0003].value)) == (wire.CT_IMAGE_STORAGE, UID)
