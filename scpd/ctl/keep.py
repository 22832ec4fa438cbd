"""scpctl keep: the keeper of a lock directory as a service of its own, in the foreground.

It takes scpd's command line and command files, and uses what concerns output directory, studies, commands, log and
umask.  It stays who it was started by: its commands may need rights that are for no receiver, such as sudo(8).
SIGTERM and SIGINT let running commands finish within the grace period, SIGHUP and SIGUSR2 renew it as they renew a
master (`master.renewal`).  While there is another keeper it waits.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from time import monotonic
from typing import TYPE_CHECKING

from scpd.ctl.exitcodes import FAILURE, NOTHING_TO_KEEP, SUCCESS, USAGE
from scpd.errors import StartError, UsageError
from scpd.log.journal import for_stderr
from scpd.master.renewal import Heirloom, Renewal
from scpd.master.report import Report
from scpd.process.signals import Wakeup
from scpd.process.succession import DESCRIPTORS, Program
from scpd.process.threadless import import_logging

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scpd.cli.settings import Settings
    from scpd.log.configuration import Configuration
    from scpd.master.children import Child
    from scpd.process.succession import Estate
    from scpd.process.titles import Title

_NAME = "scpctl"
USAGE_TEXT = (
    "usage: scpctl keep SCPD-OPTIONS...\n\nThe options and command files are those of scpd: see scpd(8).\n"
)
_ROOT = "running as root, and so do the commands: start it as a user of its own"
_RELOAD = (signal.SIGHUP, signal.SIGUSR2)
_END = (signal.SIGTERM, signal.SIGINT)


def run_keep(words: Sequence[str]) -> int:
    """Be the keeper that these words, scpd's, describe; give the exit code."""
    # Nobody need know how far we are to ask for a reload; log files are looked after by their handlers.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, (*_RELOAD, signal.SIGUSR1))
    try:
        program = Program(os.environ, os.getpid())
        code = _run(words, program)
        if code == FAILURE and program.has_to_succeed():
            program.try_again()
            code = SUCCESS  # told to end meanwhile
    except (StartError, OSError) as error:
        _complain(str(error))
        return FAILURE
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return code


def _complain(text: str) -> None:
    """Say why it cannot start to whoever reads standard error."""
    sys.stderr.write(for_stderr(f"scpctl: keep: {text}\n", logging.CRITICAL, os.environ))


def _run(words: Sequence[str], program: Program) -> int:
    from scpd.cli.commandline import read_command_line

    try:
        outcome, configuration = read_command_line(
            _NAME, list(words), os.environ, needs_port=False, command_files=program.command_files
        )
    except UsageError as error:
        _complain(str(error))
        return FAILURE if program.has_to_succeed() else USAGE
    if isinstance(outcome, str):  # asked for help or version, or said nothing at all
        (sys.stdout if words else sys.stderr).write(USAGE_TEXT)
        return SUCCESS if words else USAGE
    if outcome.check_config:
        from scpd.check import check_keeper

        return check_keeper(outcome, configuration, program.estate)
    return _start(outcome, configuration, program)


def _start(settings: Settings, configuration: Configuration | None, program: Program) -> int:
    from scpd import keeper_policies, policies
    from scpd.log.setup import configure

    import_logging()
    if settings.umask is not None:
        os.umask(settings.umask)  # before a file is made, be it a log file
    try:
        configure(policies.log_policy(settings, configuration, begins_anew=program.estate is None))
    except OSError as error:
        _complain(f"cannot open the log: {error.strerror}")
        return FAILURE
    log = logging.getLogger("dcmtk.apps.storescp")
    if not keeper_policies.needs_keeper(settings):
        log.warning("nothing to keep: no option asks for studies or commands")
        return NOTHING_TO_KEEP
    try:
        return _keep(settings, program, log)
    except StartError as error:
        log.critical("%s", error)
    except OSError as error:
        log.critical("cannot use the lock directory: %s", error)
    return FAILURE


def _keep(settings: Settings, program: Program, log: logging.Logger) -> int:
    from scpd import filing_policies, keeper_policies, peers_policies
    from scpd.fixed_options import FIXED, LOCK_DIRECTORY, changes, of_keeper
    from scpd.keeper.service import Surroundings, run
    from scpd.process import cores, exitcodes
    from scpd.process.titles import Title
    from scpd.store.directory import check_output_directory

    cores.forbid()
    estate = program.estate or {FIXED: {}}
    for change in changes(settings, estate[FIXED]):
        raise StartError(change)
    check_output_directory(settings.output_directory, must_be_writable=not settings.ignore)
    places = peers_policies.directories(peers_policies.load_peers(settings, serves=False))
    # Held to the end of this process, as a daemon does.
    in_use = filing_policies.use_lock_directory(settings, places, estate.get(LOCK_DIRECTORY))
    policy = keeper_policies.keeper_policy(settings, dict(os.environ), places)
    wakeup, title = Wakeup(), Title(_NAME)
    question: Estate = {FIXED: of_keeper(settings), LOCK_DIRECTORY: in_use, DESCRIPTORS: [in_use]}
    ear = _Ear(Heirloom(program, question, question), wakeup, title)
    if program.estate is not None:
        ear.renewal.take_over(program.estate)
        program.has_succeeded()
    elif os.geteuid() == 0:
        log.warning("%s", _ROOT)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (*_RELOAD, *_END, signal.SIGCHLD))
    code = run(policy, Surroundings(wakeup, title.show, _beat, hear=ear.hear))
    return SUCCESS if code == exitcodes.OK else FAILURE


def _beat() -> None:
    """Nobody asks whether we live but the service manager, who sees the process."""


class _Ear:
    """Hears the signals of a keeper: to end, to be renewed as a master is.

    The commands that run do not notice: what runs them outlives a keeper, and the next one adopts it.
    """

    def __init__(self, heirloom: Heirloom, wakeup: Wakeup, title: Title) -> None:
        self._checks: list[Child] = []
        self.renewal = Renewal(heirloom, _nothing, self._checks.append, wakeup, Report(title, "", None))

    def hear(self, numbers: Iterable[int]) -> bool:
        """Tell whether these mean that the keeper is to end; does not return if it has to give way."""
        heard, now = {*numbers}, monotonic()
        if heard & {*_RELOAD}:
            logging.getLogger("dcmtk.apps.storescp").info("checking program and configuration")
            self.renewal.begin(now)
        for check in [*self._checks]:
            pid, status = os.waitpid(check.pid, os.WNOHANG)
            if pid:
                self._checks.remove(check)
                check.exit_code = os.waitstatus_to_exitcode(status)
                self.renewal.reaped(check, now)
        if heard & {*_END}:
            return True
        self.renewal.keep_time(now)
        return False


def _nothing() -> Estate:
    """Give what there is to hand on beside what was there from the start."""
    return {DESCRIPTORS: []}
