"""What makes an option acceptable: the other options in force, and its values.

`State` is what is in force so far.  A check sees the options tested before it, never those after it: that is
how storescp decides, and why it accepts `+B +p 1 1 -p` but not `+B -p +p 1 1`.  A failed check raises
`UsageError` with storescp's text.
"""

from __future__ import annotations

from scpd.cli import options, rows
from scpd.cli.numbers import WHITE_SPACE, BadValueError, signed, size, unsigned
from scpd.cli.rows import Argument
from scpd.errors import UsageError

TYPE_CHECKING = False  # what typing calls so, without importing it: a start pays for each import
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from scpd.cli.rows import Option

    Occurrence = tuple[int, Sequence[str]]  # where in the line, and the values that follow

LOG_LEVELS = ("fatal", "error", "warn", "info", "debug", "trace", "off", "all")
# At these levels storescp says nothing about errors of the command line, either.
QUIET_LEVELS = ("fatal", "off")
VERBOSE_LEVELS = ("info", "debug", "trace", "all")


class State:
    """The options in force, and the value of each destination."""

    __slots__ = ("_in_force", "values")

    def __init__(self) -> None:
        self.values = {**options.DEFAULTS, "log_config_fault": ""}
        self._in_force = {option.long for option in options.OPTIONS if option.by_default}

    def in_force(self, long: str) -> bool:
        """Say whether an option was given and stands, or stands by default."""
        return long in self._in_force

    @property
    def quiet(self) -> bool:
        """Say whether errors are to be kept from stderr; known when the logging options have been tested."""
        return self.values["log_level"] in QUIET_LEVELS

    def set_log_levels(self, root: str, storescp: str) -> None:
        """Take note of the levels of the root logger and of the program's own, once all about logging is known."""
        self.values["log_level"] = root
        if storescp in VERBOSE_LEVELS:
            self._in_force.add(rows.VERBOSE_MODE)

    def refuse_odd_numbers(self) -> None:
        """Raise UsageError for a number in force that must be even and is not."""
        for option in options.OPTIONS:
            if self.in_force(option.long) and any(argument.even for argument in option.arguments):
                _refuse_odd(option, self.values[option.destination])

    def refuse_endless_studies(self) -> None:
        """Raise UsageError if studies may end by a timeout only, and there is none."""
        limits = ("--eostudy-timeout", "--eostudy-max-age")
        if self.values["eostudy_by"] == "timeout" and not any(map(self.in_force, limits)):
            raise UsageError(f"--eostudy-by timeout only allowed with {_listed(limits)}")

    def refuse_odd_titles(self) -> None:
        """Raise UsageError if we are to answer to our own title, and nobody could call it."""
        if self.in_force("--require-called-aet"):
            option = options.BY_NAME["--aetitle"]
            read_value(option, Argument("aetitle", "aetitle"), str(self.values["ae_title"]))

    def choose(self, block: Sequence[Option], given: Mapping[Option, Sequence[Occurrence]]) -> None:
        """Test the members of a block that were given; the rightmost stays in force.

        A member counts if it stands to the right of all that were found before it, and each that counts is checked,
        even if a later one takes its place.  Raises UsageError.
        """
        rightmost = -1
        for option in block:
            place = given[option][-1][0] if option in given else -1
            if place > rightmost:
                rightmost = place
                self._take(option, block, [words for _, words in given[option]])

    def _take(self, option: Option, block: Sequence[Option], occurrences: Sequence[Sequence[str]]) -> None:
        check_relations(option, self)
        self._in_force.difference_update(member.long for member in block)
        self._in_force.add(option.long)
        self.values[option.destination] = _value(option, occurrences)


def check_relations(option: Option, state: State) -> None:
    """Raise UsageError if an option in force forbids this one, or one that this needs is missing."""
    for others in option.conflicts:
        if any(map(state.in_force, others)):
            raise UsageError(f"{option.long} not allowed with {_listed(others)}")
    for others in option.needs:
        if not any(map(state.in_force, others)):
            raise UsageError(f"{option.long} only allowed with {_listed(others)}")


def read_value(option: Option, argument: Argument, text: str) -> object:
    """Return the value that `text` stands for; raises UsageError with the name of the option."""
    try:
        return _read(argument, text)
    except BadValueError as problem:
        if argument.kind == "level":
            raise UsageError(f"Invalid log level for {option.long} option") from None
        detail = ": ".join(part for part in (problem.reason, text) if part)
        raise UsageError(
            f"Invalid value for option {option.long}" + (f" ({detail})" if text else "")
        ) from None


def _read(argument: Argument, text: str) -> object:
    if argument.kind in NUMBERS:
        return NUMBERS[argument.kind](text, argument.low, argument.high)
    if argument.choices and text not in argument.choices:
        raise BadValueError
    return TEXTS[argument.kind](text)


def _value(option: Option, occurrences: Sequence[Sequence[str]]) -> object:
    if not option.arguments:
        return option.value
    if option.adds_up:
        # A set would lose the order; giving the same value twice means it once.
        return tuple(dict.fromkeys(_single(option, words) for words in occurrences))
    return _single(option, occurrences[-1])


def _single(option: Option, words: Sequence[str]) -> object:
    values = tuple(
        read_value(option, argument, word) for argument, word in zip(option.arguments, words, strict=True)
    )
    if option.value is not True:
        return (option.value, *values)
    return values[0] if len(values) == 1 else values


def _refuse_odd(option: Option, values: object) -> None:
    numbers = values if isinstance(values, tuple) else (values,)
    for argument, number in zip(option.arguments, numbers, strict=True):
        if argument.even and number % 2:
            raise UsageError(f"Invalid value for option {option.long} (odd: {number})")


def _listed(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last


def _timeout(text: str, low: int | None, high: int | None) -> int | None:
    seconds = signed(text, low, high)
    return seconds if seconds > 0 else None


def _level(text: str) -> str:
    level = text.lower()
    if level not in LOG_LEVELS:
        raise BadValueError
    return level


def _directory(text: str) -> str:
    return text.rstrip("/") or text[:1] or "."


def _profile(text: str) -> str:
    # As a key of a configuration file: no white space, and only what is a lower-case letter in ASCII grows.
    kept = "".join(character for character in text if character not in WHITE_SPACE)
    return "".join(character.upper() if character.isascii() else character for character in kept)


def _address(text: str) -> str:
    # Imported here, since few command lines have an address: it takes 2 ms.
    import ipaddress

    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise BadValueError from None


def _ae_title(text: str) -> str:
    from scpd.cli.callers import ae_title  # few command lines say who may send

    return ae_title(text)


def _caller(text: str) -> tuple[str, str]:
    from scpd.cli.callers import caller

    return caller(text)


def _umask(text: str) -> int:
    """Read an octal number; a word that is none is no mode."""
    if not text or len(text) > 4 or not set(text) <= set("01234567") or int(text, 8) > 0o777:
        raise BadValueError
    return int(text, 8)


# The kinds of arguments: how each is read, numbers with their bounds.
NUMBERS: dict[str, Callable[[str, int | None, int | None], object]] = {
    "uint": unsigned,
    "sint": signed,
    "timeout": _timeout,
    "size": size,
}
TEXTS: dict[str, Callable[[str], object]] = {
    "string": str,
    "level": _level,
    "directory": _directory,
    "address": _address,
    "profile": _profile,
    "choice": str,
    "aetitle": _ae_title,
    "caller": _caller,
    "umask": _umask,
}
