"""The journal as standard error: which priority a line has (sd-daemon(3)), and how one knows (systemd.exec(5)).

systemd names in JOURNAL_STREAM the device and inode of the stream that it connected to the journal.  That a variable
exists proves nothing, a shell below the service has it too: the descriptor itself decides.
"""

from __future__ import annotations

import os

from scpd.log.levels import priority_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_STDERR = 2


def is_journal(descriptor: int, environ: Mapping[str, str]) -> bool:
    """Say whether what is written to this descriptor goes to the journal."""
    stream = environ.get("JOURNAL_STREAM", "")
    if not stream:
        return False
    try:
        status = os.fstat(descriptor)
    except OSError:
        return False
    return stream == f"{status.st_dev}:{status.st_ino}"


def for_stderr(text: str, level: int, environ: Mapping[str, str]) -> str:
    """Give what somebody without a log is to write to standard error: with priorities if that is the journal."""
    return prefixed(text, level) if is_journal(_STDERR, environ) else text


def same_stream(one: int, other: int) -> bool:
    """Say whether two descriptors are one stream, as standard output and error of a service are."""
    try:
        return os.path.samestat(os.fstat(one), os.fstat(other))
    except OSError:
        return False


def prefix(level: int) -> str:
    """Give what stands before a line of this level."""
    return f"<{priority_of(level)}>"


def prefixed(text: str, level: int) -> str:
    """Put the priority before each line of a text, whose last line may be open."""
    mark = prefix(level)
    return mark + text[:-1].replace("\n", f"\n{mark}") + text[-1:]
