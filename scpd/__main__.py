"""The program: read the command line, say something and leave, start the master, or serve what inetd hands over."""

from __future__ import annotations

import gc
import os
import signal
import stat
import sys
from contextlib import suppress

from scpd.errors import StartError, UsageError
from scpd.process.threadless import import_logging

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from scpd.cli.settings import Settings
    from scpd.log.configuration import Configuration
    from scpd.log.setup import Logging
    from scpd.process.inherited import Inherited
    from scpd.process.succession import Program

_OWN_NAME = "scpd"
_STDIN = 0
_STDOUT = 1
_STDERR = 2


def main() -> int:
    """Run scpd with the arguments of this process; give its exit code."""
    # logrotate(8) and a package's upgrade know nothing of how far we are; until the master hears these signals there is
    # no file to open anew, and no older program to give way to a newer one.  What a successor finds held back is its
    # master's: to ignore it now would be to forget it (sigaction(2)).
    for number in {signal.SIGUSR1, signal.SIGUSR2} - signal.pthread_sigmask(signal.SIG_BLOCK, ()):
        signal.signal(number, signal.SIG_IGN)
    inherited = _take_over(sys.argv[1:])  # before anything can be written
    _open_standard_streams()
    import_logging()
    program_name = os.path.basename(sys.argv[0])
    if program_name == "__main__.py":  # python -m scpd
        program_name = _OWN_NAME
    if inherited is None:
        return run(program_name, sys.argv[1:])
    return _run_with(inherited, program_name)


def _run_with(inherited: Inherited, program_name: str) -> int:
    from scpd.process import exitcodes

    gc.disable()  # until the peer is served: a start makes no garbage, to look for it takes a tenth of the time
    try:
        return run(program_name, sys.argv[1:], inherited.sock)
    except Exception:  # noqa: BLE001 - told here: the interpreter would tell it when the file has been looked at
        sys.excepthook(*sys.exc_info())
        return exitcodes.CRASHED
    finally:
        inherited.output.finish()


def _take_over(words: list[str]) -> Inherited | None:
    """Give what a super-server has made of the standard streams; `None` if there was none."""
    try:
        if not stat.S_ISSOCK(os.fstat(_STDIN).st_mode):
            return None
    except OSError:
        return None
    from scpd.process.inherited import take_over  # an inetd start pays for it, nobody else

    return take_over(words)


