"""What stands around the text of a record that goes to syslog or log4j.

The local syslog gets what syslog(3) sends, a remote one what RFC 5424 6 says, log4j the XML of its XMLLayout.
"""

from __future__ import annotations

import os
import time

from scpd.log.levels import name_of, priority_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from scpd.log.association import Association

    # Of a record and its text as laid out.
    Frame = Callable[[logging.LogRecord, str], str]

# syslog(3) and RFC 5424 6.2.1.
FACILITIES = {
    "kern": 0,
    "user": 1,
    "mail": 2,
    "daemon": 3,
    "auth": 4,
    "syslog": 5,
    "lpr": 6,
    "news": 7,
    "uucp": 8,
    "cron": 9,
    "authpriv": 10,
    "ftp": 11,
    **{f"local{number}": 16 + number for number in range(8)},
}

_XML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"})


def local_frame(facility: int, tag: str) -> Frame:
    """Frame as the C library's syslog(3) does, without a process id."""

    def frame(record: logging.LogRecord, text: str) -> str:
        when = time.strftime("%b %e %H:%M:%S", time.localtime(record.created))
        return f"<{facility * 8 + priority_of(record.levelno)}>{when} {tag}: {text}"

    return frame


def remote_frame(facility: int, tag: str) -> Frame:
    """Frame as RFC 5424 6 says: `<PRI>1 TIME HOST TAG PID LOGGER - TEXT`."""
    host = os.uname().nodename

    def frame(record: logging.LogRecord, text: str) -> str:
        begin = f"<{facility * 8 + priority_of(record.levelno)}>1 {utc(record.created)} {host} {tag}"
        return f"{begin} {os.getpid()} {record.name} - {text}"

    return frame


def log4j_frame(association: Association) -> Frame:
    """Frame as log4j's XMLLayout, with the text as laid out for the message."""

    def frame(record: logging.LogRecord, text: str) -> str:
        where = f'class="" file="{_xml(record.pathname)}" method="{_xml(record.funcName or "")}" line="{record.lineno}"'
        return (
            f'<log4j:event logger="{_xml(record.name)}" level="{name_of(record.levelno)}" '
            f'timestamp="{int(record.created * 1000)}" thread="{os.getpid()}">'
            f"<log4j:message>{_xml(text)}</log4j:message><log4j:NDC>{association.id}</log4j:NDC>"
            f"<log4j:locationInfo {where}/></log4j:event>"
        )

    return frame


def _xml(text: str) -> str:
    return text.translate(_XML)


def utc(seconds: float) -> str:
    """Give a moment as RFC 3339 has it, with milliseconds: `2026-11-23T11:41:24.426Z`."""
    milliseconds = int(seconds * 1000)
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(milliseconds // 1000))
    return f"{moment}.{milliseconds % 1000:03d}Z"
