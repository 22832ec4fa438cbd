"""The association that is played before the first real one: it leaves no trace."""

from __future__ import annotations

import dis
import logging
import os
import platform
import signal
import socket
from typing import TYPE_CHECKING

import pytest

from scpd.cli.parser import parse
from scpd.cli.settings import Settings
from scpd.lockdir.appending import Appending
from scpd.log.association import Association
from scpd.log.handlers import ConsoleAppender
from scpd.log.lines import LineHandler
from scpd.log.setup import LogPolicy, configure
from scpd.policies import service_policy
from scpd.process import exitcodes
from scpd.process.signals import Wakeup
from scpd.store.sink import Incoming
from scpd.worker import rehearsal
from scpd.worker.rehearsal import Rehearsal, rehearse
from scpd.worker.secure_rehearsal import Stage
from tests.harness import restricted
from tests.harness.forked import in_child

if TYPE_CHECKING:
    from pathlib import Path

    from scpd.worker.service import ServicePolicy


@pytest.fixture
def policy(tmp_path: Path) -> ServicePolicy:
    settings = parse("scpd", ["-od", str(tmp_path), "11112"])
    assert isinstance(settings, Settings)
    return service_policy(settings)


def test_it_plays_to_its_end_and_stores_its_object(tmp_path: Path, policy: ServicePolicy) -> None:
    assert rehearse(policy, Association()) == exitcodes.OK
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["CT.2.25.1"]


@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO, logging.WARNING])
def test_learning_leaves_no_trace(
    tmp_path: Path,
    policy: ServicePolicy,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    level: int,
) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with caplog.at_level(level):
        Rehearsal(policy, Association()).learn()

        assert logging.getLogger("dcmtk.apps.storescp").isEnabledFor(level)
    assert caplog.records == []
    assert capfd.readouterr().out == ""
    assert list(tmp_path.iterdir()) == []
    assert [name for name in os.listdir("/dev/shm") if name.startswith(f"scpd-{os.getpid()}-")] == []
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    "words", [["-su", "X", "-rns"], ["-ss", "X", "-xcr", "true", "-xs"], ["--ignore", "-xcr", "true"]]
)
def test_learning_to_file_touches_no_lock_directory(tmp_path: Path, words: list[str]) -> None:
    def life() -> int:
        settings = parse("scpd", [*words, "-od", str(tmp_path), "11112"])
        assert isinstance(settings, Settings)
        Rehearsal(service_policy(settings), Association()).learn()
        journal = dis.get_instructions(Appending.write, adaptive=True)
        assert [name for name in os.listdir("/dev/shm") if name.startswith(f"scpd-{os.getpid()}-")] == []
        return 0 if any(each.opname not in dis.opmap for each in journal) else 1

    assert in_child(life) == 0
    assert list(tmp_path.iterdir()) == []


def test_it_shows_no_progress_where_only_progress_is_shown(
    policy: ServicePolicy, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """A log configuration may have the progress line's logger at INFO and all others above."""
    with caplog.at_level(logging.WARNING), caplog.at_level(logging.INFO, "dcmtk.apps.storescp.progress"):
        Rehearsal(policy, Association()).learn()
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    ("log_format", "handler"), [("text", LineHandler), ("json", ConsoleAppender)], ids=["text", "json"]
)
def test_the_log_learns_too_and_says_nothing(
    policy: ServicePolicy,
    capfd: pytest.CaptureFixture[str],
    log_format: str,
    handler: type[logging.Handler],
) -> None:
    def life() -> object:
        logging.getLogger().handlers.clear()
        logs = configure(LogPolicy("info", log_format=log_format))
        Rehearsal(policy, logs.association).learn()
        (made,) = logging.getLogger().handlers
        instructions = dis.get_instructions(made.format, adaptive=True)
        log = logging.getLogger("dcmtk.apps.storescp")
        log.info("heard again")
        return isinstance(made, handler), any(each.opname not in dis.opmap for each in instructions)

    assert in_child(life) == [True, True]
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "heard again" in said.err
    assert "rehearsal" not in said.err.lower()


def test_a_signal_that_comes_meanwhile_is_still_heard_afterwards(policy: ServicePolicy) -> None:
    """A service manager may stop a daemon that has hardly started."""

    def life() -> int:
        wakeup = Wakeup()
        os.kill(os.getpid(), signal.SIGTERM)
        Rehearsal(policy, Association()).learn()
        return 0 if wakeup.signalled and signal.SIGTERM in wakeup.take() else 1

    assert in_child(life) == 0


def test_a_process_that_has_learnt_knows_the_way_to_the_disk_by_heart(policy: ServicePolicy) -> None:
    """Bytecode that is specialized shows instructions that no compiler writes."""

    def life() -> int:
        Rehearsal(policy, Association()).learn()
        instructions = dis.get_instructions(Incoming.publish, adaptive=True)
        return 0 if any(each.opname not in dis.opmap for each in instructions) else 1

    assert in_child(life) == 0


def test_without_memory_to_store_in_it_learns_the_rest(
    policy: ServicePolicy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(rehearsal, "_SHARED_MEMORY", str(tmp_path / "none"))
    Rehearsal(policy, Association()).learn()
    assert list(tmp_path.iterdir()) == []


def test_it_plays_where_no_tcp_socket_may_be_opened(tmp_path: Path, policy: ServicePolicy) -> None:
    """A unit with RestrictAddressFamilies=AF_UNIX."""
    if platform.machine() not in restricted.SOCKET_CALL:
        pytest.skip("the number of socket(2) is not known here")

    def life() -> object:
        restricted.forbid_sockets()
        with pytest.raises(OSError, match="not supported"):
            socket.socket()
        Rehearsal(policy, Association()).learn()
        return "played"

    assert in_child(life) == "played"


def test_learning_by_tls_leaves_no_trace_and_the_real_key_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, policy: ServicePolicy
) -> None:
    class Unused:
        allowed_names = ()

        def context(self) -> None:
            pytest.fail("the context of the options is used")

    policy.tls = Unused()  # type: ignore[assignment]
    before = len(os.listdir("/proc/self/fd"))
    Rehearsal(policy, Association()).learn()
    assert caplog.records == []
    assert list(tmp_path.iterdir()) == []
    assert [name for name in os.listdir("/dev/shm") if name.startswith(f"scpd-{os.getpid()}-")] == []
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_rehearsal_by_tls_goes_to_its_end(tmp_path: Path, policy: ServicePolicy) -> None:
    stage = Stage()
    policy.tls = stage  # type: ignore[assignment]
    readable = os.eventfd(1)
    partner = stage.partner(rehearsal._SCRIPT, readable)
    assert rehearsal._serve(partner, readable, policy, Association()) == exitcodes.OK
    os.close(readable)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["CT.2.25.1"]
