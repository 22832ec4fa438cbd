"""How a record looks: log4cplus' SimpleLayout, TTCCLayout and PatternLayout as formatters.

A layout gives the text with its line feeds.  The diagnostic context of log4cplus, which storescp leaves empty, holds
the association here: `%x` (and the angle brackets of TTCCLayout) its id, `%X{calling_aet}` and so on a field.  A layout
that shows no id by itself gets it before every line of the message, as on standard error.
"""

from __future__ import annotations

import logging
import os
import re
import time
from _thread import get_ident, get_native_id

from scpd.log import patterns
from scpd.log.association import FIELDS
from scpd.log.escape import escape, text_of
from scpd.log.levels import name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from scpd.log.association import Association
    from scpd.log.patterns import Conversion

    # Of a record and a line of its message.
    Piece = Callable[[logging.LogRecord, str], str]

_DATE_FORMAT = "%Y-%m-%d %H:%M:%S"
_OWN_FIELDS = re.compile(r"(%[%qQs])")


def message_of(record: logging.LogRecord, association: Association) -> str:
    """Give the text of a record with the association's id before every line."""
    text = text_of(record)
    if not association.id:
        return text
    mark = f"[{association.id}] "
    return mark + text.replace("\n", f"\n{mark}")


class SimpleLayout(logging.Formatter):
    """`INFO - message`."""

    def __init__(self, association: Association) -> None:
        super().__init__()
        self._association = association

    def format(self, record: logging.LogRecord) -> str:
        """Give the line."""
        return f"{name_of(record.levelno)} - {message_of(record, self._association)}\n"


class TTCCLayout(logging.Formatter):
    """`MS [THREAD] LEVEL LOGGER <ASSOCIATION> - message`, with a date in the place of MS if a format is given."""

    def __init__(self, association: Association, date_format: str, *, is_utc: bool) -> None:
        super().__init__()
        self._association = association
        self._date = date_function(date_format, is_utc=is_utc) if date_format else None

    def format(self, record: logging.LogRecord) -> str:
        """Give the line."""
        when = self._date(record.created) if self._date else str(int(record.relativeCreated))
        where = f"{name_of(record.levelno)} {record.name} <{self._association.id}>"
        return f"{when} [{get_ident()}] {where} - {text_of(record)}\n"


class PatternLayout(logging.Formatter):
    """What a conversion pattern says, for each line of the message by itself or for all of them at once."""

    def __init__(self, association: Association, pattern: str, *, each_line: bool) -> None:
        super().__init__()
        self._association = association
        self._each_line = each_line
        parts = patterns.parse(pattern or "%m", _ignore)
        self._pieces = [_piece(part, association) for part in parts]
        self._shows_id = any(not isinstance(part, str) and _shows_id(part) for part in parts)

    def format(self, record: logging.LogRecord) -> str:
        """Give the text; a line feed at its end only if the pattern has one."""
        text = text_of(record) if self._shows_id else message_of(record, self._association)
        lines = text.split("\n") if self._each_line else [text]
        return "".join([piece(record, line) for line in lines for piece in self._pieces])


def _ignore(_severity: str, _text: str) -> None:
    """The reader of the configuration has complained already."""


def _shows_id(part: Conversion) -> bool:
    return part.letter == "x" or (part.letter == "X" and part.option == "association")


def _piece(part: str | Conversion, association: Association) -> Piece:
    if isinstance(part, str):
        literal = part
        return lambda _record, _line: literal
    function = _FUNCTIONS[part.letter](part.option, association)
    if not part.width and part.most is None:
        return function
    fit = part.fit
    return lambda record, line: fit(function(record, line))


def _date(option: str, *, is_utc: bool) -> Piece:
    text = date_function(option or _DATE_FORMAT, is_utc=is_utc)
    return lambda record, _line: text(record.created)


def date_function(date_format: str, *, is_utc: bool) -> Callable[[float], str]:
    """Give a function that shows a moment by a format of strftime(3).

    `%q` is the milliseconds, `%Q` the same with a fraction, `%s` the seconds since 1970.
    """
    split = time.gmtime if is_utc else time.localtime
    pieces = _OWN_FIELDS.split(date_format)
    try:
        time.strftime(date_format, split(0))
    except ValueError:  # a character that strftime cannot have, such as NUL
        pieces = [_DATE_FORMAT]

    def show(moment: float) -> str:
        seconds, microseconds = divmod(int(moment * 1_000_000), 1_000_000)
        own = {
            "%q": f"{microseconds // 1000:03d}",
            "%Q": f"{microseconds // 1000:03d}.{microseconds % 1000:03d}",
            "%s": str(seconds),
        }
        return time.strftime("".join([own.get(piece, piece) for piece in pieces]), split(seconds))

    return show


def _logger(option: str) -> Piece:
    count = int(option) if option.isascii() and option.isdigit() and len(option) < 5 else 0
    if not count:
        return lambda record, _line: record.name
    return lambda record, _line: ".".join(record.name.split(".")[-count:])


def _field(option: str, association: Association) -> Piece:
    name = "id" if option == "association" else option
    if name != "id" and name not in FIELDS:
        return lambda _record, _line: ""
    return lambda _record, _line: escape(getattr(association, name))


def _host(*, is_qualified: bool) -> Piece:
    name = os.uname().nodename
    if is_qualified:
        from socket import getfqdn  # may ask a name server: once, in the master

        name = getfqdn()
    return lambda _record, _line: name


def _plain(piece: Piece) -> Callable[[str, Association], Piece]:
    return lambda _option, _association: piece


_FUNCTIONS: dict[str, Callable[[str, Association], Piece]] = {
    "m": _plain(lambda _record, line: line),
    "n": _plain(lambda _record, _line: "\n"),
    "p": _plain(lambda record, _line: name_of(record.levelno)),
    "P": _plain(lambda record, _line: name_of(record.levelno)[0]),
    "c": lambda option, _association: _logger(option),
    "d": lambda option, _association: _date(option, is_utc=True),
    "D": lambda option, _association: _date(option, is_utc=False),
    "r": _plain(lambda record, _line: str(int(record.relativeCreated))),
    "i": _plain(lambda _record, _line: str(os.getpid())),
    "t": _plain(lambda _record, _line: str(get_ident())),
    "T": _plain(lambda _record, _line: str(get_native_id())),
    "h": lambda _option, _association: _host(is_qualified=False),
    "H": lambda _option, _association: _host(is_qualified=True),
    "F": _plain(lambda record, _line: record.pathname),
    "b": _plain(lambda record, _line: record.filename),
    "L": _plain(lambda record, _line: str(record.lineno)),
    "l": _plain(lambda record, _line: f"{record.pathname}:{record.lineno}"),
    "M": _plain(lambda record, _line: record.funcName or ""),
    "x": lambda _option, association: _field("association", association),
    "X": _field,
}

# What asks who made the record, which costs a look at the stack.
_CALLER = frozenset("FbLlM")


def asks_for_caller(pattern: str) -> bool:
    """Say whether a pattern shows where in the program a record was made."""
    parts = patterns.parse(pattern, _ignore)
    return any(not isinstance(part, str) and part.letter in _CALLER for part in parts)
