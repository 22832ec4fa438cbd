"""Going into the background (daemon(7)), so that who started us learns how that went.

The parent waits until the daemon says that it is ready, and leaves with 0; if it ends before that, with 1: then the
daemon has said why on the parent's standard error, which it has until then.  Detaching itself is python-daemon's.

What is to live on is named by descriptor; working directory and umask stay, so that relative paths mean what they
meant.  The lock of a pid file is on an open file, and goes along.
"""

from __future__ import annotations

import os
import select
import sys
from contextlib import suppress

from scpd.process.streams import Stream

_READY = b"ready"
_STANDARD = (0, 1, 2)
_STDERR = 2
_PATIENCE_MILLISECONDS = 1000


class Detached:
    """The daemon's end of the pipe to whoever started it, and of the one that ends with that process."""

    __slots__ = ("_parent", "_writer")

    def __init__(self, writer: int, parent: int) -> None:
        self._writer = writer
        self._parent = parent

    def ready(self, warning: str = "") -> None:
        """Let the parent leave with success, and let its standard streams go, after a last line.

        When it has left our memory is ours alone, which `process.pins` needs.
        """
        if warning:
            Stream(_STDERR).write(f"W: {warning}\n".encode())
        null = os.open(os.devnull, os.O_RDWR)
        for number in _STANDARD:
            os.dup2(null, number)
        os.close(null)
        with suppress(OSError):  # nobody waits any more
            os.write(self._writer, _READY)
        os.close(self._writer)
        poll = select.poll()
        poll.register(self._parent, select.POLLIN)
        poll.poll(_PATIENCE_MILLISECONDS)
        os.close(self._parent)


def detach(kept: tuple[int, ...], failure: int) -> Detached:
    """Become a daemon; the parent leaves with 0 or `failure` and never returns.

    Raises `OSError` in the parent if it cannot fork.
    """
    from daemon import DaemonContext  # who stays in the foreground need not load it

    reader, writer = os.pipe2(os.O_CLOEXEC)
    parent, alive = os.pipe2(os.O_CLOEXEC)
    if os.fork():
        os.close(writer)
        os._exit(0 if _hears_ready(reader) else failure)
    os.close(reader)
    os.close(alive)
    _give_python_its_streams()
    umask = os.umask(0)
    context = DaemonContext(
        detach_process=True,
        prevent_core=False,  # done already, and in a way that commands can undo
        files_preserve=[*kept, *_STANDARD, writer, parent],
        working_directory=os.getcwd(),
        umask=umask,
        signal_map={},
        initgroups=False,
        stdin=_Standard(0),
        stdout=_Standard(1),
        stderr=_Standard(2),
    )
    context.open()
    return Detached(writer, parent)


def _give_python_its_streams() -> None:
    """Make the objects that Python lacks if it was started with a standard stream closed: python-daemon asks them."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", closefd=False))  # noqa: SIM115 - it stays


class _Standard:
    """A standard stream that stays what it is until the daemon is ready."""

    def __init__(self, number: int) -> None:
        self._number = number

    def fileno(self) -> int:
        """Give its number."""
        return self._number


def _hears_ready(reader: int) -> bool:
    said = b""
    while piece := os.read(reader, 64):
        said += piece
    return said == _READY
