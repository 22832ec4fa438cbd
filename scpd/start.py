"""How the master starts: in the order that the machine demands, and so that whoever started it learns how that went.

    what needs root            the pid file, which says of a second one that it is that, keys and certificates, which
                               only root may be able to read, and the ports taken
    root given up              but for reading, which loading needs (`process.privileges`)
    all else that can fail     tables, directories, the lock directory, what the roles need
    detached                   with --daemon; what fails after that is still told, and the parent waits
    rights given up            all that are left
    ready                      the ports opened, the pid file written, the parent gone

Without --user the ports are taken after all else that can fail.  Raises `StartError`.

A master that renews itself (`master.renewal`) has ports, pid file and lock directory already, is detached, and has no
rights left to give up.  If this start fails it is tried again: so all that was taken over stays open, and the pid file
stays where it is, until nothing can fail any more.
"""

from __future__ import annotations

import logging
import os

from scpd import filing_policies, master_policies, peers_policies, policies, status_policies
from scpd.errors import StartError
from scpd.fixed_options import FIXED, LOCK_DIRECTORY, TLS, changes, fixed_options
from scpd.master import listeners, report, supervisor
from scpd.master.books import Books
from scpd.master.control import DOOR
from scpd.master.door import inherit_door
from scpd.master.renewal import CHILDREN, GRACE, LISTENERS, PID_FILE, Heirloom
from scpd.process import activation, cores, exitcodes, memory, notify, pins, privileges
from scpd.process.renewable import closed, not_renewed
from scpd.process.succession import DESCRIPTORS
from scpd.process.titles import Title
from scpd.store.directory import check_output_directory
from scpd.store.names import check_extension, check_prefix

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from scpd.cli.settings import Settings
    from scpd.log.setup import Logging
    from scpd.master.door import Door
    from scpd.master.roles import Roles
    from scpd.process.activation import Handed
    from scpd.process.daemonize import Detached
    from scpd.process.notify import Manager
    from scpd.process.pidfile import PidFile
    from scpd.process.privileges import Identity
    from scpd.process.succession import Estate, Program
    from scpd.tls.endpoint import Tls

log = logging.getLogger("dcmtk.apps.storescp")

_ROOT = "running as root: give --user, so that nobody who finds a hole in this program is root"


def run_master(settings: Settings, logs: Logging, program: Program) -> int:
    """Start the master and be it; give the exit code."""
    title = Title(settings.program_name)  # needs the environment as it was
    # Taken before anybody copies the environment for what is run below.
    handed = activation.take(os.environ, os.getpid())
    manager = notify.take(os.environ, os.getpid())
    _check_names(settings)
    cores.forbid()
    memory.keep_freed()
    begin = _Beginning(settings, logs, program, manager, title)
    return begin.anew(handed) if program.estate is None else begin.in_place_of_another(program.estate)


