"""From settings to where a worker may do what."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from scpd import confinement_policies
from scpd.cli.parser import parse
from scpd.cli.settings import Settings
from scpd.log.association import Association
from scpd.log.complaints import Complaints
from scpd.log.handlers import Appender
from scpd.log.setup import Logging
from scpd.process import landlock

if TYPE_CHECKING:
    from pathlib import Path


class ToFile(Appender):
    """An appender as far as confinement asks."""

    def __init__(self, *paths: str, connects: bool = False) -> None:
        super().__init__()
        self._paths = paths
        self._connects = connects

    def files(self) -> tuple[str, ...]:
        return self._paths

    def connects(self) -> bool:
        return self._connects


def rules(*words: str, logs: Appender | None = None) -> dict[str, int]:
    settings = parse("scpd", [*words, "11112"])
    assert isinstance(settings, Settings)
    appenders = [] if logs is None else [logs]
    logging = Logging(Association(), Complaints(), appenders)
    return dict(confinement_policies._rules(settings, logging, None))


def test_objects_are_stored_and_nothing_else_is_written() -> None:
    assert rules("-od", "/out") == {"/out": landlock.STORE}
    assert rules("-od", "/out", "--ignore") == {}


def test_studies_and_commands_are_recorded_in_the_lock_directory() -> None:
    recorded = {"/out/.scpd": landlock.STORE_AND_WAIT}
    assert rules("-od", "/out", "-xcr", "true") == {"/out": landlock.STORE, **recorded}
    assert rules("-od", "/out", "--ignore", "-xcr", "true") == recorded
    with_own = rules("-od", "/out", "-xcr", "true", "--lock-directory", "/locks")
    assert with_own == {"/out": landlock.STORE, "/locks": landlock.STORE_AND_WAIT}


def test_log_files_are_written_where_they_are(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "else" / "where")
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "where").touch()
    found = rules("--ignore", logs=ToFile("/var/log/x/missing", "/dev/null", str(tmp_path / "link")))
    assert found == {
        "/var/log/x": landlock.LOG,
        "/dev/null": landlock.WRITE,
        str(tmp_path): landlock.LOG,
        str(tmp_path / "else"): landlock.LOG,
    }


@pytest.mark.parametrize("is_there", [True, False])
def test_of_the_directory_of_a_seed_only_its_file_is_written(tmp_path: Path, *, is_there: bool) -> None:
    seed = tmp_path / "seed"
    if is_there:
        seed.write_text("old")
    words = "+tls", "key", "crt", "-ic", "--seed", "/old", "--write-seed-file", str(seed)
    assert rules("--ignore", *words) == {str(seed): landlock.WRITE}
    assert seed.read_text() == "old" * is_there


@pytest.mark.parametrize("connects", [True, False])
def test_only_a_local_syslog_is_connected_to_again(*, connects: bool) -> None:
    settings = parse("scpd", ["11112"])
    assert isinstance(settings, Settings)
    logging = Logging(Association(), Complaints(), [ToFile(connects=connects)])
    assert list(confinement_policies._calls(settings, logging)) == ["connect"] * connects


def test_software_can_be_read() -> None:
    found = dict(confinement_policies._software())
    assert set(found.values()) == {landlock.READ}
    assert any(os.__file__.startswith(f"{path}/") for path in found)


def test_nothing_is_made_for_who_wants_none() -> None:
    settings = parse("scpd", ["--no-confine", "11112"])
    assert isinstance(settings, Settings)
    logging = Logging(Association(), Complaints(), [])
    assert confinement_policies.of_master(settings, logging, None) is None
    assert confinement_policies.of_inetd(settings, logging, None, {}) is None
