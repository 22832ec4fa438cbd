"""The option table: what storescp does not have."""

from __future__ import annotations

from scpd.cli.options_events import SORTED
from scpd.cli.rows import OWN, Argument, Option, Section, alternatives

_GROUP = "scpd options"
_SECONDS = "seconds"
# What says how a study ends needs studies, as --eostudy-timeout does.  What bounds commands needs none, as --exec-sync
# does: a command file may serve daemons with commands and others without.
_STUDIES = (SORTED,)
_WITH_TLS = (("--enable-tls",),)

SECTIONS = (
    Section(
        _GROUP,
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
            Option(
                "--max-associations-per-host",
                "",
                "max_associations_per_host",
                "connections that one address may have, served\nor waiting; further ones are refused",
                arguments=(Argument("max", "uint", 1),),
                default=None,
                default_text="unlimited",
                conflicts=(("--inetd",),),
            ),
            Option(
                "--min-free",
                "",
                "min_free",
                "reject associations and refuse objects while\nless is free where they are stored (1K, 1M, 1G\n"
                "and 1T are 1024 of the unit before)",
                arguments=(Argument("bytes", "size", 0),),
                default=0,
                default_text="0",
            ),
            Option(
                "--max-object-size",
                "",
                "max_object_size",
                "refuse longer data sets",
                arguments=(Argument("bytes", "size", 1),),
                default=None,
                default_text="unlimited",
            ),
            Option(
                "--min-rate",
                "",
                "min_rate",
                "abort who sends an object more slowly than so\nmany bytes in a second, over ten seconds",
                arguments=(Argument("bytes", "size", 1),),
                default=None,
                default_text="unlimited",
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
                arguments=(Argument(_SECONDS, "sint", 0),),
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
    Section(
        _GROUP,
        "daemon",
        OWN,
        (
            Option(
                "--daemon",
                "",
                "daemon",
                "go into the background as soon as the port is\nopen (not with --inetd)",
                conflicts=(("--inetd",),),
            ),
            Option(
                "--pidfile",
                "",
                "pidfile",
                "write the process id to this file, and hold it\nlocked (not with --inetd)",
                arguments=(Argument("filename", "string"),),
                default=None,
                conflicts=(("--inetd",),),
            ),
            Option(
                "--user",
                "",
                "user",
                "when the port is open, become this user for\ngood (not with --inetd)",
                arguments=(Argument("name", "string"),),
                default=None,
                conflicts=(("--inetd",),),
            ),
            Option(
                "--group",
                "",
                "group",
                "the same for the group (default: the user's;\nnot with --inetd)",
                arguments=(Argument("name", "string"),),
                default=None,
                conflicts=(("--inetd",),),
            ),
            Option(
                "--umask",
                "",
                "umask",
                "file mode mask, an octal number (default: as\nit was given to us)",
                arguments=(Argument("mask", "umask"),),
                default=None,
            ),
        ),
    ),
    Section(
        _GROUP,
        "transport layer security (only with --enable-tls)",
        OWN,
        (
            Option(
                "--passwd-file",
                "",
                "key_password",
                "the password of the private key is the first\nline of this file",
                arguments=(Argument("filename", "string"),),
                value="file",
                block="passwd:4",
                needs=_WITH_TLS,
            ),
            Option(
                "--allow-peer-cn",
                "",
                "allowed_names",
                "serve peers only whose certificate has a name\nlike this one; may be repeated",
                arguments=(Argument("pattern", "string"),),
                default=(),
                adds_up=True,
                needs=_WITH_TLS,
                conflicts=(("--ignore-peer-cert",),),
            ),
        ),
    ),
    Section(
        _GROUP,
        "who may send",
        OWN,
        (
            *(
                Option(
                    f"--hosts-{verdict}",
                    "",
                    f"hosts_{verdict}",
                    f"whom --access-control {does}: see\nscpd_access(5)",
                    arguments=(Argument("filename", "string"),),
                    default=f"/etc/hosts.{verdict}",
                    default_text=f"/etc/hosts.{verdict}",
                    needs=(("--access-control",),),
                )
                for verdict, does in (("allow", "lets in"), ("deny", "keeps out"))
            ),
            Option(
                "--require-called-aet",
                "",
                "require_called_aet",
                "answer to our own titles only: --aetitle, and\neach --called-aet",
            ),
            Option(
                "--called-aet",
                "",
                "called_aets",
                "answer to this title too; may be repeated",
                arguments=(Argument("aetitle", "aetitle"),),
                default=(),
                adds_up=True,
                needs=(("--require-called-aet",),),
            ),
            Option(
                "--allow-calling-aet",
                "",
                "calling_aets",
                "serve this peer, AETITLE, or AETITLE@ADDRESS,\nor AETITLE@NET, and no other; may be repeated\n"
                "(default: all)",
                arguments=(Argument("peer", "caller"),),
                default=(),
                adds_up=True,
            ),
            Option(
                "--peers",
                "",
                "peers",
                "a table of who may call which title, and what\nhe gets there: see scpd_peers(5)",
                arguments=(Argument("filename", "string"),),
                default=None,
                conflicts=(("--require-called-aet",), ("--allow-calling-aet",)),
            ),
        ),
    ),
    Section(
        _GROUP,
        "studies and commands",
        OWN,
        (
            Option(
                "--lock-directory",
                "",
                "lock_directory",
                "where all processes keep what they know of\nstudies and commands (default: .scpd in the\n"
                "output directory)",
                arguments=(Argument("directory", "directory"),),
                default=None,
            ),
            Option(
                "--eostudy-by",
                "",
                "eostudy_by",
                "a study is complete by --eostudy-timeout, by\nthe next study of its sender, or by either of\nthem",
                arguments=(Argument("rule", "choice", choices=("either", "timeout", "next")),),
                default="either",
                default_text="either",
                needs=_STUDIES,
            ),
            Option(
                "--eostudy-max-age",
                "",
                "eostudy_max_age",
                "a study is complete so long after its first\nobject, even if further ones keep coming",
                arguments=(Argument(_SECONDS, "sint", 1),),
                default=None,
                default_text="unlimited",
                needs=_STUDIES,
            ),
            Option(
                "--exec-jobs",
                "",
                "exec_jobs",
                "run so many commands at a time, at most",
                arguments=(Argument("number", "uint", 1),),
                default=None,
                default_text="one for each CPU",
            ),
            Option(
                "--exec-timeout",
                "",
                "exec_timeout",
                "end a command, and all that it started, when\nit has run so long",
                arguments=(Argument(_SECONDS, "sint", 1),),
                default=None,
                default_text="unlimited",
            ),
            Option(
                "--exec-retries",
                "",
                "exec_retries",
                "run a command that failed so many times more,\nwith growing delay, then set it aside",
                arguments=(Argument("number", "uint", 0),),
                default=0,
                default_text="0",
            ),
            Option(
                "--no-keeper",
                "",
                "keeper",
                "start no keeper: scpctl keep, or another\ndaemon, completes studies and runs commands",
                value=False,
                default=True,
            ),
        ),
    ),
)
