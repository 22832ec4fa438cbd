"""JSON of what scpctl is told, in ASCII and on one line.

A library does that, too; but every fork after it was loaded would cost more, and to load it in a child would be to read
from a disk, which its user may not be able to, or which has other versions by now.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Value = bool | int | float | str | None | Sequence["Value"] | Mapping[str, "Value"]

_WORDS = {None: "null", True: "true", False: "false"}


def encode(value: Value) -> str:
    """Give the JSON of a value; numbers are finite."""
    if isinstance(value, str):
        return f'"{"".join(map(_escaped, value))}"'
    if value is None or isinstance(value, bool):
        return _WORDS[value]
    if isinstance(value, int | float):
        return repr(value)
    if hasattr(value, "items"):
        return f"{{{', '.join(f'{encode(name)}: {encode(each)}' for name, each in value.items())}}}"
    return f"[{', '.join(map(encode, value))}]"


def _escaped(character: str) -> str:
    if " " <= character <= "~" and character not in '"\\':
        return character
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[place]:02x}{units[place + 1]:02x}" for place in range(0, len(units), 2))
