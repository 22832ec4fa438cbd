"""What `ps` shows of a process."""

from __future__ import annotations

from pathlib import Path

from scpd.process.titles import Title
from tests.harness.forked import in_child

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
