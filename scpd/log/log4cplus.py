"""Log configurations in log4cplus' property files (`--log-config`): from their text to a value, without side effects.

    log4cplus.rootLogger = LEVEL, APPENDER, ...        required
    log4cplus.logger.NAME = LEVEL, APPENDER, ...       INHERITED, or no level at all: the parent's
    log4cplus.additivity.NAME = false                  nothing is passed on to the parents
    log4cplus.appender.NAME = log4cplus::CLASS         and .layout, .Threshold, .filters.1, .File ... below that

Keys are case-sensitive, levels are not.  What storescp only reports is a `Complaint` here, in its words and with the
line; what it refuses is a `UsageError`, and so are a root level that is none and a variable that refers to itself,
which end storescp by a signal or never.  The older spellings `logToStderr`, `logLevelMin`, `acceptOnMatch` ..., which
DCMTK's own examples have and storescp ignores, are understood.
"""

from __future__ import annotations

from scpd.errors import UsageError
from scpd.log import patterns
from scpd.log.configuration import (
    ROOT,
    STORESCP,
    AppenderSettings,
    Complaint,
    Configuration,
    LoggerSettings,
    Part,
)
from scpd.log.escape import escape
from scpd.log.filters import KINDS as FILTER_KINDS
from scpd.log.filters import is_true, level_of
from scpd.log.frames import FACILITIES
from scpd.log.levels import LEVELS
from scpd.log.properties import Property, expanded, parse
from scpd.log.schedules import SCHEDULES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from scpd.log.properties import Variables

    Properties = dict[str, Property]

_OURS = "log4cplus."
_CLASS = "log4cplus::"
_FILTER_CLASS = "log4cplus::spi::"
_MOST_FILTERS = 1000

# How DCMTK's examples spell keys that the program knows by other names.
_OTHER_SPELLINGS = {
    "logToStderr": "logToStdErr",
    "logLevelMin": "LogLevelMin",
    "logLevelMax": "LogLevelMax",
    "logLevelToMatch": "LogLevelToMatch",
    "stringToMatch": "StringToMatch",
    "acceptOnMatch": "AcceptOnMatch",
}


def read(text: str, variables: Variables, program_name: str) -> Configuration:
    """Read the text of a file; raises `UsageError`."""
    configuration = Configuration(program_name)
    reader = _Reader(configuration)
    written = parse(text)
    if not written:
        raise UsageError("Specified --log-config file does not contain any settings")
    properties = _below(_OURS, expanded(written, variables, reader.complain))
    if not properties:
        raise UsageError("Specified --log-config file does not contain any valid settings")
    if "rootLogger" not in properties:
        raise UsageError("Specified --log-config file does not set up log4cplus.rootLogger")
    reader.read(properties)
    return configuration


