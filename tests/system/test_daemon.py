"""In the background, under another user: what whoever starts it learns, what stays of root, what a kill leaves."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scpd.log.datagrams import LOCAL_SYSLOG
from tests.harness import wire
from tests.harness.clients import run, scpctl
from tests.harness.files import states_below
from tests.harness.objects import ct_image, data_set_bytes
from tests.harness.pages import FEW_PAGE_FAULTS, page_faults, require_io_uring
from tests.harness.ports import ReservedPort
from tests.harness.processes import MAY_DUMP, children_of, command_line, core_limit, end_session, is_running
from tests.harness.programs import real_program
from tests.harness.servers import REPOSITORY
from tests.harness.storing import finish, send_half, store, temporaries
from tests.harness.studies import series, write
from tests.harness.waiting import wait_until
from tests.harness.wrapped import require_root, unprivileged_user

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import BinaryIO

    from tests.harness.objects import StorableObject
    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import ServerFactory

SECONDS = 20.0


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Give a folder that every user reaches."""
    require_root()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


class Daemon:
    """A daemon with a pid file, started by a process that has returned."""

    def __init__(
        self,
        folder: Path,
        *options: str,
        port: int | None = None,
        program: Sequence[str] = (sys.executable,),
        has_log: bool = True,
    ) -> None:
        self._program = program
        self.folder = folder
        self.inbox = folder / "inbox"
        self.inbox.mkdir(exist_ok=True)
        self.pid_file = folder / "run.pid"
        self.log = folder / "log"
        self.port = ReservedPort().number if port is None else port
        configuration = folder / "log.cfg"
        configuration.write_text(
            "log4cplus.rootLogger=INFO, F\n"
            "log4cplus.appender.F=log4cplus::FileAppender\n"
            f"log4cplus.appender.F.File={self.log}\n"
            "log4cplus.appender.F.layout=log4cplus::SimpleLayout\n"
        )
        words = [
            "--daemon",
            "--pidfile",
            "run.pid",
            *(["-lc", "log.cfg"] if has_log else []),
            "--fork",
            "-od",
            "inbox",
            *options,
            str(self.port),
        ]
        self.started = self.start(words)
        self.sessions: list[int] = []
        if self.started.returncode == 0:
            self.sessions.append(os.getsid(self.pid))

    def start(self, words: list[str]) -> subprocess.CompletedProcess[str]:
        """Run the program until whoever started it is free again."""
        return subprocess.run(
            [*self._program, "-m", "scpd", *words],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    @property
    def pid(self) -> int:
        return int(self.pid_file.read_text() or 0)

    def send(self, path: Path) -> None:
        words = [sys.executable, "-m", "scpd.ctl.main", "send", "127.0.0.1", str(self.port), str(path)]
        sent = run(words, SECONDS, {"PYTHONPATH": str(REPOSITORY)})
        assert sent.returncode == 0, sent.stderr

    def stop(self) -> None:
        pid = self.pid
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not is_running(pid), SECONDS, "the end of the daemon")


@contextmanager
def daemon(
    folder: Path,
    *options: str,
    port: int | None = None,
    program: Sequence[str] = (sys.executable,),
    has_log: bool = True,
) -> Iterator[Daemon]:
    """Start a daemon, and end it and its children whatever happens."""
    made = Daemon(folder, *options, port=port, program=program, has_log=has_log)
    try:
        yield made
    finally:
        for session in made.sessions:
            end_session(session)


