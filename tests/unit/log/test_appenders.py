"""From a configuration to what is written where."""

from __future__ import annotations

import logging
import os
import socket
from typing import TYPE_CHECKING

import pytest

from scpd.log.appenders import size_of
from scpd.log.log4cplus import read
from scpd.log.properties import Variables
from scpd.log.setup import Logging, LogPolicy, announce, configure
from tests.harness.forked import in_child

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

A_FILE = "log4cplus.rootLogger=INFO, A\nlog4cplus.appender.A=log4cplus::FileAppender\nlog4cplus.appender.A.File=f\n"
B_FILE = "log4cplus.appender.B=log4cplus::FileAppender\nlog4cplus.appender.B.File=g\n"
FILTERED = (
    "log4cplus.appender.A.filters.1=log4cplus::spi::StringMatchFilter\n"
    "log4cplus.appender.A.filters.1.stringToMatch=t\n"
)
WITH_CALLER = (
    "log4cplus.appender.A.layout=log4cplus::PatternLayout\n"
    "log4cplus.appender.A.layout.ConversionPattern=%P%b;\n"
    "log4cplus.appender.A.Threshold=ERROR\n"
)


def one_of_each(settings: Logging) -> None:
    for name in ("dcmtk.apps.storescp", "dcmtk.dcmnet"):
        log = logging.getLogger(name)
        for level in (logging.ERROR, logging.INFO, logging.DEBUG):
            log.log(level, "%s", name[-1])


def outcome(
    folder: Path,
    text: str,
    work: Callable[[Logging], object] = one_of_each,
    *,
    to_journal: bool = False,
    begins_anew: bool = True,
) -> dict[str, str]:
    """Files, standard output and error of a process that logs as this configuration says."""

    def life() -> None:
        os.chdir(folder)
        for number, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), number)
        logging.getLogger().handlers.clear()
        configuration = read(text, Variables({}, os.environ), "scpd")
        work(configure(LogPolicy("warn", configuration, to_journal=to_journal, begins_anew=begins_anew)))

    in_child(life)
    return {path.name: found for path in sorted(folder.iterdir()) if (found := path.read_text())}


def test_root_gets_what_its_level_lets_through(tmp_path: Path) -> None:
    assert outcome(tmp_path, A_FILE) == {"f": "ERROR - p\nINFO - p\nERROR - t\nINFO - t\n"}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("log4cplus.appender.A.Threshold=ERROR", {"f": "ERROR - p\nERROR - t\n"}),
        ("log4cplus.appender.A.Threshold=what", {"f": "ERROR - p\nINFO - p\nERROR - t\nINFO - t\n"}),
        (
            "log4cplus.logger.dcmtk.dcmnet=DEBUG",
            {"f": "ERROR - p\nINFO - p\nERROR - t\nINFO - t\nDEBUG - t\n"},
        ),
        ("log4cplus.logger.dcmtk=OFF", {}),
        (
            f"{B_FILE}log4cplus.logger.dcmtk.dcmnet=INHERIT, B",
            {"f": "ERROR - p\nINFO - p\nERROR - t\nINFO - t\n", "g": "ERROR - t\nINFO - t\n"},
        ),
        (
            f"{B_FILE}log4cplus.logger.dcmtk.dcmnet=ERROR, B\nlog4cplus.additivity.dcmtk.dcmnet=false",
            {"f": "ERROR - p\nINFO - p\n", "g": "ERROR - t\n"},
        ),
        (
            "log4cplus.logger.dcmtk.dcmnet=ERROR, A, A",
            {"f": "ERROR - p\nINFO - p\nERROR - t\nERROR - t\n"},
        ),
        (
            FILTERED,
            {"f": "ERROR - p\nINFO - p\n"},
        ),
        ("log4cplus.logger.root=OFF", {"f": "ERROR - p\nINFO - p\nERROR - t\nINFO - t\n"}),
        (
            "log4cplus.appender.A.layout=scpd::JsonLayout\nlog4cplus.appender.A.filters.1=log4cplus::spi::DenyAllFilter",
            {},
        ),
        (
            WITH_CALLER,
            {"f": "Etest_appenders.py;Etest_appenders.py;"},
        ),
    ],
)
def test_what_else_a_file_may_say(tmp_path: Path, lines: str, expected: dict[str, str]) -> None:
    assert outcome(tmp_path, A_FILE + lines) == expected


CONSOLE = "log4cplus.rootLogger=ERROR, A\nlog4cplus.appender.A=log4cplus::ConsoleAppender\n"


@pytest.mark.parametrize(
    ("line", "stream"),
    [
        ("", "stdout"),
        ("log4cplus.appender.A.logToStdErr=true", "stderr"),
        ("log4cplus.appender.A.logToStderr=true", "stderr"),
        ("log4cplus.appender.A.logtostderr=true", "stdout"),
    ],
)
def test_the_console_is_standard_output_unless_told(tmp_path: Path, line: str, stream: str) -> None:
    assert outcome(tmp_path, CONSOLE + line) == {stream: "ERROR - p\nERROR - t\n"}


def test_in_the_journal_the_console_has_priorities_and_another_stream_has_not(tmp_path: Path) -> None:
    to_stderr = CONSOLE + "log4cplus.appender.A.logToStdErr=true"
    assert outcome(tmp_path, to_stderr, to_journal=True) == {"stderr": "<3>ERROR - p\n<3>ERROR - t\n"}
    (tmp_path / "stderr").unlink()
    assert outcome(tmp_path, CONSOLE, to_journal=True) == {"stdout": "ERROR - p\nERROR - t\n"}


