r"""Nothing from the network reaches a log unescaped.

The format string of a record is ours and trusted, its arguments are not: whatever in them is not printable (controls,
line feeds too, bidirectional controls, line separators, lone surrogates) becomes `\x0a` or `\u2028`.  That happens
where records are made, hence for every handler; the text of an exception is escaped there too, its traceback is ours.
Text that was escaped already, and has its lines on purpose, is passed as `Trusted`.
"""

from __future__ import annotations

import logging
import traceback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    ExceptionInfo = (
        tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None] | None
    )

_LED_TO = "\n\nwhich led to:\n\n"


class Trusted(str):
    """Text that is shown as it is, line feeds and all: whoever makes one has escaped what is not ours."""

    __slots__ = ()


def escape(text: str) -> str:
    r"""Give the text with everything unprintable as `\xNN`, `\uNNNN` or `\UNNNNNNNN`."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def _escaped(character: str) -> str:
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


class _Shown:
    """An argument that is no text, such as an exception: escaped when the record shows it."""

    __slots__ = ("_value",)

    def __init__(self, value: object) -> None:
        self._value = value

    def __str__(self) -> str:
        return escape(str(self._value))

    def __repr__(self) -> str:
        return escape(repr(self._value))


def _safe(argument: object) -> object:
    if type(argument) is str:
        return argument if argument.isprintable() else escape(argument)
    if argument is None or isinstance(argument, int | float | Trusted):
        return argument
    return _Shown(argument)


def make_record(  # noqa: PLR0913, PLR0917  (the signature that logging asks for)
    name: str,
    level: int,
    path: str,
    line: int,
    message: object,
    arguments: tuple[object, ...],
    exception: ExceptionInfo,
    function: str | None = None,
    stack: str | None = None,
) -> logging.LogRecord:
    """Make a record with escaped arguments; for `logging.setLogRecordFactory`."""
    record = logging.LogRecord(name, level, path, line, message, arguments, exception, function, stack)
    if isinstance(record.args, tuple):
        record.args = tuple([_safe(argument) for argument in record.args])
    elif record.args:
        record.args = {key: _safe(value) for key, value in record.args.items()}
    if exception and exception[1] is not None:
        record.exc_text = exception_text(exception[1])
    return record


def exception_text(error: BaseException) -> str:
    """Give traceback and text of an exception and of those that led to it; the only lines in it are ours."""
    parts = []
    for each in reversed(list(_chain(error))):
        lines = "".join(traceback.format_tb(each.__traceback__))
        parts.append(
            f"Traceback (most recent call last):\n{lines}{type(each).__qualname__}: {escape(str(each))}"
        )
    return _LED_TO.join(parts)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def text_of(record: logging.LogRecord) -> str:
    """Give the text of a record: its message and, behind it, its exception."""
    text = record.getMessage()
    return f"{text}\n{record.exc_text}" if record.exc_text else text
