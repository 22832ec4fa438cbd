"""Core files: no process of ours leaves one, which could hold the images of a patient.

A module of its own, since an inetd start has no time for what else `privileges` needs.
"""

from __future__ import annotations

from resource import RLIMIT_CORE, getrlimit, setrlimit


def forbid() -> None:
    """Write none, nor do children; a command may allow itself to dump again."""
    setrlimit(RLIMIT_CORE, (0, getrlimit(RLIMIT_CORE)[1]))
