"""From settings to the one connection that a super-server hands over, as `policies` does it for a master.

In the order of a master's start, but for what it does for many connections.  `keeper_policies` knows what a keeper is
told; here is how one that a worker starts lives.
"""

from __future__ import annotations

import logging
import os
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from scpd.cli.settings import Settings
    from scpd.keeper.starting import Absence, Starter
    from scpd.log.setup import Logging
    from scpd.peers_policies import Peers
    from scpd.process.signals import Wakeup
    from scpd.process.titles import Title
    from scpd.tls.endpoint import Tls
    from scpd.worker.filing import FilingPolicy
    from scpd.worker.inetd import Connection
    from scpd.worker.store import StorePolicy

log = logging.getLogger("dcmtk.apps.storescp")

_LINGER_SECONDS = 5.0  # between two associations of a sender a keeper need not go


def serve_one(settings: Settings, logs: Logging, sock: socket.socket | None) -> int:
    """Serve the connection that was standard input; give the exit code.  Raises `StartError`."""
    from scpd import filing_policies, peers_policies
    from scpd.process import cores, exitcodes
    from scpd.process.titles import Title
    from scpd.store.directory import check_output_directory
    from scpd.store.names import check_extension, check_prefix
    from scpd.worker.inetd import find_connection, hear_signals

    cores.forbid()
    connection = find_connection(sock)
    check_extension(settings.filename_extension)
    if settings.sorting is not None:
        check_prefix(settings.sorting[1])
    check_output_directory(settings.output_directory, must_be_writable=not settings.ignore)
    peers = peers_policies.load_peers(settings)
    places = peers_policies.directories(peers)
    in_use = filing_policies.use_lock_directory(settings, places)
    if connection is None:
        log.info("No association (the peer has gone)")
        return exitcodes.OK
    wakeup, title = hear_signals(), Title(settings.program_name)
    starter = _starter(settings, title, wakeup, places, (*logs.descriptors(), *_opened(in_use)))
    if settings.confine and starter is not None:
        starter.stand_by()
    try:
        return _serve(settings, connection, peers, _Process(title, wakeup, logs), starter)
    finally:
        if starter is not None:
            starter.finish()
        _sweep(settings, places)


class _Process:
    """What this process has, once."""

    __slots__ = ("logs", "title", "wakeup")

    def __init__(self, title: Title, wakeup: Wakeup, logs: Logging) -> None:
        self.title = title
        self.wakeup = wakeup
        self.logs = logs


def _opened(descriptor: int | None) -> tuple[int, ...]:
    return () if descriptor is None else (descriptor,)


def _serve(
    settings: Settings,
    connection: Connection,
    peers: Peers | None,
    process: _Process,
    starter: Starter | Absence | None,
) -> int:
    from scpd import confinement_policies, filing_policies, policies
    from scpd.worker.inetd import serve_inherited
    from scpd.worker.service import Surroundings

    environment = dict(os.environ)

    def late() -> tuple[StorePolicy | None, FilingPolicy | None]:
        dictionary = policies.dictionary(settings, environment)
        recorded = None if starter is None else starter.look
        return policies.store_policy(settings, dictionary), filing_policies.filing_policy(settings, recorded)

    profile = policies.profile(settings)
    policy = policies.worker_policy(
        settings, profile, None, peers, port=connection.port, late=late, tls=_tls(settings)
    )
    policy.confinement = confinement_policies.of_inetd(settings, process.logs, peers, environment)
    around = Surroundings(process.title, process.wakeup, process.logs)
    code = serve_inherited(connection, policy, around, monotonic() + settings.acse_timeout, environment)
    if policy.tls is not None:
        policy.tls.leave_seed()
    return code


def _tls(settings: Settings) -> Tls | None:
    """Read keys and certificates; nobody is asked for a password, and what is odd is told to those who ask for INFO.

    A master would warn once, this would with every connection.
    """
    if settings.tls is None:
        return None
    from scpd import tls_policies  # few inetd lines ask for it

    tls, odd = tls_policies.load(settings)
    for text in odd:
        log.info("%s", text)
    return tls


def _starter(
    settings: Settings, title: Title, wakeup: Wakeup, places: Sequence[str], kept: tuple[int, ...]
) -> Starter | Absence | None:
    """Say who sees to it that there is a keeper; `None` if none is needed."""
    from scpd.keeper_policies import lock_directory, needs_keeper

    if not needs_keeper(settings):
        return None
    from scpd.keeper import starting  # few inetd lines file or run anything

    path = lock_directory(settings)
    if not settings.keeper:
        return starting.Absence(path)

    def live(elected: Callable[[], None]) -> int:
        return _keep(settings, title, wakeup, places, elected)

    return starting.Starter(path, live, wakeup, kept)


def _keep(
    settings: Settings, title: Title, wakeup: Wakeup, places: Sequence[str], elected: Callable[[], None]
) -> int:
    """Be the keeper that a worker has started: its whole life."""
    from scpd.keeper.service import Surroundings, run_while_needed
    from scpd.keeper_policies import keeper_policy
    from scpd.process import inherited

    output = inherited.Output() if inherited.is_log_file() else inherited.to_own_file()
    policy = keeper_policy(settings, dict(os.environ), places)
    if all(map(os.path.isabs, (policy.lock_directory, policy.output_directory, *places))):
        os.chdir("/")
    try:
        around = Surroundings(wakeup, title.show, lambda: None, linger=_LINGER_SECONDS)
        return run_while_needed(policy, around, elected)
    finally:
        output.finish()


def _sweep(settings: Settings, places: Sequence[str]) -> None:
    """Remove what killed workers have left: nobody else does, and the peer has gone."""
    if settings.ignore:
        return
    from scpd.keeper.sweep import run as sweep

    for place in (settings.output_directory, *places):
        sweep(place)
