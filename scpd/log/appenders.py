"""From the appenders and loggers of a log configuration to handlers of `logging`.

Every appender that has a name is made, and its file opened or emptied, whether a logger uses it or not.
"""

from __future__ import annotations

import logging
import time

from scpd.log import frames, layouts
from scpd.log.filters import Chain, integer, is_true
from scpd.log.handlers import Appender, ConsoleAppender, FileAppender
from scpd.log.journal import same_stream
from scpd.log.schedules import DEFAULT, SCHEDULES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from scpd.log.association import Association
    from scpd.log.configuration import AppenderSettings, Configuration, Part
    from scpd.log.frames import Frame

_STDOUT, _STDERR = 1, 2
_SYSLOG_PORT = 514
_LOG4J_PORT = 5000
_DEFAULT_SIZE = 10 << 20
# log4cplus rolls no smaller files.
_LEAST_SIZE = 200 << 10
_UNITS = {"MB": 1 << 20, "KB": 1 << 10}


class Surroundings:
    """What handlers need besides their properties; `tell(text)` hears of what goes wrong.

    A file that is not appended to is emptied if the log `begins_anew`.
    """

    __slots__ = ("association", "begins_anew", "program_name", "tell", "to_journal")

    def __init__(
        self,
        association: Association,
        program_name: str,
        tell: Callable[[str], None],
        *,
        to_journal: bool,
        begins_anew: bool = True,
    ) -> None:
        self.association = association
        self.program_name = program_name
        self.tell = tell
        self.to_journal = to_journal
        self.begins_anew = begins_anew

    def empties(self, properties: dict[str, str], *, appends: bool = True) -> bool:
        """Tell whether a file is to be empty at first, where `appends` is what is meant by silence."""
        return self.begins_anew and not is_true(properties.get("Append", ""), default=appends)


def apply(configuration: Configuration, around: Surroundings) -> list[Appender]:
    """Make the appenders, hang them on their loggers and set the levels; give the appenders."""
    made = {name: build(each, around) for name, each in sorted(configuration.appenders.items())}
    for name, each in configuration.loggers.items():
        if name == "root":  # one of that name would be the root itself for Python
            continue
        logger = logging.getLogger(name or None)
        logger.setLevel(each.level)
        logger.propagate = each.is_additive
        for appender in each.appenders:
            logger.addHandler(made[appender])  # takes one that is named twice once, as log4cplus does
    return list(made.values())


def build(appender: AppenderSettings, around: Surroundings) -> Appender:
    """Make one appender."""
    handler = _BUILDERS[appender.kind](appender.properties, around)
    handler.setFormatter(_layout(appender.layout, around.association))
    handler.setLevel(appender.threshold)
    if appender.filters:
        handler.addFilter(Chain((each.kind, each.properties) for each in appender.filters))
    return handler


def asks_for_caller(configuration: Configuration) -> bool:
    """Say whether any appender shows where in the program a record was made."""
    return any(
        each.kind == "Log4jUdpAppender"
        or layouts.asks_for_caller(each.layout.properties.get("ConversionPattern", ""))
        for each in configuration.appenders.values()
    )


def _layout(layout: Part, association: Association) -> logging.Formatter:
    properties = layout.properties
    if layout.kind == "PatternLayout":
        each_line = is_true(properties.get("FormatEachLine", ""), default=True)
        return layouts.PatternLayout(association, properties["ConversionPattern"], each_line=each_line)
    if layout.kind == "TTCCLayout":
        is_utc = is_true(properties.get("Use_gmtime", ""))
        return layouts.TTCCLayout(association, properties.get("DateFormat", ""), is_utc=is_utc)
    if layout.kind == "JsonLayout":
        from scpd.log.jsonlines import JsonLayout  # json is of no use to other layouts

        return JsonLayout(association)
    return layouts.SimpleLayout(association)


def _null(_properties: dict[str, str], _around: Surroundings) -> Appender:
    return Appender()


def _console(properties: dict[str, str], around: Surroundings) -> Appender:
    descriptor = _STDERR if is_true(properties.get("logToStdErr", "")) else _STDOUT
    to_journal = around.to_journal and same_stream(descriptor, _STDERR)
    return ConsoleAppender(descriptor, to_journal=to_journal)


def _file(properties: dict[str, str], around: Surroundings) -> Appender:
    from scpd.log.files import LogFile  # here and below: a console needs no files

    if not properties.get("File"):
        return Appender()
    empty = around.empties(properties, appends=False)
    return FileAppender(LogFile(properties["File"], around.tell, time.time(), empty=empty))


def _rolling(properties: dict[str, str], around: Surroundings) -> Appender:
    from scpd.log.files import RollingFile

    if not properties.get("File"):
        return Appender()
    file = RollingFile(
        properties["File"],
        around.tell,
        time.time(),
        empty=around.empties(properties),
        limit=size_of(properties.get("MaxFileSize", "")),
        copies=max(integer(properties.get("MaxBackupIndex", ""), 1), 1),
    )
    return FileAppender(file)


def _daily(properties: dict[str, str], around: Surroundings) -> Appender:
    from scpd.log.files import DailyFile

    if not properties.get("File"):
        return Appender()
    schedule = properties.get("Schedule", "").upper()
    file = DailyFile(
        properties["File"],
        around.tell,
        time.time(),
        empty=around.empties(properties),
        schedule=SCHEDULES.get(schedule, SCHEDULES[DEFAULT]),
        copies=max(integer(properties.get("MaxBackupIndex", ""), 10), 1),
    )
    return FileAppender(file)


def size_of(words: str) -> int:
    """Read a size: bytes, or a number with KB or MB behind it; one that is too small or no number is the least."""
    if not words:
        return _DEFAULT_SIZE
    words = words.upper()
    digits = words.rstrip("KMB ")
    return max(integer(digits, 0) * _UNITS.get(words[-2:], 1), _LEAST_SIZE)


def _syslog(properties: dict[str, str], around: Surroundings) -> Appender:
    from scpd.log.datagrams import DatagramAppender, local_address  # files need no sockets

    tag = properties.get("ident") or around.program_name
    facility = frames.FACILITIES.get(properties.get("facility", "").lower(), frames.FACILITIES["user"])
    host = properties.get("host", "")
    if not host:
        return DatagramAppender(local_address(), frames.local_frame(facility, tag))
    frame = frames.remote_frame(facility, tag)
    return _udp(host, integer(properties.get("port", ""), _SYSLOG_PORT), frame, around)


def _log4j(properties: dict[str, str], around: Surroundings) -> Appender:
    host = properties.get("host") or "localhost"
    frame = frames.log4j_frame(around.association)
    return _udp(host, integer(properties.get("port", ""), _LOG4J_PORT), frame, around)


def _udp(host: str, port: int, frame: Frame, around: Surroundings) -> Appender:
    from scpd.log.datagrams import DatagramAppender, udp_address

    try:
        return DatagramAppender(udp_address(host, port), frame)
    except (OSError, ValueError, OverflowError) as error:
        around.tell(f"Cannot send to {host}:{port}: {getattr(error, 'strerror', None) or error}")
        return Appender()


_BUILDERS: dict[str, Callable[[dict[str, str], Surroundings], Appender]] = {
    "ConsoleAppender": _console,
    "DailyRollingFileAppender": _daily,
    "FileAppender": _file,
    "Log4jUdpAppender": _log4j,
    "NullAppender": _null,
    "RollingFileAppender": _rolling,
    "SysLogAppender": _syslog,
}
