"""What a log configuration says, as a value: levels of loggers, appenders, and complaints about the file."""

from __future__ import annotations

from scpd.log.escape import escape
from scpd.log.levels import LEVELS, word_of

# The root logger's name here, the logger of our own messages, and the one whose level decides about the progress line.
ROOT = ""
STORESCP = "dcmtk.apps.storescp"
_PROGRESS = "dcmtk.apps.storescp.progress"


class Complaint:
    """Something wrong that hinders nobody; `severity` is ERROR or WARN, `line` 0 if it has none."""

    __slots__ = ("line", "severity", "text")

    def __init__(self, severity: str, text: str, line: int) -> None:
        self.severity = severity
        self.text = escape(text)
        self.line = line

    def __str__(self) -> str:
        where = f" (line {self.line})" if self.line else ""
        return f"log4cplus:{self.severity} {self.text}{where}"


class Part:
    """A class by the last part of its name, and its properties."""

    __slots__ = ("kind", "properties")

    def __init__(self, kind: str, properties: dict[str, str]) -> None:
        self.kind = kind
        self.properties = properties


class AppenderSettings:
    """An appender's class, properties, layout, threshold (0: none) and filters."""

    __slots__ = ("filters", "kind", "layout", "properties", "threshold")

    def __init__(self, kind: str, properties: dict[str, str]) -> None:
        self.kind = kind
        self.properties = properties
        self.layout = Part("SimpleLayout", {})
        self.threshold = 0
        self.filters: list[Part] = []


class LoggerSettings:
    """A logger's level (0: the parent's) and the names of its appenders."""

    __slots__ = ("appenders", "is_additive", "level")

    def __init__(self) -> None:
        self.level = 0
        self.appenders: list[str] = []
        self.is_additive = True


class Configuration:
    """All that a file says; the logger with the empty name is the root.

    `has_own_handler`: the root logger's line was empty, so that the messages go where they go without a file.
    """

    __slots__ = ("appenders", "complaints", "has_own_handler", "is_quiet", "loggers", "program_name")

    def __init__(self, program_name: str) -> None:
        self.program_name = program_name
        self.loggers: dict[str, LoggerSettings] = {ROOT: LoggerSettings()}
        self.appenders: dict[str, AppenderSettings] = {}
        self.complaints: list[Complaint] = []
        self.has_own_handler = False
        self.is_quiet = False

    def level(self, name: str) -> int:
        """Give the effective level of a logger."""
        return next((logger.level for logger in self._line_of(name) if logger.level), LEVELS["info"])

    @property
    def root_level(self) -> str:
        """The root logger's level, as `--log-level` would say it."""
        return word_of(self.level(ROOT))

    @property
    def storescp_level(self) -> str:
        """The level from which our own messages are logged."""
        return word_of(self.level(STORESCP))

    @property
    def progress_level(self) -> str:
        """The level that decides about the progress line: exactly info."""
        return word_of(self.level(_PROGRESS))

    def has_appender(self, name: str) -> bool:
        """Say whether a record of this logger comes to any appender."""
        return bool(self.appenders_of(name)) or self.has_own_handler

    def appenders_of(self, name: str) -> list[AppenderSettings]:
        """Give those to which a record of this logger comes."""
        reached: dict[str, AppenderSettings] = {}
        for logger in self._line_of(name):
            reached |= {each: self.appenders[each] for each in logger.appenders}
            if not logger.is_additive:
                break
        return list(reached.values())

    def _line_of(self, name: str) -> list[LoggerSettings]:
        """Give the configured loggers from this name up to the root."""
        parts = name.split(".")
        names = [".".join(parts[:count]) for count in range(len(parts), 0, -1)]
        return [self.loggers[each] for each in [*names, ROOT] if each in self.loggers]
