"""THE table of options: what scpd's command line can say, each option once.

Parser, `--help` and manual page are made from it; to add an option is to add a row (and, if rooms shall learn
its value, a typed name in `settings.Settings`).  A row does nothing: `parser` reads the words and `checks`
judges them by the columns.  The options are storescp(1)'s, by the same names; the last section is our own.

Columns of a row (`Option`):

    long, short    whole names with their signs; `+uf` and `-uf` are two options
    destination    the name in Settings that the option sets; empty: it only says something and ends (--help)
    help           for --help, lines broken by hand at 46 columns; defaults are added from the columns below
    arguments      how many words follow, and the kind and range of each
    value          what it sets, for an option without arguments
    default        what Settings has without the option, if it is of no block
    default_text   how --help says that
    block          the alternatives that the row belongs to: name and place, `process:1`.  Members are tested
                   by place; one counts if it stands to the right of all found before: the rightmost wins
    by_default     the member of a block that is in force when none is given (if there is one)
    conflicts      sets of options; if one of a set is in force, `THIS not allowed with A, B or C`
    needs          sets of options; if none of a set is in force, `THIS only allowed with A, B or C`
    adds_up        every occurrence counts, in a tuple, instead of the last one alone
    check          when it is checked, if not with its section: the first failure ends the program
"""

from __future__ import annotations

# The order of checks.  From NETWORK on, quiet mode is known: what fails there fails without a word (-q).
START = 0
PROCESS = 50
PORT = 60
LOGGING = 70
NETWORK = 80
OUTPUT = 90
OWN = 110
END = 1000

GENERAL = "general options"
NETWORK_OPTIONS = "network options"
OUTPUT_OPTIONS = "output options"


class Argument:
    """A word that follows an option: its name, kind (see `checks`) and bounds (None: unbounded)."""

    __slots__ = ("high", "kind", "low", "name")

    def __init__(self, name: str, kind: str, low: int | None = None, high: int | None = None) -> None:
        self.name = name
        self.kind = kind
        self.low = low
        self.high = high


class Option:
    """A row of the table; the columns are explained at the head of this module."""

    __slots__ = (
        "adds_up",
        "arguments",
        "block",
        "by_default",
        "check",
        "conflicts",
        "default",
        "default_text",
        "destination",
        "help",
        "long",
        "needs",
        "short",
        "value",
    )

    def __init__(  # noqa: PLR0913 - a row has as many columns as the table
        self,
        long: str,
        short: str,
        destination: str,
        help: str,  # noqa: A002 - the column's name; nobody here wants the interpreter's help()
        *,
        arguments: tuple[Argument, ...] = (),
        value: object = True,
        default: object = False,
        default_text: str = "",
        block: str = "",
        by_default: bool = False,
        conflicts: tuple[tuple[str, ...], ...] = (),
        needs: tuple[tuple[str, ...], ...] = (),
        adds_up: bool = False,
        check: int | None = None,
    ) -> None:
        self.long = long
        self.short = short
        self.help = help
        self.arguments = arguments
        self.destination = destination
        self.value = value
        self.default = default
        self.default_text = default_text
        self.block = block
        self.by_default = by_default
        self.conflicts = conflicts
        self.needs = needs
        self.adds_up = adds_up
        self.check = check


class Section:
    """Options under one heading of --help, a group or a part of it; `check` says when they are checked."""

    __slots__ = ("check", "group", "options", "subgroup")

    def __init__(self, group: str, subgroup: str, check: int, options: tuple[Option, ...]) -> None:
        self.group = group
        self.subgroup = subgroup
        self.check = check
        self.options = options


# The one word that is no option.
PORT_NAME = "port"
PORT_HELP = "tcp port to listen on, 1 to 65535"

_VERBOSITY = ("--verbose", "--debug", "--quiet")

