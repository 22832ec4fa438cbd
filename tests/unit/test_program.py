"""The program up to the moment at which it listens: what it says, and with which exit code it leaves."""

from __future__ import annotations

import os
import signal
import socket
import sys
from typing import TYPE_CHECKING

import pytest

import scpd
from scpd.__main__ import main, run
from tests.harness.forked import in_child

if TYPE_CHECKING:
    from pathlib import Path


def test_help_and_version_go_to_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    assert run("scpd", ["--help"]) == 0
    assert run("scpd", ["--version"]) == 0

    said = capfd.readouterr()
    assert "--output-directory" in said.out
    assert scpd.__version__ in said.out
    assert said.err == ""


@pytest.mark.parametrize("words", [["--nonsense", "11112"], ["port"], ["-pdu", "1", "11112"]])
def test_a_bad_command_line_is_told_and_is_exit_code_1(
    words: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert run("storescp", words) == 1

    said = capfd.readouterr()
    assert said.out == ""
    assert "error: " in said.err
    assert "storescp" in said.err


@pytest.mark.parametrize(
    ("path", "name"), [("/usr/bin/storescp", "storescp"), ("/x/scpd/__main__.py", "scpd")]
)
def test_it_has_the_name_that_it_was_called_by(
    path: str, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    def work() -> int:
        sys.argv = [path, "--help"]
        return main()

    assert in_child(work) == 0
    assert f"{name}: " in capfd.readouterr().out


def refused(*words: str) -> str:
    """The one line that a start that fails leaves on standard error."""

    def work() -> list[object]:
        reader, writer = os.pipe()
        os.dup2(writer, 2)
        code = run("scpd", [*words])
        os.close(writer)
        os.close(2)
        with open(reader, encoding="utf-8") as file:
            return [code, file.read()]

    code, text = in_child(work)
    assert code == 1
    assert text.count("\n") == 1
    assert text.startswith("F: ")
    line: str = text[3:-1]
    return line


def test_a_start_that_fails_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        bound = ("--bind", "127.0.0.1", port)

        assert refused("-od", str(tmp_path), *bound) == (
            f"cannot listen on 127.0.0.1 port {port}: Address already in use"
        )
        assert refused("-od", str(tmp_path / "nothing"), *bound) == (
            f"specified output directory does not exist: {tmp_path}/nothing"
        )
        assert refused("-od", str(tmp_path / "file"), *bound) == (
            f"specified output directory does not exist: {tmp_path}/file"
        )
        assert "filename extension" in refused("-od", str(tmp_path), "-fe", "/x", *bound)
        assert "sort prefix" in refused("-od", str(tmp_path), "-su", "a/b", *bound)
        assert "sort prefix" in refused("-od", str(tmp_path), "-ss", ".x", *bound)


@pytest.mark.parametrize("is_held", [False, True])
def test_a_signal_that_was_held_back_for_the_master_is_not_forgotten(is_held: bool) -> None:
    def work() -> list[int]:
        numbers = (signal.SIGUSR1, signal.SIGUSR2)
        if is_held:
            signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
            for number in numbers:
                os.kill(os.getpid(), number)
        sys.argv = ["scpd", "--version"]
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        assert main() == 0
        if not is_held:
            for number in numbers:  # which ends nobody
                os.kill(os.getpid(), number)
        return sorted(signal.sigpending())

    assert in_child(work) == ([signal.SIGUSR1, signal.SIGUSR2] if is_held else [])
