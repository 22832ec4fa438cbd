"""--check-config: everything that is wrong, at once, and no port opened for it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.harness.servers import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness.ports import ReservedPort

PROFILES = """\
[[TransferSyntaxes]]
[Plain]
TransferSyntax1 = LittleEndianExplicit
TransferSyntax3 = LittleEndianImplicit
[[PresentationContexts]]
[Images]
PresentationContext1 = NoSuchStorage\\Plain
[[Profiles]]
[Default]
PresentationContexts = Images
"""
DICTIONARY = "(0009,0010)\tXX\n"


def check(folder: Path, *words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scpd", *words],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY), **(env or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_all_errors_are_told_at_once_with_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "profiles.cfg").write_text(PROFILES)
    (tmp_path / "bad.dic").write_text(DICTIONARY)
    (tmp_path / "logger.cfg").write_text("log4cplus.rootLogger = BOGUS, a\n")
    words = [
        "-xf",
        "profiles.cfg",
        "Default",
        "-od",
        "missing",
        "-fe",
        "a/b",
        "-su",
        "c/d",
        "-lc",
        "logger.cfg",
        "11112",
    ]
    (tmp_path / "command").write_text(" ".join(["--check-config", *words]))
    ended = check(tmp_path, "@command", env={"DCMDICTPATH": "bad.dic:missing.dic"})
    assert ended.returncode == 1
    assert ended.stdout == ""
    for part in (
        "specified output directory does not exist: missing",
        "filename extension",
        "sort prefix",
        "profiles.cfg:4: ",
        "profiles.cfg:7: ",
        "bad.dic:1: ",
        "missing.dic",
        "logger.cfg: ",
    ):
        assert len([line for line in ended.stderr.splitlines() if part in line]) == 1, (part, ended.stderr)


def test_a_good_configuration_is_told_by_the_exit_code_though_the_port_is_in_use(
    tmp_path: Path, reserved_port: ReservedPort
) -> None:
    profile = REPOSITORY / "etc" / "storescp.cfg"
    logger = tmp_path / "logger.cfg"
    logger.write_text((REPOSITORY / "etc" / "logger.cfg").read_text().replace("/var/log/scpd", str(tmp_path)))
    words = [
        "-xf",
        str(profile),
        "Default",
        "-lc",
        str(logger),
        *["+te", "-u", "+g", "-e", "+p", "512", "0", "+uc", "--reject-malformed"],
        *["-su", "study", "-tos", "5", "-rns", "-xcr", "true", "-xcs", "true", "--exec-jobs", "2"],
        "-od",
        str(tmp_path),
        str(reserved_port.number),
    ]
    before = sorted(tmp_path.iterdir())
    ended = check(tmp_path, "--check-config", *words)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert sorted(tmp_path.iterdir()) == before, "nothing is made"


def test_a_log_file_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "logger.cfg").write_text(
        "log4cplus.rootLogger = INFO, file, ghost\n"
        "log4cplus.appender.file = log4cplus::FileAppender\n"
        "log4cplus.appender.file.File = missing/scpd.log\n"
    )
    ended = check(tmp_path, "--check-config", "-lc", "logger.cfg", "11112")
    assert ended.returncode == 1
    assert "missing/scpd.log" in ended.stderr
    assert "logger.cfg:1: " in ended.stderr
    assert "ghost" in ended.stderr


@pytest.mark.parametrize("path", [".file", ".missing/x", ".file/x"])
def test_a_lock_directory_that_cannot_be_is_an_error_as_at_the_start(tmp_path: Path, path: str) -> None:
    (tmp_path / ".file").touch()
    words = ["--lock-directory", path, "-xcr", "true", "11112"]
    checked, started = check(tmp_path, "--check-config", *words), check(tmp_path, *words)
    assert (checked.returncode, started.returncode) == (1, 1)
    assert checked.stderr.removeprefix("scpd: ") == started.stderr.removeprefix("F: ")
    assert sorted(tmp_path.iterdir()) == [tmp_path / ".file"]


@pytest.mark.parametrize("words", [["--lock-directory", ".new", "-xcr", "true"], ["--lock-directory", "a/b"]])
def test_one_that_can_be_made_or_that_nobody_asks_for_is_none(tmp_path: Path, words: list[str]) -> None:
    assert check(tmp_path, "--check-config", *words, "11112").returncode == 0
    assert list(tmp_path.iterdir()) == []