SECTIONS = (
    Section(
        GENERAL,
        "",
        LOGGING,
        (
            Option("--help", "-h", "", "show this text and exit"),
            Option("--version", "", "", "show version and libraries, and exit"),
            Option("--quiet", "-q", "log_level", "log fatal errors only", value="fatal", block="verbosity:3"),
            Option("--verbose", "-v", "log_level", "log what is done", value="info", block="verbosity:2"),
            Option("--debug", "-d", "log_level", "log every detail", value="debug", block="verbosity:1"),
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
        ),
    ),
    Section(
        "multi-process options",
        "",
        PROCESS,
        (
            Option(
                "--single-process",
                "",
                "fork",
                "serve one association at a time",
                value=False,
                block="process:1",
                by_default=True,
            ),
            Option("--fork", "", "fork", "serve associations in parallel", block="process:2"),
            Option(
                "--max-associations",
                "",
                "max_associations",
                "associations served in parallel, the next\nones wait (only with --fork)",
                arguments=(Argument("max", "uint", 1),),
                default=None,
                default_text="unlimited",
                needs=(("--fork",),),
            ),
        ),
    ),
    Section(
        NETWORK_OPTIONS,
        "IP protocol version",
        NETWORK,
        (
            Option(
                "--ipv4",
                "-i4",
                "ip_protocol",
                "listen on IPv4 only",
                value="ipv4",
                block="ip:1",
                by_default=True,
            ),
            Option("--ipv6", "-i6", "ip_protocol", "listen on IPv6 only", value="ipv6", block="ip:2"),
            Option("--ip-auto", "-i0", "ip_protocol", "listen on IPv6 and IPv4", value="auto", block="ip:3"),
        ),
    ),
    Section(
        NETWORK_OPTIONS,
        "preferred network transfer syntaxes",
        NETWORK,
        (
            Option(
                "--prefer-uncompr",
                "+x=",
                "transfer_syntaxes",
                "explicit VR local byte order first",
                value="prefer-uncompr",
                block="netxfer:1",
                by_default=True,
            ),
            Option(
                "--prefer-little",
                "+xe",
                "transfer_syntaxes",
                "explicit VR little endian first",
                value="prefer-little",
                block="netxfer:2",
            ),
            Option(
                "--prefer-big",
                "+xb",
                "transfer_syntaxes",
                "explicit VR big endian first",
                value="prefer-big",
                block="netxfer:3",
            ),
            Option(
                "--implicit",
                "+xi",
                "transfer_syntaxes",
                "implicit VR little endian and no other",
                value="implicit",
                block="netxfer:22",
            ),
            Option(
                "--accept-all",
                "+xa",
                "transfer_syntaxes",
                "any that is known, compressed ones first",
                value="accept-all",
                block="netxfer:23",
            ),
        ),
    ),
    Section(
        NETWORK_OPTIONS,
        "other network options",
        NETWORK,
        (
            Option(
                "--socket-timeout",
                "-ts",
                "socket_timeout",
                "longest silence of a peer (0 for no limit)",
                arguments=(Argument("seconds", "timeout", -1),),
                default=60,
                default_text="60",
            ),
            Option(
                "--acse-timeout",
                "-ta",
                "acse_timeout",
                "longest wait for an association request",
                arguments=(Argument("seconds", "sint", 1),),
                default=30,
                default_text="30",
            ),
            Option(
                "--dimse-timeout",
                "-td",
                "dimse_timeout",
                "longest wait for the data set of an object",
                arguments=(Argument("seconds", "sint", 1),),
                default=None,
                default_text="unlimited",
            ),
            Option(
                "--aetitle",
                "-aet",
                "ae_title",
                "AE title of this application",
                arguments=(Argument("aetitle", "string"),),
                default="STORESCP",
                default_text="STORESCP",
            ),
            Option(
                "--max-pdu",
                "-pdu",
                "max_pdu",
                "largest PDU to receive",
                arguments=(Argument("number of bytes", "uint", 4096, 131072),),
                default=16384,
                default_text="16384",
            ),
            Option("--ignore", "", "ignore", "receive everything, store nothing"),
            Option("--promiscuous", "-pm", "promiscuous", "accept unknown SOP classes"),
        ),
    ),
    Section(
        OUTPUT_OPTIONS,
        "general",
        OUTPUT,
        (
            Option(
                "--output-directory",
                "-od",
                "output_directory",
                "existing directory for the received objects",
                arguments=(Argument("directory", "directory"),),
                default=".",
                default_text='"."',
            ),
        ),
    ),
    Section(
        OUTPUT_OPTIONS,
        "bit preserving mode",
        OUTPUT,
        (
            Option(
                "--normal",
                "-B",
                "bit_preserving",
                "re-encode where options ask for it",
                value=False,
                block="bitpres:1",
                by_default=True,
            ),
            Option("--bit-preserving", "+B", "bit_preserving", "write data as received", block="bitpres:2"),
        ),
    ),
    Section(
        OUTPUT_OPTIONS,
        "output file format",
        OUTPUT,
        (
            Option(
                "--write-file",
                "+F",
                "write_dataset",
                "write DICOM files",
                value=False,
                block="format:1",
                by_default=True,
            ),
            Option(
                "--write-dataset",
                "-F",
                "write_dataset",
                "write bare data sets, no file meta information",
                block="format:2",
            ),
        ),
    ),
    Section(
        OUTPUT_OPTIONS,
        "filename generation",
        OUTPUT,
        (
            Option(
                "--default-filenames",
                "-uf",
                "unique_filenames",
                "name files by SOP instance UID",
                value=False,
                block="names:1",
                by_default=True,
            ),
            Option(
                "--unique-filenames", "+uf", "unique_filenames", "new name for each file", block="names:2"
            ),
            Option(
                "--filename-extension",
                "-fe",
                "filename_extension",
                "end of all file names, with its dot",
                arguments=(Argument("extension", "string"),),
                default="",
            ),
        ),
    ),
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
            Option(
                "--fsync",
                "",
                "fsync",
                "answer after flushing to disk",
                block="fsync:1",
                by_default=True,
            ),
            Option(
                "--no-fsync",
                "",
                "fsync",
                "leave flushing to the kernel: a power cut can\nlose objects already answered with success",
                value=False,
                block="fsync:2",
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
        ),
    ),
)

OPTIONS = tuple(option for section in SECTIONS for option in section.options)
BY_NAME = {name: option for option in OPTIONS for name in (option.long, option.short) if name}
# Options that say something and end; the first of them wins.
EXCLUSIVE = tuple(option for option in OPTIONS if not option.destination)
DEFAULTS: dict[str, object] = {
    **{option.destination: None for option in OPTIONS if option.destination},
    **{option.destination: option.default for option in OPTIONS if option.destination and not option.block},
    **{option.destination: option.value for option in OPTIONS if option.destination and option.by_default},
}


def alternatives(first: int, end: int) -> list[list[Option]]:
    """Return what is checked from `first` to before `end`, in the order of the checks.

    Each element is a block, its members in the order in which they are tested; an option of no block is a
    block of one.
    """
    blocks: dict[str, list[Option]] = {}
    checks: dict[str, int] = {}
    for section in SECTIONS:
        for option in section.options:
            name = option.block.partition(":")[0] or option.long
            blocks.setdefault(name, []).append(option)
            checks.setdefault(name, section.check if option.check is None else option.check)
    wanted = [name for name in blocks if first <= checks[name] < end and blocks[name][0] not in EXCLUSIVE]
    return [sorted(blocks[name], key=_place) for name in sorted(wanted, key=checks.__getitem__)]


def _place(option: Option) -> int:
    return int(option.block.partition(":")[2] or 0)
