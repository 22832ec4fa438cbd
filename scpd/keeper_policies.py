"""From settings to what a keeper is told, as `policies` does it for the other rooms: for the master, and for scpctl."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from scpd.cli.settings import Settings
    from scpd.keeper.keeper import KeeperPolicy
    from scpd.keeper.vacancy import Vacancy
    from scpd.master.upkeep import Heartbeat
    from scpd.process.signals import Wakeup
    from scpd.process.titles import Title

_STATE_DIRECTORY = ".scpd"


def lock_directory(settings: Settings) -> str:
    """Give the path of the lock directory."""
    return settings.lock_directory or f"{settings.output_directory}/{_STATE_DIRECTORY}"


def needs_keeper(settings: Settings) -> bool:
    """Tell whether anything is to be decided or run by a keeper."""
    return settings.exec_on_reception is not None or has_studies(settings)


def has_studies(settings: Settings) -> bool:
    """Tell whether anything hangs on the end of a study: a command, names, or the directory of the next one."""
    if settings.sorting is None or settings.ignore:
        return False
    kind, _ = settings.sorting
    return kind != "study-uid" or settings.exec_on_eostudy is not None or settings.rename_on_eostudy


def keeper_policy(
    settings: Settings, environment: Mapping[str, str], places: Sequence[str] = ()
) -> KeeperPolicy:
    """Say what a keeper does; `places` are the output directories that --peers names."""
    from scpd.keeper.hooks import Hooks
    from scpd.keeper.keeper import KeeperPolicy
    from scpd.process.proc import boot_id

    hooks = Hooks(
        on_reception=settings.exec_on_reception,
        on_end_of_study=settings.exec_on_eostudy,
        output_directory=None if settings.ignore else settings.output_directory,
        prefix=settings.sorting[1] if settings.sorting else "",
        extension=settings.filename_extension,
        places=places,
    )
    return KeeperPolicy(
        lock_directory=lock_directory(settings),
        output_directory=settings.output_directory,
        hooks=hooks,
        boot=boot_id(),
        jobs=settings.exec_jobs or os.cpu_count() or 1,
        retries=settings.exec_retries,
        exec_timeout=settings.exec_timeout,
        grace=settings.grace,
        fsync=settings.fsync,
        environment=environment,
        places=tuple(places),
    )


def keeper_vacancy(settings: Settings) -> Vacancy | None:
    """Say who looks whether somebody else is the keeper; `None` if none is needed, or the master has its own."""
    if settings.keeper or not needs_keeper(settings):
        return None
    from scpd.keeper.vacancy import Vacancy

    return Vacancy(lock_directory(settings))


def keeper_role(
    settings: Settings, title: Title, environment: Mapping[str, str], places: Sequence[str] = ()
) -> Callable[[Wakeup, Heartbeat], int] | None:
    """Say what the master's keeper does; `None` if it shall have none."""
    if not settings.keeper or not needs_keeper(settings):
        return None
    from scpd.keeper.service import Surroundings, run
    from scpd.master.upkeep import LEAST_GRACE

    policy = keeper_policy(settings, environment, places)
    policy.grace = max(policy.grace, LEAST_GRACE)  # its master ends it when less is left

    def keep(wakeup: Wakeup, heartbeat: Heartbeat) -> int:
        return run(policy, Surroundings(wakeup, title.show, heartbeat.beat, heartbeat.master))

    return keep
