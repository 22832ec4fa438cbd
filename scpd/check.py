"""--check-config: look at everything that the daemon would use, open no port, tell all that is wrong at once.

Every problem is one line on standard error, `FILE:LINE: text` where there is a line.  The command line itself has been
read by then: its first error ends the program before this is reached.  Nothing is made or changed.
"""

from __future__ import annotations

import logging
import os
import socket
from contextlib import suppress

from scpd.errors import StartError
from scpd.log.escape import escape
from scpd.log.journal import for_stderr
from scpd.process import exitcodes
from scpd.process.streams import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from scpd.access.parties import Service
    from scpd.cli.settings import Settings
    from scpd.log.configuration import Configuration
    from scpd.process.succession import Estate

_STDERR = 2


def check(
    settings: Settings,
    configuration: Configuration | None,
    environment: Mapping[str, str],
    estate: Estate | None = None,
) -> int:
    """Tell what is wrong; give the exit code, 0 if nothing is.  `configuration` is what --log-config names.

    With an `estate` the question is whether we could succeed the daemon whose it is, with the rights that it has left.
    """
    begins = estate is None
    problems = list(_problems(settings, configuration, environment, estate))
    refusing, odd = _host_rules(settings, asks=begins) if settings.access_control else ([], [])
    problems += refusing
    refusing, of_tls = _tls(settings, estate) if settings.tls is not None else ([], [])
    problems += refusing
    odd += of_tls
    odd += _warnings(settings, configuration, environment, begins=begins)
    return _tell(settings, problems, odd)


def _tell(settings: Settings, problems: list[str], odd: list[str]) -> int:
    stderr = Stream(_STDERR)
    lines = [(logging.ERROR, text) for text in problems]
    lines += [(logging.WARNING, f"warning: {text}") for text in odd]
    for level, text in lines:
        line = f"{settings.program_name}: {escape(text)}\n"
        stderr.write(for_stderr(line, level, os.environ).encode())
    return exitcodes.START_FAILED if problems else exitcodes.OK


def check_keeper(settings: Settings, configuration: Configuration | None, estate: Estate | None) -> int:
    """Tell what is wrong with what `scpctl keep` would use; give the exit code, as `check`."""
    problems = [
        *(() if estate is None else _of_succession(settings, estate)),
        *_of_storing(settings),
        *_of_log(settings, configuration),
        *_of_peers(settings, serves=False),
    ]
    return _tell(settings, problems, [])


def _problems(
    settings: Settings,
    configuration: Configuration | None,
    environment: Mapping[str, str],
    estate: Estate | None,
) -> Iterator[str]:
    yield from _of_daemon(settings) if estate is None else _of_succession(settings, estate)
    yield from _of_storing(settings)
    if settings.config_file is not None:
        from scpd.ul.profile_file import check_profile

        yield from check_profile(*settings.config_file)
    yield from _of_peers(settings, serves=True)
    yield from _of_log(settings, configuration)
    yield from _of_dictionaries(environment)


def _of_peers(settings: Settings, *, serves: bool) -> list[str]:
    if settings.peers is None:
        return []
    from scpd.peers_policies import check_peers

    return check_peers(settings, serves=serves)


def _of_log(settings: Settings, configuration: Configuration | None) -> Iterator[str]:
    if settings.log_config_fault:
        yield f"{settings.log_config}: {settings.log_config_fault}"
    if configuration is not None:
        yield from _of_log_configuration(str(settings.log_config), configuration)


def _of_daemon(settings: Settings) -> Iterator[str]:
    """Be who the daemon would be, so that what is looked at from here on is looked at with his rights."""
    if settings.pidfile is not None and not _can_be_written(settings.pidfile):
        yield f"cannot write pid file: {settings.pidfile}"
    if settings.user is not None or settings.group is not None:
        yield from _refusal(lambda: _become(settings.user, settings.group))


def _of_succession(settings: Settings, estate: Estate) -> Iterator[str]:
    """Give what is not as it has to stay; an output directory of --peers is looked at when all of the table is."""
    from scpd.filing_policies import check_lock_directory
    from scpd.fixed_options import FIXED, LOCK_DIRECTORY, changes
    from scpd.peers_policies import directories, load_peers

    yield from changes(settings, estate[FIXED])
    with suppress(StartError):
        places = directories(load_peers(settings, serves=False))
        if LOCK_DIRECTORY in estate:
            yield from _refusal(lambda: check_lock_directory(settings, places, estate[LOCK_DIRECTORY]))


def _become(user: str | None, group: str | None) -> None:
    from scpd.process import privileges

    identity = privileges.identity(user, group)
    if identity is not None:
        privileges.drop(identity)


