"""From settings to what each room is told: translation, and nothing else.

Only this module knows both `Settings` and the rooms; each function imports the rooms that it serves, so that a
process imports what its role needs.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scpd.cli.settings import Settings
    from scpd.master.supervisor import Limits, Roles
    from scpd.process.signals import Wakeup
    from scpd.process.standby import Assignment
    from scpd.process.titles import Title
    from scpd.ul import negotiation
    from scpd.ul.profiles import Profile
    from scpd.worker.serve import ServicePolicy


def negotiation_policy(settings: Settings, profile: Profile | None = None) -> negotiation.Policy:
    """Say which presentation contexts are accepted; a profile's own classes instead of all storage if there is one."""
    from scpd.tables.sop_classes import ACCEPTED, FILE_PREFIXES, VERIFICATION
    from scpd.tables.transfer_syntaxes import PREFERENCES
    from scpd.ul import negotiation

    storage, known = ACCEPTED, None
    if settings.promiscuous:
        from scpd.tables.uid_names import UID_NAMES  # large, and asked by promiscuous acceptors only

        storage, known = frozenset(FILE_PREFIXES), UID_NAMES
    return negotiation.Policy(
        PREFERENCES[settings.transfer_syntaxes],
        storage | {VERIFICATION} if profile is None else frozenset(),
        known,
        profile=profile,
    )


def service_policy(settings: Settings) -> ServicePolicy:
    """Say how a worker serves a connection."""
    from scpd.ul.connection import Timeouts
    from scpd.worker.serve import ServicePolicy
    from scpd.worker.store import StorePolicy

    store = StorePolicy(
        output_directory=settings.output_directory,
        extension=settings.filename_extension,
        naming=_naming(settings),
        duplicates=getattr(settings, "duplicates", "replace"),
        bit_preserving=settings.bit_preserving,
        with_file_meta=not settings.write_dataset,
        fsync=settings.fsync,
    )
    timeouts = Timeouts(settings.acse_timeout, settings.socket_timeout, settings.dimse_timeout)
    return ServicePolicy(
        negotiation_policy(settings), settings.max_pdu, timeouts, store, ignore=settings.ignore
    )


def _naming(settings: Settings) -> str:
    if getattr(settings, "timenames", False):  # wins over -uf; with +uf it was refused
        return "time"
    return "unique" if settings.unique_filenames else "uid"


def limits(settings: Settings) -> Limits:
    """Say how many workers there may be, and how long things may take."""
    from scpd.master.supervisor import Limits

    workers = settings.max_associations if settings.fork else 1
    return Limits(workers, settings.acse_timeout, settings.grace)


def roles(settings: Settings, title: Title) -> Roles:
    """Say what the master's children do; everything that they need is imported here, before it listens."""
    from scpd.keeper.sweep import run as sweep
    from scpd.master.supervisor import Roles
    from scpd.process import exitcodes
    from scpd.worker.peer import Peer, tune
    from scpd.worker.rehearsal import ENOUGH, rehearse
    from scpd.worker.serve import serve

    policy = service_policy(settings)

    def serve_assignment(work: Assignment, wakeup: Wakeup) -> int:
        tune(work.sock, os.environ)
        return serve(work.sock, Peer(work.address), policy, title, wakeup, work.deadline)

    def sweep_output_directory() -> int:
        title.show("sweeper")
        return exitcodes.OK if settings.ignore else sweep(settings.output_directory)

    def rehearse_association() -> None:
        rehearse(policy)

    for _ in range(ENOUGH):
        rehearse_association()
    return Roles(serve_assignment, sweep_output_directory, rehearse_association)
