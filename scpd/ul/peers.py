"""The table of --peers, as text: who may send to which title, and what he gets there (scpd_peers(5)).

    # called title   who may call it: TITLE, TITLE@ADDRESS, TITLE@NET, @NET     what they get
    STORE            CT1@192.0.2.10  "CT TWO"@192.0.2.0/24                      directory=/srv/dicom/ct limit=4

One entry a line.  In titles `*` and `?` stand for others, unless quoted; quotes are those of a shell, and what is
quoted means nothing but itself.  `parse` gives the entries, and never raises: what cannot be understood is a `Fault`
of its line, and says what to do.

Pure: what a profile or a directory is, is looked at by who uses the table.
"""

from __future__ import annotations

from scpd.cli.callers import ae_title, read_net
from scpd.cli.numbers import BadValueError
from scpd.ul.asconfig import Fault, capitals
from scpd.ul.callers import ANY, STAR, Caller, Pattern, Permission
from scpd.ul.escape import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from scpd.cli.callers import Net

_BLANKS = " \t\v\f\r"
_QUOTES = "\"'"
_WILDCARDS = {"*": STAR, "?": ANY}
_LONGEST_DIRECTORY = 1024  # bytes: three times as long, escaped, it has room in a line of record
_MOST_DIGITS, _MOST_ASSOCIATIONS = 5, 10000


class _WrongError(Exception):
    """A word that is none; the text says why, and what to do."""


class _Word:
    """A word of a line: its characters, of each whether it was quoted, and how it was written."""

    __slots__ = ("characters", "is_quoted", "source")

    def __init__(self) -> None:
        self.characters: list[str] = []
        self.is_quoted: list[bool] = []
        self.source: list[str] = []

    def __str__(self) -> str:
        return printable("".join(self.source))

    def find(self, character: str) -> int:
        """Give where a character stands first that was not quoted; -1 if none does."""
        for place, found in enumerate(self.characters):
            if found == character and not self.is_quoted[place]:
                return place
        return -1

    def text(self, begin: int) -> str:
        """Give what stands from a place on."""
        return "".join(self.characters[begin:])

    def begin(self, end: int) -> _Word:
        """Give what stands before a place."""
        word = _Word()
        word.characters, word.is_quoted, word.source = (
            self.characters[:end],
            self.is_quoted[:end],
            self.source,
        )
        return word


def parse(text: str, path: str) -> tuple[list[Permission], list[Fault]]:
    """Give the entries of a table and what is wrong with it; `path` is what entries are said to stand in."""
    entries: list[Permission] = []
    faults: list[Fault] = []
    seen: dict[tuple[Pattern, Pattern, Net | None], int] = {}
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        try:
            words = _words(line)
            if words:
                entry = _entry(words, f"{printable(path)}:{number}")
                _refuse_repetition(entry, number, seen)
                entries.append(entry)
        except _WrongError as error:
            faults.append(Fault(number, str(error)))
    if not entries and not faults:
        faults.append(Fault(0, "no entry: nobody could send; let anybody with a line: * *"))
    return entries, faults


def _words(line: str) -> list[_Word]:
    words: list[_Word] = []
    word: _Word | None = None
    quote = ""
    for character in line:
        if not quote and character in _BLANKS:
            word = None
            continue
        if word is None:
            if character == "#":
                break
            word = _Word()
            words.append(word)
        quote = _add(word, character, quote)
    if quote:
        raise _WrongError(f"{words[-1]}: a quote that does not end; end it, or quote it by the other kind")
    return words


def _add(word: _Word, character: str, quote: str) -> str:
    """Add a character to a word; give the quote that is open behind it."""
    word.source.append(character)
    if character == quote:
        return ""
    if not quote and character in _QUOTES:
        return character
    if (
        not character.isprintable() and not "\udc80" <= character <= "\udcff"
    ):  # a byte of a path that is no UTF-8
        raise _WrongError(f"{word}: a control character; remove it")
    if character == "#" and not quote:
        raise _WrongError(f"{word}: a # within a word; quote it, or put a blank before the comment")
    word.characters.append(character)
    word.is_quoted.append(bool(quote))
    return quote


def _entry(words: list[_Word], where: str) -> Permission:
    called, *others = words
    if called.find("@") >= 0:
        raise _WrongError(f"{called}: a called title has no address; quote an @ that belongs to it")
    if called.find("=") >= 0:
        raise _WrongError(f"{called}: not a called title; begin with one, or quote its =")
    entry = Permission(where, _pattern(called), [])
    callers: list[Caller] = []
    given: set[str] = set()
    for word in others:
        sign = word.find("=")
        if sign < 0:
            callers.append(_caller(word))
        else:
            _set(entry, word, sign, given)
    if not callers:
        raise _WrongError(f"{called}: nobody may call it; name who may, or write * for anybody")
    entry.callers = callers
    return entry


