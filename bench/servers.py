"""The servers to be measured, each on a free port of 127.0.0.1, storing into a temporary directory."""

from __future__ import annotations

import itertools
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Self

from bench import load
from bench.images import SMALL
from bench.wire import LoadError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.security import Security

START_SECONDS = 15
STOP_SECONDS = 10
COMMANDS_SECONDS = 60
IDLE_LOOKS = 4  # between two commands there may be a moment without one
LAST_WORDS = 1000
CREATED_FILES = 200
HEAD_BYTES = 8192  # file meta information and the header of an image
CHECKOUT = Path(__file__).resolve().parents[1]
SCPD = shlex.join([sys.executable, "-m", "scpd", "--no-fsync"])


class ServerError(Exception):
    """A server did not start, or did not store what it was sent."""


@dataclass(frozen=True)
class Variant:
    """What all servers of one comparison are told: largest PDU in bytes, and options for what is written."""

    max_pdu: int = 16384
    options: tuple[str, ...] = ()
    security: Security | None = None

    def __str__(self) -> str:
        """Write it as on the command line."""
        tls = () if self.security is None else ("+tls ...",)
        return " ".join((f"-pdu {self.max_pdu}", *self.options, *tls))


@dataclass(frozen=True)
class Program:
    """A server program: heading in the table, command line, and what is special about it."""

    heading: str
    command: str
    nodelay: bool = False
    storescp_options: bool = True
    takes_max_pdu: bool = True

    def arguments(self, variant: Variant, directory: Path, port: int) -> list[str]:
        """Command line for this variant."""
        options = ["--fork"] if self.storescp_options else []
        if self.storescp_options:
            options += variant.options
            options += () if variant.security is None else variant.security.options
        if self.takes_max_pdu:
            options += ["-pdu", str(variant.max_pdu)]
        return [*shlex.split(self.command), *options, "-od", str(directory), str(port)]

    def installed(self) -> bool:
        """Whether it can be started here."""
        words = shlex.split(self.command)
        if words[1:2] == ["-m"] and words[0] == sys.executable:
            return find_spec(words[2]) is not None
        return shutil.which(words[0]) is not None


STORESCP = Program("storescp TCP_NODELAY=1", "storescp", nodelay=True)
OUT_OF_THE_BOX = Program("storescp out of the box", "storescp", takes_max_pdu=False)
PYNETDICOM = Program(
    "pynetdicom", shlex.join([sys.executable, "-m", "pynetdicom", "storescp"]), storescp_options=False
)


_PIECE = 1 << 20