class _Reader:
    """Fills a configuration, appenders first, since loggers name them."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._line = 0

    def complain(self, severity: str, text: str, line: int = 0) -> None:
        """Note a complaint about a line, the one just read unless given."""
        self._configuration.complaints.append(Complaint(severity, text, line or self._line))

    def read(self, properties: Properties) -> None:
        """Read what stands behind `log4cplus.`."""
        configuration = self._configuration
        for name, each in sorted(_below("appender.", properties).items()):
            if "." not in name:
                self._line = each.line
                self._read_appender(name, each.value, _below(f"appender.{name}.", properties))
        self._read_root(properties["rootLogger"])
        for name, each in sorted(_below("logger.", properties).items()):
            if name:
                self._read_logger(name, each)
        for name, each in _below("additivity.", properties).items():
            logger = configuration.loggers.setdefault(name, LoggerSettings())
            logger.is_additive = is_true(each.value, default=True)
        configuration.is_quiet = "quietMode" in properties and is_true(properties["quietMode"].value)
        if configuration.is_quiet:
            configuration.complaints.clear()
        self._check_that_records_arrive()

    def _check_that_records_arrive(self) -> None:
        self._line = 0
        if self._configuration.root_level in ("off", "fatal") or self._configuration.has_appender(STORESCP):
            return
        self.complain("ERROR", f"No appenders could be found for logger ({STORESCP}).")
        self.complain("ERROR", "Please initialize the log4cplus system properly.")

    def _read_root(self, root: Property) -> None:
        self._read_logger(ROOT, root)
        if not root.value.replace(" ", "").strip(","):
            self._configuration.has_own_handler = True
            self._configuration.loggers[ROOT].level = LEVELS["info"]
        elif not self._configuration.loggers[ROOT].level:
            word = escape(root.value.split(",")[0].strip())
            raise UsageError(
                f"Specified --log-config file has no valid level for log4cplus.rootLogger: {word} (line {root.line})"
            )

    def _read_logger(self, name: str, setting: Property) -> None:
        self._line = setting.line
        # Words between commas; an empty first one is a level that is none, the others do not count.
        level, *appenders = setting.value.replace(" ", "").split(",")
        if not level and not any(appenders):
            shown = name or "root"
            self.complain(
                "ERROR",
                f'PropertyConfigurator::configureLogger()- Invalid config string(Logger = {shown}): ""',
            )
            return
        logger = self._configuration.loggers.setdefault(name, LoggerSettings())
        logger.level = level_of(level)
        for appender in filter(None, appenders):
            if appender in self._configuration.appenders:
                logger.appenders.append(appender)
            else:
                self.complain(
                    "ERROR", f"PropertyConfigurator::configureLogger()- Invalid appender: {appender}"
                )

    def _read_appender(self, name: str, kind: str, properties: Properties) -> None:
        if kind == f"{_CLASS}SocketAppender":
            self.complain(
                "ERROR", "SocketAppender is not supported here, use SysLogAppender or Log4jUdpAppender"
            )
        elif not kind.startswith(_CLASS) or kind.removeprefix(_CLASS) not in _CHECKS:
            self.complain(
                "ERROR", f"PropertyConfigurator::configureAppenders()- Cannot find AppenderFactory: {kind}"
            )
        else:
            self._configuration.appenders[name] = self._appender(kind.removeprefix(_CLASS), properties)

    def _appender(self, kind: str, properties: Properties) -> AppenderSettings:
        if kind == "AsyncAppender":
            return self._appender_behind(properties)
        appender = AppenderSettings(kind, _values(properties))
        _CHECKS[kind](self, properties)
        # As in storescp: behind a layout that does not exist nothing else of the appender is read.
        if "layout" in properties and not self._read_layout(appender, properties):
            return appender
        appender.threshold = level_of(appender.properties.get("Threshold", ""))
        for number in range(1, _MOST_FILTERS):
            if f"filters.{number}" not in properties:
                break
            self._read_filter(appender, number, properties)
        return appender

    def _appender_behind(self, properties: Properties) -> AppenderSettings:
        """Read the appender that an AsyncAppender hands records to: it gets them at once, from the caller."""
        if "Appender" not in properties:
            self.complain("ERROR", "Unspecified appender for AsyncAppender.")
            return AppenderSettings("NullAppender", {})
        inner = properties["Appender"].value
        kind = inner.removeprefix(_CLASS)
        if not inner.startswith(_CLASS) or kind not in _CHECKS or kind == "AsyncAppender":
            self.complain("ERROR", f"AsyncAppender::AsyncAppender() - Cannot find AppenderFactory: {inner}")
            return AppenderSettings("NullAppender", {})
        return self._appender(kind, _below("Appender.", properties))

    def _read_layout(self, appender: AppenderSettings, properties: Properties) -> bool:
        layout = properties["layout"]
        self._line = layout.line
        kind = layout.value.removeprefix("scpd::" if layout.value == "scpd::JsonLayout" else _CLASS)
        if kind == layout.value or kind not in _LAYOUTS:
            self.complain("ERROR", f'Cannot find LayoutFactory: "{layout.value}"')
            return False
        part = Part(kind, _values(_below("layout.", properties)))
        if kind == "PatternLayout" and not self._check_pattern(part, properties):
            return False
        appender.layout = part
        return True

    def _check_pattern(self, layout: Part, properties: Properties) -> bool:
        settings = layout.properties
        if "Pattern" in settings:
            self._line = properties["layout.Pattern"].line
            self.complain(
                "WARN",
                'PatternLayout- the "Pattern" property has been deprecated.  Use "ConversionPattern" instead.',
            )
            settings.setdefault("ConversionPattern", settings["Pattern"])
        elif "ConversionPattern" not in settings:
            self.complain("ERROR", "ConversionPattern not specified in properties")
            self.complain(
                "ERROR", "Error while creating Layout: ConversionPattern not specified in properties"
            )
            return False
        else:
            self._line = properties["layout.ConversionPattern"].line
        if not settings["ConversionPattern"]:
            self.complain("WARN", "PatternLayout pattern is empty.  Using default...")
        patterns.parse(settings["ConversionPattern"], self.complain)
        return True

    def _read_filter(self, appender: AppenderSettings, number: int, properties: Properties) -> None:
        setting = properties[f"filters.{number}"]
        kind = setting.value.removeprefix(_FILTER_CLASS)
        if kind == setting.value or kind not in FILTER_KINDS:
            text = f"Appender::ctor()- Cannot find FilterFactory: {setting.value}"
            self.complain("ERROR", text, setting.line)
            return
        appender.filters.append(Part(kind, _values(_below(f"filters.{number}.", properties))))

    def check_file(self, properties: Properties) -> None:
        """Look whether a file appender has a file."""
        if "File" not in properties or not properties["File"].value:
            self.complain("ERROR", "Invalid filename")

    def check_schedule(self, properties: Properties) -> None:
        """Look whether the schedule of a file appender exists."""
        self.check_file(properties)
        schedule = properties["Schedule"].value if "Schedule" in properties else ""
        if schedule.upper() not in SCHEDULES:
            self.complain("WARN", f'DailyRollingFileAppender::ctor()- "Schedule" not valid: {schedule}')

    def check_facility(self, properties: Properties) -> None:
        """Look whether a facility of syslog exists."""
        facility = properties["facility"].value if "facility" in properties else ""
        if facility and facility.lower() not in FACILITIES:
            self.complain("ERROR", f"Unknown syslog facility: {facility}")

    def check_nothing(self, properties: Properties) -> None:
        """Everything is well."""


# The appenders that there are, and what is looked at.
_CHECKS: dict[str, Callable[[_Reader, Properties], None]] = {
    "AsyncAppender": _Reader.check_nothing,
    "ConsoleAppender": _Reader.check_nothing,
    "DailyRollingFileAppender": _Reader.check_schedule,
    "FileAppender": _Reader.check_file,
    "Log4jUdpAppender": _Reader.check_nothing,
    "NullAppender": _Reader.check_nothing,
    "RollingFileAppender": _Reader.check_file,
    "SysLogAppender": _Reader.check_facility,
}
_LAYOUTS = frozenset({"JsonLayout", "PatternLayout", "SimpleLayout", "TTCCLayout"})


def _below(begin: str, properties: Properties) -> Properties:
    """Give the properties whose keys begin like this, by the rest of their keys."""
    return {key.removeprefix(begin): each for key, each in properties.items() if key.startswith(begin)}


def _values(properties: Properties) -> dict[str, str]:
    """Give the plain values, those that are spelled otherwise by their proper keys too."""
    values = {key: each.value for key, each in properties.items()}
    for other, proper in _OTHER_SPELLINGS.items():
        if other in values:
            values.setdefault(proper, values[other])
    return values
