"""Log configurations: from text to value, and what is said about what is wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scpd.errors import UsageError
from scpd.log.log4cplus import read
from scpd.log.properties import Variables

if TYPE_CHECKING:
    from scpd.log.configuration import Configuration

NULL = "log4cplus.appender.N=log4cplus::NullAppender\n"
FILE = "log4cplus.rootLogger=INFO, A\nlog4cplus.appender.A=log4cplus::FileAppender\nlog4cplus.appender.A.File=f\n"
PATTERN = FILE + "log4cplus.appender.A.layout=log4cplus::PatternLayout\n"


def configuration(text: str) -> Configuration:
    return read(text, Variables({"appname": "scpd"}, {"HOME": "/home/u"}), "scpd")


def complaints(text: str) -> list[str]:
    return [str(complaint) for complaint in configuration(text).complaints]


def test_a_whole_file() -> None:
    found = configuration(
        "log4cplus.rootLogger = Debug, console, logfile\n"
        "log4cplus.logger.dcmtk.apps.storescp.progress = INFO\n"
        "log4cplus.logger.dcmtk.dcmnet = INHERIT, logfile\n"
        "log4cplus.additivity.dcmtk.dcmnet = FALSE\n"
        "log4cplus.appender.console = log4cplus::ConsoleAppender\n"
        "log4cplus.appender.console.logToStderr = true\n"
        "log4cplus.appender.console.Threshold = warn\n"
        "log4cplus.appender.logfile = log4cplus::FileAppender\n"
        "log4cplus.appender.logfile.File = ${HOME}/${appname}.log\n"
        "log4cplus.appender.logfile.layout = log4cplus::PatternLayout\n"
        "log4cplus.appender.logfile.layout.ConversionPattern = %m%n\n"
        "log4cplus.appender.logfile.filters.1 = log4cplus::spi::LogLevelRangeFilter\n"
        "log4cplus.appender.logfile.filters.1.logLevelMin = WARN\n"
        "log4cplus.appender.logfile.filters.2 = log4cplus::spi::DenyAllFilter\n"
        "log4cplus.appender.logfile.filters.4 = log4cplus::spi::DenyAllFilter\n"
    )

    assert not found.complaints
    assert (found.root_level, found.storescp_level, found.progress_level) == ("debug", "debug", "info")
    assert found.loggers[""].appenders == ["console", "logfile"]
    assert found.loggers["dcmtk.dcmnet"].level == 0
    assert found.loggers["dcmtk.dcmnet"].appenders == ["logfile"]
    assert not found.loggers["dcmtk.dcmnet"].is_additive
    console, logfile = found.appenders["console"], found.appenders["logfile"]
    assert (console.kind, console.threshold, console.layout.kind) == ("ConsoleAppender", 30, "SimpleLayout")
    assert console.properties["logToStdErr"] == "true"
    assert logfile.properties["File"] == "/home/u/scpd.log"
    assert logfile.layout.properties == {"ConversionPattern": "%m%n"}
    assert [each.kind for each in logfile.filters] == ["LogLevelRangeFilter", "DenyAllFilter"]
    assert logfile.filters[0].properties["LogLevelMin"] == "WARN"


INHERITED = """\
log4cplus.rootLogger=INFO,N
log4cplus.logger.dcmtk=FATAL
log4cplus.logger.dcmtk.apps.storescp=INHERITED
log4cplus.logger.dcmtk.apps.storescp.progress=INFO
"""


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        ("log4cplus.rootLogger=INFO,N\n", ("info", "info", "info")),
        ("log4cplus.rootLogger=off,N\n", ("off", "off", "off")),
        ("log4cplus.rootLogger=ALL,N\n", ("trace", "trace", "trace")),
        ("log4cplus.rootLogger=IN FO , N\n", ("info", "info", "info")),
        ("log4cplus.rootLogger=INFO,N\nlog4cplus.logger.dcmtk=WARN\n", ("info", "warn", "warn")),
        ("log4cplus.rootLogger=INFO,N\nlog4cplus.logger.dcmtk.apps.store=WARN\n", ("info", "info", "info")),
        (
            INHERITED,
            ("info", "fatal", "info"),
        ),
        ("log4cplus.rootLogger=INFO,N\nlog4cplus.Logger.dcmtk=WARN\n", ("info", "info", "info")),
        ("log4cplus.rootLogger=WARN,N\nlog4cplus.rootLogger=INFO,N\n", ("info", "info", "info")),
        ("log4cplus.rootLogger=INFO,N\nlog4cplus.logger.dcmtk=,N\n", ("info", "info", "info")),
    ],
)
def test_levels_are_inherited(text: str, levels: tuple[str, str, str]) -> None:
    found = configuration(text + NULL)
    assert (found.root_level, found.storescp_level, found.progress_level) == levels
    assert not found.complaints


BEGIN = "Specified --log-config file "


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "does not contain any settings"),
        ("# nothing\nrootLogger\n", "does not contain any settings"),
        ("a=b", "does not contain any valid settings"),
        ("Log4cplus.rootLogger=INFO", "does not contain any valid settings"),
        ("log4cplus.x=y", "does not set up log4cplus.rootLogger"),
        ("log4cplus.RootLogger=INFO", "does not set up log4cplus.rootLogger"),
        ("log4cplus.rootLogger=FOO, A", "has no valid level for log4cplus.rootLogger: FOO (line 1)"),
        (
            "\nlog4cplus.rootLogger=INHERITED",
            "has no valid level for log4cplus.rootLogger: INHERITED (line 2)",
        ),
        ("log4cplus.rootLogger=, A", "has no valid level for log4cplus.rootLogger:  (line 1)"),
    ],
)
def test_some_files_are_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError) as refusal:
        configuration(text)
    assert str(refusal.value) == BEGIN + message


NONE = [
    "log4cplus:ERROR No appenders could be found for logger (dcmtk.apps.storescp).",
    "log4cplus:ERROR Please initialize the log4cplus system properly.",
]
CONFIGURATOR = "log4cplus:ERROR PropertyConfigurator::"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (FILE, []),
        ("log4cplus.rootLogger=INFO", NONE),
        ("log4cplus.rootLogger=FATAL", []),
        ("log4cplus.rootLogger=INFO\nlog4cplus.logger.dcmtk=INFO, N\n" + NULL, []),
        (FILE + "log4cplus.additivity.dcmtk=0\nlog4cplus.logger.dcmtk=INFO", NONE),
        (
            "log4cplus.rootLogger=INFO, A,,B\nlog4cplus.appender.A=log4cplus::Nope",
            [
                f"{CONFIGURATOR}configureAppenders()- Cannot find AppenderFactory: log4cplus::Nope (line 2)",
                f"{CONFIGURATOR}configureLogger()- Invalid appender: A (line 1)",
                f"{CONFIGURATOR}configureLogger()- Invalid appender: B (line 1)",
                *NONE,
            ],
        ),
        (
            "log4cplus.rootLogger=INFO, A.B\nlog4cplus.appender.A.B=log4cplus::NullAppender",
            [f"{CONFIGURATOR}configureLogger()- Invalid appender: A.B (line 1)", *NONE],
        ),
        (
            "log4cplus.rootLogger=INFO,\tN\n" + NULL,
            [f"{CONFIGURATOR}configureLogger()- Invalid appender: \\x09N (line 1)", *NONE],
        ),
        (
            "log4cplus.rootLogger=INFO,N\nlog4cplus.appender.A=log4cplus::nullappender\n" + NULL,
            [
                f"{CONFIGURATOR}configureAppenders()- Cannot find AppenderFactory: log4cplus::nullappender (line 2)"
            ],
        ),
        ("log4cplus.quietMode=true\nlog4cplus.rootLogger=INFO, A\n", NONE),
        (
            "log4cplus.rootLogger=",
            [f'{CONFIGURATOR}configureLogger()- Invalid config string(Logger = root): "" (line 1)'],
        ),
        (
            FILE + "log4cplus.logger.dcmtk=\n",
            [f'{CONFIGURATOR}configureLogger()- Invalid config string(Logger = dcmtk): "" (line 4)'],
        ),
        (
            FILE + "log4cplus.appender.A.layout=log4cplus::Foo\n",
            ['log4cplus:ERROR Cannot find LayoutFactory: "log4cplus::Foo" (line 4)'],
        ),
        (
            PATTERN,
            [
                "log4cplus:ERROR ConversionPattern not specified in properties (line 4)",
                "log4cplus:ERROR Error while creating Layout: ConversionPattern not specified in properties (line 4)",
            ],
        ),
        (
            PATTERN + "log4cplus.appender.A.layout.Pattern=%m\n",
            [
                (
                    'log4cplus:WARN PatternLayout- the "Pattern" property has been deprecated.  '
                    'Use "ConversionPattern" instead. (line 5)'
                )
            ],
        ),
        (
            PATTERN + "log4cplus.appender.A.layout.ConversionPattern=\n",
            ["log4cplus:WARN PatternLayout pattern is empty.  Using default... (line 5)"],
        ),
        (
            PATTERN + "log4cplus.appender.A.layout.ConversionPattern=%m%z\n",
            ["log4cplus:ERROR Unexpected char [z] at position 4 in conversion pattern. (line 5)"],
        ),
        (
            FILE + "log4cplus.appender.A.filters.1=log4cplus::spi::Foo\n",
            ["log4cplus:ERROR Appender::ctor()- Cannot find FilterFactory: log4cplus::spi::Foo (line 4)"],
        ),
        (FILE.replace("File=f", "file=f"), ["log4cplus:ERROR Invalid filename (line 2)"]),
        (
            FILE.replace("::File", "::DailyRollingFile"),
            ['log4cplus:WARN DailyRollingFileAppender::ctor()- "Schedule" not valid:  (line 2)'],
        ),
        (
            "log4cplus.rootLogger=INFO,A\nlog4cplus.appender.A=log4cplus::SysLogAppender\nlog4cplus.appender.A.facility=x",
            ["log4cplus:ERROR Unknown syslog facility: x (line 2)"],
        ),
        (
            "log4cplus.rootLogger=INFO,A\nlog4cplus.appender.A=log4cplus::AsyncAppender",
            ["log4cplus:ERROR Unspecified appender for AsyncAppender. (line 2)"],
        ),
        (
            "log4cplus.rootLogger=INFO,A\nlog4cplus.appender.A=log4cplus::AsyncAppender\nlog4cplus.appender.A.Appender=F",
            ["log4cplus:ERROR AsyncAppender::AsyncAppender() - Cannot find AppenderFactory: F (line 2)"],
        ),
        (
            "log4cplus.rootLogger=INFO,N,A\nlog4cplus.appender.A=log4cplus::SocketAppender\n" + NULL,
            [
                "log4cplus:ERROR SocketAppender is not supported here, use SysLogAppender or Log4jUdpAppender (line 2)",
                f"{CONFIGURATOR}configureLogger()- Invalid appender: A (line 1)",
            ],
        ),
        (
            "x=${a\n" + FILE,
            ['log4cplus:ERROR "${a" has no closing brace. Opening brace at position 0. (line 1)'],
        ),
    ],
)
def test_what_is_wrong_otherwise_is_only_reported(text: str, expected: list[str]) -> None:
    assert complaints(text) == expected


def test_behind_a_layout_that_does_not_exist_nothing_of_the_appender_is_read() -> None:
    found = configuration(
        FILE + "log4cplus.appender.A.layout=log4cplus::Foo\nlog4cplus.appender.A.Threshold=FATAL\n"
    )
    assert found.appenders["A"].threshold == 0


def test_an_async_appender_is_the_one_behind_it() -> None:
    found = configuration(
        "log4cplus.rootLogger=INFO, A\n"
        "log4cplus.appender.A=log4cplus::AsyncAppender\n"
        "log4cplus.appender.A.Threshold=FATAL\n"
        "log4cplus.appender.A.Appender=log4cplus::FileAppender\n"
        "log4cplus.appender.A.Appender.File=f\n"
        "log4cplus.appender.A.Appender.Threshold=ERROR\n"
    ).appenders["A"]
    assert (found.kind, found.properties["File"], found.threshold) == ("FileAppender", "f", 40)


def test_the_proper_spelling_of_a_key_is_stronger() -> None:
    found = configuration(
        FILE + "log4cplus.appender.A.logToStdErr=false\nlog4cplus.appender.A.logToStderr=true\n"
    )
    assert found.appenders["A"].properties["logToStdErr"] == "false"


WORDS = (
    "log4cplus. rootLogger logger. appender. A .layout .filters.1 .Appender .Pattern .ConversionPattern .File "
    "log4cplus:: log4cplus::spi:: PatternLayout AsyncAppender FileAppender DenyAllFilter SysLogAppender "
    "DailyRollingFileAppender ${ } ${a} ${log4cplus.rootLogger} = INFO , % %5.3 %D{ # \\ \0 \ud800 a"
)
PIECES = st.sampled_from([*WORDS.split(" "), *"\n\n\n\n\n\n"])
TEXTS = st.one_of(st.text(), st.lists(PIECES).map("".join))


@given(TEXTS)
def test_any_text_is_a_configuration_or_refused(text: str) -> None:
    for begin in ("", FILE):
        try:
            said = complaints(begin + text)
        except UsageError as refusal:
            said = [str(refusal)]
        assert all(line.isprintable() for line in said)


def test_an_async_appender_behind_another_is_none() -> None:
    (said,) = complaints(
        "log4cplus.rootLogger=INFO,A\n"
        "log4cplus.appender.A=log4cplus::AsyncAppender\n"
        "log4cplus.appender.A.Appender=log4cplus::AsyncAppender\n"
    )
    assert said.endswith("Cannot find AppenderFactory: log4cplus::AsyncAppender (line 2)")
