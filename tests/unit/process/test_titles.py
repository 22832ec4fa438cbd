"""What `ps` shows of a process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from scpd.process.titles import Title
from tests.harness.forked import in_child
from tests.harness.servers import REPOSITORY

SELF = Path("/proc/self")


def test_a_title_is_the_command_line_and_the_name_stays() -> None:
    def work() -> list[str]:
        Title("storescp").show("master, 3 associations on 11112")
        command_line = (SELF / "cmdline").read_bytes().rstrip(b"\0").decode()
        return [command_line, (SELF / "comm").read_text().strip()]

    assert in_child(work) == ["storescp: master, 3 associations on 11112", "storescp"]


def test_a_shorter_title_leaves_nothing_of_a_longer_one() -> None:
    def work() -> str:
        title = Title("scpd")
        title.show("x" * 300)
        title.show("y")
        return (SELF / "cmdline").read_bytes().rstrip(b"\0").decode()

    assert in_child(work) == "scpd: y"


def said(script: str) -> str:
    """Give what a fresh interpreter says."""
    result = subprocess.run(
        [sys.executable, "-c", script],
        env={"FIRST": "1", "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return result.stdout


def test_the_name_is_there_before_the_first_title() -> None:
    script = "from scpd.process.titles import Title; Title('storescp'); print(open('/proc/self/comm').read(), end='')"
    assert said(script) == "storescp\n"


def test_a_title_is_found_when_the_environment_has_changed() -> None:
    script = (
        "import os; from scpd.process.titles import Title; title = Title('scpd'); del os.environ['FIRST'];"
        " title.show('master'); print(open('/proc/self/cmdline').read().rstrip('\\0'))"
    )
    assert said(script) == "scpd: master\n"
