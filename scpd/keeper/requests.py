"""What an administrator asks of the keeper (scpctl): files in the lock directory (scpd_studies(7), asking 1 to 4).

    requests/NAME    one line: complete STUDY, retry JOB, or drop JOB

A request is written under a name that begins with a dot, then renamed, and the keeper is woken.  It is removed when it
has been carried out.  Raises `OSError`.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress

from scpd.lockdir import layout, records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scpd.keeper.commands import Commands
    from scpd.keeper.studies import Studies
    from scpd.lockdir.layout import LockDirectory

COMPLETE, RETRY, DROP = "complete", "retry", "drop"

log = logging.getLogger("dcmtk.apps.storescp")


def ask(lockdir: LockDirectory, verb: str, subject: str) -> bool:
    """Ask the keeper for something; `False` if there is none now: then the next one will do it."""
    name = f"{os.getpid()}.{os.urandom(4).hex()}"
    layout.write_whole(name, records.encode((verb, subject)), lockdir.opened(layout.REQUESTS), flush=False)
    return lockdir.wake()


class Requests:
    """The keeper's side; whoever may write there may ask, but only for what is named by a name."""

    __slots__ = ("_commands", "_lockdir", "_studies")

    def __init__(self, lockdir: LockDirectory, studies: Studies, commands: Commands) -> None:
        self._lockdir = lockdir
        self._studies = studies
        self._commands = commands

    def take(self, now: float) -> None:
        """Carry out all that there are."""
        directory = self._lockdir.opened(layout.REQUESTS)
        for name in os.listdir(directory):
            if name[0] != ".":
                self._take(name, directory, now)

    def _take(self, name: str, directory: int, now: float) -> None:
        try:
            fields = records.decode(layout.read_small(name, directory).rstrip(b"\n"))
        except OSError as error:
            if layout.is_strange(error):
                self._lockdir.set_aside(name, layout.REQUESTS)
            return  # else it is tried again
        if fields is None or len(fields) != 2 or not self._carry_out(fields[0], fields[1], now):
            self._lockdir.set_aside(name, layout.REQUESTS)
            return
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=directory)

    def _carry_out(self, verb: str, subject: str, now: float) -> bool:
        """Do it; `False` if there is no such request."""
        if verb == COMPLETE:
            found = self._complete(subject, now)
        elif verb == RETRY:
            found = self._commands.retry(subject)
        elif verb == DROP:
            found = self._commands.drop(subject)
        else:
            return False
        if found:
            log.info("%s %s, as asked by scpctl", verb, subject)
        else:
            log.warning("cannot %s %r, as asked by scpctl: there is no such thing now", verb, subject)
        return True

    def _complete(self, subject: str, now: float) -> bool:
        found = [study for study in self._studies if subject in {study.uid, study.generation}]
        for study in found:
            self._studies.rulebook.end(study.generation, now)
        return bool(found)
