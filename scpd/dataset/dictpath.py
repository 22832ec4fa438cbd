"""DCMDICTPATH: the dictionary files that the environment names, separated by colons, in place of the built-in one.

They are loaded in their order; later entries override earlier ones.  What cannot be opened or read is said in
storescp's words and skipped, and the program goes on.  Unset or empty: the built-in dictionary.  The one module of
this room that reads files; to be called once, by the master, before it listens.
"""

from __future__ import annotations

import logging

from scpd.dataset.dictfile import parse
from scpd.dataset.dictionary import Dictionary, builtin
from scpd.log.escape import escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE = "DCMDICTPATH"


class Message:
    """A line for the log: level, text; for a check of the configuration the file, the line (0: none) and the reason."""

    __slots__ = ("level", "line", "path", "reason", "text")

    def __init__(self, level: int, text: str, path: str = "", line: int = 0, reason: str = "") -> None:
        self.level = level
        self.text = text
        self.path = path
        self.line = line
        self.reason = reason


def is_set(environment: Mapping[str, str]) -> bool:
    """Tell whether the environment asks for dictionaries of its own: storescp then loads them at every start."""
    return bool(environment.get(VARIABLE))


def load(environment: Mapping[str, str]) -> tuple[Dictionary, list[Message]]:
    """Give the dictionary that the environment asks for, and what is to be logged about it; raises nothing."""
    if not is_set(environment):
        return builtin(), []
    dictionary = Dictionary()
    messages: list[Message] = []
    # storescp looks at the last file that it could open; with none to open it has nothing to say.
    is_loaded: bool | None = None
    for path in filter(None, environment[VARIABLE].split(":")):
        try:
            text = _read(path)
        except OSError as error:
            messages.append(_unopened(path, error))
            is_loaded = is_loaded or False
        else:
            is_loaded = _take(path, text, dictionary, messages)
    if is_loaded is False:
        messages.append(
            Message(logging.WARNING, f"no data dictionary loaded, check environment variable: {VARIABLE}")
        )
    return dictionary, messages


def _read(path: str) -> str:
    with open(path, encoding="latin-1", newline="\n") as file:
        return file.read()


def _unopened(path: str, error: OSError) -> Message:
    shown = escape(path)
    text = f"DcmDataDictionary: Cannot open file: {shown}"
    return Message(logging.ERROR, text, shown, 0, error.strerror or "cannot be read")


def _take(path: str, text: str, dictionary: Dictionary, messages: list[Message]) -> bool:
    """Add the entries of a file; tell whether it is free of faults."""
    shown = escape(path)
    messages.append(Message(logging.DEBUG, f"DcmDataDictionary: Loading file: {shown}", shown))
    entries, complaints = parse(text)
    for complaint in complaints:
        field = "" if complaint.field is None else f": {complaint.field}"
        messages.append(
            Message(
                logging.ERROR,
                f"DcmDataDictionary: {shown}: {complaint}",
                shown,
                complaint.line,
                complaint.reason + field,
            )
        )
    for entry in entries:
        dictionary.add(entry)
    return not complaints