def test_complaints_are_made_at_once(tmp_path: Path) -> None:
    text = (
        "log4cplus.rootLogger=ERROR, A, B\nlog4cplus.appender.A=log4cplus::FileAppender\n"
        "log4cplus.appender.A.File=nope/f\n"
    )
    complaints = (
        "log4cplus:ERROR PropertyConfigurator::configureLogger()- Invalid appender: B (line 1)\n"
        f"log4cplus:ERROR Unable to open file: {tmp_path}/nope/f\n"
    )
    assert outcome(tmp_path, text) == {"stderr": complaints}
    (tmp_path / "stderr").unlink()
    assert outcome(tmp_path, f"{text}log4cplus.quietMode=true\n") == {}


def test_an_empty_root_keeps_the_log_of_storescp(tmp_path: Path) -> None:
    assert outcome(tmp_path, "log4cplus.rootLogger=\n") == {
        "stderr": 'log4cplus:ERROR PropertyConfigurator::configureLogger()- Invalid config string(Logger = root): "" '
        "(line 1)\nE: p\nI: p\nE: t\nI: t\n"
    }


def test_every_appender_with_a_name_empties_its_file(tmp_path: Path) -> None:
    (tmp_path / "g").write_text("old")
    assert outcome(tmp_path, A_FILE + B_FILE, lambda settings: None) == {}
    assert (tmp_path / "g").exists()


@pytest.mark.parametrize("kind", ["RollingFileAppender", "DailyRollingFileAppender"])
def test_files_that_roll_are_not_emptied(tmp_path: Path, kind: str) -> None:
    (tmp_path / "f").write_text("old\n")
    text = A_FILE.replace("FileAppender", kind) + "log4cplus.appender.A.Schedule=daily\n"

    assert outcome(tmp_path, text)["f"].startswith("old\nERROR - p\n")
    assert outcome(tmp_path, f"{text}log4cplus.appender.A.Append=false")["f"].startswith("ERROR - p\n")


def test_an_announcement_passes_levels_but_no_thresholds(tmp_path: Path) -> None:
    text = A_FILE.replace("INFO", "FATAL") + B_FILE + "log4cplus.appender.B.Threshold=WARN\n"
    text = text.replace(", A", ", A, B")
    assert outcome(tmp_path, text, lambda settings: announce("called with '1'\n")) == {
        "f": "INFO - called with '1'\n\n"
    }


def test_all_files_are_opened_anew_and_all_descriptors_told(tmp_path: Path) -> None:
    def work(settings: Logging) -> None:
        log = logging.getLogger("dcmtk")
        os.rename("f", "f.old")
        os.rename("g", "g.old")
        log.error("1")
        settings.reopen()
        log.error("2")
        names = [os.readlink(f"/proc/self/fd/{number}") for number in settings.descriptors()]
        log.error("%s", " ".join(os.path.basename(name) for name in names))

    text = (A_FILE + B_FILE).replace(", A", ", A, B")
    found = outcome(tmp_path, text, work)
    assert found["f.old"] == found["g.old"] == "ERROR - 1\n"
    assert found["f"] == found["g"] == "ERROR - 2\nERROR - f g memfd:scpd-complaints (deleted)\n"


def test_a_remote_syslog_and_log4j(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        daemon.settimeout(30)
        port = daemon.getsockname()[1]
        text = (
            "log4cplus.rootLogger=ERROR, A, B, C\n"
            "log4cplus.appender.A=log4cplus::SysLogAppender\n"
            f"log4cplus.appender.A.host=127.0.0.1\nlog4cplus.appender.A.port={port}\n"
            "log4cplus.appender.A.facility=LOCAL3\n"
            "log4cplus.appender.B=log4cplus::Log4jUdpAppender\n"
            f"log4cplus.appender.B.host=127.0.0.1\nlog4cplus.appender.B.port={port}\n"
            "log4cplus.appender.C=log4cplus::SysLogAppender\nlog4cplus.appender.C.host=no.such.host.invalid\n"
        )
        found = outcome(tmp_path, text)
        datagrams = [daemon.recv(1000) for _ in range(4)]

    assert found["stderr"].startswith("log4cplus:ERROR Cannot send to no.such.host.invalid:514: ")
    assert datagrams[0].startswith(b"<155>1 ")
    assert b" scpd " in datagrams[0]
    assert b'file="' + os.fsencode(__file__) in datagrams[1]
    assert b"<log4j:message>ERROR - p\n</log4j:message>" in datagrams[1]


@pytest.mark.parametrize(
    ("words", "size"),
    [
        ("", 10 << 20),
        ("5MB", 5 << 20),
        ("300 kb", 300 << 10),
        ("1000000", 1000000),
        ("5KB", 200 << 10),
        ("junk", 200 << 10),
        ("MB", 200 << 10),
    ],
)
def test_sizes(words: str, size: int) -> None:
    assert size_of(words) == size


@pytest.mark.parametrize("kind", ["FileAppender", "RollingFileAppender", "DailyRollingFileAppender"])
def test_a_successor_empties_no_file(tmp_path: Path, kind: str) -> None:
    (tmp_path / "f").write_text("before\n")
    text = A_FILE.replace("FileAppender", kind) + "log4cplus.appender.A.Schedule=daily\n"
    text += "log4cplus.appender.A.Append=false\n"
    assert outcome(tmp_path, text, begins_anew=False)["f"].startswith("before\nERROR - p\n")
    assert outcome(tmp_path, text)["f"].startswith("ERROR - p\n")
