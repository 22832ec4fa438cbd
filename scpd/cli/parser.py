"""From the words of a command line to `Settings`: the grammar of storescp(1), a loop over the option table.

An option is a word of two or more characters that begins with `-` or `+` and whose second character is no
digit; it matches whole, by long or short name.  It takes its fixed number of following words, whatever they
look like.  All else is a parameter.  Given twice, the last one counts.  Of alternatives the rightmost wins,
but each one that counted before has been checked as if it were in force (`rows`, column block).  Before all
that, words that name a command file give way to its words (`commandfile`).

The first failure ends it, in the order of `parse`.  argparse cannot read this: it abbreviates, splits
`--name=value`, and gives `--` a meaning.
"""

from __future__ import annotations

from scpd.cli import options, rows
from scpd.cli.checks import State
from scpd.cli.numbers import BadValueError, port_number
from scpd.cli.settings import Settings
from scpd.errors import UsageError

TYPE_CHECKING = False  # what typing calls so, without importing it: a start pays for each import
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Protocol

    from scpd.cli.checks import Occurrence
    from scpd.cli.rows import Option

    class LogLevels(Protocol):
        """What a log configuration says about the loggers that decide here; level names in lower case."""

        @property
        def root_level(self) -> str:
            """The level of the root logger."""

        @property
        def storescp_level(self) -> str:
            """The level in force for dcmtk.apps.storescp."""


def parse(  # noqa: PLR0913 - what a command line cannot say of itself
    program_name: str,
    words: Sequence[str],
    read_log_config: Callable[[str], LogLevels] | None = None,
    *,
    needs_port: bool = True,
    is_check: bool = False,
    list_of: Callable[[str], str] | None = None,
    command_files: dict[str, str] | None = None,
) -> Settings | str:
    """Read the words after the program's name.

    Returns a text for stdout, with its last line feed, if the line asks for no more than that (--help,
    --version, or no words at all); the exit code is then 0.  Raises UsageError.  `list_of` gives the list that an
    option asks for by its long name (--list-ciphers, --list-profiles): what TLS can do is not known here.

    `read_log_config` reads the file of --log-config, and raises UsageError for one that cannot be used; it is called at
    the place in the order of checks where storescp reads that file, and only if the option is given.  Command files are
    all that is opened here.  Who opens no port needs none: with `needs_port` false, and for --check-config, it is 0 if
    it is left out.  With `is_check` the line is judged as if it asked for --check-config.

    `command_files` has the texts of command files as they were read before, by their names on the line, and gets those
    that are read now.  One that may not be read any more has the text that it had.
    """
    warnings: list[str] = []
    line = _Line(_expanded(words, {} if command_files is None else command_files, warnings))
    answer = _answer(program_name, line, list_of)
    if answer is not None:
        return answer
    if len(line.parameters) > 1:
        raise UsageError("Too many parameters")
    state = State()
    is_check = is_check or options.BY_NAME["--check-config"] in line.given
    port = _judge(line, state, read_log_config, needs_port=needs_port, is_check=is_check)
    return _settings(program_name, port, line, state, warnings)


class _Line:
    """The words, split into options and parameters; unknown options and missing values raise UsageError."""

    __slots__ = ("given", "parameters", "words")

    def __init__(self, words: Sequence[str]) -> None:
        self.parameters: list[str] = []
        self.given: dict[Option, list[Occurrence]] = {}
        self.words = list(words)  # options by their long names
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
        self.words[place] = option.long
        self.given.setdefault(option, []).append((place, words[place + 1 : end]))
        return end - place


def _judge(
    line: _Line,
    state: State,
    read_log_config: Callable[[str], LogLevels] | None,
    *,
    needs_port: bool,
    is_check: bool,
) -> int:
    """Make every check behind the grammar, in storescp's order; fill `state`, give the port.  Raises UsageError."""
    _test(line, state, rows.START, rows.PORT)
    is_left_out = not line.parameters and (is_check or not needs_port)
    port = 0 if is_left_out or state.in_force("--inetd") else _port(line)
    _test(line, state, rows.LOGGING, rows.NETWORK)
    _settle_logging(state, read_log_config, is_check=is_check)
    try:
        _test(line, state, rows.NETWORK, rows.END)
        state.refuse_odd_numbers()
        state.refuse_endless_studies()
        state.refuse_odd_titles()
    except UsageError as error:
        raise UsageError(str(error), quiet=state.quiet) from None
    return port


