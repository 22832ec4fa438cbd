"""scpctl: looks at a daemon, its studies and commands, and settles them; asks and feeds a DICOM service.

    scpctl studies                   list what is open
    scpctl complete STUDY            end a study by hand
    scpctl jobs                      list commands that wait, run, or were set aside
    scpctl retry JOB                 run a command again that was set aside
    scpctl drop JOB                  forget a command
    scpctl keep SCPD-OPTIONS...      complete studies and run commands, in the foreground
    scpctl status                    who sends what to a running daemon, and what it has done since its start
    scpctl ready                     exit code 0 if that can store what comes now, else 1 and why not
    scpctl reload                    have it read its configuration anew
    scpctl reopen                    have it open its log files anew
    scpctl drain                     have it accept nothing more, and end when the last association has ended
    scpctl access ADDRESS [NAME]     exit code 0 if the host rules let a client in, else 1; and which line decides
    scpctl echo HOST PORT            exit code 0 if a C-ECHO succeeds, else 1 and one line on stderr
    scpctl send HOST PORT FILE...    exit code 0 if every object was stored, else 1 and a line for each failure

A wrong command line gives 2, an interrupt 130.  This module reads the command line and no more: each subcommand has a
module of its own, imported when it is asked for, so that none pays for the libraries of another.
"""

from __future__ import annotations

import argparse
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from scpd import __version__
from scpd.ctl import exitcodes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


_KEEP = "keep"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; gives the exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        if words[:1] == [_KEEP]:  # its words are scpd's, which argparse cannot read
            return _keep(words[1:])
        options = parser().parse_args(words)
        return int(options.run(options))
    except KeyboardInterrupt:
        return exitcodes.INTERRUPTED


def parser() -> argparse.ArgumentParser:
    """Give the grammar of the command line; what a subcommand runs is its attribute `run`."""
    whole = argparse.ArgumentParser(
        prog="scpctl", description="look after a DICOM storage service, ask it, and feed it"
    )
    whole.add_argument("--version", action="version", version=f"scpctl {__version__}")
    commands = whole.add_subparsers(metavar="COMMAND", required=True)
    _add_lock_directory(commands)
    _add_daemon(commands)
    _add_access(commands)
    _add_peers(commands)
    return whole


