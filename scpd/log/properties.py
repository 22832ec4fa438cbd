"""Property files as log4cplus reads them: `key = value`, and `${NAME}` in both.

A line whose first character behind white space is `#` is a comment, one without `=` says nothing, and the last of two
equal keys counts.  There is no continuation, no quoting, no escape.

`${NAME}` is, in this order, a predefined variable, the property of that name, the variable of the environment; if
there is none, or it is empty, the text stays.  What was put in is looked at again, so that a value which contains
itself would never end: `UsageError`.
"""

from __future__ import annotations

from scpd.errors import UsageError
from scpd.log.escape import escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Complain = Callable[[str, str, int], None]

_WHITE = " \t\r\v\f"
# More than any file in its senses needs, and little enough to notice at once that it is not.
_MOST_REPLACEMENTS = 200
_LONGEST_TEXT = 1 << 16


class Property:
    """One value, and the line that it stands in."""

    __slots__ = ("line", "value")

    def __init__(self, value: str, line: int) -> None:
        self.value = value
        self.line = line


def parse(text: str) -> dict[str, Property]:
    """Read the text of a file; nothing in it is wrong."""
    properties = {}
    for number, line in enumerate(text.split("\n"), start=1):
        key, separator, value = line.strip(_WHITE).partition("=")
        if separator and not key.startswith("#"):
            properties[key.rstrip(_WHITE)] = Property(value.strip(_WHITE), number)
    return properties


class Variables:
    """Where the values of `${NAME}` come from; `predefined` are stronger than the file's own."""

    __slots__ = ("environ", "predefined")

    def __init__(self, predefined: Mapping[str, str], environ: Mapping[str, str]) -> None:
        self.predefined = predefined
        self.environ = environ


def expanded(
    properties: dict[str, Property], variables: Variables, complain: Complain
) -> dict[str, Property]:
    """Give the properties with every `${NAME}` replaced, in keys and values.

    `complain(severity, text, line)` hears of what is wrong but harmless; `UsageError`: a variable without end.
    """

    def value_of(name: str) -> str:
        if name in variables.predefined:
            return variables.predefined[name]
        own = properties.get(name)
        return own.value if own and own.value else variables.environ.get(name, "")

    return {
        _expand(key, each.line, value_of, complain): Property(
            _expand(each.value, each.line, value_of, complain), each.line
        )
        for key, each in properties.items()
    }


def _expand(text: str, line: int, value_of: Callable[[str], str], complain: Complain) -> str:
    original = text
    begin = replacements = 0
    while (opening := text.find("${", begin)) >= 0:
        closing = text.find("}", opening)
        if closing < 0:
            complain("ERROR", f'"{text}" has no closing brace. Opening brace at position {opening}.', line)
            return original
        name = text[opening + 2 : closing]
        value = value_of(name)
        if not value:
            begin = closing + 1
            continue
        text = text[:opening] + value + text[closing + 1 :]
        replacements += 1
        if replacements > _MOST_REPLACEMENTS or len(text) > _LONGEST_TEXT:
            raise UsageError(
                f"Specified --log-config file has a variable that refers to itself: ${{{escape(name)}}} (line {line})"
            )
    return text
