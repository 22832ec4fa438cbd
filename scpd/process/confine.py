"""What a worker may still do once it has a peer: as much as the kernel can enforce of that, no more, and for good.

    prepared  in the master, or once by a process of inetd: what does not depend on the peer
    entered   by the process that serves, when the host rules have let the peer in and before its first byte is read

The mechanisms are `landlock`, for files, and `seccomp`, for system calls; each may be missing.  What was there when it
was prepared must be there when it is entered: nobody is served by a worker that could not be confined.
"""

from __future__ import annotations

import ctypes

from scpd.process import landlock, seccomp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scpd.process.landlock import Rule, Rules
    from scpd.process.seccomp import Filter


_SET_NO_NEW_PRIVS = 38  # linux/prctl.h


class Confinement:
    """Both mechanisms, ready; `rules` say where what may be done, `also` which further system calls there are.

    `missing` tells for each mechanism that is not there why not.
    """

    __slots__ = ("_arguments", "_filter", "_prctl", "_rules", "missing")

    def __init__(self, rules: Sequence[Rule], also: Iterable[str] = ()) -> None:
        self.missing: dict[str, str] = {}
        # As in `seccomp`: what a forked child does for the first time costs it pages.
        self._prctl = ctypes.CDLL(None).prctl
        self._arguments = ctypes.c_int(_SET_NO_NEW_PRIVS), *map(ctypes.c_ulong, (1, 0, 0, 0))
        self._rules: Rules | None = None
        self._filter: Filter | None = None
        try:
            self._filter = seccomp.prepare(also)
        except OSError as error:
            self.missing["seccomp"] = str(error.strerror)
        try:
            self._rules = landlock.prepare(rules)
        except OSError as error:
            self.missing["Landlock"] = str(error.strerror)

    def __str__(self) -> str:
        there = [] if self._filter is None else ["seccomp"]
        if self._rules is not None:
            there.append(f"Landlock (ABI {self._rules.abi})")
        why = "; ".join(f"no {name}: {reason}" for name, reason in self.missing.items())
        said = f"workers are confined by {' and '.join(there)}" if there else "workers are not confined"
        return f"{said}: {why}" if why else said

    def __bool__(self) -> bool:
        """Tell whether any mechanism is there."""
        return self._filter is not None or self._rules is not None

    def descriptors(self) -> tuple[int, ...]:
        """Give what a forked process must keep that is to enter."""
        return () if self._rules is None else (self._rules.descriptor,)

    def enter(self) -> None:
        """Be confined from now on; raises `OSError`."""
        self._prctl(*self._arguments)  # which the kernel has since 3.5, or else says so of the next ones
        if self._rules is not None:
            self._rules.enter()
        if self._filter is not None:
            self._filter.enter()