def _open_standard_streams() -> None:
    """Give a process that was started without them its three standard streams, lest a socket take their numbers."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


def run(program_name: str, words: list[str], peer: socket.socket | None = None) -> int:
    """Run as `program_name` with these arguments, and `peer` as standard input; give the exit code."""
    if peer is not None:
        return _run(program_name, words, peer, None)
    from scpd.process import activation, exitcodes
    from scpd.process.succession import Program  # nobody succeeds a worker

    try:
        program = Program(os.environ, os.getpid(), activation.VARIABLES)
        if not program.has_to_succeed():
            return _run(program_name, words, None, program)
    except (StartError, OSError) as error:
        _complain(f"F: {error}\n")
        return exitcodes.START_FAILED
    code = _succeed(program_name, words, program)
    if code != exitcodes.OK:
        program.try_again()
        if program.estate is not None:  # told to end meanwhile
            from scpd.master.surrender import surrender

            surrender(program.estate, program.manager())
            code = exitcodes.OK
    return code


def _succeed(program_name: str, words: list[str], program: Program) -> int:
    """Take over; whatever fails has to be tried again, since associations would be lost otherwise."""
    import logging

    from scpd.process import exitcodes

    try:
        return _run(program_name, words, None, program)
    except Exception as error:
        if not program.has_to_succeed():  # any more
            raise
        program.failure = str(error)
        is_defect = not isinstance(error, (StartError, OSError))
        logging.getLogger("dcmtk.apps.storescp").critical("cannot take over: %s", error, exc_info=is_defect)
        return exitcodes.START_FAILED


def _run(program_name: str, words: list[str], peer: socket.socket | None, program: Program | None) -> int:
    from scpd.cli.commandline import read_command_line
    from scpd.process import activation, exitcodes

    estate = None if program is None else program.estate
    is_asked = program is not None and program.is_asked()
    needs_port = estate is None and not activation.is_for(os.environ, os.getpid())
    if is_asked:
        words = words[:-1]  # the last one is the question
    try:
        outcome, configuration = read_command_line(
            program_name,
            words,
            os.environ,
            needs_port=needs_port,
            is_check=is_asked,
            list_of=_list_of,
            command_files=None if program is None else program.command_files,
        )
    except UsageError as error:
        _note(program, str(error))
        return _misused(program_name, error, is_asked=is_asked)
    if estate is not None and (isinstance(outcome, str) or outcome.check_config):
        raise StartError("what the command line asks for now is no daemon")
    if isinstance(outcome, str):
        _say(_STDOUT, outcome)
        return exitcodes.OK
    _set_umask(outcome, program)
    if is_asked or outcome.check_config:
        from scpd.check import check

        return check(outcome, configuration, os.environ, estate)
    return _start(outcome, configuration, peer, program)


def _note(program: Program | None, why: str) -> None:
    """Note why we cannot start, for a service manager that waits for us."""
    if program is not None:
        program.failure = why


def _misused(program_name: str, error: UsageError, *, is_asked: bool) -> int:
    """Say what is wrong with the command line; give the exit code."""
    from scpd.cli.usage import error_text
    from scpd.process import exitcodes

    if is_asked:
        _say(_STDERR, f"{program_name}: {error}\n")
    elif not error.quiet:
        _complain(error_text(program_name, str(error)))
    return exitcodes.START_FAILED


def _set_umask(settings: Settings, program: Program | None) -> None:
    """Set it before a file is made, be it a log file."""
    if settings.umask is not None:
        os.umask(settings.umask)
    elif program is not None:
        os.umask(program.umask)


def _complain(text: str) -> None:
    """Say why it cannot start to whoever reads standard error."""
    import logging

    from scpd.log.journal import for_stderr

    _say(_STDERR, for_stderr(text, logging.CRITICAL, os.environ))


def _list_of(option: str) -> str:
    from scpd.tls import library  # OpenSSL: who serves without TLS has none

    return library.LISTS[option]()


def _say(descriptor: int, text: str) -> None:
    """Write to a standard stream; one that is full or closed is no reason to fail."""
    with suppress(OSError), open(descriptor, "wb", closefd=False) as stream:
        stream.write(text.encode("utf-8", "backslashreplace"))


def _start(
    settings: Settings,
    configuration: Configuration | None,
    peer: socket.socket | None,
    program: Program | None,
) -> int:
    import logging

    from scpd import policies
    from scpd.log.setup import announce, configure
    from scpd.process import exitcodes

    try:
        begins_anew = program is None or program.estate is None
        logs = configure(policies.log_policy(settings, configuration, begins_anew=begins_anew))
    except OSError as error:
        _note(program, f"cannot open the log: {error.strerror}")
        _complain(f"F: cannot open the log: {error.strerror}\n")
        return exitcodes.START_FAILED
    log = logging.getLogger("dcmtk.apps.storescp")
    if settings.arguments is not None:
        announce(settings.arguments)
    for warning in settings.warnings:
        log.warning("%s", warning)
    try:
        if settings.inetd or program is None:
            return _serve_one(settings, logs, peer)
        gc.enable()
        return _run_master(settings, logs, program)
    except StartError as error:
        _note(program, str(error))
        log.critical("%s", error)
        if settings.daemon:  # whose log is not on standard error
            _complain(f"F: {error}\n")
        return exitcodes.START_FAILED


def _run_master(settings: Settings, logs: Logging, program: Program) -> int:
    from scpd.start import run_master

    return run_master(settings, logs, program)


def _serve_one(settings: Settings, logs: Logging, peer: socket.socket | None) -> int:
    from scpd.inetd_policies import serve_one

    return serve_one(settings, logs, peer)


if __name__ == "__main__":
    sys.exit(main())