def _is_option(word: str) -> bool:
    return len(word) > 1 and word[0] in "+-" and word[1] not in "0123456789"


def _expanded(words: Iterable[str], command_files: dict[str, str], warnings: list[str]) -> list[str]:
    expanded = []
    for word in words:
        if len(word) > 1 and word[0] == "@":  # a lone one is a word like any other
            expanded += _words_of_file(word[1:], command_files, warnings)
        else:
            expanded.append(word)
    return expanded


def _words_of_file(name: str, command_files: dict[str, str], warnings: list[str]) -> list[str]:
    # Imported here: few command lines have one.
    import os

    from scpd.cli import commandfile

    try:
        with open(name, "rb") as file:
            text = os.fsdecode(file.read())
    except IsADirectoryError:
        return []
    except (OSError, ValueError) as error:
        if not isinstance(error, PermissionError) or name not in command_files:
            raise UsageError(f"Cannot open command file '{name}'") from None
        warnings.append(f"cannot be renewed by reload: {name}: {error.strerror}")
        text = command_files[name]
    if "\0" in text:
        raise UsageError(f"Command file '{name}' is not a text file")
    command_files[name] = text
    return commandfile.words(text)


def _answer(program_name: str, line: _Line, list_of: Callable[[str], str] | None) -> str | None:
    asked = [option for option in options.EXCLUSIVE if option in line.given]
    if not line.given and not line.parameters:
        asked = [options.BY_NAME["--help"]]
    if not asked:
        return None
    # Imported here: a server never says any of this.
    from scpd.cli import usage

    long = asked[0].long
    if long in usage.ANSWERS:
        return usage.ANSWERS[long](program_name)
    if list_of is None:
        raise UsageError(f"{long} has no answer here")
    return usage.listing(program_name, list_of(long))


def _test(line: _Line, state: State, first: int, end: int) -> None:
    for block in options.checked(first, end):
        state.choose(block, line.given)


def _settle_logging(
    state: State, read_log_config: Callable[[str], LogLevels] | None, *, is_check: bool = False
) -> None:
    """Decide about quiet and verbose mode, by the options or by the file that stands for all of them.

    A check goes on behind a useless file, to tell its fault with all others.
    """
    path = state.values["log_config"]
    if not isinstance(path, str):
        level = str(state.values["log_level"])
        state.set_log_levels(level, level)
        return
    if read_log_config is None:
        raise UsageError("--log-config has no effect here")
    try:
        levels = read_log_config(path)
    except UsageError as error:
        if not is_check:
            raise
        state.values["log_config_fault"] = str(error)
        state.set_log_levels("info", "info")
    else:
        state.set_log_levels(levels.root_level, levels.storescp_level)


def _port(line: _Line) -> int:
    if not line.parameters:
        raise UsageError(f"Missing parameter {options.PORT_NAME}")
    text = line.parameters[0]
    try:
        return port_number(text)
    except BadValueError as problem:
        detail = f" ({problem.reason})" if problem.reason else ""
        raise UsageError(f"Invalid parameter value {text}{detail}") from None


def _settings(program_name: str, port: int, line: _Line, state: State, warnings: list[str]) -> Settings:
    max_pdu = state.values["max_pdu"]
    if isinstance(max_pdu, int) and max_pdu % 2:
        # Fragments have an even number of bytes: an odd limit is never reached, and storescp lowers it, too.
        state.values["max_pdu"] = max_pdu - 1
        warnings.append(f"ASSOC: PDV receive length {max_pdu} is odd (using {max_pdu - 1})")
    if state.in_force("--arguments"):
        state.values["arguments"] = _arguments(program_name, line.words)
    return Settings(program_name=program_name, port=port, warnings=tuple(warnings), **state.values)


def _arguments(program_name: str, words: Sequence[str]) -> str:
    """Return what --arguments logs: empty words are counted but not shown, and a line feed stands at the end."""
    shown = "".join(f"'{word}' " for word in words if word)
    return f"calling '{program_name}' with {len(words)} arguments: {shown}\n"