def status_of(pid: int) -> dict[str, list[str]]:
    """Give the fields of /proc/PID/status."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return {name: value.split() for name, value in (line.rstrip("\n").split(":", 1) for line in file)}


def statuses(pids: Iterable[int]) -> Iterator[dict[str, list[str]]]:
    """Give those of the ones that are still there: a sweeper has soon done its work."""
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):
            yield status_of(pid)


class TestBackground:
    def test_it_returns_when_it_serves_and_leaves_nothing_at_the_end(self, tmp_path: Path) -> None:
        (path,) = write(tmp_path / "out", series(1))
        with daemon(tmp_path) as made:
            assert (made.started.returncode, made.started.stdout, made.started.stderr) == (0, "", "")
            assert os.getsid(made.pid) != os.getsid(0)
            assert {os.readlink(f"/proc/{made.pid}/fd/{number}") for number in range(3)} == {"/dev/null"}
            assert os.readlink(f"/proc/{made.pid}/cwd") == str(tmp_path)
            made.send(path)
            assert [name for name in os.listdir(made.inbox) if not name.startswith(".")]
            made.stop()
            assert not made.pid_file.exists()

    def test_what_its_workers_would_copy_is_pinned_though_its_parent_has_just_had_it_too(
        self, tmp_path: Path, raw_peer: Callable[..., RawPeer]
    ) -> None:
        require_io_uring()
        with daemon(tmp_path, "-dhl") as made:  # else the worker forks too, and shares its pages anew
            peer = raw_peer(made.port)
            peer.associate()
            (worker,) = (child for child in children_of(made.pid) if "127.0.0.1" in command_line(child.pid))
            assert page_faults(worker.pid) < FEW_PAGE_FAULTS
            peer.release()

    def test_a_start_that_fails_is_one_line_and_1(self, tmp_path: Path) -> None:
        with daemon(tmp_path) as made:
            for words, text in {
                (
                    "--pidfile",
                    "run.pid",
                    "1",
                ): f"F: another process runs already: run.pid is held by {made.pid}\n",
                (str(made.port),): f"F: cannot listen on 0.0.0.0 port {made.port}: Address already in use\n",
                ("-od", "nowhere", "1"): "F: specified output directory does not exist: nowhere\n",
                ("--user", "nobody-at-all", "1"): "F: no such user: nobody-at-all (--user)\n",
            }.items():
                failed = made.start(["--daemon", *words])
                assert (failed.returncode, failed.stdout) == (1, "")
                assert failed.stderr.lower() == text.lower()

    @pytest.mark.parametrize("appenders", ["", "C, D", "C, F"])
    def test_a_log_that_nobody_will_see_is_a_warning(self, tmp_path: Path, appenders: str) -> None:
        (tmp_path / "console.cfg").write_text(
            f"log4cplus.rootLogger=INFO, {appenders}\n"
            "log4cplus.appender.C=log4cplus::ConsoleAppender\n"
            "log4cplus.appender.D=log4cplus::ConsoleAppender\n"
            "log4cplus.appender.D.logToStdErr=true\n"
            "log4cplus.appender.F=log4cplus::FileAppender\n"
            f"log4cplus.appender.F.File={tmp_path / 'file.log'}\n"
        )
        words = ["-lc", "console.cfg"] if appenders else []
        told = "" if "F" in appenders else "the log goes nowhere: "
        if not appenders and os.path.exists(LOCAL_SYSLOG):
            pytest.skip("there is a syslog")
        with daemon(tmp_path, *words, has_log=False) as made:
            assert made.started.returncode == 0
            shown = [line for line in made.started.stderr.splitlines() if line.startswith("W: the log")]
            assert len(shown) == bool(told)
            assert told in made.started.stderr
            checked = made.start(["--check-config", "--daemon", *words, str(made.port)])
            assert checked.returncode == 0
            assert checked.stderr.replace("scpd: warning: ", "W: ").splitlines() == shown
            foreground = made.start(["--check-config", *words, str(made.port)])
            assert (foreground.returncode, foreground.stderr) == (0, "")

    def test_after_a_kill_a_new_one_starts_at_once(self, tmp_path: Path) -> None:
        port = ReservedPort().number
        options = ("-ss", "S", "-xcs", "true", "-tos", "1")
        with daemon(tmp_path, *options, port=port) as old:
            family = [each.pid for each in children_of(old.pid)]
            os.kill(old.pid, signal.SIGKILL)
            with daemon(tmp_path, *options, port=port) as new:
                assert (new.started.returncode, new.started.stderr) == (0, "")
                wait_until(lambda: not any(map(is_running, family)), SECONDS, "the end of the orphans")

    @pytest.mark.parametrize("background", [(), ("--daemon",)])
    def test_it_takes_the_port_early_and_opens_it_when_it_serves(
        self, tmp_path: Path, background: tuple[str, ...]
    ) -> None:
        """The start waits for a profile, and meanwhile another one takes the same port and serves."""
        os.mkfifo(tmp_path / "profile")
        os.mkdir(tmp_path / "other")
        port = ReservedPort().number
        user = str(os.geteuid())  # so that the port is what comes first
        words = [*background, "--user", user, "-xf", "profile", "Default", "-od", "other", str(port)]
        with (
            subprocess.Popen(
                [sys.executable, "-m", "scpd", *words],
                cwd=tmp_path,
                env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
                stderr=subprocess.PIPE,
                text=True,
            ) as starting,
            closing(wait_until(lambda: reader_of(tmp_path / "profile"), SECONDS, "the start")) as profile,
        ):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port), SECONDS)
            with daemon(tmp_path, port=port) as made:
                assert made.started.returncode == 0
                profile.write((REPOSITORY / "etc" / "storescp.cfg").read_bytes())
                profile.close()
                _, said = starting.communicate(timeout=SECONDS)
                assert starting.returncode == 1
                taken = f"F: cannot listen on 0.0.0.0 port {port}: Address already in use"
                assert [line for line in said.splitlines() if line[0] == "F"] == [taken]
                socket.create_connection(("127.0.0.1", port), SECONDS).close()

    @pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
    def test_it_starts_without_standard_streams_too(self, tmp_path: Path, closed: str) -> None:
        words = ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable]
        with daemon(tmp_path, program=words) as made:
            assert made.started.returncode == 0, made.started.stderr
            assert {os.readlink(f"/proc/{made.pid}/fd/{number}") for number in range(3)} == {"/dev/null"}

    def test_a_start_that_fails_leaves_no_pid_file(self, tmp_path: Path) -> None:
        made = Daemon(tmp_path, "-od", "nowhere")
        assert made.started.returncode == 1
        assert not made.pid_file.exists()

    def test_log_files_are_made_with_the_umask_of_the_option(self, tmp_path: Path) -> None:
        with daemon(tmp_path, "--umask", "027") as made:
            assert made.log.stat().st_mode & 0o777 == 0o640

    def test_options_that_inetd_has_no_use_for(self, tmp_path: Path) -> None:
        made = Daemon(tmp_path, "--inetd")
        assert made.started.returncode == 1
        assert "not allowed with" in made.started.stderr


def reader_of(path: Path) -> BinaryIO | None:
    """Give the end of a FIFO to write to, once somebody reads it."""
    try:
        number = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return None
    os.set_blocking(number, True)
    return open(number, "wb")


class TestUser:
    def test_no_process_can_become_root_again(self, tmp_path: Path) -> None:
        require_root()
        user = unprivileged_user()
        (tmp_path / "inbox").mkdir()
        os.chown(tmp_path / "inbox", user, user)
        tmp_path.chmod(0o755)
        (path,) = write(tmp_path / "out", series(1))
        note = tmp_path / "inbox" / "note"
        command = "id -u > inbox/note; cat /etc/shadow >> inbox/note; true"
        with daemon(
            tmp_path,
            "--user",
            str(user),
            "-ss",
            "S",
            "-rns",
            "-xcs",
            command,
            "-tos",
            "1",
            port=free_low_port(),
        ) as made:
            assert (made.started.returncode, made.started.stderr) == (0, "")
            assert made.port < 1024
            for status in statuses((made.pid, *(each.pid for each in children_of(made.pid)))):
                assert status["Uid"] == status["Gid"] == [str(user)] * 4
                assert set(status["Groups"]) == {str(user)}
                assert status["NoNewPrivs"] == ["1"]
                assert {status[name][0] for name in ("CapPrm", "CapEff", "CapInh", "CapAmb")} == {"0" * 16}
            made.send(path)
            wait_until(lambda: note.exists() and note.read_text(), SECONDS, "the command")
            assert note.read_text() == f"{user}\n"
            (folder,) = (each for each in made.inbox.iterdir() if each.name.startswith("S_"))
            assert [each.name for each in folder.iterdir()] == ["CT000001"]
            owners = {status.st_uid for _, status in states_below(made.inbox)}
            assert owners == {user}
            assert "root" not in made.log.read_text()
            made.stop()
            assert made.pid_file.read_text() == ""  # where the user may not remove it

    def test_a_worker_that_serves_has_no_right_and_no_secret_in_a_core_file(
        self, tmp_path: Path, raw_peer: Callable[..., RawPeer]
    ) -> None:
        require_root()
        user = unprivileged_user()
        (tmp_path / "inbox").mkdir()
        os.chown(tmp_path / "inbox", user, user)
        tmp_path.chmod(0o755)
        words = ("--user", str(user), "-ss", "S", "-tos", "60")
        program = (*MAY_DUMP, sys.executable)
        with daemon(tmp_path, *words, port=free_low_port(), program=program) as made:
            peer, image = raw_peer(made.port), ct_image(300_000)
            peer.associate(calling="LONG")
            send_half(peer, image)
            family = wait_until(lambda: family_with(made.pid, "LONG@", ": keeper, ", "standby"))
            for status in statuses(family):
                pid = int(status["Pid"][0])
                assert status["Uid"] == status["Gid"] == [str(user)] * 4
                assert {status[name][0] for name in ("CapPrm", "CapEff", "CapInh", "CapAmb")} == {"0" * 16}
                assert core_limit(pid) == "0"
                assert not may_look_into(pid, user)
            assert finish(peer, image).status == 0
            peer.release()
            made.stop()

    def test_root_may_ask_a_daemon_that_is_root_no_more(self, tmp_path: Path) -> None:
        require_root()
        user = unprivileged_user()
        (tmp_path / "inbox").mkdir()
        os.chown(tmp_path / "inbox", user, user)
        tmp_path.chmod(0o755)
        with daemon(tmp_path, "--user", str(user), "-ss", "S", "-tos", "60", port=free_low_port()) as made:
            path = tmp_path / "inbox" / ".scpd" / f"control-{made.port}.sock"
            assert (path.stat().st_uid, stat.S_IMODE(path.stat().st_mode)) == (user, 0o600)
            wait_until(
                lambda: scpctl("ready", "--socket", path).returncode == 0, what="a daemon that is ready"
            )
            told = json.loads(scpctl("status", "--json", "--socket", path).stdout)
            assert (told["pid"], told["listeners"]) == (made.pid, [f"0.0.0.0:{made.port}"])
            made.stop()
            assert not path.exists()

    def test_root_with_another_group_is_root_still(self, tmp_path: Path) -> None:
        require_root()
        with daemon(tmp_path, "--group", "12345") as made:
            assert "running as root: give --user" in made.log.read_text()

    def test_a_second_one_is_told_of_the_first_and_not_of_its_port(self, open_folder: Path) -> None:
        user = str(unprivileged_user())
        (open_folder / "inbox").mkdir()
        os.chown(open_folder / "inbox", int(user), int(user))
        words = ["--daemon", "--pidfile", "run.pid", "-od", "inbox", "--user", user]
        with daemon(open_folder, "--user", user) as made:
            second = made.start([*words, str(made.port)])
            told = f"F: another process runs already: run.pid is held by {made.pid}\n"
            assert (second.returncode, second.stderr) == (1, told)
            assert made.pid_file.read_text().strip() == str(made.pid)

    def test_a_check_has_the_rights_of_the_user(self, tmp_path: Path) -> None:
        require_root()
        tmp_path.chmod(0o755)
        user = str(unprivileged_user())
        words = [sys.executable, "-m", "scpd", "--check-config", "-od", str(tmp_path), "11112"]
        environment = {"PYTHONPATH": str(REPOSITORY)}
        assert run(words, SECONDS, environment).returncode == 0
        result = run([*words, "--user", user, "--group", user], SECONDS, environment)
        assert (result.returncode, result.stderr.count("not writeable")) == (1, 1)
        result = run([*words, "--user", "nobody-at-all", "--pidfile", "/nowhere/x"], SECONDS, environment)
        assert result.returncode == 1
        assert "no such user: nobody-at-all" in result.stderr
        assert "cannot write pid file: /nowhere/x" in result.stderr

    def test_host_rules_that_the_user_cannot_read_are_told_at_once(self, open_folder: Path) -> None:
        user = str(unprivileged_user())
        (open_folder / "inbox").mkdir()
        os.chown(open_folder / "inbox", int(user), int(user))
        allow, deny = open_folder / "hosts.allow", open_folder / "hosts.deny"
        for table in (allow, deny):
            table.write_text("storescp: ALL\n")
        rules = ["+ac", "--hosts-allow", str(allow), "--hosts-deny", str(deny), "--user", user]
        storing = ["-od", str(open_folder / "inbox"), "11112"]
        check = [sys.executable, "-m", "scpd", "--check-config", *storing, *rules]
        environment = {"PYTHONPATH": str(REPOSITORY)}
        assert run(check, SECONDS, environment).returncode == 0
        allow.chmod(0o600)
        told = f"{allow}: cannot be read: Permission denied"
        result = run(check, SECONDS, environment)
        assert (result.returncode, result.stderr) == (1, f"scpd: {told}\n")
        with daemon(open_folder, *rules) as made:
            # Not only when the table has changed, months later.
            assert f"host access control: {told}" in made.log.read_text()

    def test_root_without_a_user_is_warned(self, tmp_path: Path) -> None:
        require_root()
        with daemon(tmp_path) as made:
            assert "running as root: give --user" in made.log.read_text()


class TestStop:
    """SIGTERM while an object comes: it is finished in time, or it was never there."""

    @pytest.fixture
    def image(self, is_long: bool) -> StorableObject:
        return ct_image(300_000_000 if is_long else 60_000_000)

    def test_a_large_object_is_finished_within_the_grace_period(
        self, tmp_path: Path, raw_peer: Callable[..., RawPeer], image: StorableObject
    ) -> None:
        with dropping(tmp_path, "--grace", "120") as made:
            peer = begin(raw_peer, made, image)
            pid, children = made.pid, {each.pid for each in children_of(made.pid)}
            os.kill(pid, signal.SIGTERM)
            # Nobody is served any more, while this one is.
            wait_until(lambda: not connects(made.port), SECONDS, "the listener's end")
            wait_until(lambda: sum(map(is_running, children)) == 1, SECONDS, "the end of all but one")
            assert finish(peer, image).status == 0
            peer.release()
            wait_until(lambda: not is_running(pid), SECONDS, "the end of the daemon")
            assert stored(made) == {f"CT.{image.sop_instance_uid}": image.data_set}
            assert temporaries(made) == []
            assert made.pid_file.read_text() == ""
            assert "ended" in made.log.read_text()

    def test_one_that_comes_too_late_leaves_what_was_there(
        self, tmp_path: Path, raw_peer: Callable[..., RawPeer], image: StorableObject
    ) -> None:
        with dropping(tmp_path, "--grace", "1") as made:
            peer = raw_peer(made.port)
            peer.associate()
            earlier = ct_image(200_000, sop_instance_uid=image.sop_instance_uid)  # whose place it would take
            assert store(peer, earlier).status == 0
            peer.release()
            before = stored(made)
            peer = begin(raw_peer, made, image)
            pid = made.pid
            os.kill(pid, signal.SIGTERM)
            assert peer.receive() == wire.Pdu(wire.ABORT, bytes(4))
            peer.close()
            wait_until(lambda: not is_running(pid), SECONDS, "the end of the daemon")
            assert stored(made) == before != {}
            assert temporaries(made) == []
            assert "Association Aborted: stopped by the administrator (LONG@" in made.log.read_text()


@contextmanager
def dropping(folder: Path, *options: str) -> Iterator[Daemon]:
    """Start a daemon that was root, if we are."""
    user = unprivileged_user() if os.geteuid() == 0 else os.geteuid()
    (folder / "inbox").mkdir()
    if os.geteuid() == 0:
        os.chown(folder / "inbox", user, user)
        folder.chmod(0o755)
    with daemon(folder, "--user", str(user), *options) as made:
        assert made.started.returncode == 0, made.started.stderr
        yield made


def begin(raw_peer: Callable[..., RawPeer], made: Daemon, image: StorableObject) -> RawPeer:
    """Send half of an object, which has arrived when this returns."""
    peer = raw_peer(made.port, timeout=60)
    peer.associate(calling="LONG")
    send_half(peer, image)
    wait_until(
        lambda: any(each.stat().st_size > 1_000_000 for each in temporaries(made)), SECONDS, "half of it"
    )
    return peer


def stored(made: Daemon) -> dict[str, bytes]:
    """Give the data sets that anybody can see."""
    return {each.name: data_set_bytes(each) for each in made.inbox.iterdir() if each.is_file()}


def connects(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def family_with(master: int, *titles: str) -> list[int]:
    """Give the master and its children, once there is one of each title."""
    children = [
        each.pid
        for each in children_of(master)
        if each.is_running and ": sweeper" not in command_line(each.pid)
    ]
    shown = [command_line(pid) for pid in children]
    return [master, *children] if all(any(title in each for each in shown) for title in titles) else []


def may_look_into(pid: int, user: int) -> bool:
    """Tell whether another process of that user can read the memory map of this one."""
    become = [real_program("setpriv"), f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    return run([*become, "cat", f"/proc/{pid}/maps"]).returncode == 0


def free_low_port() -> int:
    """Give a port below 1024 that nobody listens on."""
    # Not the same one for two tests at a time.
    first = 600 + os.getpid() % 300
    for port in (*range(first, 1024), *range(600, first)):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    pytest.skip("no privileged port is free")


def test_umask_is_that_of_the_option(scpd: ServerFactory, tmp_path: Path) -> None:
    from tests.harness.clients import storescu

    (path,) = write(tmp_path / "out", series(1))
    server = scpd("--umask", "027")
    assert storescu(server, path).returncode == 0
    (name,) = server.wait_for_files(1)
    assert (server.inbox / name).stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("mask", ["", "8", "1000", "+7", "0x1", "22222"])
def test_a_umask_that_is_none(mask: str, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "scpd", "--umask", mask, "11112"]
    result = run(words, SECONDS, {"PYTHONPATH": str(REPOSITORY)})
    assert result.returncode == 1
    assert "Invalid value for option --umask" in result.stderr


def python_for(user: int) -> tuple[str, ...]:
    """Give the begin of a command line that runs Python where this user can, too; skips if there is none."""
    paths = os.pathsep.join([str(REPOSITORY), *filter(os.path.isdir, sys.path)])
    identity = (real_program("setpriv"), f"--reuid={user}", f"--regid={user}", "--clear-groups")
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        words = (real_program("env"), f"PYTHONPATH={paths}", python)
        if run([*identity, *words, "-c", "import daemon, setproctitle, scpd.start"], SECONDS).returncode == 0:
            return words
    pytest.skip("no Python that another user may run")


class TestReload:
    """SIGHUP and SIGUSR2 after root was given up."""

    def test_it_reloads_with_the_rights_that_are_left(self, open_folder: Path) -> None:
        require_root()
        user = unprivileged_user()
        (open_folder / "inbox").mkdir()
        os.chown(open_folder / "inbox", user, user)
        (path,) = write(open_folder / "out", series(1))
        options = ("--user", str(user), "-xcr", "true")
        port = free_low_port()
        with daemon(open_folder, *options, port=port, program=python_for(user)) as made:
            assert (made.started.returncode, made.started.stderr) == (0, "")
            pid = made.pid
            for count, number in enumerate((signal.SIGHUP, signal.SIGUSR2), 1):
                os.kill(pid, number)
                wait_until(
                    lambda most=count: made.log.read_text().count(" reloaded") == most, SECONDS, "a reload"
                )
                assert made.pid == pid
                assert status_of(pid)["Uid"] == [str(user)] * 4
                assert status_of(pid)["NoNewPrivs"] == ["1"]
            made.send(path)
            second = made.start(["--pidfile", "run.pid", str(port)])
            assert f"run.pid is held by {pid}" in second.stderr
            made.stop()
            assert made.pid_file.read_text() == ""  # which the user may not remove from root's folder

    def test_a_command_file_of_roots_keeps_its_words_and_all_others_are_read(
        self, open_folder: Path, raw_peer: Callable[..., RawPeer]
    ) -> None:
        require_root()
        user = unprivileged_user()
        (open_folder / "inbox").mkdir()
        os.chown(open_folder / "inbox", user, user)
        closed, open_to_all = open_folder / "closed", open_folder / "open"
        closed.write_text("-aet ONE --require-called-aet\n")
        closed.chmod(0o600)
        open_to_all.write_text("-fe .one\n")
        words = ("--user", str(user), f"@{closed}", f"@{open_to_all}")
        told = f"cannot be renewed by reload: {closed}: Permission denied"
        with daemon(open_folder, *words, program=python_for(user)) as made:
            assert made.log.read_text().count(told) == 1
            closed.write_text("-aet TWO --require-called-aet\n")
            for count in (1, 2):  # a second one has it from the first
                open_to_all.write_text(f"-fe .more{count}\n")
                os.kill(made.pid, signal.SIGHUP)
                wait_until(
                    lambda most=count: made.log.read_text().count(" reloaded") == most, SECONDS, "a reload"
                )
                assert made.log.read_text().count(told) == 1 + count
                peer = raw_peer(made.port)
                peer.associate(called="ONE")
                assert store(peer, ct_image(2000)).status == 0
                peer.release()
                assert len([*(open_folder / "inbox").glob(f"CT.*.more{count}")]) == 1
            closed.unlink()
            os.kill(made.pid, signal.SIGHUP)
            refusal = f"not reloaded: Cannot open command file '{closed}'"
            wait_until(lambda: refusal in made.log.read_text(), SECONDS, "a refusal")
            made.stop()
