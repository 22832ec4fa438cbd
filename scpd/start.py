"""How the master starts: in the order that the machine demands, and so that whoever started it learns how that went.

    what needs root            the ports taken, the pid file
    root given up              but for reading, which loading needs (`process.privileges`)
    all else that can fail     tables, directories, the lock directory, what the roles need
    detached                   with --daemon; what fails after that is still told, and the parent waits
    rights given up            all that are left
    ready                      the ports opened, the pid file written, the parent gone

Without --user the ports are taken after all else that can fail.  Raises `StartError`.
"""

from __future__ import annotations

import logging
import os

from scpd import filing_policies, peers_policies, policies
from scpd.errors import StartError
from scpd.master import listeners, report, supervisor
from scpd.process import activation, exitcodes, notify, privileges
from scpd.process.titles import Title
from scpd.store.directory import check_output_directory
from scpd.store.names import check_extension, check_prefix

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from scpd.cli.settings import Settings
    from scpd.log.setup import Logging
    from scpd.master.supervisor import Roles
    from scpd.process.activation import Handed
    from scpd.process.daemonize import Detached
    from scpd.process.pidfile import PidFile
    from scpd.process.privileges import Identity

log = logging.getLogger("dcmtk.apps.storescp")

_ROOT = "running as root: give --user, so that nobody who finds a hole in this program is root"


def run_master(settings: Settings, logs: Logging) -> int:
    """Start the master and be it; give the exit code."""
    # Taken before anybody copies the environment for what is run below.
    handed = activation.take(os.environ, os.getpid())
    manager = notify.take(os.environ, os.getpid())
    _check_names(settings)
    privileges.forbid_core_dumps()
    identity = privileges.identity(settings.user, settings.group)
    sockets = [] if identity is None else _listeners(settings, handed)
    pid_file = _pid_file(settings)
    try:
        if identity is not None:
            logs.give_to(identity.user, identity.group)
            privileges.drop(identity)
        title = Title(settings.program_name)
        roles, in_use = _roles(settings, title, logs)
        sockets = sockets or _listeners(settings, handed)
        own = () if manager is None else (manager.fileno(),)
        kept = [*(each.fileno() for each in sockets), *logs.descriptors(), *in_use, *own]
        detached = _detach(settings, kept, pid_file)
        shown = report.Report(title, " and ".join(map(str, listeners.ports(sockets))), manager)
        master = supervisor.Supervisor(sockets, policies.limits(settings), roles, shown)
        _settle(identity)
        listeners.listen(sockets)
        if pid_file is not None:
            pid_file.write()
        if detached is not None:
            detached.ready(logs.unseen)
        return master.run()
    finally:
        if pid_file is not None:
            pid_file.remove()


def _check_names(settings: Settings) -> None:
    check_extension(settings.filename_extension)
    if settings.sorting is not None:
        check_prefix(settings.sorting[1])


def _roles(settings: Settings, title: Title, logs: Logging) -> tuple[Roles, tuple[int, ...]]:
    """Read and load what the roles need; give them, and the descriptors by which the lock directory is in use."""
    profile = policies.profile(settings)
    dictionary = policies.dictionary(settings, os.environ)
    check_output_directory(settings.output_directory, must_be_writable=not settings.ignore)
    peers = peers_policies.load_peers(settings)
    # Held to the end of this process, lest somebody else begin with other options.
    in_use = filing_policies.use_lock_directory(settings, peers_policies.directories(peers))
    roles = policies.roles(settings, title, logs, profile, dictionary, peers)
    return roles, () if in_use is None else (in_use,)


def _settle(identity: Identity | None) -> None:
    """Give up the last right, or warn of having them all."""
    if identity is not None:
        privileges.finish(identity)
    if os.geteuid() == 0:  # with --group alone, too
        log.warning("%s", _ROOT)


def _pid_file(settings: Settings) -> PidFile | None:
    if settings.pidfile is None:
        return None
    from scpd.process.pidfile import PidFile  # few command lines have one

    return PidFile(settings.pidfile)


def _detach(settings: Settings, kept: list[int], pid_file: PidFile | None) -> Detached | None:
    """Go into the background with these descriptors, if that is asked for."""
    if not settings.daemon:
        return None
    from scpd.process.daemonize import detach  # as above

    own = () if pid_file is None else pid_file.descriptors()
    try:
        return detach((*kept, *own), exitcodes.START_FAILED)
    except OSError as error:
        raise StartError(f"cannot detach: {error.strerror}") from None


def _listeners(settings: Settings, handed: list[Handed]) -> list[socket.socket]:
    """Take what a service manager has handed over and nothing else, or else the ports that the options say."""
    if not handed:
        return listeners.open_listeners(settings.port, settings.ip_protocol, settings.bind)
    sockets = listeners.inherit(handed)
    if settings.port and settings.port not in (there := listeners.ports(sockets)):
        told = " and ".join(map(str, there))
        log.warning("port %d has no effect: the service manager listens on %s", settings.port, told)
    if settings.bind:
        log.warning("--bind has no effect: the service manager listens")
    return sockets
