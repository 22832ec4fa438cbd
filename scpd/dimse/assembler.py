"""From PDVs to command sets (PS3.7 6.3.1, PS3.8 annex E): the fragments of one command, joined.

Pure: takes what the upper layer cut out, gives the command set when its last fragment is there.  Raises `Abort`
(service user) for a data set fragment where a command must stand, a change of context midway, and a command set
longer than any could be.
"""

from __future__ import annotations

from scpd.errors import Abort

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scpd.ul.stream import PDV

_COMMAND = 1
_LAST = 2
_WHOLE = _COMMAND | _LAST

# Every element of PS3.7 annex E at its longest fits in a fraction of this.
COMMAND_LIMIT = 65536


def whole_command(pdv: PDV) -> bytes | None:
    """Give the command set that is in one fragment, as nearly all are; `None` for any other fragment."""
    _, control, fragment = pdv
    return bytes(fragment) if control == _WHOLE and len(fragment) <= COMMAND_LIMIT else None


class CommandAssembler:
    """Collects the fragments of one command set; `context_id` is known once the first was added."""

    __slots__ = ("_fragments", "_size", "context_id")

    def __init__(self) -> None:
        self.context_id = -1
        self._fragments: list[bytes] = []
        self._size = 0

    def add(self, pdv: PDV) -> bytes | None:
        """Add a fragment; give the command set if that was the last one."""
        context_id, control, fragment = pdv
        if not control & _COMMAND:
            raise Abort(0, 0, "a data set fragment without a command")
        if self.context_id not in (-1, context_id):
            raise Abort(0, 0, "a command set that changes its presentation context")
        self.context_id = context_id
        if fragment:  # empty ones would fill the memory without ever reaching the limit
            self._fragments.append(bytes(fragment))
        self._size += len(fragment)
        if self._size > COMMAND_LIMIT:
            raise Abort(0, 0, f"a command set of more than {COMMAND_LIMIT} bytes")
        return b"".join(self._fragments) if control & _LAST else None
