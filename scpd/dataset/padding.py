"""DataSetTrailingPadding (FFFC,FFFC): zeros that make a file or an item as long as is asked for (PS3.10 7.2)."""

from __future__ import annotations

from scpd.dataset.representations import OB

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scpd.dataset.elements import Syntax
    from scpd.dataset.writer import Writer

TRAILING_PADDING = 0xFFFCFFFC
_ZEROS = bytes(1 << 16)


def pad(writer: Writer, syntax: Syntax, multiple: int, before: int) -> None:
    """Make what began `before` bytes ahead of the writer's target a multiple of so many bytes, if it is none."""
    added = -(before + writer.position()) % multiple
    if not added:
        return
    while added < syntax.long_header:
        added += multiple
    length = added - syntax.long_header
    writer.add(syntax.header(TRAILING_PADDING, OB, length))
    for begin in range(0, length, len(_ZEROS)):
        writer.add(_ZEROS[: length - begin])
