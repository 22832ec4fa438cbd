"""scpctl keep: a keeper of its own, by scpd's command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from scpd.ctl.main import main
from tests.harness.lockdirs import keeper_pid
from tests.harness.processes import MAY_DUMP, core_limit, wait_for_orphans
from tests.harness.waiting import wait_until
from tests.harness.wrapped import require_root

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.unit.ctl.conftest import Place


@contextmanager
def keeping(place: Place, *words: str, before: tuple[str, ...] = ()) -> Iterator[subprocess.Popen[str]]:
    """Run it in the output directory, whose lock directory the place is."""
    command = [*before, sys.executable, "-m", "scpd.ctl.main", "keep", "-od", str(place.folder), *words]
    keeper = subprocess.Popen(
        command,
        cwd=place.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        yield keeper
    finally:
        keeper.kill()
        keeper.communicate()
        wait_for_orphans()  # whoever has run a command ends by himself, a moment after its end is known


def store(place: Place, name: str) -> None:
    """Store a file for which a command is to run, and tell the keeper."""
    (place.folder / name).touch()
    place.worker().store(name, hook="xcr")
    place.lockdir.wake()


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def jobs(place: Place, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The commands that have not been settled."""
    assert main(["jobs", "--json", "-od", str(place.folder)]) == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


def set_aside(place: Place, capsys: pytest.CaptureFixture[str]) -> dict[str, Any] | None:
    """The command that was set aside, if there is one."""
    return next((facts for facts in jobs(place, capsys) if facts["state"] == "failed"), None)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_runs_what_waits_in_its_own_directory_until_it_is_told_to_end(
    place: Place, number: signal.Signals
) -> None:
    store(place, "CT.1")
    (place.folder / "conf").write_text("-xcr 'echo #f >> ran' --no-keeper 11112")
    with keeping(place, f"@{place.folder}/conf") as keeper:
        wait_until(lambda: lines(place.folder / "ran") == ["CT.1"])
        assert keeper_pid(place.lockdir) == keeper.pid
        store(place, "CT.2")
        wait_until(lambda: lines(place.folder / "ran") == ["CT.1", "CT.2"])
        keeper.send_signal(number)
        assert keeper.wait(timeout=20) == 0


def test_it_leaves_no_core_file(place: Place) -> None:
    with keeping(place, "-xcr", "true", before=MAY_DUMP) as keeper:
        wait_until(lambda: keeper_pid(place.lockdir) == keeper.pid)
        assert core_limit(keeper.pid) == "0"


def test_other_signals_do_not_end_it(place: Place) -> None:
    with keeping(place, "-xcr", "echo #f >> ran") as keeper:
        wait_until(lambda: keeper_pid(place.lockdir) == keeper.pid)
        for number in (signal.SIGUSR1, signal.SIGCHLD):
            keeper.send_signal(number)
        store(place, "CT.1")
        wait_until(lambda: lines(place.folder / "ran") == ["CT.1"])
        assert keeper.poll() is None


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR2])
def test_it_begins_anew_with_what_its_files_say_now(place: Place, number: signal.Signals) -> None:
    conf, ran = place.folder / "conf", place.folder / "ran"
    conf.write_text("-v -xcr 'echo old #f >> ran; while [ ! -e go ]; do sleep 0.05; done; echo end >> ran'")
    with keeping(place, f"@{conf}") as keeper:
        store(place, "CT.1")
        wait_until(lambda: lines(ran) == ["old CT.1"])
        conf.write_text("-v -xcr 'echo new #f >> ran' --exec-jobs 2")
        keeper.send_signal(number)
        assert _line(keeper, "I: reloaded")
        store(place, "CT.2")
        wait_until(lambda: lines(ran) == ["old CT.1", "new CT.2"])
        (place.folder / "go").touch()  # what ran before still runs, once
        wait_until(lambda: lines(ran) == ["old CT.1", "new CT.2", "end"])
        assert keeper_pid(place.lockdir) == keeper.pid
        keeper.send_signal(signal.SIGTERM)
        assert keeper.wait(timeout=20) == 0


def test_a_broken_file_leaves_it_as_it_was(place: Place) -> None:
    conf, ran = place.folder / "conf", place.folder / "ran"
    conf.write_text("-v -xcr 'echo old #f >> ran'")
    with keeping(place, f"@{conf}") as keeper:
        wait_until(lambda: keeper_pid(place.lockdir) == keeper.pid)
        for broken in ("-v -xcr", "-v -xcr true --peers missing", "-v -xcr true --lock-directory elsewhere"):
            conf.write_text(broken)
            keeper.send_signal(signal.SIGHUP)
            assert _line(keeper, "E: not reloaded: ")
        store(place, "CT.1")
        wait_until(lambda: lines(ran) == ["old CT.1"])
        conf.write_text("-v -xcr 'echo new #f >> ran'")
        keeper.send_signal(signal.SIGHUP)
        assert _line(keeper, "I: reloaded")
        store(place, "CT.2")
        wait_until(lambda: lines(ran) == ["old CT.1", "new CT.2"])