def _pattern(word: _Word) -> Pattern:
    """Give the titles that a word stands for."""
    tokens: list[int] = []
    for character, is_quoted in zip(word.characters, word.is_quoted, strict=True):
        token = ord(character) if is_quoted else _WILDCARDS.get(character, ord(character))
        if token != STAR or tokens[-1:] != [STAR]:
            tokens.append(token)
    title = "".join(chr(token) if token >= 0 else "?" for token in tokens if token != STAR)
    if title or not tokens:  # else a star and nothing else
        try:
            # A blank at an end is not significant, but before a star it is: unless there is nothing else.
            ae_title(title.replace(" ", "_") if STAR in tokens and title.strip(" ") else title)
        except BadValueError as error:
            raise _WrongError(f"{word}: {_TITLES[error.reason]}") from None
    return Pattern(_without_blanks(tokens))


def _without_blanks(tokens: list[int]) -> list[int]:
    """Leave out blanks at both ends: no title has them there when it is compared (PS3.5 6.2)."""
    blank = ord(" ")
    begin, end = 0, len(tokens)
    while begin < end and tokens[begin] == blank:
        begin += 1
    while begin < end and tokens[end - 1] == blank:
        end -= 1
    return tokens[begin:end]


_TITLES = {
    "blank": "a blank AE title; name one, or write * for any",
    "too long": "more than the 16 characters of an AE title; shorten it",
    "not an AE title": "not an AE title, which has printable ASCII characters and no backslash; correct it",
}


def _caller(word: _Word) -> Caller:
    at = word.find("@")
    if at < 0:
        return Caller(_pattern(word))
    net = _net(word, word.text(at + 1))
    return Caller(_pattern(word.begin(at)) if at else Pattern((STAR,)), net)


def _net(word: _Word, text: str) -> Net:
    try:
        return read_net(text)
    except BadValueError as error:
        raise _WrongError(f"{word}: {_NETS[error.reason]}") from None


_NETS = {
    "host bits set": "an address with the length of a net; write the address alone, or the net with zeros at its end",
    "a zone": "an address with a zone; write it without",
    "not an address": "no address or net behind the @; write one, or quote an @ that belongs to the title",
}


def _set(entry: Permission, word: _Word, sign: int, given: set[str]) -> None:
    """Take an option of an entry."""
    name, value = "".join(word.characters[:sign]), word.text(sign + 1)
    if name not in _OPTIONS:
        known = ", ".join(_OPTIONS)
        raise _WrongError(f"{word}: no such option; there are {known}; quote an = that belongs to a title")
    if name in given:
        raise _WrongError(f"{word}: {name} given twice; remove one")
    given.add(name)
    if not value:
        raise _WrongError(f"{word}: no value; write it behind the =, without a blank")
    try:
        _OPTIONS[name](entry, value)
    except _WrongError as error:
        raise _WrongError(f"{word}: {error}") from None


def _absolute(path: str) -> str:
    """Give a path without superfluous slashes."""
    parts = [part for part in path.split("/") if part]
    if not path.startswith("/") or not parts:
        raise _WrongError("not an absolute path below /; write it from / on")
    if "." in parts or ".." in parts:
        raise _WrongError("a path with . or ..; write it without")
    return f"/{'/'.join(parts)}"


def _set_directory(entry: Permission, value: str) -> None:
    entry.directory = _absolute(value)
    if len(entry.directory.encode("utf-8", "surrogateescape")) > _LONGEST_DIRECTORY:
        raise _WrongError(f"longer than {_LONGEST_DIRECTORY} bytes; use a shorter path")


def _set_profile(entry: Permission, value: str) -> None:
    path, colon, name = value.rpartition(":")
    name = capitals("".join(name.split()))
    if not name:
        raise _WrongError("no name of a profile; write PROFILE, or FILE:PROFILE")
    entry.profile = _absolute(path) if colon else "", name


def _set_limit(entry: Permission, value: str) -> None:
    is_number = value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS
    entry.limit = int(value) if is_number else 0
    if not 1 <= entry.limit <= _MOST_ASSOCIATIONS:
        raise _WrongError(f"not a number of associations; write one from 1 to {_MOST_ASSOCIATIONS}")


_OPTIONS: dict[str, Callable[[Permission, str], None]] = {
    "directory": _set_directory,
    "profile": _set_profile,
    "limit": _set_limit,
}


def _refuse_repetition(
    entry: Permission, number: int, seen: dict[tuple[Pattern, Pattern, Net | None], int]
) -> None:
    """Raise if a caller stands in an earlier line, which counts: his words here would mean nothing."""
    for caller in entry.callers:
        earlier = seen.setdefault((entry.called, caller.title, caller.net), number)
        if earlier != number:
            who = f"{printable(str(caller.title))} calling {printable(str(entry.called))}"
            raise _WrongError(f"{who}: line {earlier} has decided that; remove one of them")
