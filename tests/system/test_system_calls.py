"""The system calls of receiver and keeper, held against the filters of their units."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.harness.clients import run
from tests.harness.programs import real_program
from tests.harness.servers import REPOSITORY
from tests.harness.studies import Hook, send, series, write
from tests.harness.wrapped import TracedFactory, require_strace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CALL = re.compile(r"[a-z_0-9]+")
# Asked for where it is allowed: who is refused has the usual turns (`process.slices`), and says nothing.
MAY_BE_REFUSED = {"sched_setattr"}


def group(name: str) -> set[str]:
    """Give the system calls of a group, such as @system-service, as systemd has them."""
    text = run([real_program("systemd-analyze"), "syscall-filter", name]).stdout
    words = [line.strip() for line in text.splitlines()[1:]]
    found: set[str] = set()
    for word in words:
        if word.startswith("@"):
            found |= group(word)
        elif word and not word.startswith("#"):
            found.add(word)
    return found


def allowed(unit: str) -> set[str]:
    """Give the calls that a unit allows: what comes first is allowed, what begins with ~ is taken away."""
    found: set[str] = set()
    for value in re.findall(
        r"^SystemCallFilter=(.*)$", (REPOSITORY / "systemd" / unit).read_text(), re.MULTILINE
    ):
        words = value.lstrip("~").split()
        names = {each for word in words for each in (group(word) if word.startswith("@") else {word})}
        found = found - names if value.startswith("~") else found | names
    return found


@pytest.fixture
def traced(tmp_path: Path, _no_child_is_left_behind: None) -> Iterator[TracedFactory]:
    require_strace()
    factory = TracedFactory(tmp_path, ("trace=all",))
    yield factory
    factory.factory.finish()


def calls(folder: Path) -> set[str]:
    """Give every call of every process, from the program's own start on."""
    found = set()
    for path in folder.glob("trace-*.*"):
        for line in path.read_text(errors="replace").splitlines():
            name = line.partition("(")[0]
            if "(" in line and CALL.fullmatch(name):
                found.add(name)
    return found


@pytest.mark.parametrize(
    ("unit", "options"),
    [
        # Each does what makes the most calls: sorted, encoded anew, commands recorded, names looked up.
        ("scpd.service", ("--no-keeper",)),
        ("scpd-keeper.service", ("--no-confine",)),  # it has no workers
    ],
)
def test_neither_makes_a_call_that_its_unit_forbids(
    tmp_path: Path, traced: TracedFactory, unit: str, options: tuple[str, ...]
) -> None:
    hook = Hook(tmp_path / "ran")
    words = ["--fork", "-v", "+te", "-sp", "-tos", "0", "-rns", "-xcs", hook.command, "-xcr", "true"]
    server = traced.factory(*words, *options)
    (tmp_path / "sources").mkdir()
    assert send(server, write(tmp_path / "sources", series(2)), "CT1").returncode == 0
    if "--no-keeper" not in options:
        hook.wait_for(1, server)
    assert server.stop() == 0
    made = calls(tmp_path)
    assert {"accept4", "fsync"} <= made
    assert made - allowed(unit) <= MAY_BE_REFUSED


def test_a_group_is_resolved() -> None:
    assert {"read", "accept4", "futex"} <= group("@system-service")
    assert "mount" not in allowed("scpd.service")
    assert {"setuid", "chown", "capset"} & allowed("scpd.service") == set()
    of_workers = {"landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self", "seccomp"}
    assert allowed("scpd.service") - of_workers < allowed("scpd-keeper.service")