def test_told_to_end_while_it_cannot_begin_anew_it_ends(place: Place) -> None:
    conf, broken = place.folder / "conf", place.folder / "broken"
    conf.write_text("-v -xcr true")
    broken.write_text("-v -xcr")
    with keeping(place, f"@{conf}") as keeper:
        wait_until(lambda: keeper_pid(place.lockdir) == keeper.pid)
        conf.unlink()
        os.mkfifo(conf)
        keeper.send_signal(signal.SIGHUP)
        with conf.open("w") as checked:
            broken.rename(conf)
            checked.write("-v -xcr true")
        assert _line(keeper, "Missing value for option --exec-on-reception")
        keeper.send_signal(signal.SIGTERM)
        assert keeper.wait(timeout=20) == 0


def _line(keeper: subprocess.Popen[str], text: str) -> str:
    """Read what it says up to a line with this text."""
    assert keeper.stderr is not None
    return next(line for line in keeper.stderr if text in line)


def test_the_second_waits_until_the_first_is_gone(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    with keeping(place, "-xcr", "echo #f >> ran") as first:
        wait_until(lambda: keeper_pid(place.lockdir) == first.pid)
        with keeping(place, "-xcr", "echo second #f >> ran") as second:
            store(place, "CT.1")
            wait_until(lambda: lines(place.folder / "ran") == ["CT.1"])
            wait_until(lambda: not jobs(place, capsys))  # or it would be run once more
            first.kill()
            wait_until(lambda: keeper_pid(place.lockdir) == second.pid)
            store(place, "CT.2")
            wait_until(lambda: lines(place.folder / "ran") == ["CT.1", "second CT.2"])


def test_its_umask_is_that_of_the_option(place: Place) -> None:
    with keeping(place, "-xcr", "umask > ran", "--umask", "027"):
        store(place, "CT.1")
        wait_until(lambda: lines(place.folder / "ran") == ["0027"])
        (accounts,) = (place.path / "keepers").iterdir()
        assert accounts.stat().st_mode & 0o777 == 0o640


def test_root_is_warned_of_running_the_commands(place: Place) -> None:
    require_root()
    with keeping(place, "-xcr", "true", "--user", "daemon") as keeper:
        wait_until(lambda: keeper_pid(place.lockdir) == keeper.pid)
        keeper.terminate()
        _, said = keeper.communicate(timeout=20)
        assert said == "W: running as root, and so do the commands: start it as a user of its own\n"


def test_nothing_to_keep_has_an_exit_code_of_its_own(place: Place) -> None:
    with keeping(place, "11112") as keeper:
        _, said = keeper.communicate(timeout=20)
        assert keeper.returncode == 3
        assert said == "W: nothing to keep: no option asks for studies or commands\n"


def test_it_does_not_start_without_an_output_directory(place: Place) -> None:
    with keeping(place, "-xcr", "true", "-od", "missing") as keeper:
        _, said = keeper.communicate(timeout=20)
        assert keeper.returncode == 1
        assert said == "F: specified output directory does not exist: missing\n"


def test_a_command_that_was_set_aside_runs_again_when_that_is_asked_for(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("-od", str(place.folder))
    with keeping(place, "-xcr", "test -e good && echo #f >> ran"):
        store(place, "CT.1")
        failed = wait_until(lambda: set_aside(place, capsys))
        assert (failed["file"], failed["status"]) == ("CT.1", "failed with exit status 1")
        (place.folder / "good").touch()
        assert main(["retry", failed["job"], *where]) == 0
        wait_until(lambda: lines(place.folder / "ran") == ["CT.1"])
        wait_until(lambda: not list((place.path / "failed").iterdir()))
        assert place.requests() == []


def test_a_study_without_an_end_ends_when_that_is_asked_for(place: Place) -> None:
    (place.folder / "x_1.2.3").mkdir()
    study = place.open("1.2.3", "x_1.2.3", runs=True)
    (place.folder / "x_1.2.3" / "CT.1").touch()
    place.worker().store("CT.1", study)
    study.let_go()
    with keeping(place, "-su", "x", "-xcs", "echo #p >> ran"):
        wait_until(lambda: keeper_pid(place.lockdir))
        assert main(["complete", "x_1.2.3", "-od", str(place.folder)]) == 0
        wait_until(lambda: lines(place.folder / "ran") == [f"{place.folder}/x_1.2.3"])
        wait_until(lambda: main(["complete", "x_1.2.3", "-od", str(place.folder)]) == 1)
