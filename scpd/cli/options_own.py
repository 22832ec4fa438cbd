"""The option table: what storescp does not have."""

from __future__ import annotations

from scpd.cli.rows import OWN, Argument, Option, Section, alternatives

SECTIONS = (
    Section(
        "scpd options",
        "",
        OWN,
        (
            Option(
                "--bind",
                "",
                "bind",
                "listen on this IPv4 or IPv6 address, and on\nno other; may be repeated (default: all)",
                arguments=(Argument("address", "address"),),
                default=(),
                adds_up=True,
            ),
            *alternatives(
                "fsync",
                "fsync",
                (1, "--fsync", "", True, "answer after flushing to disk"),
                (
                    2,
                    "--no-fsync",
                    "",
                    False,
                    "leave flushing to the kernel: a power cut can\nlose objects already answered with success",
                ),
                in_force="--fsync",
            ),
            Option(
                "--grace",
                "",
                "grace",
                "when told to stop, wait so long for the\nassociations being served",
                arguments=(Argument("seconds", "sint", 0),),
                default=30,
                default_text="30",
            ),
            Option(
                "--duplicates",
                "",
                "duplicates",
                "when an object's file name is taken: replace\nthe file, keep it if equal (else both), keep\n"
                "both, or refuse the object",
                arguments=(Argument("mode", "choice", choices=("replace", "keep", "both", "refuse")),),
                default="replace",
                default_text="replace",
            ),
            Option(
                "--log-format",
                "",
                "log_format",
                "lines of text, or of JSON",
                arguments=(Argument("format", "choice", choices=("text", "json")),),
                default="text",
                default_text="text",
                conflicts=(("--log-config",),),
            ),
            Option(
                "--reject-malformed",
                "",
                "reject_malformed",
                "refuse what cannot be understood, instead of\nstoring it as received with a warning",
                # Nothing is looked at there: it would be ignored in silence.
                conflicts=(("--bit-preserving",),),
            ),
            Option("--check-config", "", "check_config", "check all that a start would need, and exit"),
        ),
    ),
)
