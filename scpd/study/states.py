"""The state of a study on disk: open, then sealed; and the locks that tell who is at it (scpd_studies(7)).

    open/KEY/study                generation, Study Instance UID, rules and place; locked on two bytes
    open/KEY/directory            the name of its directory, written once, by who publishes its first object
    sealed/KEY.GENERATION/...     the same, when it is to be completed: by one rename of the whole directory

KEY is the Study Instance UID in safe characters, and behind it, where the association has an output directory of its
own (PLACE), 16 digits made of that: a study in one directory is not the one in another.  GENERATION is a random number,
so that what arrives after the seal, and opens KEY anew, is another study in every respect.  The file `study` is locked

    BUSY    shared by each worker that is at an object of the study
    HOLD    shared by each worker that has stored an object of the study and none of another one since
    NAMING  by the one that chooses the directory

and the keeper seals only while it has BUSY, and where it matters HOLD, to itself.  A worker that was given a lock then
looks whether the file is still where it was: if not, the study was sealed, and it opens the next generation.

A crash leaves: while a study is being opened a directory whose name begins with a dot, which the keeper removes; after
that an open study without objects, which it removes too.

Raises `OSError`, and `Refused` for a UID of which no KEY can be made.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress

from scpd.errors import Refused
from scpd.lockdir import layout, records
from scpd.process.locks import is_at, lock, release, wait_to_lock, wait_to_share
from scpd.store.directory import open_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from scpd.lockdir.layout import LockDirectory

BUSY, HOLD, NAMING = 0, 1, 2

STUDY, DIRECTORY, PLAN = "study", "directory", "plan"
_CANNOT_UNDERSTAND = 0xC000
_SAFE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.")
_BEFORE_PLACE = "_"  # a UID's own is %5F
_PLACE_DIGITS = 16
_LONGEST_KEY = 190  # with a generation and more behind it, it is a job's name, and a file's
_MOST_TRIES = 100

# There is a state (and may have been sealed since); or the keeper took the prepared one for what a crash has left.
_SOMEBODY_WAS_FASTER = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT)


def key_of(study_instance_uid: str, place: str = "") -> str:
    """Give the name of a study's state; different UIDs have different ones, and so have places."""
    key = "".join(
        char if char in _SAFE else "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))
        for char in study_instance_uid
    )
    if key.startswith("."):
        key = "%2E" + key[1:]
    if key and place:
        key += _BEFORE_PLACE + _digest(place)
    if not 0 < len(key) <= _LONGEST_KEY:
        raise Refused(_CANNOT_UNDERSTAND, "Study Instance UID absent or too long")
    return key


def _digest(place: str) -> str:
    """Give digits that stand for a place; no forger finds another path that has them."""
    # Few have a place of their own; a master that gives one to its workers has made its digits before.
    from hashlib import sha256

    return sha256(place.encode("utf-8", "surrogatepass")).hexdigest()[:_PLACE_DIGITS]


def is_key(text: str) -> bool:
    """Tell whether this can be the name of a study's state."""
    return (
        0 < len(text) <= _LONGEST_KEY
        and text[0] != "."
        and all(char in _SAFE or char in {"%", _BEFORE_PLACE} for char in text)
    )


def is_key_of(key: str, about: About) -> bool:
    """Tell whether a state lies where a study of that UID has its: so KEY is a name, whatever a forger calls it."""
    try:
        return key == key_of(about.study_instance_uid, about.place)
    except Refused:
        return False


class About:
    """What the file `study` says; `rules` as `study.rules` writes them, `place` as a journal says it."""

    __slots__ = ("generation", "place", "rules", "study_instance_uid")

    def __init__(self, generation: str, study_instance_uid: str, rules: str, place: str = "") -> None:
        self.generation = generation
        self.study_instance_uid = study_instance_uid
        self.rules = rules
        self.place = place

    def encode(self) -> bytes:
        """Give the file's contents."""
        fields = "study", self.generation, self.study_instance_uid, self.rules
        return records.encode((*fields, self.place) if self.place else fields)

    @classmethod
    def decode(cls, data: bytes) -> About | None:
        """Read the file's contents; `None` if nobody can have written that."""
        match records.decode(data.rstrip(b"\n")):
            case ["study", generation, uid, rules, *rest] if _is_generation(generation) and rest != [""]:
                return cls(generation, uid, rules, *rest[:1])  # a later version may say more
        return None


