"""Logging: where the records of all processes go, and how they look.

`configure` is called once, by the master, before it forks.  Without a configuration file the log is storescp's: one
line `X: text` on standard error for each line of a message, X the level's letter (or a JSON object for each message).
What the options do not ask for is not imported.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from time import monotonic

from scpd.log.association import Association
from scpd.log.complaints import Complaints, and_more
from scpd.log.escape import make_record
from scpd.log.levels import LEVELS, OFF, TRACE
from scpd.log.lines import LineHandler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scpd.log.configuration import Configuration
    from scpd.log.handlers import Appender

__all__ = ["LEVELS", "OFF", "TRACE", "LogPolicy", "Logging", "announce", "configure"]

TEXT, JSON = "text", "json"
_STDERR = 2


class LogPolicy:
    """From which level (a key of `LEVELS`) on, in which format (`text` or `json`), and whether to the journal.

    A configuration, where there is one, decides instead of level and format.  Its files that are not appended to are
    emptied if the log `begins_anew`.  `unseen` says why nobody sees any of it.
    """

    __slots__ = ("begins_anew", "configuration", "format", "level", "to_journal", "unseen")

    def __init__(
        self,
        level: str,
        configuration: Configuration | None = None,
        log_format: str = TEXT,
        *,
        to_journal: bool = False,
        unseen: str = "",
        begins_anew: bool = True,
    ) -> None:
        self.level = level
        self.configuration = configuration
        self.format = log_format
        self.to_journal = to_journal
        self.unseen = unseen
        self.begins_anew = begins_anew


class Logging:
    """What is left to say once logging is configured: which association this is, which complaints were made.

    `unseen` is the policy's.
    """

    __slots__ = ("_appenders", "association", "complaints", "unseen")

    def __init__(
        self, association: Association, complaints: Complaints, appenders: list[Appender], unseen: str = ""
    ) -> None:
        self.association = association
        self.complaints = complaints
        self.unseen = unseen
        self._appenders = appenders

    def reopen(self) -> list[str]:
        """Open all files anew, since somebody has moved them away (SIGUSR1, logrotate(8)).

        Gives the paths of those that cannot be opened, and whose old file goes on.
        """
        from time import time  # nothing else needs the wall clock here

        now = time()
        failed = [appender for appender in self._appenders if not appender.reopen(now)]
        return [path for appender in failed for path in appender.files()]

    def give_to(self, user: int, group: int) -> None:
        """Let log files that we have opened be somebody else's, who is to open them anew; raises nothing.

        Others than regular files (a terminal, a FIFO, /dev/null) stay whose they are.
        """
        import stat

        for number in self.descriptors():
            with suppress(OSError):  # we may not: then they are not ours to give
                if stat.S_ISREG(os.fstat(number).st_mode):
                    os.fchown(number, user, group)

    def descriptors(self) -> tuple[int, ...]:
        """Give what forked processes must keep; the numbers stay the same for life."""
        own = [number for appender in self._appenders for number in appender.descriptors()]
        return (*own, *self.complaints.descriptors())

    def files(self) -> tuple[str, ...]:
        """Give the absolute paths of what forked processes open anew, or move away."""
        return tuple(path for appender in self._appenders for path in appender.files())

    def connects(self) -> bool:
        """Tell whether forked processes may have to connect again, to the local syslog."""
        return any(appender.connects() for appender in self._appenders)


def configure(policy: LogPolicy) -> Logging:
    """Send records where the policy says; complaints about the configuration go to standard error at once."""
    _spare_what_nobody_asks_for()
    association = Association()
    complaints = Complaints()
    root = logging.getLogger()
    if policy.configuration is not None:
        appenders = _follow(policy, policy.configuration, association, complaints)
        return Logging(association, complaints, appenders, policy.unseen)
    if policy.format == JSON:
        root.addHandler(_json_handler(association, to_journal=policy.to_journal))
    else:
        root.addHandler(LineHandler(association, to_journal=policy.to_journal))
    root.setLevel(LEVELS[policy.level])
    return Logging(association, complaints, [])


def announce(text: str) -> None:
    """Log a text at INFO through the root logger's appenders, whatever its level; their thresholds apply.

    It may end with a line feed, which then is one.
    """
    root = logging.getLogger()
    line = text.removesuffix("\n")
    form = "%s\n" if text != line else "%s"
    root.handle(root.makeRecord(root.name, logging.INFO, "", 0, form, (line,), None))


def _spare_what_nobody_asks_for() -> None:
    """Thread and process name of a record are not looked up: that costs."""
    logging.logThreads = False
    logging.logMultiprocessing = False
    logging.logProcesses = False
    logging.raiseExceptions = False
    logging.lastResort = None
    logging.setLogRecordFactory(make_record)


def _spare_callers() -> None:
    """Do not look up who made a record, which costs most of all: logging's documentation (Optimization) says how."""
    logging._srcfile = None  # noqa: SLF001


def _json_handler(association: Association, *, to_journal: bool) -> Appender:
    from scpd.log.handlers import ConsoleAppender  # json is imported only where it is written
    from scpd.log.jsonlines import JsonLayout

    handler = ConsoleAppender(_STDERR, to_journal=to_journal)
    handler.setFormatter(JsonLayout(association))
    return handler


def _follow(
    policy: LogPolicy, configuration: Configuration, association: Association, complaints: Complaints
) -> list[Appender]:
    """Make the appenders of a configuration."""
    from scpd.log import appenders

    def say(severity: str, text: str) -> None:
        if not configuration.is_quiet:
            _say(f"log4cplus:{severity} {text}", severity, to_journal=policy.to_journal)

    def tell(text: str) -> None:
        """Say what is wrong with an appender; it may fail for every record, in every process."""
        held_back = complaints.admit("log", text, monotonic())
        if held_back is not None:
            say("ERROR", f"{text}{and_more(held_back)}")

    for complaint in configuration.complaints:
        _say(str(complaint), complaint.severity, to_journal=policy.to_journal)
    around = appenders.Surroundings(
        association,
        configuration.program_name,
        tell,
        to_journal=policy.to_journal,
        begins_anew=policy.begins_anew,
    )
    if not appenders.asks_for_caller(configuration):
        _spare_callers()
    made = appenders.apply(configuration, around)
    if configuration.has_own_handler:
        logging.getLogger().addHandler(LineHandler(association, to_journal=policy.to_journal))
    return made


def _say(text: str, severity: str, *, to_journal: bool) -> None:
    """Write a line about the log itself, which cannot be logged."""
    from scpd.log.escape import escape
    from scpd.log.journal import prefix

    mark = prefix(logging.ERROR if severity == "ERROR" else logging.WARNING) if to_journal else ""
    try:
        os.write(_STDERR, f"{mark}{escape(text)}\n".encode("utf-8", "backslashreplace"))
    except OSError:
        return
