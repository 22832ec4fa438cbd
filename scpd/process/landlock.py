"""The places where a process may read and write: Landlock (landlock(7)), for good, for its user's files, too.

Whatever a rule does not grant is refused (EACCES, or EXDEV for a rename): to run a program, read a file, list a
directory, write, make, rename, remove.  TCP connections, abstract Unix sockets and signals to other processes are
refused too where the kernel knows how.  What is open already stays open.

    prepare   the rules as a set that the kernel holds, by a descriptor that children keep
    enter     one system call, or two; the process must have given up new privileges (no_new_privs) before

A rule is for the very directory that its path named, with all below it, also what is mounted there later.  Where a
path that is written to names another one by now, the set is of no use any more: who enters makes it anew.

Kernels before 5.19 (ABI 1) refuse to rename from one directory to another, so they count as having none.  Raises
`OSError`.
"""

from __future__ import annotations

import ctypes
import errno
import os
from stat import S_ISDIR
from struct import pack

from scpd.process.syscalls import ask

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    Rule = tuple[str, int]  # a path and what is granted there

# The same on all architectures.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
# linux/landlock.h
_CREATE_RULESET_VERSION = 1
_RULE_PATH_BENEATH = 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _REMOVE_DIR, _REMOVE_FILE = (1 << bit for bit in range(6))
_MAKE_DIR, _MAKE_REG, _MAKE_FIFO, _MAKE_SYM, _REFER, _TRUNCATE = (1 << bit for bit in (7, 8, 10, 12, 13, 14))
_NET_OF_TCP = 0b11
_SCOPES = 0b11
_LEAST_ABI = 2
# How many kinds of access to files each version knows.
_KINDS = {2: 14, 3: 15, 4: 15}
_MOST_KINDS = 16

READ = _READ_FILE | _READ_DIR
WRITE = _WRITE_FILE | _TRUNCATE
# Files that come and go in a directory, and that are moved within it.
LOG = _WRITE_FILE | _MAKE_REG | _REMOVE_FILE
REMOVE = _REMOVE_FILE
STORE = READ | WRITE | _MAKE_REG | _MAKE_DIR | _REMOVE_FILE | _REMOVE_DIR | _REFER
# A FIFO to wait at; and a symbolic link that lies in the way is moved aside, which counts as making one.
STORE_AND_WAIT = STORE | _MAKE_FIFO | _MAKE_SYM
# What a file can have; the rest is a directory's.
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE

_NO_FILE = 0, 0


class Rules:
    """Rules as the kernel holds them; what does not exist has none."""

    __slots__ = ("_arguments", "_found", "_rules", "_syscall", "abi", "descriptor")

    def __init__(self, rules: Sequence[Rule], abi: int) -> None:
        self.abi = abi
        self._rules = rules
        self._found = {path: _identity(path) for path, granted in rules if granted & ~READ}
        self.descriptor = _create(abi)
        try:
            for path, granted in rules:
                _add(self.descriptor, path, granted & _handled(abi))
        except OSError:
            os.close(self.descriptor)
            raise
        # Without errno, and with arguments that are made: what a forked child does for the first time costs it pages.
        self._syscall = ctypes.CDLL(None).syscall
        self._arguments = tuple(map(ctypes.c_long, (_RESTRICT_SELF, self.descriptor, 0)))

    def enter(self) -> None:
        """Put them in force, for this process and its children, for good; the descriptor is closed."""
        for path, found in self._found.items():
            if _identity(path) != found:
                os.close(self.descriptor)
                Rules(self._rules, self.abi)._restrict()  # noqa: SLF001 - the same class
                return
        self._restrict()

    def _restrict(self) -> None:
        failed = self._syscall(*self._arguments)
        os.close(self.descriptor)  # who has it can grant what he likes to those who enter later
        if failed:
            raise OSError(errno.EPERM, "the kernel refuses Landlock rules")


def prepare(rules: Sequence[Rule]) -> Rules:
    """Give the rules as the kernel holds them; raises `OSError` where it cannot."""
    abi = ask(_CREATE_RULESET, None, ctypes.c_size_t(0), _CREATE_RULESET_VERSION)
    if abi < _LEAST_ABI:
        raise OSError(errno.EOPNOTSUPP, f"ABI {abi} is too old")
    return Rules(rules, abi)


def _identity(path: str) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except OSError:
        return _NO_FILE
    return status.st_dev, status.st_ino


def _handled(abi: int) -> int:
    return (1 << _KINDS.get(abi, _MOST_KINDS)) - 1


def _create(abi: int) -> int:
    """Make a set that refuses all that this version knows (struct landlock_ruleset_attr)."""
    attributes = pack("Q", _handled(abi))
    if abi >= 4:
        attributes += pack("Q", _NET_OF_TCP)
    if abi >= 6:
        attributes += pack("Q", _SCOPES)
    return ask(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)


def _add(descriptor: int, path: str, granted: int) -> None:
    """Add a rule (struct landlock_path_beneath_attr, packed) for what there is of that name."""
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not S_ISDIR(os.fstat(place).st_mode):
            granted &= _OF_FILES
        ask(_ADD_RULE, descriptor, _RULE_PATH_BENEATH, pack("=Qi", granted, place), 0)
    finally:
        os.close(place)
