"""scpctl: asks a DICOM service whether it answers, sends files to it.

    scpctl echo HOST PORT            exit code 0 if a C-ECHO succeeds, else 1 and one line on stderr
    scpctl send HOST PORT FILE...    exit code 0 if every object was stored, else 1 and a line for each failure

A wrong command line gives 2, an interrupt 130.  Peers and files cause lines of text, never a traceback.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from scpd import __version__
from scpd.requestor.association import AssociationError, Peer
from scpd.requestor.echo import echo
from scpd.requestor.send import StorableFile, UnsendableFile, find_objects, send

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scpd.requestor.send import Outcome

EXIT_SUCCESS = 0
EXIT_FAILURE = 1
EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; gives the exit code."""
    options = _parser().parse_args(arguments)
    _silence_the_libraries()
    peer = Peer(options.host, options.port, options.calling, options.called, options.timeout)
    try:
        return int(options.run(peer, options))
    except KeyboardInterrupt:
        sys.stderr.flush()
        sys.stdout.flush()
        # pynetdicom's threads may sit in a socket call: an ordinary exit would wait for them.
        os._exit(EXIT_INTERRUPTED)


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("host", metavar="HOST", help="name or address, IPv4 or IPv6")
    common.add_argument("port", metavar="PORT", type=_port)
    common.add_argument(
        "-aet",
        dest="calling",
        metavar="TITLE",
        type=_ae_title,
        default="SCPCTL",
        help="calling AE title (SCPCTL)",
    )
    common.add_argument(
        "-aec",
        dest="called",
        metavar="TITLE",
        type=_ae_title,
        default="ANY-SCP",
        help="called AE title (ANY-SCP)",
    )
    common.add_argument(
        "--timeout", metavar="SECONDS", type=_seconds, default=30.0, help="longest silence of the peer (30)"
    )
    parser = argparse.ArgumentParser(prog="scpctl", description="ask and feed a DICOM storage service")
    parser.add_argument("--version", action="version", version=f"scpctl {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    ask = commands.add_parser("echo", parents=[common], help="does a DICOM service answer there?")
    ask.set_defaults(run=_echo)
    feed = commands.add_parser("send", parents=[common], help="store files, as they are")
    feed.add_argument("paths", metavar="FILE", nargs="+", type=Path, help="a DICOM file, or a folder of them")
    feed.set_defaults(run=_send)
    return parser


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 65535:
        return int(text)
    raise argparse.ArgumentTypeError(f"not a port number: {text!r}")


def _ae_title(text: str) -> str:
    """PS3.5 6.2, AE: up to 16 characters of the default repertoire, no backslash, not only spaces."""
    if len(text) <= 16 and text.strip() and text.isascii() and text.isprintable() and "\\" not in text:
        return text
    raise argparse.ArgumentTypeError(f"not an AE title: {text!r}")


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if 0 < value <= threading.TIMEOUT_MAX:
        return value
    raise argparse.ArgumentTypeError(f"not a number of seconds: {text!r}")


def _silence_the_libraries() -> None:
    """Keep them quiet: their news is told in our words, a thread of theirs that dies shows as a failure."""
    warnings.simplefilter("ignore")
    for name in ("pydicom", "pynetdicom"):
        logger = logging.getLogger(name)
        logger.addHandler(logging.NullHandler())
        logger.propagate = False
    threading.excepthook = lambda _: None


def _echo(peer: Peer, _: argparse.Namespace) -> int:
    try:
        echo(peer)
    except (AssociationError, ValueError) as failure:
        _complain(str(failure))
        return EXIT_FAILURE
    return EXIT_SUCCESS


def _send(peer: Peer, options: argparse.Namespace) -> int:
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
    return EXIT_SUCCESS if is_complete else EXIT_FAILURE


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


if __name__ == "__main__":
    sys.exit(main())
