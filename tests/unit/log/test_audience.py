"""Whether anybody sees what a daemon logs."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from scpd.log.audience import want_of_audience
from scpd.log.log4cplus import read
from scpd.log.properties import Variables

if TYPE_CHECKING:
    from pathlib import Path

APPENDERS = """
log4cplus.appender.OUT=log4cplus::ConsoleAppender
log4cplus.appender.ERR=log4cplus::ConsoleAppender
log4cplus.appender.ERR.logToStdErr=true
log4cplus.appender.NULL=log4cplus::NullAppender
log4cplus.appender.FILE=log4cplus::FileAppender
log4cplus.appender.FILE.File=nowhere/at/all
log4cplus.appender.LOCAL=log4cplus::SysLogAppender
log4cplus.appender.FAR=log4cplus::SysLogAppender
log4cplus.appender.FAR.host=192.0.2.1
"""
CONSOLE = "the log goes nowhere: a daemon has no console"


def want(loggers: str, syslog: str = "/nowhere") -> str:
    return want_of_audience(read(f"{loggers}\n{APPENDERS}", Variables({}, {}), "scpd"), syslog)


@pytest.mark.parametrize(
    "loggers",
    [
        "log4cplus.rootLogger=INFO, OUT, ERR",
        "log4cplus.rootLogger=INFO, OUT, NULL",
        "log4cplus.rootLogger=",
        (
            "log4cplus.rootLogger=INFO, FILE\n"
            "log4cplus.logger.dcmtk.apps=INFO, OUT\n"
            "log4cplus.additivity.dcmtk.apps=false"
        ),
    ],
)
def test_a_console_is_none(loggers: str) -> None:
    assert want(loggers) == CONSOLE


@pytest.mark.parametrize("names", ["OUT, FILE", "FAR", "LOCAL, FAR", "NULL", "FILE"])
def test_a_file_and_another_machine_may_be_looked_at_and_null_is_meant(names: str) -> None:
    assert want(f"log4cplus.rootLogger=INFO, {names}") == ""


def test_the_local_syslog_has_to_be_there(tmp_path: Path) -> None:
    path, configuration = str(tmp_path / "log"), "log4cplus.rootLogger=INFO, LOCAL, OUT"
    absent = f"the log goes nowhere: no syslog at {path}"
    assert want(configuration, path) == f"{absent} (No such file or directory)"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as there:
        there.bind(path)
        assert want(configuration, path) == ""
    assert want(configuration, path) == f"{absent} (Connection refused)"