class Store:
    """An output directory: counted and emptied between rounds, removed at the end.

    Nothing is unlinked between rounds: ext4 without a journal steps over each inode freed in the last minutes
    when it looks for a free one, and creating a file then costs 250 microseconds instead of 20, for all servers.
    """

    def __init__(self, below: Path) -> None:
        """Create it in the directory `below`."""
        self.directory = Path(tempfile.mkdtemp(prefix="store-", dir=below))
        self._spent = Path(tempfile.mkdtemp(prefix="spent-", dir=below))
        self._numbers = itertools.count()

    def check(self, objects: int, data_bytes: int, *, exactly: bool = True, mark: bytes = b"") -> None:
        """Raise ServerError unless so many files (or more) with at least so many bytes are there.

        `mark` must be in the first kilobytes of one of them, to show that it was encoded as it should be.
        """
        files = list(_stored_files(self.directory))
        size = sum(entry.stat().st_size for entry in files)
        if len(files) < objects or (exactly and len(files) > objects) or size < data_bytes:
            raise ServerError(f"stored {len(files)} files, {size} bytes; sent {objects}, {data_bytes} bytes")
        if mark and mark not in _beginning(files[0]):
            raise ServerError(f"stored an object without {mark!r}: it was not encoded anew")

    def empty(self) -> None:
        """Truncate what was stored and put it aside; hidden entries are the server's own business."""
        for entry in _stored_files(self.directory):
            os.truncate(entry, 0)
            os.rename(entry, self._spent / str(next(self._numbers)))

    def warm(self, size: int) -> None:
        """Fill so many bytes of memory with a file's pages, and let them go: what is stored next gets the same ones.

        A virtual machine may give memory that nobody has used for two seconds back to its host, who takes longer to
        find it anew than any server to write to it: 1.5 GB then took twice as long, or not, for all servers.
        """
        piece = bytes(_PIECE)
        with open(self._spent / "warm", "wb", buffering=0) as file:
            file.writelines(piece for _ in range(size // _PIECE + 1))
            file.truncate(0)

    def remove(self) -> None:
        """Remove the directory with all that is in it."""
        self.empty()
        shutil.rmtree(self.directory, ignore_errors=True)


def _stored_files(directory: Path | os.DirEntry[str]) -> Iterator[os.DirEntry[str]]:
    """Give the files of a directory and of those below it, but for hidden ones."""
    with os.scandir(directory) as entries:
        visible = [entry for entry in entries if not entry.name.startswith(".")]
    for entry in visible:
        if entry.is_dir():
            yield from _stored_files(entry)
        else:
            yield entry


def _beginning(entry: os.DirEntry[str]) -> bytes:
    with open(entry, "rb") as file:
        return file.read(HEAD_BYTES)


class Server:
    """A running server; a context manager that guarantees its end."""

    def __init__(self, program: Program, variant: Variant, below: Path) -> None:
        """Start it and wait until it answers an association; raises ServerError if it does not."""
        self.program, self.variant, self.store = program, variant, Store(below)
        self.address = ("127.0.0.1", _free_port())
        self._output = tempfile.TemporaryFile(dir=below)  # noqa: SIM115 - closed by stop()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TCP_")}
        if program.nodelay:
            environment["TCP_NODELAY"] = "1"
        self._process = subprocess.Popen(
            program.arguments(variant, self.store.directory, self.address[1]),
            cwd=CHECKOUT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            self.max_length = self._first_answer()
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self) -> int:
        """Process ID of its master."""
        return self._process.pid

    def _first_answer(self) -> int:
        deadline = time.monotonic() + START_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                return load.probe(self.address, SMALL, self.variant.security)
            except OSError:
                time.sleep(0.02)
            except LoadError as problem:
                raise ServerError(
                    f"{self.program.heading}: {problem}; it said: {self.last_words()}"
                ) from None
        raise ServerError(f"{self.program.heading} did not start: {self.last_words()}")

    def last_words(self) -> str:
        """Return the end of what it wrote to stdout and stderr."""
        # Not seek and read: the server writes at the same file offset.
        size = os.fstat(self._output.fileno()).st_size
        text = os.pread(self._output.fileno(), LAST_WORDS, max(0, size - LAST_WORDS))
        return text.decode(errors="replace").strip() or "(it said nothing)"

    def wait_for_commands(self) -> None:
        """Wait until none of the commands runs that it was to run."""
        deadline = time.monotonic() + COMMANDS_SECONDS
        idle = 0
        while idle < IDLE_LOOKS:
            if time.monotonic() > deadline:
                raise ServerError(f"{self.program.heading}: its commands do not end")
            idle = 0 if any(map(_is_command, descendants(self.pid))) else idle + 1
            time.sleep(0.05)

    def __enter__(self) -> Self:
        """Return it: it runs already."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it and remove all it wrote."""
        self.stop()

    def stop(self) -> None:
        """End it, and those of its children that are left: its session is its own."""
        self._process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._output.close()
        self.store.remove()


def descendants(pid: int) -> Iterator[int]:
    """Give the children of a process, and theirs."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return
    for child in map(int, children):
        yield child
        yield from descendants(child)


def title_of(pid: int) -> str:
    """Give what `ps` shows of a process, nothing if it is gone."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    return ""


def _is_command(pid: int) -> bool:
    title = title_of(pid)
    return title.startswith("/bin/sh -c") or ": runner of" in title


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def filesystem_of(directory: Path) -> str:
    """Describe the file system that holds a directory: `ext4 on /, 20 microseconds to create a file`."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    holding = [(each[1], each[2]) for each in mounts if directory.resolve().is_relative_to(each[1])]
    point, kind = max(holding, key=lambda mount: len(mount[0]), default=("?", "unknown"))
    return f"{kind} on {point}, {_create_microseconds(directory):.0f} microseconds to create a file"


def _create_microseconds(directory: Path) -> float:
    with tempfile.TemporaryDirectory(dir=directory) as empty:
        start = time.perf_counter()
        for number in range(CREATED_FILES):
            os.close(os.open(f"{empty}/{number}", os.O_CREAT | os.O_WRONLY | os.O_EXCL))
        return (time.perf_counter() - start) / CREATED_FILES * 1e6
