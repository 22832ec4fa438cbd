"""scpctl keep: the keeper of a lock directory as a service of its own, in the foreground.

It takes scpd's command line and command files, and uses what concerns output directory, studies, commands and log.
SIGTERM and SIGINT let running commands finish within the grace period.  While there is another keeper it waits.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from typing import TYPE_CHECKING

from scpd.ctl.exitcodes import FAILURE, NOTHING_TO_KEEP, SUCCESS, USAGE
from scpd.errors import StartError, UsageError
from scpd.process.threadless import import_logging

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scpd.cli.settings import Settings
    from scpd.log.configuration import Configuration

_NAME = "scpctl"
USAGE_TEXT = (
    "usage: scpctl keep SCPD-OPTIONS...\n\nThe options and command files are those of scpd: see scpd(8).\n"
)
# Of the signals that wake a loop those that do not end a keeper.
_UNHEARD = (signal.SIGCHLD, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def run_keep(words: Sequence[str]) -> int:
    """Be the keeper that these words, scpd's, describe; give the exit code."""
    from scpd.cli.commandline import read_command_line

    try:
        outcome, configuration = read_command_line(_NAME, list(words), os.environ, needs_port=False)
    except UsageError as error:
        sys.stderr.write(f"scpctl: keep: {error}\n")
        return USAGE
    if isinstance(outcome, str):  # asked for help or version, or said nothing at all
        (sys.stdout if words else sys.stderr).write(USAGE_TEXT)
        return SUCCESS if words else USAGE
    return _start(outcome, configuration)


def _start(settings: Settings, configuration: Configuration | None) -> int:
    from scpd import keeper_policies, policies
    from scpd.log.setup import configure

    import_logging()
    try:
        configure(policies.log_policy(settings, configuration))
    except OSError as error:
        sys.stderr.write(f"scpctl: keep: cannot open the log: {error.strerror}\n")
        return FAILURE
    log = logging.getLogger("dcmtk.apps.storescp")
    if not keeper_policies.needs_keeper(settings):
        log.critical("nothing to keep: no option asks for studies or commands")
        return NOTHING_TO_KEEP
    try:
        return _keep(settings)
    except StartError as error:
        log.critical("%s", error)
    except OSError as error:
        log.critical("cannot use the lock directory: %s", error)
    return FAILURE


def _keep(settings: Settings) -> int:
    from scpd import filing_policies, keeper_policies, peers_policies
    from scpd.keeper.service import Surroundings, run
    from scpd.process import exitcodes
    from scpd.process.signals import Wakeup
    from scpd.process.titles import Title
    from scpd.store.directory import check_output_directory

    check_output_directory(settings.output_directory, must_be_writable=not settings.ignore)
    places = peers_policies.directories(peers_policies.load_peers(settings, serves=False))
    # Held to the end of this process, as a daemon does.
    in_use = filing_policies.use_lock_directory(settings, places)  # noqa: F841
    policy = keeper_policies.keeper_policy(settings, dict(os.environ), places)
    signal.pthread_sigmask(signal.SIG_BLOCK, _UNHEARD)
    code = run(policy, Surroundings(Wakeup(), Title(_NAME).show, _beat))
    return SUCCESS if code == exitcodes.OK else FAILURE


def _beat() -> None:
    """Nobody asks whether we live but the service manager, who sees the process."""