def _add_lock_directory(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    place = argparse.ArgumentParser(add_help=False)
    where = place.add_mutually_exclusive_group()
    where.add_argument("--lock-directory", metavar="DIR", help="the lock directory itself")
    where.add_argument(
        "-od",
        "--output-directory",
        metavar="DIR",
        default=".",
        help="the output directory, whose .scpd it is (.)",
    )
    listing = argparse.ArgumentParser(add_help=False)
    listing.add_argument("--json", action="store_true", help="for programs: a JSON array")
    studies = commands.add_parser("studies", parents=[listing, place], help="list what is open")
    studies.set_defaults(run=_studies)
    complete = commands.add_parser("complete", parents=[place], help="end a study by hand")
    complete.add_argument("study", metavar="STUDY", help="its Study Instance UID, or its directory")
    complete.set_defaults(run=_complete)
    jobs = commands.add_parser(
        "jobs", parents=[listing, place], help="list commands that wait, run or failed"
    )
    jobs.set_defaults(run=_jobs)
    retry = commands.add_parser("retry", parents=[place], help="run a command again that was set aside")
    retry.add_argument("job", metavar="JOB", help="its name, as jobs lists it")
    retry.set_defaults(run=_retry)
    drop = commands.add_parser("drop", parents=[place], help="forget a command")
    drop.add_argument("job", metavar="JOB", help="its name, as jobs lists it")
    drop.set_defaults(run=_drop)
    commands.add_parser(_KEEP, help="be the keeper, as a service of its own", add_help=False)


def _add_daemon(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    place = argparse.ArgumentParser(add_help=False)
    where = place.add_mutually_exclusive_group()
    where.add_argument("--socket", metavar="PATH", help="its control socket (the only one in /run/scpd)")
    where.add_argument("--lock-directory", metavar="DIR", help="its lock directory, where the socket is")
    where.add_argument("-od", "--output-directory", metavar="DIR", help="its output directory")
    which = place.add_mutually_exclusive_group()
    which.add_argument("--port", metavar="PORT", type=_port, help="its first port, where there are several")
    which.add_argument("--pidfile", metavar="FILE", help="its pid file, where there are several")
    status = commands.add_parser("status", parents=[place], help="who sends what, and what has been")
    status.add_argument("--json", action="store_true", help="for programs: a JSON object")
    status.set_defaults(run=_daemon("run_status"))
    ready = commands.add_parser("ready", parents=[place], help="can it store what comes now?")
    ready.set_defaults(run=_daemon("run_ready"))
    reload = commands.add_parser("reload", parents=[place], help="have it read its configuration anew")
    reload.set_defaults(run=_daemon("run_reload"))
    reopen = commands.add_parser("reopen", parents=[place], help="have it open its log files anew")
    reopen.set_defaults(run=_daemon("run_reopen"))
    drain = commands.add_parser(
        "drain", parents=[place], help="have it accept nothing more, and end in its own time"
    )
    drain.set_defaults(run=_daemon("run_drain"))


def _add_access(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    access = commands.add_parser("access", help="would the host rules let a client in, and by which line?")
    access.add_argument("address", metavar="ADDRESS", nargs="?", type=_address, help="its numeric address")
    access.add_argument(
        "name", metavar="NAME", nargs="?", help="its name, unknown or paranoid (looked up if a rule needs it)"
    )
    access.add_argument("--check", action="store_true", help="tell all that is wrong with the tables")
    access.add_argument(
        "--hosts-allow", metavar="FILE", default="/etc/hosts.allow", help="who is let in (/etc/hosts.allow)"
    )
    access.add_argument(
        "--hosts-deny", metavar="FILE", default="/etc/hosts.deny", help="who is not (/etc/hosts.deny)"
    )
    access.add_argument(
        "--daemon",
        dest="daemons",
        metavar="NAME",
        action="append",
        help="what the rules call the daemon (storescp and scpd; repeatable)",
    )
    access.add_argument(
        "--port", metavar="PORT", type=_port, help="the port of the daemon, for rules that name it"
    )
    access.add_argument(
        "--server", metavar="ADDRESS", type=_address, help="where the client reaches the daemon"
    )
    access.add_argument("--peers", metavar="FILE", help="ask the table of scpd's --peers as well")
    access.add_argument("--calling", metavar="AET", help="the calling AE title, for that table")
    access.add_argument("--called", metavar="AET", help="the called AE title, for that table")
    access.set_defaults(run=_access)


def _add_peers(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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
    ask = commands.add_parser("echo", parents=[common], help="does a DICOM service answer there?")
    ask.set_defaults(run=_echo)
    feed = commands.add_parser("send", parents=[common], help="store files, as they are")
    feed.add_argument("paths", metavar="FILE", nargs="+", type=Path, help="a DICOM file, or a folder of them")
    feed.set_defaults(run=_send)


def _studies(options: argparse.Namespace) -> int:
    from scpd.ctl import studies

    return studies.run_studies(options)


def _complete(options: argparse.Namespace) -> int:
    from scpd.ctl import studies

    return studies.run_complete(options)


def _jobs(options: argparse.Namespace) -> int:
    from scpd.ctl import jobs

    return jobs.run_jobs(options)


def _retry(options: argparse.Namespace) -> int:
    from scpd.ctl import jobs

    return jobs.run_retry(options)


def _drop(options: argparse.Namespace) -> int:
    from scpd.ctl import jobs

    return jobs.run_drop(options)


def _daemon(name: str) -> Callable[[argparse.Namespace], int]:
    def run(options: argparse.Namespace) -> int:
        from scpd.ctl import status

        code: int = getattr(status, name)(options)
        return code

    return run


def _keep(words: Sequence[str]) -> int:
    from scpd.ctl import keep

    return keep.run_keep(words)


def _access(options: argparse.Namespace) -> int:
    from scpd.ctl import access

    return access.run_access(options)


def _echo(options: argparse.Namespace) -> int:
    from scpd.ctl import peers

    return peers.run_echo(options)


def _send(options: argparse.Namespace) -> int:
    from scpd.ctl import peers

    return peers.run_send(options)


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 65535:
        return int(text)
    raise argparse.ArgumentTypeError(f"not a port number: {text!r}")


def _address(text: str) -> str:
    from ipaddress import ip_address

    try:
        ip_address(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"not a numeric address: {text!r}") from None
    return text


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


if __name__ == "__main__":
    sys.exit(main())