def _of_storing(settings: Settings) -> Iterator[str]:
    from scpd.keeper_policies import lock_directory, needs_keeper
    from scpd.lockdir.agreement import check as check_lock_directory
    from scpd.lockdir.agreement import check_place
    from scpd.store.directory import check_output_directory
    from scpd.store.names import check_extension, check_prefix

    yield from _refusal(lambda: check_extension(settings.filename_extension))
    if settings.sorting is not None:
        prefix = settings.sorting[1]
        yield from _refusal(lambda: check_prefix(prefix))
    yield from _refusal(
        lambda: check_output_directory(settings.output_directory, must_be_writable=not settings.ignore)
    )
    if needs_keeper(settings) and os.path.isdir(settings.output_directory):
        place = lock_directory(settings)
        yield from _refusal(lambda: check_place(place, settings.output_directory))
        yield from _refusal(lambda: check_lock_directory(place))


def _warnings(
    settings: Settings, configuration: Configuration | None, environment: Mapping[str, str], *, begins: bool
) -> list[str]:
    """Give what else is odd, but keeps nothing from working."""
    from scpd.policies import log_policy

    unseen = log_policy(settings, configuration).unseen
    warnings = [unseen] if unseen else []
    # A service manager that has us checked before the start hands its sockets over at the start.
    if begins and not settings.port and not settings.inetd and "INVOCATION_ID" not in environment:
        warnings.append("no port: this needs a socket unit, which hands over what it listens on")
    if not _has_network():
        warnings += _without_network(settings)
    warnings += _unconfined(settings)
    return warnings


def _unconfined(settings: Settings) -> list[str]:
    """Say what the kernel lacks that would confine workers."""
    if not settings.confine:
        return []
    from scpd.process.confine import Confinement

    confinement = Confinement([])
    for number in confinement.descriptors():
        os.close(number)
    return [str(confinement)] if confinement.missing else []


def _has_network() -> bool:
    """Tell whether we may open sockets; a unit may forbid that (RestrictAddressFamilies=)."""
    try:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()
    except OSError:
        return False
    return True


def _without_network(settings: Settings) -> Iterator[str]:
    """Give what the options ask for and the unit forbids; its directories are looked at like all others."""
    from scpd.filing_policies import names_peers
    from scpd.keeper_policies import needs_keeper

    if settings.access_control:
        from scpd.access.demands import of_network
        from scpd.access.tables import Tables

        yield from map(
            str, of_network(Tables(settings.hosts_allow, settings.hosts_deny).look(), _service(settings))
        )
    if settings.host_lookup and names_peers(settings):
        yield "commands get addresses for names: no name server can be asked here"
    if settings.keeper and needs_keeper(settings):
        yield "commands would run here, without a network: --no-keeper leaves them to scpd-keeper.service"


def _host_rules(settings: Settings, *, asks: bool) -> tuple[list[str], list[str]]:
    """Give what is wrong with the tables of the host rules, and what is odd.

    With `asks` for every name that they have, which may take long: no reload waits for that.
    """
    from scpd.access.names import is_known
    from scpd.access.tables import Tables, faults
    from scpd.process.privileges import as_user

    tables = Tables(settings.hosts_allow, settings.hosts_deny)
    with as_user():
        book = tables.look()
    return faults(book, _service(settings), is_known if asks else None)


def _tls(settings: Settings, estate: Estate | None) -> tuple[list[str], list[str]]:
    """Give what is wrong with keys and certificates, and what is odd.

    Who asks at a terminal is asked for the password, as at the start; nobody else can be.
    """
    from scpd import tls_policies
    from scpd.fixed_options import TLS
    from scpd.tls.passwords import has_terminal

    former = None if estate is None else estate.get(TLS)
    is_asked = estate is None and not settings.inetd
    try:
        return [], tls_policies.load(settings, former, may_ask=is_asked and has_terminal())[1]
    except StartError as error:
        return [str(error)], []


def _service(settings: Settings) -> Service:
    """Give what the host rules may mean."""
    from scpd.access.parties import Service
    from scpd.policies import daemon_names

    return Service(daemon_names(settings), settings.port)


def _refusal(step: Callable[[], None]) -> Iterator[str]:
    """Give what a step of the start would end it with."""
    try:
        step()
    except StartError as error:
        yield str(error)


def _of_log_configuration(path: str, configuration: Configuration) -> Iterator[str]:
    for complaint in configuration.complaints:
        yield _located(path, complaint.line, complaint.text)
    for name, appender in configuration.appenders.items():
        file = appender.properties.get("File")
        if file and not _can_be_written(file):
            yield f"{path}: appender {name}: cannot write to {file}"


def _can_be_written(path: str) -> bool:
    if os.path.lexists(path):
        return not os.path.isdir(path) and os.access(path, os.W_OK, effective_ids=True)
    folder = os.path.dirname(path) or "."
    return os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK, effective_ids=True)


def _of_dictionaries(environment: Mapping[str, str]) -> Iterator[str]:
    from scpd.dataset import dictpath

    if not dictpath.is_set(environment):
        return
    for message in dictpath.load(environment)[1]:
        if message.reason:
            yield _located(message.path, message.line, message.reason)


def _located(path: str, line: int, text: str) -> str:
    return f"{path}:{line}: {text}" if line else f"{path}: {text}"
