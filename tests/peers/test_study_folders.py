"""The names of study directories: what storescp makes of an object, and what we would make of it."""

from __future__ import annotations

import os
import re
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from scpd.errors import Refused
from scpd.store.folders import Sorting, folder_name
from tests.cases.study_folders import AS_STORESCP, OPTIONS, OURS, TIME, Case
from tests.harness import wire
from tests.harness.storing import complaints
from tests.harness.trees import Element, data_set

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import Server, ServerFactory

CT = wire.CT_IMAGE_STORAGE
CANNOT_UNDERSTAND = 0xC000
SECOND = timedelta(seconds=1)
STAMP = re.compile(r"[0-9]{8}_[0-9]{9}$")
VRS = {0x00080005: "CS", 0x00080016: "UI", 0x00080018: "UI", 0x00100010: "PN", 0x0020000D: "UI"}
SPACES_IN_UIDS = "which were removed"  # not about directories


class Made(NamedTuple):
    """The directory of an object, with TIME for what is one; empty if it was refused."""

    directory: str
    said: str
    stamp: str = ""


def an_object(instance: str, found: dict[int, bytes]) -> bytes:
    values = {**found, 0x00080016: CT.encode() + b"\0" * (len(CT) % 2), 0x00080018: _even(instance.encode())}
    return data_set([Element(tag, VRS[tag], values[tag]) for tag in sorted(values)], wire.EXPLICIT_LITTLE)


def _even(uid: bytes) -> bytes:
    return uid + b"\0" * (len(uid) % 2)


def storescps(
    start: ServerFactory, raw_peer: Callable[..., RawPeer], cases: list[Case], inbox: Path
) -> list[Made]:
    """What storescp makes of objects that are sorted alike, each of another study than the one before."""
    kind, prefix = cases[0].sorting
    server = start(OPTIONS[kind], *([] if kind == "patientname" else [prefix]), inbox=inbox)
    peer = raw_peer(server)
    peer.associate()
    return [_made(server, peer, f"1.2.9.{number}", case) for number, case in enumerate(cases)]


def _made(server: Server, peer: RawPeer, instance: str, case: Case) -> Made:
    before = _lines(server)
    # A study of its own for each, or there is no new directory.
    found = (
        case.found
        if case.sorting[0] != "patientname"
        else {**case.found, 0x0020000D: _even(instance.encode())}
    )
    status = peer.store(CT, instance, an_object(instance, found))
    lines = _lines(server)[len(before) :]
    said = "\n".join(line.partition(" ")[2] for line in lines).replace(f"{server.inbox}/", "")
    if status:
        assert status == CANNOT_UNDERSTAND, case
        return Made("", said)
    path = _path(server, instance)
    stamp = STAMP.search(path.parent.name)
    directory = str(path.parent.relative_to(server.inbox.parent)).removeprefix(f"{server.inbox.name}/")
    if path.parent in (server.inbox, server.inbox.parent):
        directory = "." if path.parent == server.inbox else ".."
    return Made(STAMP.sub(TIME, directory), said, stamp[0] if stamp else "")


def _lines(server: Server) -> list[str]:
    return [line for line in complaints(server) if SPACES_IN_UIDS not in line]


def _path(server: Server, instance: str) -> Path:
    # It may lie outside the inbox; and what a keeper removes meanwhile is no error to this walk.
    name = f"CT.{instance}"
    (path,) = [Path(folder, name) for folder, _, names in os.walk(server.inbox.parent) if name in names]
    return path


def ours(case: Case) -> Made:
    try:
        name, warning = folder_name(Sorting(*case.sorting), case.found, time.time())
    except Refused as refused:
        return Made("", refused.detail if refused.status == CANNOT_UNDERSTAND else f"{refused.status:04X}H")
    stamp = STAMP.search(name)
    return Made(STAMP.sub(TIME, name), warning, stamp[0] if stamp else "")


def _time(stamp: str) -> datetime:
    return datetime.strptime(stamp + "000", "%Y%m%d_%H%M%S%f")  # noqa: DTZ007 - both are local


def sorted_alike(cases: list[Case]) -> list[list[Case]]:
    return [
        [case for case in cases if case.sorting == sorting]
        for sorting in dict.fromkeys(c.sorting for c in cases)
    ]


@pytest.mark.parametrize("cases", sorted_alike(AS_STORESCP), ids=lambda cases: " ".join(cases[0].sorting))
def test_directories_and_what_is_said_of_them_are_storescps(
    storescp: ServerFactory, raw_peer: Callable[..., RawPeer], tmp_path: Path, cases: list[Case]
) -> None:
    before = ours(AS_STORESCP[20]).stamp
    for case, theirs in zip(cases, storescps(storescp, raw_peer, cases, tmp_path / "inbox"), strict=True):
        mine = ours(case)
        assert mine.directory == theirs.directory == case.directory, case.what
        assert bool(mine.stamp) == bool(theirs.stamp)
        # storescp reads the clock twice: near a full second its stamp may be one off.
        assert not theirs.stamp or _time(before) - SECOND <= _time(theirs.stamp) <= _time(mine.stamp) + SECOND
        assert mine.said == case.said
        assert _readable(theirs.said) == case.said, case.what


def _readable(said: str) -> str:
    """Its log shows any byte as it came, and a name too long with the system's words."""
    return "".join(
        character if character.isascii() and character.isprintable() else "?" for character in said
    )


def test_the_directories_that_are_not_storescps_are_known(
    storescp: ServerFactory, raw_peer: Callable[..., RawPeer], tmp_path: Path
) -> None:
    for number, difference in enumerate(OURS):
        inbox = tmp_path / str(number) / "inbox"  # with a parent of its own: some land there
        (theirs,) = storescps(storescp, raw_peer, [difference.case], inbox)
        assert theirs.directory == difference.storescps, difference.case.what
        mine = ours(difference.case)
        assert (mine.directory, mine.said) == (difference.case.directory, difference.case.said)
