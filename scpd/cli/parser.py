"""From the words of a command line to `Settings`: the grammar of storescp(1), a loop over the option table.

An option is a word of two or more characters that begins with `-` or `+` and whose second character is no
digit; it matches whole, by long or short name.  It takes its fixed number of following words, whatever they
look like.  All else is a parameter.  Given twice, the last one counts.  Of alternatives the rightmost wins,
but each one that counted before has been checked as if it were in force (`options`, column block).

The first failure ends it, in the order of `parse`.  argparse cannot read this: it abbreviates, splits
`--name=value`, and gives `--` a meaning.
"""

from __future__ import annotations

from scpd.cli import options
from scpd.cli.checks import State
from scpd.cli.numbers import BadValueError, port_number
from scpd.cli.settings import Settings
from scpd.errors import UsageError

TYPE_CHECKING = False  # what typing calls so, without importing it: a start pays for each import
if TYPE_CHECKING:
    from collections.abc import Sequence

    from scpd.cli.checks import Occurrence
    from scpd.cli.options import Option


def parse(program_name: str, words: Sequence[str]) -> Settings | str:
    """Read the words after the program's name.

    Returns a text for stdout, with its last line feed, if the line asks for no more than that (--help,
    --version, or no words at all); the exit code is then 0.  Raises UsageError.
    """
    line = _Line(words)
    answer = _answer(program_name, line)
    if answer is not None:
        return answer
    if len(line.parameters) > 1:
        raise UsageError("Too many parameters")
    state = State()
    _test(line, state, options.START, options.PORT)
    port = _port(line)
    _test(line, state, options.LOGGING, options.NETWORK)
    try:
        _test(line, state, options.NETWORK, options.END)
    except UsageError as error:
        raise UsageError(str(error), quiet=state.quiet) from None
    return _settings(program_name, port, state)


class _Line:
    """The words, split into options and parameters; unknown options and missing values raise UsageError."""

    __slots__ = ("given", "parameters")

    def __init__(self, words: Sequence[str]) -> None:
        self.parameters: list[str] = []
        self.given: dict[Option, list[Occurrence]] = {}
        place = 0
        while place < len(words):
            if _is_option(words[place]):
                place += self._add_option(words, place)
            else:
                self.parameters.append(words[place])
                place += 1

    def _add_option(self, words: Sequence[str], place: int) -> int:
        option = options.BY_NAME.get(words[place])
        if option is None:
            raise UsageError(f"Unknown option {words[place]}")
        end = place + 1 + len(option.arguments)
        if end > len(words):
            raise UsageError(f"Missing value for option {option.long}")
        self.given.setdefault(option, []).append((place, words[place + 1 : end]))
        return end - place


def _is_option(word: str) -> bool:
    return len(word) > 1 and word[0] in "+-" and word[1] not in "0123456789"


def _answer(program_name: str, line: _Line) -> str | None:
    asked = [option.long for option in options.EXCLUSIVE if option in line.given]
    if not line.given and not line.parameters:
        asked = ["--help"]
    if not asked:
        return None
    # Imported here: a server never says any of this.
    from scpd.cli import usage

    return usage.ANSWERS[asked[0]](program_name)


def _test(line: _Line, state: State, first: int, end: int) -> None:
    for block in options.alternatives(first, end):
        state.choose(block, line.given)


def _port(line: _Line) -> int:
    if not line.parameters:
        raise UsageError(f"Missing parameter {options.PORT_NAME}")
    text = line.parameters[0]
    try:
        return port_number(text)
    except BadValueError as problem:
        detail = f" ({problem.reason})" if problem.reason else ""
        raise UsageError(f"Invalid parameter value {text}{detail}") from None


def _settings(program_name: str, port: int, state: State) -> Settings:
    warnings = []
    max_pdu = state.values["max_pdu"]
    if isinstance(max_pdu, int) and max_pdu % 2:
        # Fragments have an even number of bytes: an odd limit is never reached, and storescp lowers it, too.
        state.values["max_pdu"] = max_pdu - 1
        warnings.append(f"ASSOC: PDV receive length {max_pdu} is odd (using {max_pdu - 1})")
    return Settings(program_name=program_name, port=port, warnings=tuple(warnings), **state.values)