class _Beginning:
    """The start of a master, and what all its steps need."""

    def __init__(
        self, settings: Settings, logs: Logging, program: Program, manager: Manager | None, title: Title
    ) -> None:
        self._settings = settings
        self._logs = logs
        self._program = program
        self._manager = manager
        self._title = title
        self._identity = privileges.identity(settings.user, settings.group)

    def anew(self, handed: list[Handed]) -> int:
        """Start, and be the master; give the exit code."""
        settings, identity = self._settings, self._identity
        pid_file, door = _pid_file(settings), None
        try:
            tls = self._load_tls(may_ask=True)
            sockets = [] if identity is None else _listeners(settings, handed)
            if identity is not None:
                self._logs.give_to(identity.user, identity.group)
                privileges.drop(identity)
                self._warn_of_files()
            roles, in_use = self._roles(tls)
            sockets = sockets or _listeners(settings, handed)
            detached = self._detach(sockets, (*in_use, *roles.kept), pid_file)
            door = status_policies.open_door(settings, listeners.ports(sockets)[0], os.environ)
            heirloom = self._heirloom(in_use, pid_file, tls, None, door)
            master = self._master(sockets, roles, heirloom, pins.open_page_map())
            _settle(identity)
            listeners.listen(sockets)
            if pid_file is not None:
                pid_file.write()
            if detached is not None:
                detached.ready(self._logs.unseen)
            return master.run()
        finally:
            _leave(door, pid_file)

    def in_place_of_another(self, estate: Estate) -> int:
        """Take over what the program before us had, and be the master; give the exit code."""
        settings = self._settings
        for change in changes(settings, estate[FIXED]):
            raise StartError(change)
        page_map = pins.open_page_map()
        if self._identity is not None:  # to execute a program has shown our memory to others of this user
            privileges.finish(self._identity)
        held = estate.get(LOCK_DIRECTORY)
        tls = self._load_tls(estate.get(TLS))
        roles, in_use = self._roles(tls, held)
        sockets = listeners.take_over(estate[LISTENERS])
        pid_file = _pid_file(settings, estate[PID_FILE])
        books = Books.of(estate, (row[2] for row in estate[CHILDREN]))
        door = inherit_door(*estate[DOOR]) if DOOR in estate else None
        master = self._master(sockets, roles, self._heirloom(in_use, pid_file, tls, books, door), page_map)
        # Nothing fails from here on, and nobody has to try again with what we have copies of.
        self._program.has_succeeded()
        for descriptor in {*estate[LISTENERS], *estate.get(DOOR, ())[:1], held} - {None, *in_use}:
            os.close(descriptor)
        try:
            master.take_over(estate)
            return master.run()
        finally:
            _leave(door, pid_file)

    def _warn_of_files(self) -> None:
        """Say which files the user cannot read that we could, and whose content a reload will leave as it is."""
        with privileges.as_user():
            unreadable = [not_renewed(*each) for each in closed(self._program.command_files)]
            if self._settings.tls is not None:
                from scpd import tls_policies  # as below

                unreadable += tls_policies.unrenewable(self._settings)
        for text in unreadable:
            log.warning("%s", text)

    def _load_tls(self, former: Estate | None = None, *, may_ask: bool = False) -> Tls | None:
        """Read keys and certificates; `former` is what the program before us has left of them."""
        if self._settings.tls is None:
            return None
        from scpd import tls_policies  # few command lines ask for it

        tls, odd = tls_policies.load(self._settings, former, may_ask=may_ask)
        for text in odd:
            log.warning("%s", text)
        return tls

    def _roles(self, tls: Tls | None, held: int | None = None) -> tuple[Roles, tuple[int, ...]]:
        """Read and load what the roles need; give them, and the descriptors by which the lock directory is in use.

        That is `held` if it does: what the program before us had.
        """
        settings = self._settings
        profile = policies.profile(settings)
        dictionary = policies.dictionary(settings, os.environ)
        check_output_directory(settings.output_directory, must_be_writable=not settings.ignore)
        peers = peers_policies.load_peers(settings)
        # Held to the end of this process, lest somebody else begin with other options.
        in_use = filing_policies.use_lock_directory(settings, peers_policies.directories(peers), held)
        policy = policies.worker_policy(settings, profile, dictionary, peers, tls=tls)
        roles = master_policies.roles(settings, policy, self._title, self._logs, peers)
        return roles, () if in_use is None else (in_use,)

    def _master(
        self, sockets: list[socket.socket], roles: Roles, heirloom: Heirloom, page_map: int | None
    ) -> supervisor.Supervisor:
        shown = report.Report(self._title, " and ".join(map(str, listeners.ports(sockets))), self._manager)
        limits = master_policies.limits(self._settings)
        return supervisor.Supervisor(sockets, limits, roles, shown, heirloom, page_map)

    def _heirloom(
        self,
        in_use: tuple[int, ...],
        pid_file: PidFile | None,
        tls: Tls | None,
        books: Books | None,
        door: Door | None,
    ) -> Heirloom:
        """Say what a successor gets of our start, and who that may be."""
        question: Estate = {FIXED: fixed_options(self._settings), DESCRIPTORS: [*in_use]}
        if in_use:
            question[LOCK_DIRECTORY] = in_use[0]
        if tls is not None:
            question[TLS] = tls.estate()
        own = () if pid_file is None else pid_file.descriptors()
        grace = self._settings.grace
        estate = {**question, GRACE: grace, PID_FILE: own, DESCRIPTORS: [*in_use, *own]}
        return Heirloom(self._program, question, estate, books, door)

    def _detach(
        self, sockets: list[socket.socket], held: tuple[int, ...], pid_file: PidFile | None
    ) -> Detached | None:
        """Go into the background, if that is asked for, with all that we have opened."""
        if not self._settings.daemon:
            return None
        from scpd.process.daemonize import detach  # few command lines ask for it

        pid_files = () if pid_file is None else pid_file.descriptors()
        own = () if self._manager is None else (self._manager.fileno(),)
        kept = (*(each.fileno() for each in sockets), *self._logs.descriptors(), *held, *own, *pid_files)
        try:
            return detach(kept, exitcodes.START_FAILED)
        except OSError as error:
            raise StartError(f"cannot detach: {error.strerror}") from None


def _leave(door: Door | None, pid_file: PidFile | None) -> None:
    """Remove what says where we are."""
    if door is not None:
        door.close()
    if pid_file is not None:
        pid_file.remove()


def _check_names(settings: Settings) -> None:
    check_extension(settings.filename_extension)
    if settings.sorting is not None:
        check_prefix(settings.sorting[1])


def _settle(identity: Identity | None) -> None:
    """Give up the last right, or warn of having them all."""
    if identity is not None:
        privileges.finish(identity)
    if os.geteuid() == 0:  # with --group alone, too
        log.warning("%s", _ROOT)


def _pid_file(settings: Settings, held: tuple[int, int] | None = None) -> PidFile | None:
    if settings.pidfile is None:
        return None
    from scpd.process.pidfile import PidFile  # few command lines have one

    return PidFile(settings.pidfile, held)


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
