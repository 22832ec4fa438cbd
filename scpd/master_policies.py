"""From settings to what the master's rooms are told: what its children do, and how many there may be.

As in `policies`, each function imports the rooms that it serves; what the children need is imported here, before the
master listens.
"""

from __future__ import annotations

import os
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping

    from scpd.cli.settings import Settings
    from scpd.keeper.vacancy import Vacancy
    from scpd.log.setup import Logging
    from scpd.master.roles import Limits, Roles
    from scpd.master.turnstile import Refuse
    from scpd.peers_policies import Peers
    from scpd.process.score import Score
    from scpd.process.signals import Wakeup
    from scpd.process.standby import Assignment
    from scpd.process.titles import Title
    from scpd.worker.peer import Peer
    from scpd.worker.service import ServicePolicy


def limits(settings: Settings) -> Limits:
    """Say how many workers there may be, and connections of a host, and how long things may take."""
    from scpd.master.roles import Limits

    workers = settings.max_associations if settings.fork else 1
    return Limits(workers, settings.acse_timeout, settings.grace, settings.max_associations_per_host)


def roles(
    settings: Settings, policy: ServicePolicy, title: Title, logs: Logging, peers: Peers | None = None
) -> Roles:
    """Say what the master's children do, of whom `policy` says how a worker serves; they are confined from now on."""
    from scpd.confinement_policies import of_master
    from scpd.keeper.vacancy import LONGEST_SECONDS
    from scpd.keeper_policies import keeper_role, keeper_vacancy
    from scpd.master.roles import Roles
    from scpd.master.standbys import SECURE_RESPITE_SECONDS
    from scpd.status_policies import teller
    from scpd.worker.rehearsal import Rehearsal

    environment = dict(os.environ)  # which itself encodes and decodes at each look, and raises errors within
    places = () if peers is None else peers.directories()
    vacancy = keeper_vacancy(settings)
    often = {} if vacancy is None else {"sweep_seconds": LONGEST_SECONDS}
    prepare = _prepare(policy)
    rehearsal = Rehearsal(policy, logs.association)
    rehearsal.learn()
    policy.confinement = of_master(settings, logs, peers)
    return Roles(
        _serve_assignment(policy, title, logs, environment),
        _sweep(settings, places, vacancy, title),
        keeper_role(settings, title, environment, places),
        logs,
        refuse=_refuse(settings, policy, title, logs),
        refresh=_refresh(policy),
        tell=teller(settings, title, places, policy.bounds, policy.tls),
        prepare=prepare,
        rehearse=rehearsal.play,
        kept=() if policy.confinement is None else policy.confinement.descriptors(),
        respite=0.0 if policy.tls is None else SECURE_RESPITE_SECONDS,
        **often,
    )


def _prepare(policy: ServicePolicy) -> Callable[[], None] | None:
    """Say what a worker does while it stands by."""
    if policy.tls is None:
        return None
    from scpd.worker.security import preparation  # and a worker imports nothing from disk

    return preparation(policy, policy.tls)


def _sweep(
    settings: Settings, places: tuple[str, ...], vacancy: Vacancy | None, title: Title
) -> Callable[[], int]:
    """Say how what dead workers have left is removed; gives the exit code."""
    from scpd.keeper.sweep import run as sweep
    from scpd.process import exitcodes

    def sweep_output_directory() -> int:
        title.show("sweeper")
        if vacancy is not None:
            vacancy.look(monotonic())
        codes = [sweep(each) for each in (settings.output_directory, *places) if not settings.ignore]
        return max(codes, default=exitcodes.OK)

    return sweep_output_directory


def _serve_assignment(
    policy: ServicePolicy, title: Title, logs: Logging, environment: Mapping[str, str]
) -> Callable[[Assignment, Wakeup, Score], int]:
    from scpd.worker.peer import Peer, tune
    from scpd.worker.serve import serve
    from scpd.worker.service import Surroundings

    def serve_assignment(work: Assignment, wakeup: Wakeup, score: Score) -> int:
        tune(work.sock, environment)
        around = Surroundings(title, wakeup, logs, score)
        code = serve(work.sock, Peer(work.address), policy, around, work.deadline)
        if policy.tls is not None:
            policy.tls.leave_seed()
        return code

    return serve_assignment


def _refresh(policy: ServicePolicy) -> Callable[[], None] | None:
    """Say what the master does anew from time to time."""
    parts = [each.refresh for each in (policy.gate, policy.tls) if each is not None]
    if len(parts) < 2:
        return parts[0] if parts else None

    def refresh() -> None:
        for part in parts:
            part()

    return refresh


def _refuse(settings: Settings, policy: ServicePolicy, title: Title, logs: Logging) -> Refuse | None:
    """Say how a connection beyond those that its host may have is refused."""
    if settings.max_associations_per_host is None:
        return None
    from scpd.worker.refuse import RefusalPolicy, refuse
    from scpd.worker.service import Surroundings

    most, gate = settings.max_associations_per_host, policy.gate
    refusal = RefusalPolicy(policy.max_pdu, policy.timeouts, most, gate, policy.tls, policy.confinement)

    def refuse_connection(sock: socket.socket, peer: Peer, count: int, wakeup: Wakeup) -> int:
        return refuse(sock, peer, count, refusal, Surroundings(title, wakeup, logs))

    return refuse_connection
