"""The option table: what the program says, how it logs, how many processes it has."""

from __future__ import annotations

from scpd.cli.rows import LOGGING, NETWORK, PROCESS, VERBOSE_MODE, Argument, Option, Section, alternatives

_VERBOSITY = ("--verbose", "--debug", "--quiet")

SECTIONS = (
    Section(
        "general options",
        "",
        LOGGING,
        (
            Option("--help", "-h", "", "show this text and exit"),
            Option("--version", "", "", "show version and libraries, and exit"),
            Option("--arguments", "", "arguments", "log the command line, expanded", value="", default=None),
            *alternatives(
                "verbosity",
                "log_level",
                (3, "--quiet", "-q", "fatal", "log fatal errors only"),
                (2, "--verbose", "-v", "info", "log what is done"),
                (1, "--debug", "-d", "debug", "log every detail"),
            ),
            Option(
                "--log-level",
                "-ll",
                "log_level",
                "(fatal, error, warn, info, debug, trace)\nlog messages from level l up",
                arguments=(Argument("level", "level"),),
                default="warn",
                default_text="warn",
                conflicts=(_VERBOSITY,),
            ),
            Option(
                "--log-config",
                "-lc",
                "log_config",
                "log as this property file says",
                arguments=(Argument("filename", "string"),),
                default=None,
                conflicts=(("--log-level",), _VERBOSITY),
            ),
            Option(
                "--verbose-pc",
                "+v",
                "verbose_pc",
                "log presentation contexts (in verbose mode)",
                needs=((VERBOSE_MODE,),),
                check=NETWORK,
            ),
        ),
    ),
    Section(
        "multi-process options",
        "",
        PROCESS,
        (
            *alternatives(
                "process",
                "fork",
                (1, "--single-process", "", False, "serve one association at a time"),
                (2, "--fork", "", True, "serve associations in parallel"),
                in_force="--single-process",
            ),
            Option(
                "--max-associations",
                "",
                "max_associations",
                "associations served in parallel, the next\nones wait (only with --fork)",
                arguments=(Argument("max", "uint", 1),),
                default=None,
                default_text="unlimited",
                needs=(("--fork",),),
                check=PROCESS + 2,
            ),
        ),
    ),
)
