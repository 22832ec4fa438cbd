"""The grammar of scpctl, and that a subcommand costs what it needs and no more."""

from __future__ import annotations

import subprocess
import sys

import pytest

from scpd.ctl.main import main, parser


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
    foreign = ("scpd.requestor", "scpd.lockdir", "scpd.keeper", "scpd.ctl.peers", "scpd.ctl.jobs")
    assert not {name for name in loaded if name.startswith(foreign)}


@pytest.mark.parametrize("command", ["studies", "jobs"])
def test_a_listing_loads_nothing_that_opens_associations(command: str) -> None:
    loaded = imported_by(command, "-od", "/nonexistent")
    assert f"scpd.ctl.{command}" in loaded
    foreign = ("scpd.requestor", "scpd.worker", "scpd.jobs", "pydicom", "pynetdicom")
    assert not {name for name in loaded if name.startswith(foreign)}


def test_what_is_behind_keep_is_read_by_another(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keep", "--no-such-option"]) == 2
    assert main(["keep"]) == 2
    assert main(["keep", "--help"]) == 0
    said = capsys.readouterr()
    assert said.err.startswith("scpctl: keep: Unknown option --no-such-option\nusage: scpctl keep ")
    assert said.out.startswith("usage: scpctl keep ")


@pytest.mark.parametrize(
    "words",
    [
        ["complete"],
        ["retry"],
        ["drop"],
        ["studies", "1.2.3"],
        ["jobs", "--lock-directory", "x", "-od", "y"],
        ["complete", "1.2.3", "--json"],
    ],
)
def test_a_wrong_line_gives_2(words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parser().parse_args(words)
    assert caught.value.code == 2


def test_an_echo_loads_what_opens_associations() -> None:
    assert "scpd.requestor.echo" in imported_by("echo", "127.0.0.1", "1", "--timeout", "1")


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("studies", {"json": False, "lock_directory": None, "output_directory": "."}),
        ("jobs --json -od in", {"json": True, "lock_directory": None, "output_directory": "in"}),
        (
            "retry a.1.xcr --lock-directory x",
            {"job": "a.1.xcr", "lock_directory": "x", "output_directory": "."},
        ),
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
