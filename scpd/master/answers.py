"""The answers of a teller (scpctl status, scpctl ready): what the master knows, and what only a look can say.

Looks at disks and at the lock directory, all of which may block.  What cannot be looked at is told as an `error` in its
place.
"""

from __future__ import annotations

import os

from scpd.lockdir.layout import PUBLISH, LockDirectory
from scpd.master.entrance import SERVING
from scpd.master.tellers import READY
from scpd.process.locks import release, share
from scpd.process.proc import is_stopped
from scpd.store.sink import OutputDirectory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    Facts = dict[str, Any]

# Of a lock file a byte that nobody locks for anything.
_PLACE = 1 << 40
_LOCK = "00"
_SOME_BYTES = bytes(4096)
# A keeper whose last sign of life is older is about to be killed.
_SILENCE_SECONDS = 60.0


class Sources:
    """Where to look: the output `directories`, none with --ignore, and the lock directory, if it is used.

    `count()` gives how many studies and commands that holds, by state; `wants_keeper` says that there should be a
    keeper for it, ours or another.  `want_of_room(directory)` says what is wanting there by --min-free, if anything is.
    `certificate_expires` is when (seconds since 1970), `None` without TLS.
    """

    __slots__ = (
        "certificate_expires",
        "count",
        "directories",
        "lock_directory",
        "want_of_room",
        "wants_keeper",
    )

    def __init__(
        self,
        directories: Sequence[str],
        lock_directory: str | None,
        count: Callable[[], Facts] | None,
        *,
        wants_keeper: bool,
        want_of_room: Callable[[str], str] | None = None,
        certificate_expires: float | None = None,
    ) -> None:
        self.directories = directories
        self.lock_directory = lock_directory
        self.count = count
        self.wants_keeper = wants_keeper
        self.want_of_room = want_of_room
        self.certificate_expires = certificate_expires


def answer(question: str, facts: Facts, sources: Sources) -> Facts:
    """Answer one of the questions."""
    return ready(facts, sources) if question == READY else status(facts, sources)


def status(facts: Facts, sources: Sources) -> Facts:
    """Say all that there is."""
    facts["space"] = [_space(each) for each in sources.directories]
    facts["certificate_expires"] = sources.certificate_expires
    facts["lock_directory"] = sources.lock_directory
    facts["keeper"] = {
        **facts["keeper"],
        "wanted": sources.wants_keeper,
        "alive": not _fault_of_keeper(facts, sources),
    }
    facts["studies"] = facts["jobs"] = None
    if sources.count is not None:
        try:
            facts |= sources.count()
        except OSError as error:
            facts["studies"] = facts["jobs"] = {"error": _text(error)}
    return facts


def ready(facts: Facts, sources: Sources) -> Facts:
    """Say whether an object that comes now can be stored, and if not, all that stands against it."""
    why = [] if facts["state"] == SERVING else [f"{facts['state']}: no connection is accepted"]
    for each in sources.directories:
        fault = _fault_of_output(each)
        if fault:
            why.append(f"cannot write to {each}: {fault}")
        elif sources.want_of_room is not None and (want := sources.want_of_room(each)):
            why.append(want)
    if sources.lock_directory is not None:
        fault = _fault_of_locks(sources.lock_directory)
        if fault:
            why.append(f"cannot lock in {sources.lock_directory}: {fault}")
        elif sources.wants_keeper and (fault := _fault_of_keeper(facts, sources)):
            why.append(fault)
    return {"ready": not why, "why": why}


def _fault_of_keeper(facts: Facts, sources: Sources) -> str:
    """Say why nobody does a keeper's work, if it is ours by its signs of life, too; empty if somebody does."""
    pid, silence = facts["keeper"]["pid"], facts["keeper"]["silence"]
    try:
        if pid is not None and is_stopped(pid):  # before it has been silent for long
            return f"keeper {pid} is stopped"
        if silence is not None and silence > _SILENCE_SECONDS:
            return f"keeper {pid} has given no sign of life for {silence:.0f} s"
        return "" if _is_kept(sources.lock_directory) else "there is no keeper"
    except OSError as error:
        return f"cannot look for the keeper: {_text(error)}"


def _is_kept(path: str | None) -> bool:
    """Tell whether somebody is elected; raises `OSError`."""
    if path is None:
        return False
    lockdir = LockDirectory(path)
    try:
        return lockdir.has_keeper()
    finally:
        lockdir.close()


def _space(path: str) -> Facts:
    try:
        found = os.statvfs(path)
    except OSError as error:
        return {"directory": path, "error": _text(error)}
    size = found.f_frsize
    # What is left for who is not root, and what there would be for him.
    total = (found.f_blocks - found.f_bfree + found.f_bavail) * size
    return {"directory": path, "free": found.f_bavail * size, "total": total}


def _fault_of_output(path: str) -> str:
    """Say why no object can be written, having written one that is none; empty if one can."""
    try:
        output = OutputDirectory(path, fsync=False)
        try:
            incoming = output.create()
            try:
                incoming.write([_SOME_BYTES])
            finally:
                incoming.discard()
        finally:
            output.close()
    except OSError as error:
        return _text(error)
    return ""


def _fault_of_locks(path: str) -> str:
    """Say why nothing can be locked; empty if it can."""
    try:
        lockdir = LockDirectory(path)
        try:
            descriptor = lockdir.open_lock_file(_LOCK, PUBLISH)
            try:
                if not share(descriptor, _PLACE):
                    return "somebody keeps what is nobody's"
                release(descriptor, _PLACE)
            finally:
                os.close(descriptor)
        finally:
            lockdir.close()
    except OSError as error:
        return _text(error)
    return ""


def _text(error: OSError) -> str:
    return error.strerror or str(error)
