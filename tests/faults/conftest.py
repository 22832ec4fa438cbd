"""Servers under conditions of their own, ended with the test; name these fixtures before `raw_peer`.

A server waits for the associations that it serves when it is told to end, so the peers have to leave first.
"""

from __future__ import annotations

import resource
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.harness.servers import REPOSITORY
from tests.harness.wrapped import TracedFactory, limited, require_strace, unprivileged, wrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.harness.servers import ServerFactory


@pytest.fixture
def scpd_with_limits(
    tmp_path: Path, _no_child_is_left_behind: None
) -> Iterator[Callable[..., ServerFactory]]:
    """`scpd_with_limits(nofile=64)` gives a factory of servers that live within these resource limits."""
    factories = []

    def make(**limits: int) -> ServerFactory:
        factories.append(limited(tmp_path, **limits))
        return factories[-1]

    yield make
    for factory in factories:
        factory.finish()


@pytest.fixture
def scpd_by_user(tmp_path: Path, _no_child_is_left_behind: None) -> Iterator[Callable[..., ServerFactory]]:
    """`scpd_by_user(nproc=5)`: the same as an unprivileged user, `unprivileged_user()`."""
    factories = []

    def make(**limits: int) -> ServerFactory:
        factories.append(unprivileged(tmp_path, **limits))
        return factories[-1]

    yield make
    for factory in factories:
        factory.finish()


@pytest.fixture
def scpd_wrapped(tmp_path: Path, _no_child_is_left_behind: None) -> Iterator[Callable[..., ServerFactory]]:
    """`scpd_wrapped("nohup")`: scpd started by another program."""
    factories = []

    def make(*prefix: str) -> ServerFactory:
        factories.append(wrapped(tmp_path, list(prefix)))
        return factories[-1]

    yield make
    for factory in factories:
        factory.finish()


@pytest.fixture
def traced(tmp_path: Path, _no_child_is_left_behind: None) -> Iterator[Callable[..., TracedFactory]]:
    """`traced(expression...)` gives a factory of servers under strace -e; skips where strace cannot trace."""
    require_strace()
    factories: list[TracedFactory] = []

    def make(*expressions: str) -> TracedFactory:
        factories.append(TracedFactory(tmp_path, expressions))
        return factories[-1]

    yield make
    for run in factories:
        run.factory.finish()


@pytest.fixture
def many_descriptors() -> Iterator[int]:
    """Let this process have many open files, which its servers inherit; gives how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(4096, hard) if hard != resource.RLIM_INFINITY else 4096
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield max(soft, wanted)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def options(tmp_path: Path) -> Path:
    """A command file with options that may change."""
    path = tmp_path / "options"
    path.write_text("-v\n-aet ONE\n", encoding="utf-8")
    return path


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A copy of the program, that can be replaced."""
    shutil.copytree(
        REPOSITORY / "scpd", tmp_path / "lib" / "scpd", ignore=shutil.ignore_patterns("__pycache__")
    )
    return tmp_path / "lib"
