"""Giving root up for good: supplementary groups, group, user, each in all its three kinds (setresuid(2)).

    drop      the master is the user from here on, but may read all files, as a start does: modules, profiles, keys
    as_user   between the two, not even that: for files that are read again when root is gone
    finish    that too is given up, and what was dropped is tried to be had back, which must fail

All is done by the master, before it forks and before the first byte of a peer is read; every child is born without
rights.  From then on no program that is run can gain any (PR_SET_NO_NEW_PRIVS), and the kernel shows memory and
descriptors of our processes to root only (PR_SET_DUMPABLE).

Raises `StartError`.
"""

from __future__ import annotations

import ctypes
import os
import struct
from contextlib import contextmanager

from scpd.errors import StartError
from scpd.process import prctl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# linux/capability.h
_CAP_DAC_READ_SEARCH = 1 << 2
_HEADER = struct.pack("Ii", 0x20080522, 0)  # version 3 of capget(2), which has two words of each set
_SETS = struct.Struct("6I")  # effective, permitted and inheritable, the lower word of each first
_LARGEST_ID = (1 << 32) - 2  # the one above means "leave it" to the kernel


class Identity:
    """Who to be: user and group by number, and the supplementary groups."""

    __slots__ = ("group", "groups", "user")

    def __init__(self, user: int, group: int, groups: tuple[int, ...]) -> None:
        self.user = user
        self.group = group
        self.groups = groups


def identity(user: str | None, group: str | None) -> Identity | None:
    """Find the user and the group of these names or numbers; `None` if neither is given.

    Without a group it is the user's own; the supplementary groups are those that the user is a member of.
    """
    if user is None and group is None:
        return None
    groups: tuple[int, ...] = ()
    number, own_group = os.geteuid(), os.getegid()
    if user is not None:
        number, own_group, groups = _user(user)
    if group is not None:
        own_group = _group(group)
    return Identity(number, own_group, tuple(sorted({own_group, *groups})))


def _user(name: str) -> tuple[int, int, tuple[int, ...]]:
    import pwd  # a start asks once, and most never

    try:
        found = pwd.getpwuid(_number(name)) if name.isdecimal() else pwd.getpwnam(name)
    except KeyError:
        if name.isdecimal():  # nobody's name: all that it has is itself
            return _number(name), os.getegid() if os.geteuid() else _number(name), ()
        raise StartError(f"no such user: {name} (--user)") from None
    return found.pw_uid, found.pw_gid, tuple(os.getgrouplist(found.pw_name, found.pw_gid))


def _group(name: str) -> int:
    import grp  # as above

    if name.isdecimal():
        return _number(name)
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise StartError(f"no such group: {name} (--group)") from None


def _number(text: str) -> int:
    number = int(text) if len(text) < 12 and text.isascii() else _LARGEST_ID + 1
    if number > _LARGEST_ID:
        raise StartError(f"no such user or group: {text}")
    return number


def drop(to: Identity) -> None:
    """Become somebody else for good; what root may read can still be read, until `finish`."""
    was_root = os.geteuid() == 0
    try:
        if was_root:
            prctl.keep_capabilities()
            os.setgroups(to.groups)
        os.setresgid(to.group, to.group, to.group)
        os.setresuid(to.user, to.user, to.user)
        if was_root and to.user:
            _set_capabilities(_CAP_DAC_READ_SEARCH)
        prctl.forbid_new_privileges()
    except OSError as error:
        raise StartError(f"cannot become user {to.user}, group {to.group}: {error.strerror}") from None


@contextmanager
def as_user() -> Iterator[None]:
    """Read no more than `finish` will leave: what is closed to the user has to be found out at the start."""
    before = _capabilities()
    if not before[0] & _CAP_DAC_READ_SEARCH:  # nothing to give up, and capset(2) is for no unit of systemd/
        yield
        return
    _ask("capset", _SETS.pack(before[0] & ~_CAP_DAC_READ_SEARCH, *before[1:]))
    try:
        yield
    finally:
        _ask("capset", _SETS.pack(*before))


def finish(to: Identity) -> None:
    """Keep nothing of what root may do, and see that there is no way back."""
    try:
        if to.user:
            _set_capabilities(0)
            prctl.forbid_dumps()
    except OSError as error:
        raise StartError(f"cannot give up all rights: {error.strerror}") from None
    is_so = os.getresuid() == (to.user,) * 3 and os.getresgid() == (to.group,) * 3
    if not is_so or (to.user and _can_be_root()):
        raise StartError(f"user {to.user} and group {to.group} were asked for, and are not in force")


def _set_capabilities(capabilities: int) -> None:
    """Have these and no others, and pass on none."""
    _ask("capset", _SETS.pack(capabilities, capabilities, 0, 0, 0, 0))


def _capabilities() -> tuple[int, ...]:
    data = ctypes.create_string_buffer(_SETS.size)
    _ask("capget", data)
    return _SETS.unpack(data.raw)


def _ask(call: str, data: bytes | ctypes.Array[ctypes.c_char]) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), call)(_HEADER, data):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _can_be_root() -> bool:
    try:
        os.setresuid(-1, 0, -1)
    except OSError:
        return False
    return True