def _is_generation(text: str) -> bool:
    return len(text) == _GENERATION_DIGITS and text.isascii() and text.isalnum()


_GENERATION_DIGITS = 16


def new_generation() -> str:
    """Give a number that no other study has."""
    return os.urandom(_GENERATION_DIGITS // 2).hex()


class OpenStudy:
    """An open study as a worker has it: known to be open while `is_current` says so."""

    __slots__ = ("_descriptor", "_lockdir", "about", "directory", "key")

    def __init__(self, lockdir: LockDirectory, key: str, descriptor: int, about: About) -> None:
        self._lockdir = lockdir
        self._descriptor = descriptor
        self.key = key
        self.about = about
        self.directory = ""  # as long as this worker does not know it

    def begin(self) -> bool:
        """Become busy with it; `False`, and nothing has happened, if it is not open any more.

        scpd_studies(7), opening 5.
        """
        wait_to_share(self._descriptor, BUSY)
        if self.is_current():
            return True
        release(self._descriptor, BUSY)
        return False

    def is_current(self) -> bool:
        """Tell whether it is open still."""
        return is_at(self._descriptor, f"{self.key}/{STUDY}", self._lockdir.opened(layout.OPEN))

    def hold(self) -> None:
        """Hold it; nobody seals it meanwhile since we are busy with it."""
        wait_to_share(self._descriptor, HOLD)

    def end(self) -> None:
        """Be busy with it no more."""
        release(self._descriptor, BUSY)

    def let_go(self) -> None:
        """Let it go with all its locks."""
        with suppress(OSError):
            os.close(self._descriptor)

    def find_directory(self, choose: Callable[[], str], *, flush: bool) -> str:
        """Give the name of its directory; if it has none yet, the one that `choose` makes and returns.

        scpd_studies(7), naming 1 to 5.
        """
        if not self.directory:
            self.directory = self._read_directory() or self._choose_directory(choose, flush=flush)
        return self.directory

    def _choose_directory(self, choose: Callable[[], str], *, flush: bool) -> str:
        wait_to_lock(self._descriptor, NAMING)
        try:
            name = self._read_directory()  # another worker may have been faster
            if not name:
                name = choose()
                state = _open_state(self._lockdir, self.key)
                try:
                    layout.write_whole(DIRECTORY, records.encode((name,)), state, flush=flush)
                finally:
                    os.close(state)
            return name
        finally:
            release(self._descriptor, NAMING)

    def _read_directory(self) -> str:
        state = _open_state(self._lockdir, self.key)
        try:
            data = layout.read_small(DIRECTORY, state)
        except FileNotFoundError:
            return ""
        finally:
            os.close(state)
        fields = records.decode(data.rstrip(b"\n"))
        return fields[0] if fields else ""


def open_study(
    lockdir: LockDirectory, study_instance_uid: str, rules: str, place: str = "", *, flush: bool
) -> OpenStudy:
    """Become busy with the open study of this UID in this place; open one by these rules if there is none.

    scpd_studies(7), opening 1 to 5.
    """
    key = key_of(study_instance_uid, place)
    for _ in range(_MOST_TRIES):
        study = _find(lockdir, key, place)
        if study is None:
            _make(lockdir, key, About(new_generation(), study_instance_uid, rules, place), flush=flush)
        elif _has_begun(study):
            return study
    raise FileNotFoundError(errno.ENOENT, "study vanishes whenever it is opened", key)


def _has_begun(study: OpenStudy) -> bool:
    """Become busy with a study, or let it go: it was sealed between opening and locking, or somebody blocks it."""
    try:
        is_busy = study.begin()
    except OSError:
        study.let_go()
        raise
    if not is_busy:
        study.let_go()
    return is_busy


def _find(lockdir: LockDirectory, key: str, place: str) -> OpenStudy | None:
    try:
        descriptor, about = _open_study_file(lockdir, key)
    except FileNotFoundError:
        return None
    if about is None or about.place != place:
        os.close(descriptor)
        raise OSError(errno.EINVAL, "state of the study is corrupt", key)
    return OpenStudy(lockdir, key, descriptor, about)


def _open_state(lockdir: LockDirectory, key: str) -> int:
    return open_directory(key, lockdir.opened(layout.OPEN))


def _open_study_file(lockdir: LockDirectory, key: str) -> tuple[int, About | None]:
    """Open the file on which a study is locked, and read it."""
    state = _open_state(lockdir, key)
    try:
        descriptor = os.open(STUDY, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=state)
    finally:
        os.close(state)
    try:
        return descriptor, About.decode(os.pread(descriptor, records.LONGEST, 0))
    except OSError:
        os.close(descriptor)
        raise


def _make(lockdir: LockDirectory, key: str, about: About, *, flush: bool) -> None:
    """Open a study, or find that another worker has; both are fine (scpd_studies(7), opening 2 to 4)."""
    parent, prepared = lockdir.opened(layout.OPEN), f".{about.generation}"
    os.mkdir(prepared, 0o777, dir_fd=parent)
    try:
        _write_about(about, prepared, parent, flush=flush)
        # An empty directory may be replaced by this, but no state is ever empty.
        os.rename(prepared, key, src_dir_fd=parent, dst_dir_fd=parent)
    except OSError as error:
        _remove_prepared(prepared, parent)
        if error.errno not in _SOMEBODY_WAS_FASTER:
            raise
        return
    if flush:
        os.fsync(parent)


def _write_about(about: About, name: str, parent: int, *, flush: bool) -> None:
    state = open_directory(name, parent)
    try:
        layout.write_whole(STUDY, about.encode(), state, flush=flush)
    finally:
        os.close(state)


def _remove_prepared(name: str, parent: int) -> None:
    with suppress(OSError):
        os.unlink(f"{name}/{STUDY}", dir_fd=parent)
    with suppress(OSError):
        os.rmdir(name, dir_fd=parent)


class Seal:
    """The keeper's attempt to seal a study; `let_go` in any case."""

    __slots__ = ("_descriptor", "_key", "_lockdir", "about")

    def __init__(self, lockdir: LockDirectory, key: str) -> None:
        """Open the state; `FileNotFoundError` if the study is not open."""
        self._lockdir = lockdir
        self._key = key
        self._descriptor, self.about = _open_study_file(lockdir, key)

    def try_locks(self, *, hold_too: bool) -> bool:
        """Try to be the only one at it (scpd_studies(7), sealing 1)."""
        return lock(self._descriptor, BUSY) and (not hold_too or lock(self._descriptor, HOLD))

    def carry_out(self, generation: str) -> bool:
        """Seal it if it is this generation; `False` if it is not any more, or not where it should be.

        scpd_studies(7), sealing 3.
        """
        opened = self._lockdir.opened(layout.OPEN)
        if self.about is None or self.about.generation != generation:
            return False
        if not is_at(self._descriptor, f"{self._key}/{STUDY}", opened):
            return False
        name = f"{self._key}.{generation}"
        os.rename(self._key, name, src_dir_fd=opened, dst_dir_fd=self._lockdir.opened(layout.SEALED))
        return True

    def let_go(self) -> None:
        """Let the locks go, and with them whoever waits for one (scpd_studies(7), sealing 4)."""
        os.close(self._descriptor)


def has_lost_study(lockdir: LockDirectory, key: str) -> bool:
    """Tell whether there is a state without the file that all states have: no worker could ever come to it.

    One with nothing in it is none: a worker puts its own in its place.
    """
    try:
        state = _open_state(lockdir, key)
    except OSError:
        return False
    try:
        names = os.listdir(state)
    finally:
        os.close(state)
    return bool(names) and STUDY not in names


def read_sealed(lockdir: LockDirectory, name: str) -> About | None:
    """Read what is said of a sealed study; `None` if there is none of this name, or nothing that we could have said.

    `OSError` if that cannot be told now.
    """
    try:
        state = open_directory(name, lockdir.opened(layout.SEALED))
        try:
            return About.decode(layout.read_small(STUDY, state))
        finally:
            os.close(state)
    except FileNotFoundError:
        return None
    except OSError as error:
        if layout.is_strange(error):
            return None
        raise
