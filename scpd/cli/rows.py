"""What a row of the option table is: its columns, and the steps at which rows are checked.

Columns of a row (`Option`):

    long, short    whole names with their signs; `+uf` and `-uf` are two options
    destination    the name in Settings that the option sets; empty: it only says something and ends (--help)
    help           for --help, lines broken by hand at 46 columns; defaults are added from the columns below
    arguments      how many words follow, and the kind and range of each
    value          what it sets, without arguments; with some, what stands before them in a tuple (True: nothing)
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
CONFIG_FILE = 85
OUTPUT = 90
EVENTS = 95
TLS = 100
OWN = 110
END = 1000

# What an option may need beside other options: that the log has what is said at INFO.
VERBOSE_MODE = "verbose mode"


class Argument:
    """A word that follows an option: its name, kind (see `checks`), bounds (None: unbounded) or choices.

    A number that must be `even` is tested when all that storescp tests has passed: it takes any.
    """

    __slots__ = ("choices", "even", "high", "kind", "low", "name")

    def __init__(
        self,
        name: str,
        kind: str,
        low: int | None = None,
        high: int | None = None,
        *,
        choices: tuple[str, ...] = (),
        even: bool = False,
    ) -> None:
        self.name = name
        self.kind = kind
        self.low = low
        self.high = high
        self.choices = choices
        self.even = even


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


def alternatives(
    block: str,
    destination: str,
    *rows: tuple[int, str, str, object, str],
    in_force: str = "",
    conflicts: tuple[tuple[str, ...], ...] = (),
    needs: tuple[tuple[str, ...], ...] = (),
) -> tuple[Option, ...]:
    """Make the rows of a block from (place, long, short, value, help), in the order of --help.

    `in_force` is the long name of the member that stands by default.
    """
    return tuple(
        Option(
            long,
            short,
            destination,
            text,
            value=value,
            block=f"{block}:{place}",
            by_default=long == in_force,
            conflicts=conflicts,
            needs=needs,
        )
        for place, long, short, value, text in rows
    )
