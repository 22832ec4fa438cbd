"""Scripted sends to a server, and what can be seen of them afterwards, comparable between scpd and storescp.

A script is words: `A1` an object of study A, the same word once more a resend of it; `A1!` an object whose data set
has another SOP Instance UID than its command (A900H), `?` one that has no study (C000H where they are sorted); `echo`
a C-ECHO; `/` the end of an association and the begin of the next one, `/TITLE` with this calling title; `...` a pause
until the study has timed out.
"""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.harness.objects import StorableObject, ct_image, data_set_bytes
from tests.harness.storing import store
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import Server

SECONDS = 60.0
STUDY_HEADER, ANOTHER_HEADER = b"\x20\0\x0d\0UI", b"\x20\0\x0c\0UI"
STAMP = re.compile(r"[0-9]{8}_[0-9]{9}")
UNIQUE = re.compile(r"\.X\.[0-9.]*[0-9]")
TIME_NAME = re.compile(r"[0-9]{17}(_[0-9]{4})?\.")


class Objects:
    """The objects of a script by their words; `series` tells its studies from those of other scripts."""

    def __init__(self, series: int = 0) -> None:
        self._series = series
        self._made: dict[str, StorableObject] = {}

    def object(self, word: str) -> StorableObject:
        """Make the object that a word stands for; always the same one."""
        if word not in self._made:
            self._made[word] = self._make(word)
        return self._made[word]

    def _make(self, word: str) -> StorableObject:
        letter, number = ("Z", "1") if word == "?" else (word[0], word[1:].rstrip("!"))
        study = f"1.2.{self._series}.{ord(letter)}"
        image = ct_image(200, study_uid=study, sop_instance_uid=f"{study}.{number}")
        if word == "?":
            return replace(image, data_set=image.data_set.replace(STUDY_HEADER, ANOTHER_HEADER))
        if word.endswith("!"):
            return replace(image, sop_instance_uid=f"{image.sop_instance_uid}.999")
        return image

    def word(self, data_set: bytes) -> str:
        """Tell whose data set this is, byte by byte."""
        words = [word for word, image in self._made.items() if image.data_set == data_set]
        return words[0] if words else "something else"


def play(
    script: str,
    server: Server,
    raw_peer: Callable[..., RawPeer],
    objects: Objects,
    *,
    pause: Callable[[int], object] = bool,
    after_each: Callable[[int], object] = bool,
) -> list[int]:
    """Send what a script says; the status of each object.

    `pause(studies)` waits for the end of as many studies, `after_each(stored)` for what follows as many objects.
    """
    statuses: list[int] = []
    studies, current = 0, ""
    peer = _associated(raw_peer, server, "FIRST")
    for word in script.split():
        if word == "...":
            pause(studies)
            current = ""
        elif word == "echo":
            assert peer.echo() == 0
        elif word.startswith("/"):
            peer.release()
            peer = _associated(raw_peer, server, word[1:] or "FIRST")
        else:
            studies, current = studies + (word[0] != current), word[0]
            statuses.append(store(peer, objects.object(word)).status)
            after_each(statuses.count(0))
            _wait_for_another_millisecond()
    peer.release()
    return statuses


def _associated(raw_peer: Callable[..., RawPeer], server: Server, calling: str) -> RawPeer:
    # storescp serves one after the other, and runs commands meanwhile.
    peer = raw_peer(server, timeout=SECONDS)
    peer.associate(calling=calling, called=f"TO_{calling}")
    return peer


def _wait_for_another_millisecond() -> None:
    """Or storescp's studies would share a directory now and then, and its objects a time name."""
    begin = time.time_ns() // 1_000_000
    wait_until(lambda: time.time_ns() // 1_000_000 > begin + 1)


class Stamps:
    """Puts T1, T2 ... in the place of one server's times, in the order in which they are met."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def without(self, text: str) -> str:
        """Give a text in which each time is a number, and unique names are alike."""
        text = STAMP.sub(lambda match: self._known.setdefault(match[0], f"T{len(self._known) + 1}"), text)
        return TIME_NAME.sub("TIME.", UNIQUE.sub(".X.UID", text))


def tree(inbox: Path, stamps: Stamps, objects: Objects) -> list[str]:
    """Give every directory, and every file with the object in it, by their comparable paths."""
    found = []
    for path in sorted(visible(inbox)):
        name = stamps.without(str(path.relative_to(inbox)))
        found.append(f"{name}/" if path.is_dir() else f"{name} {objects.word(data_set_bytes(path))}")
    return sorted(found)


def visible(inbox: Path) -> Iterable[Path]:
    """Find whatever is in an output directory, less what is the server's own.

    That is not even looked into: a keeper at work removes there what was just listed.
    """
    for path in inbox.iterdir():
        if path.name != ".scpd":
            yield path
            yield from path.rglob("*")
