"""Log configurations: the same file and the same records, given to storescp and to us."""

from __future__ import annotations

import logging
import os
import re
import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scpd.errors import UsageError
from scpd.log.configfile import read_log_config
from scpd.log.levels import LEVELS
from scpd.log.setup import LogPolicy, configure
from tests.harness.forked import in_child
from tests.harness.programs import real_program
from tests.harness.servers import storescp_factory
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from tests.harness.servers import Server, ServerFactory

    Record = tuple[str, str, str]
    Outcome = dict[str, str]

CASES = Path(__file__).parents[1] / "cases" / "log"
DEBIAN = Path("/etc/dcmtk")
# Someone warns, too, and no test depends on ours.
ENVIRONMENT = {"TCP_NODELAY": "perhaps", "SITE": "north"}
LAST_WORDS = "Unrecognized PDU type"
RECORD = """\
log4cplus.rootLogger = ALL, A
log4cplus.appender.A = log4cplus::FileAppender
log4cplus.appender.A.File = records
log4cplus.appender.A.layout = log4cplus::PatternLayout
log4cplus.appender.A.layout.FormatEachLine = false
log4cplus.appender.A.layout.ConversionPattern = %p\x1f%c\x1f%m\x1e
"""


def provoke(server: Server) -> None:
    """Let it log at every level but FATAL: an echo, then something that is not DICOM."""
    command = [real_program("echoscu"), server.host, str(server.port)]
    subprocess.run(command, check=True, timeout=60, stdin=subprocess.DEVNULL)
    with socket.create_connection((server.host, server.port), 60) as peer:
        peer.sendall(b"GET / HTTP/1.0\r\n\r\n")
        with suppress(ConnectionResetError):
            peer.recv(100)


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    """What storescp logs when it is provoked: level, logger, message."""
    folder = tmp_path_factory.mktemp("records")
    (folder / "all.cfg").write_text(RECORD)
    factory = storescp_factory(folder)
    try:
        provoke(factory("-lc", "all.cfg", env=ENVIRONMENT))
        path = folder / "records"
        wait_until(lambda: LAST_WORDS in path.read_text().rpartition("\x1e")[0])
        lines = path.read_text().split("\x1e")[:-1]
    finally:
        factory.finish()
    found = [tuple(line.split("\x1f")) for line in lines]
    assert {level for level, _, _ in found} == {"ERROR", "WARN", "INFO", "DEBUG", "TRACE"}
    return found  # type: ignore[return-value]


def ours(folder: Path, config: Path, records: list[Record]) -> Outcome:
    """What we write in this folder."""

    def life() -> None:
        os.chdir(folder)
        for number, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), number)
        logging.getLogger().handlers.clear()
        configure(LogPolicy("warn", read_log_config(str(config), ENVIRONMENT, "storescp")))
        for level, name, text in records:
            logging.getLogger(name).log(LEVELS[level.lower()], text)

    in_child(life)
    return contents(folder)


def contents(folder: Path) -> Outcome:
    return {path.name: path.read_text() for path in sorted(folder.iterdir()) if path.is_file()}


def comparable(outcome: Outcome, folder: Path) -> Outcome:
    """Without what is not the same twice, and without what we say more about a complaint: its line, whole paths.

    Complaints of the library are compared as a set: storescp makes some twice, and opens files while it reads.
    """
    stderr = re.sub(r" \(line \d+\)$", "", outcome["stderr"], flags=re.MULTILINE).replace(f"{folder}/", "")
    lines = stderr.replace("\n Was expecting", " Was expecting").splitlines(keepends=True)
    complaints = sorted({line for line in lines if line.startswith("log4cplus:")})
    others = [line for line in lines if not line.startswith("log4cplus:")]
    # storescp says the number of an echo only where it does not log at DEBUG.
    numbers = re.compile(r"\d+|(?<=Received Echo Request) \(MsgID \d+\)")
    return {
        name: numbers.sub(lambda match: "#" if match[0].isdigit() else "", text)
        for name, text in {**outcome, "stderr": "".join(complaints + others)}.items()
    }


