"""Who sees the log of a daemon, which has no console: whether all that is logged goes where nobody can be.

An appender that discards everything does what it was told to, and is no reason to complain.
"""

from __future__ import annotations

import socket

from scpd.log.configuration import STORESCP
from scpd.log.datagrams import LOCAL_SYSLOG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scpd.log.configuration import AppenderSettings, Configuration

_CONSOLE, _NOBODY, _SYSLOG = "ConsoleAppender", "NullAppender", "SysLogAppender"


def want_of_audience(configuration: Configuration, syslog: str = LOCAL_SYSLOG) -> str:
    """Say why nobody will ever see what a daemon logs; empty if somebody may."""
    appenders = configuration.appenders_of(STORESCP)
    faults = [_fault(each, syslog) for each in appenders if each.kind != _NOBODY]
    if configuration.has_own_handler:
        faults.append(_without_console())
    return max(faults) if faults and all(faults) else ""


def _fault(appender: AppenderSettings, syslog: str) -> str:
    if appender.kind == _CONSOLE:
        return _without_console()
    if appender.kind == _SYSLOG and not appender.properties.get("host"):
        return _without_reader(syslog)
    return ""


def _without_console() -> str:
    return "the log goes nowhere: a daemon has no console"


def _without_reader(path: str) -> str:
    """Say what is wrong with the local syslog; empty if it is there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(path)
        except OSError as error:
            return f"the log goes nowhere: no syslog at {path} ({error.strerror})"
    return ""
