"""scpd and DCMTK's storescp as running servers with one interface."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tests.harness.ports import ReservedPort, is_listening
from tests.harness.processes import children_of, command_line, end_session, processes
from tests.harness.programs import real_program
from tests.harness.waiting import PATIENCE_SECONDS, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.harness.processes import Process

Value = TypeVar("Value")
REPOSITORY = Path(__file__).resolve().parents[2]
# Some of storescp's children stay when it has ended: nobody waits for them.
STAYING_SECONDS = 1.0
# What scpd's other children show in ps.
IDLE_TITLES = (": standby worker", ": rehearsal", ": refusing ", ": sweeper", ": keeper", ": runner")
TRACEBACK = "Traceback (most recent call last)"
ROOT_WARNING = "running as root: give --user"
OUTPUT_OPTIONS = {"-od", "--output-directory"}


class Server:
    """A server process, in a session of its own; it need not accept yet when the constructor returns.

    `source` is the address that raw peers come from, by default what the system takes.  Who breaks the program says so
    by `may_be_broken`.
    """

    def __init__(
        self,
        command: list[str],
        port: ReservedPort,
        inbox: Path,
        log: Path,
        *,
        host: str,
        env: dict[str, str],
        cwd: Path,
    ) -> None:
        self.command = command
        self.host = host
        self.source = ""
        self.may_be_broken = False
        self.port = port.number
        self.inbox = inbox
        self._reservation = port
        self._log = log
        self._log_begins_at = 0
        self._turns = 0
        with log.open("wb") as stderr, log.with_suffix(".stdout").open("wb") as stdout:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                env=env,
                cwd=cwd,
                start_new_session=True,
            )
        self.pid = self.process.pid

    @property
    def stderr(self) -> str:
        """What it has written to stderr so far, but for the warning that tests run as root bring about."""
        written = self._log.read_bytes()[self._log_begins_at :]
        return without_root_warning(written.decode(errors="replace"))

    @property
    def stdout(self) -> str:
        """What it has written to stdout so far."""
        return self._log.with_suffix(".stdout").read_text(encoding="utf-8", errors="replace")

    @property
    def last_words(self) -> str:
        """Whether it runs, and the end of its log: for a failure that does not say why."""
        how = "runs" if self.is_running else f"ended with {self.process.returncode}"
        return f"{self.command[0]} {how}; it says: {self.stderr[-3000:]}"

    @property
    def is_running(self) -> bool:
        """True until the server process itself has ended."""
        return self.process.poll() is None

    def workers(self) -> list[int]:
        """Pids of its living children that serve a connection: no helpers, none that waits for its first one."""
        children = [child.pid for child in children_of(self.pid) if child.is_running]
        return [pid for pid in children if not any(title in command_line(pid) for title in IDLE_TITLES)]

    def files(self) -> dict[str, bytes]:
        """Name and content of every visible file in the inbox; what begins with a dot is the server's own."""
        visible = (path for path in sorted(self.inbox.iterdir()) if not path.name.startswith("."))
        return {path.name: path.read_bytes() for path in visible if path.is_file()}

    def wait_for(
        self, predicate: Callable[[], Value], timeout: float = PATIENCE_SECONDS, what: str = ""
    ) -> Value:
        """As `wait_until`; a failure shows the log."""
        try:
            return wait_until(predicate, timeout, what)
        except AssertionError as failure:
            raise AssertionError(f"{failure}; {self.last_words}") from None

    def wait_for_log(self, text: str, timeout: float = PATIENCE_SECONDS) -> None:
        """Wait until stderr contains this."""
        self.wait_for(lambda: text in self.stderr, timeout, f"{text!r} in the log")

    def wait_for_files(self, count: int, timeout: float = PATIENCE_SECONDS) -> dict[str, bytes]:
        """Wait until so many files are visible, give them."""
        self.wait_for(lambda: len(self.files()) >= count, timeout, f"{count} files")
        return self.files()

    def begin_anew(self) -> None:
        """For the next test with it: wait until nobody is served, empty the inbox, forget what stands in the log.

        Peers come from another address than before, since scpd says the same about a host once a minute only.
        """
        self.wait_for(lambda: not self.workers(), what="the end of every association")
        for name in self.files():
            (self.inbox / name).unlink()
        self._log_begins_at = self._log.stat().st_size
        self._turns += 1
        self.source = f"127.1.{self._turns >> 8}.{self._turns & 0xFF}"

    def wait_until_listening(self) -> None:
        """Wait until it accepts connections; AssertionError with its last words if it ends instead."""
        self.wait_for(lambda: not self.is_running or is_listening(self.port), what="a listening socket")
        if not self.is_running:
            raise AssertionError(f"{self.command} ended with {self.process.returncode}: {self.stderr}")

    def signal(self, number: int) -> None:
        """Send a signal to the server process, not to its children."""
        self.process.send_signal(number)

    def wait(self, timeout: float = PATIENCE_SECONDS) -> int:
        """Wait for its end; the exit code, negative for a signal."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.command} does not end; it says: {self.stderr[-3000:]}") from None

    def stop(self, timeout: float = PATIENCE_SECONDS) -> int:
        """SIGTERM, and its exit code."""
        if self.is_running:
            self.signal(signal.SIGTERM)
        return self.wait(timeout)

    def session(self) -> list[Process]:
        """Every living process of the session that it leads, itself included."""
        found = [each for each in processes() if each.session == self.pid and each.is_running]
        # Once it has been reaped, a leader of that number is another's.
        is_another = self.process.returncode is not None and any(each.pid == self.pid for each in found)
        return [] if is_another else found

    def end_for_good(self, patience: float = PATIENCE_SECONDS) -> list[Process]:
        """End it and all that it started; gives what outlived it, or itself if SIGTERM did not end it in time.

        Its children have so many seconds to follow it.
        """
        survivors = []
        try:
            self.stop()
            self._wait_for_children_told_to_go(patience)
        except AssertionError:
            survivors = [leader for leader in self.session() if leader.pid == self.pid]
            self.process.kill()
            self.process.wait(PATIENCE_SECONDS)
        survivors += end_session(self.pid)
        self._reservation.release()
        return survivors

    def _wait_for_children_told_to_go(self, patience: float) -> None:
        try:
            wait_until(lambda: not self.session(), patience)
        except AssertionError:
            return


def without_root_warning(text: str) -> str:
    """Give a log without the lines that say that scpd runs as root."""
    return "".join(line for line in text.splitlines(keepends=True) if ROOT_WARNING not in line)


class ServerFactory:
    """Starts servers of one kind for a test, and ends them."""

    def __init__(
        self, command: list[str], folder: Path, inbox: str, environment: dict[str, str], *, may_leave: bool
    ) -> None:
        self._command = command
        self._folder = folder
        self._inbox = inbox
        self._environment = environment
        self._may_leave = may_leave
        self._servers: list[Server] = []

    def __call__(
        self,
        *options: str,
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
        inbox: Path | None = None,
        host: str = "127.0.0.1",
        port: ReservedPort | None = None,
    ) -> Server:
        """Start one on a free port; `env` is added to the environment, `host` is where clients find it.

        Without -od among the options it stores into `inbox`, by default a new folder of the test.
        """
        number = len(self._servers) + 1
        inbox = inbox or self._folder / (self._inbox if number == 1 else f"{self._inbox}-{number}")
        words = list(options)
        given = next((index for index, word in enumerate(words) if word in OUTPUT_OPTIONS), None)
        if given is None:
            inbox.mkdir(parents=True, exist_ok=True)
            words += ["-od", str(inbox)]
        else:
            inbox = Path(words[given + 1])
        port = port or ReservedPort()
        command = [*self._command, *words, str(port.number)]
        server = Server(
            command,
            port,
            inbox,
            self._folder / f"{Path(self._command[-1]).name}-{number}.log",
            host=host,
            env={**self._environment, **(env or {})},
            cwd=cwd or self._folder,
        )
        self._servers.append(server)
        server.wait_until_listening()
        return server

    def finish(self) -> None:
        """End them all; AssertionError if one left processes behind, or has told of a defect."""
        patience = STAYING_SECONDS if self._may_leave else PATIENCE_SECONDS
        survivors = [found for server in self._servers for found in server.end_for_good(patience)]
        if self._may_leave:
            return
        if survivors:
            raise AssertionError(f"left behind: {survivors}")
        for server in self._servers:
            # Of a process that failed by itself, master or child; else nothing need show it: the next one serves.
            assert server.may_be_broken or TRACEBACK not in server.stderr, server.stderr[-3000:]


def scpd_factory(folder: Path) -> ServerFactory:
    """The program under test, from this checkout."""
    environment = _environment()
    paths = [str(REPOSITORY), *filter(None, [environment.get("PYTHONPATH")])]
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    return ServerFactory([sys.executable, "-m", "scpd"], folder, "inbox", environment, may_leave=False)


def storescp_factory(folder: Path) -> ServerFactory:
    """DCMTK's, as the original to compare with; TCP_NODELAY spares it 40 ms for each response."""
    path = real_program("storescp")
    # Its forked children serve idle associations on when it has ended: its habit, not a failed test.
    return ServerFactory(
        [path], folder, "storescp-inbox", {**_environment(), "TCP_NODELAY": "1"}, may_leave=True
    )


def _environment() -> dict[str, str]:
    """Ours, without what changes how a server behaves."""
    unwanted = {"TCP_NODELAY", "TCP_BUFFER_LENGTH", "DCMDICTPATH"}
    return {name: value for name, value in os.environ.items() if name not in unwanted}
