"""The grammar of scpctl, and that a subcommand costs what it needs and no more."""

from __future__ import annotations

import subprocess
import sys

import pytest

from scpd.ctl.main import parser


def imported_by(*words: str) -> set[str]:
    """Give the names of modules that a command line brings in until it runs."""
    script = (
        "import sys; from scpd.ctl import main\n"
        "try: main.main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stderr.splitlines()[-1].split())


def test_a_version_loads_no_subcommand() -> None:
    loaded = imported_by("--version")
    assert "scpd.ctl.main" in loaded
    assert not {name for name in loaded if name.startswith(("scpd.requestor", "scpd.ctl.peers"))}


def test_an_echo_loads_what_opens_associations() -> None:
    assert "scpd.requestor.echo" in imported_by("echo", "127.0.0.1", "1", "--timeout", "1")


@pytest.mark.parametrize(
    ("line", "values"),
    [
        (
            "echo host 104",
            {"host": "host", "port": 104, "calling": "SCPCTL", "called": "ANY-SCP", "timeout": 30.0},
        ),
        (
            "echo -aet ME -aec YOU --timeout 1.5 host 104",
            {"host": "host", "port": 104, "calling": "ME", "called": "YOU", "timeout": 1.5},
        ),
    ],
)
def test_a_line_says_what_it_says(line: str, values: dict[str, object]) -> None:
    found = vars(parser().parse_args(line.split()))
    assert {name: value for name, value in found.items() if name != "run"} == values
