"""scpctl echo and scpctl send: what they print, and their exit codes.

Peers and files cause lines of text, never a traceback.  The associations are those of `requestor`.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import warnings
from typing import TYPE_CHECKING

from scpd.ctl.exitcodes import FAILURE, INTERRUPTED, SUCCESS
from scpd.requestor.association import AssociationError, Peer
from scpd.requestor.echo import echo
from scpd.requestor.send import StorableFile, UnsendableFile, find_objects, send

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterable

    from scpd.requestor.send import Outcome


def run_echo(options: Namespace) -> int:
    """Ask a peer whether it answers; success if a C-ECHO succeeds."""
    return _with_peer(_echo, options)


def run_send(options: Namespace) -> int:
    """Store files and the objects of folders; success if every object was stored, and there were any."""
    return _with_peer(_send, options)


def _with_peer(work: Callable[[Peer, Namespace], int], options: Namespace) -> int:
    _silence_the_libraries()
    try:
        return work(
            Peer(options.host, options.port, options.calling, options.called, options.timeout), options
        )
    except KeyboardInterrupt:
        sys.stderr.flush()
        sys.stdout.flush()
        # pynetdicom's threads may sit in a socket call: an ordinary exit would wait for them.
        os._exit(INTERRUPTED)


def _silence_the_libraries() -> None:
    """Keep them quiet: their news is told in our words, a thread of theirs that dies shows as a failure."""
    warnings.simplefilter("ignore")
    for name in ("pydicom", "pynetdicom"):
        logger = logging.getLogger(name)
        logger.addHandler(logging.NullHandler())
        logger.propagate = False
    threading.excepthook = lambda _: None


def _echo(peer: Peer, _: Namespace) -> int:
    try:
        echo(peer)
    except (AssociationError, ValueError) as failure:
        _complain(str(failure))
        return FAILURE
    return SUCCESS


def _send(peer: Peer, options: Namespace) -> int:
    storable: list[StorableFile] = []
    unsendable: list[UnsendableFile] = []
    for file in find_objects(options.paths):
        if isinstance(file, StorableFile):
            storable.append(file)
        else:
            unsendable.append(file)
            _complain(f"{file.path}: {file.reason}")
    stored, remarks, failed = _report(send(peer, storable), len(storable))
    print(
        f"{stored} stored"
        + (f" ({remarks} with a warning)" if remarks else "")
        + f", {failed} failed, {len(unsendable)} not sent"
    )
    is_complete = stored > 0 and failed == 0 and not any(file.is_named for file in unsendable)
    return SUCCESS if is_complete else FAILURE


def _report(outcomes: Iterable[Outcome], total: int) -> tuple[int, int, int]:
    """Print what is worth a line while the bar moves; gives the numbers stored, of warnings, failed."""
    from tqdm import tqdm

    stored = remarks = failed = 0
    is_quiet = not sys.stderr.isatty()
    for outcome in tqdm(outcomes, total=total, unit="file", file=sys.stderr, disable=is_quiet, leave=False):
        stored += outcome.is_stored
        failed += not outcome.is_stored
        if not outcome.text:
            continue
        remarks += outcome.is_stored
        kind = "stored with a warning, " if outcome.is_stored else ""
        tqdm.write(f"scpctl: {outcome.path}: {kind}{outcome.text}", file=sys.stderr)
    return stored, remarks, failed


def _complain(text: str) -> None:
    print(f"scpctl: {text}", file=sys.stderr)
