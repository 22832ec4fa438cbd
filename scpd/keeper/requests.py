"""What an administrator asks of the keeper (scpctl): files in the lock directory (scpd_studies(7), asking 1 to 4).

    requests/NAME    one line: complete STUDY, retry JOB, or drop JOB

A request is written under a name that begins with a dot, then renamed, and the keeper is woken.  It is removed when it
has been carried out: the study is sealed, the job waits again or is forgotten.  Raises `OSError`.
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

    __slots__ = ("_commands", "_lockdir", "_studies", "_to_be_sealed")

    def __init__(self, lockdir: LockDirectory, studies: Studies, commands: Commands) -> None:
        self._lockdir = lockdir
        self._studies = studies
        self._commands = commands
        self._to_be_sealed: dict[str, set[str]] = {}  # by request: generations

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
        match fields:
            case ["complete", subject]:
                is_done = self._complete(name, subject, now)
            case ["retry", subject]:
                is_done = _say(RETRY, subject, is_found=self._commands.retry(subject))
            case ["drop", subject]:
                is_done = _say(DROP, subject, is_found=self._commands.drop(subject))
            case _:
                self._lockdir.set_aside(name, layout.REQUESTS)
                return
        if is_done:
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=directory)

    def _complete(self, name: str, subject: str, now: float) -> bool:
        """Have a study end; done when it is sealed: until then the request stays, for whoever is the keeper then."""
        asked = self._to_be_sealed.get(name)
        if asked is None:
            asked = {study.generation for study in self._studies if subject in {study.uid, study.generation}}
            for generation in asked:
                self._studies.rulebook.end(generation, now)
            self._to_be_sealed[name] = asked
            _say(COMPLETE, subject, is_found=bool(asked))
        if any(generation in self._studies.rulebook for generation in asked):
            return False
        del self._to_be_sealed[name]
        return True


def _say(verb: str, subject: str, *, is_found: bool) -> bool:
    """Tell the log what came of it; nothing more is to be done."""
    if is_found:
        log.info("%s %s, as asked by scpctl", verb, subject)
    else:
        log.warning("cannot %s %r, as asked by scpctl: there is no such thing now", verb, subject)
    return True
