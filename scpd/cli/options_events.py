"""The option table: what is done when files are there."""

from __future__ import annotations

from scpd.cli.rows import EVENTS, Argument, Option, Section

# Any of them makes studies.
SORTED = ("--sort-conc-studies", "--sort-on-study-uid", "--sort-on-patientname")
_COMMAND = (Argument("command", "string"),)

SECTIONS = (
    Section(
        "event options",
        "",
        EVENTS,
        (
            Option(
                "--exec-on-reception",
                "-xcr",
                "exec_on_reception",
                "run this command for each object stored, with\n#p #f #a #c #r replaced",
                arguments=_COMMAND,
                default=None,
            ),
            Option(
                "--exec-on-eostudy",
                "-xcs",
                "exec_on_eostudy",
                "run this command for each study completed,\nwith #p #a #c #r replaced (only with sorting)",
                arguments=_COMMAND,
                default=None,
                needs=(SORTED,),
            ),
            Option(
                "--rename-on-eostudy",
                "-rns",
                "rename_on_eostudy",
                "number the files of each study completed\n(only with sorting)",
                needs=(SORTED,),
            ),
            Option(
                "--eostudy-timeout",
                "-tos",
                "eostudy_timeout",
                "a study is complete after so long without a\nnew object",
                arguments=(Argument("seconds", "sint", 0),),
                default=None,
                needs=((*SORTED, "--exec-on-eostudy", "--rename-on-eostudy"),),
            ),
            Option(
                "--exec-sync",
                "-xs",
                "exec_sync",
                "wait for each command to end before the next\nrequest is read",
            ),
        ),
    ),
)
