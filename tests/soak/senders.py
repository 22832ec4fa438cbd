"""Peers that send what chance wants, one association after the other, and look whether all of it is there.

They wait while many studies wait for their commands: a keeper that has more to do than the machine can do has a growing
list, and shows nothing of what it leaks.

What a peer was told is stored is compared with the file, then removed; what it was not told may be there or not.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import sleep
from typing import TYPE_CHECKING

from tests.harness.deliveries import comparable
from tests.harness.objects import StorableObject, ct_image, data_set_bytes, file_meta, new_uid
from tests.harness.wire import uid
from tests.soak.clients import CLIENTS, Client, Delivery
from tests.soak.daemons import Door

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.soak.daemons import Daemon

_SIZES = (100, 4000, 4000, 50_000, 500_000, 500_000, 3_000_000)
_TRANSFER_SYNTAX_UID = 0x0010
_MOST_WAITING = 100  # studies
_PAUSE_SECONDS = 0.1
_WORD = re.compile(r"[0-9]+|/\S+|0x\w+")


class Tally:
    """What became of associations."""

    def __init__(self) -> None:
        self.associations: Counter[str] = Counter()  # by client
        self.failures: Counter[str] = Counter()  # by client and cause
        self.stored = 0
        self.resumed = 0

    def add(self, other: Tally) -> None:
        """Count those of another one too."""
        self.associations += other.associations
        self.failures += other.failures
        self.stored += other.stored
        self.resumed += other.resumed


class Sender:
    """Sends one association after the other, to any of the daemons; what it does is decided by its seed."""

    def __init__(self, daemons: Sequence[Daemon], seed: int) -> None:
        self.tallies = {daemon.name: Tally() for daemon in daemons}
        self.lost: list[str] = []
        self._doors = [Door(daemon) for daemon in daemons]
        self._inbox = daemons[0].server.inbox
        self._chance = Random(seed)

    def run(self, is_over: Callable[[], bool]) -> None:
        """Send until it is over; a sender that does not come so far is a fault too."""
        try:
            while not is_over():
                if self._waiting_studies() > _MOST_WAITING:
                    sleep(_PAUSE_SECONDS)
                else:
                    self._associate()
        except Exception as error:  # noqa: BLE001 - a thread has nobody else to tell
            self.lost.append(f"a sender: {error!r}")
        for door in self._doors:
            self.tallies[door.name].resumed = door.resumed

    def _waiting_studies(self) -> int:
        try:
            return len(os.listdir(self._inbox / ".scpd" / "sealed"))
        except FileNotFoundError:
            return 0

    def _associate(self) -> None:
        door = self._chance.choice(self._doors)
        usable = [name for name, client in CLIENTS.items() if client.knows_tls or not door.is_secure]
        name = self._chance.choice(usable)
        images = self._images(CLIENTS[name])
        tally = self.tallies[door.name]
        tally.associations[name] += 1
        acknowledged = []
        with TemporaryDirectory(prefix="scpd-soak-") as folder:
            try:
                for image in CLIENTS[name].send(door, Delivery(images, Path(folder), self._chance)):
                    acknowledged.append(image)  # noqa: PERF402 - what came before a failure counts
            except (AssertionError, OSError) as error:
                tally.failures[f"{name}: {_cause(error)}"] += 1
        tally.stored += len(acknowledged)
        for image in images:
            self._look(image, f"{name}, {door.name}", must_be_there=image in acknowledged)

    def _images(self, client: Client) -> list[StorableObject]:
        syntax, study = self._chance.choice(client.syntaxes), new_uid()
        return [
            ct_image(self._chance.choice(_SIZES), transfer_syntax=syntax, study_uid=study)
            for _ in range(self._chance.randint(1, client.most_objects))
        ]

    def _look(self, image: StorableObject, client: str, *, must_be_there: bool) -> None:
        """See that an object is whole, or was not promised; remove it."""
        found = list(self._inbox.glob(f"S_*/CT.{image.sop_instance_uid}"))
        is_whole = [_content(path.read_bytes()) == _content(image.file_bytes) for path in found]
        if must_be_there and is_whole != [True]:
            self.lost.append(f"{client}: {image.sop_instance_uid}: {is_whole}")
        elif not all(is_whole):
            self.lost.append(f"{client}: {image.sop_instance_uid}: visible, and not whole")
        for path in found:
            path.unlink()
            with suppress(OSError):
                path.parent.rmdir()


def _content(file: bytes) -> bytes:
    """Give the data set of a file for comparison."""
    syntax = uid(file_meta(file)[_TRANSFER_SYNTAX_UID].value)
    return comparable(data_set_bytes(file), syntax)


def _cause(error: BaseException) -> str:
    return _WORD.sub("#", str(error)).strip()[:120] or type(error).__name__