def prepare(folder: Path) -> Path:
    """A folder in which files have grown already."""
    folder.mkdir()
    (folder / "size.log").write_text("x" * (300 << 10))
    (folder / "size.log.1").write_text("one\n")
    (folder / "size.log.2").write_text("two\n")
    (folder / "appended.log").write_text("old\n")
    return folder


def both(
    tmp_path: Path, storescp: ServerFactory, config: Path, records: list[Record]
) -> tuple[Outcome, Outcome]:
    """What storescp and what we make of it, numbers aside."""
    our_folder = prepare(tmp_path / "ours")
    expected = comparable(ours(our_folder, config, records), our_folder)
    folder = prepare(tmp_path / "theirs")
    server = storescp("-lc", str(config), env=ENVIRONMENT, cwd=folder)
    provoke(server)

    def theirs() -> Outcome:
        return comparable({**contents(folder), "stdout": server.stdout, "stderr": server.stderr}, folder)

    with suppress(AssertionError):  # the comparison shows it better
        wait_until(lambda: same_place(theirs()) == same_place(expected))
    server.stop()
    return theirs(), expected


def same_place(outcome: Outcome) -> Outcome:
    """Both consoles as one, for what we send to the other one than storescp."""
    return {**outcome, "stdout": outcome["stdout"] + outcome["stderr"], "stderr": ""}


@pytest.mark.parametrize("config", sorted(CASES.glob("*.cfg")), ids=lambda path: path.stem)
def test_a_file_means_the_same(
    tmp_path: Path, storescp: ServerFactory, records: list[Record], config: Path
) -> None:
    theirs, expected = both(tmp_path, storescp, config, records)
    assert expected == theirs


@pytest.mark.parametrize("name", ["logger.cfg", "filelog.cfg"])
def test_the_files_of_debian_mean_the_same_but_write_to_stderr_as_they_say(
    tmp_path: Path, storescp: ServerFactory, records: list[Record], name: str
) -> None:
    if not (DEBIAN / name).exists():
        pytest.skip("DCMTK's examples are not installed (Debian: dcmtk)")
    theirs, expected = both(tmp_path, storescp, DEBIAN / name, records)
    assert same_place(expected) == same_place(theirs)
    assert expected["stderr"] == theirs["stdout"] != ""


FIRST = "log4cplus.rootLogger = INFO, A\n"


@pytest.mark.parametrize(
    "text",
    [None, "", "# nothing\n", "log4cplus.rootLogger\n", "x = y\n", "= y\n", "Log4cplus.rootLogger = INFO\n",
     "log4cplus.x = y\n", "log4cplus.rootlogger = INFO\n", "x${log4cplus.rootLogger = INFO\n"],
)  # fmt: skip
def test_what_is_refused_is_refused_in_the_same_words(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "logger.cfg"
    if text is not None:
        path.write_text(text)
    command = [real_program("storescp"), "-lc", str(path), "11112"]
    theirs = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL
    )

    with pytest.raises(UsageError) as refusal:
        read_log_config(str(path), {}, "scpd")

    assert theirs.returncode == 1
    assert theirs.stderr.splitlines()[-1] == f"error: {refusal.value}"


@pytest.mark.parametrize("root", ["LOUD, A", "INHERITED, A"])
def test_a_root_level_that_is_none_kills_storescp_and_is_refused_here(tmp_path: Path, root: str) -> None:
    path = tmp_path / "logger.cfg"
    path.write_text(f"log4cplus.rootLogger = {root}\nlog4cplus.appender.A = log4cplus::NullAppender\n")
    command = [real_program("storescp"), "-lc", str(path), "11112"]
    theirs = subprocess.run(command, capture_output=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
    assert theirs.returncode < 0
    with pytest.raises(UsageError):
        read_log_config(str(path), {}, "scpd")
