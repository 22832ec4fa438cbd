"""scpd under conditions that something else makes: limits, another user, strace."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.harness.programs import real_program
from tests.harness.servers import ServerFactory, scpd_factory
from tests.harness.waiting import PATIENCE_SECONDS, is_readable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# Users that nobody has, a different one for each process of a test run: RLIMIT_NPROC counts per user.
FIRST_USER, USERS = 40000, 20000
ATTACHED = " attached"


class Call(NamedTuple):
    """One system call of a trace: its name and its line, arguments and result."""

    name: str
    line: str

    @property
    def was_injected(self) -> bool:
        """True if strace made it fail."""
        return "(INJECTED)" in self.line


class TracedFactory:
    """Starts scpd under strace, each process's calls in a file of its own."""

    def __init__(self, folder: Path, expressions: tuple[str, ...]) -> None:
        self._prefix = folder / f"trace-{len(list(folder.glob('trace-*')))}"
        words = [word for expression in expressions for word in ("-e", expression)]
        # -D: strace is nobody's parent, so the process that we signal and wait for is scpd.
        self.factory = wrapped(
            folder, [real_program("strace"), "-D", "-ff", "-y", "-s", "0", "-o", str(self._prefix), *words]
        )

    def calls(self, pid: int) -> list[Call]:
        """Give the calls of one process, in their order."""
        return _calls(self._prefix.with_name(f"{self._prefix.name}.{pid}"))

    def injected(self) -> list[Call]:
        """Give every call that strace made fail, of all processes."""
        pids = [int(path.suffix[1:]) for path in self._prefix.parent.glob(f"{self._prefix.name}.*")]
        return [call for pid in pids for call in self.calls(pid) if call.was_injected]


@contextmanager
def attached(pid: int, trace: Path, *expressions: str) -> Iterator[Callable[[], list[Call]]]:
    """Trace a process that runs already, from here to the end of the block; gives what gives its calls so far."""
    words = [word for expression in expressions for word in ("-e", expression)]
    command = [real_program("strace"), "-y", "-s", "0", "-o", str(trace), *words, "-p", str(pid)]
    tracer = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        said = _first_words(tracer)
        if ATTACHED not in said:
            pytest.skip(f"strace cannot attach here: {said.strip()[:200]}")
        yield lambda: _calls(trace)
    finally:
        tracer.terminate()
        tracer.communicate(timeout=PATIENCE_SECONDS)


def _first_words(tracer: subprocess.Popen[bytes]) -> str:
    """Give what strace says when it has attached, or why it cannot.

    By then no further call escapes it; TracerPid in /proc is there a moment earlier.
    """
    assert tracer.stderr is not None
    assert is_readable(tracer.stderr.fileno(), PATIENCE_SECONDS), "strace says nothing"
    return os.read(tracer.stderr.fileno(), 4096).decode(errors="replace")


def _calls(trace: Path) -> list[Call]:
    lines = trace.read_text(errors="replace").splitlines() if trace.exists() else []
    return [Call(line.partition("(")[0], line) for line in lines if "(" in line]


def wrapped(folder: Path, prefix: list[str]) -> ServerFactory:
    """Start scpd by way of a program that sets something up and then becomes it."""
    plain = scpd_factory(folder)
    return ServerFactory(
        [*prefix, *plain._command], folder, plain._inbox, plain._environment, may_leave=False
    )


def limited(folder: Path, **limits: int) -> ServerFactory:
    """Start scpd with lower resource limits: `limited(folder, nofile=64)` as prlimit(1) names them."""
    return wrapped(folder, _prlimit(limits))


def require_strace() -> None:
    """Skip the test if strace is missing, or not allowed to trace."""
    words = [real_program("strace"), "-D", "-f", "-o", "/dev/null", "-e", "inject=fsync:error=EIO", "true"]
    probe = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    if probe.returncode != 0:
        pytest.skip(f"strace cannot trace here: {probe.stderr.strip()[:200]}")


def require_root() -> None:
    """Skip the test unless it may mount and change users."""
    if os.geteuid() != 0:
        pytest.skip("needs root")


def unprivileged_user() -> int:
    """Give the user id for `unprivileged`: an unused one for root, else our own."""
    return FIRST_USER + os.getpid() % USERS if os.geteuid() == 0 else os.geteuid()


def unprivileged(folder: Path, **limits: int) -> ServerFactory:
    """Start scpd as `unprivileged_user()`, who may read everything, since Python may lie in root's home."""
    return wrapped(folder, [*_prlimit(limits), *_as_user()])


def unprivileged_words(words: list[str]) -> list[str]:
    """Give a command line that runs these words as `unprivileged_user()`."""
    return [*_as_user(), *words]


def _as_user() -> list[str]:
    if os.geteuid() != 0:
        return []
    user = unprivileged_user()
    rights = "+dac_read_search"
    prefix = [
        real_program("setpriv"),
        f"--reuid={user}",
        f"--regid={user}",
        "--clear-groups",
        f"--inh-caps={rights}",
        f"--ambient-caps={rights}",
    ]
    probe = subprocess.run(
        [*prefix, "true"], capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    if probe.returncode != 0:
        pytest.skip(f"cannot become another user here: {probe.stderr.strip()[:200]}")
    return prefix


def _prlimit(limits: dict[str, int]) -> list[str]:
    return [real_program("prlimit"), *(f"--{name}={value}:{value}" for name, value in limits.items())]
