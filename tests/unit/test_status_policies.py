"""Where the master listens for scpctl, by the options and by what there is."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import pytest

from scpd.cli.commandline import read_command_line
from scpd.cli.settings import Settings
from scpd.status_policies import open_door, runtime_directory

if TYPE_CHECKING:
    from pathlib import Path


def place(caplog: pytest.LogCaptureFixture, runtime: Path | str, *words: str) -> str:
    """The path of the socket, or what is said instead."""
    caplog.set_level(logging.INFO)
    settings, _ = read_command_line("scpd", [*words, "104"], {})
    assert isinstance(settings, Settings)
    door = open_door(settings, 104, {"RUNTIME_DIRECTORY": str(runtime)})
    if door is None:
        return caplog.messages[-1]
    path = door.path
    assert os.path.exists(path)
    door.close()
    return path


def test_the_runtime_directory_is_used_where_there_is_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "run").mkdir()
    path = place(caplog, tmp_path / "run", "-od", str(tmp_path))
    assert path == f"{tmp_path}/run/104.sock"
    assert not (tmp_path / ".scpd").exists()


@pytest.mark.parametrize("more", [(), ("--ignore", "-xcr", "true")])
def test_else_it_is_in_the_lock_directory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, more: tuple[str, ...]
) -> None:
    for _ in range(2):
        path = place(caplog, tmp_path / "none", "-od", str(tmp_path), *more)
        assert path == f"{tmp_path}/.scpd/control-104.sock"


def test_a_lock_directory_may_be_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = place(caplog, tmp_path / "none", "--ignore", "--lock-directory", str(tmp_path))
    assert path == f"{tmp_path}/control-104.sock"


def test_without_a_place_there_is_none_and_a_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    none = tmp_path / "none"
    said = place(caplog, none, "--ignore", "-od", str(tmp_path))
    assert said == f"no place for scpctl's socket: neither {none} nor a lock directory"
    assert list(tmp_path.iterdir()) == []


def test_a_lock_directory_that_is_none_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / ".scpd").touch()
    said = place(caplog, tmp_path / "none", "-od", str(tmp_path))
    assert said.startswith(f"scpctl cannot ask this daemon: no socket in {tmp_path}/.scpd: ")
    assert caplog.records[-1].levelname == "WARNING"


def test_a_link_is_not_followed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".scpd").symlink_to(tmp_path / "elsewhere")
    said = place(caplog, tmp_path / "none", "-od", str(tmp_path))
    assert said.startswith("scpctl cannot ask this daemon")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_one_that_the_administrator_has_named_may_be_a_link(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    path = place(caplog, tmp_path / "none", "-od", str(tmp_path), "--lock-directory", f"{tmp_path}/link")
    assert path == f"{tmp_path}/link/control-104.sock"


@pytest.mark.parametrize(
    ("value", "directory"),
    [(None, "/run/scpd"), ("", "/run/scpd"), ("/run/a", "/run/a"), ("/run/a:/run/b", "/run/a")],
)
def test_the_service_manager_says_which_directory_is_ours(value: str | None, directory: str) -> None:
    assert runtime_directory({} if value is None else {"RUNTIME_DIRECTORY": value}) == directory
