"""From settings to what scpctl(8) is told, and where the master listens for it, as `policies` does it elsewhere."""

from __future__ import annotations

import logging
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from scpd.cli.settings import Settings
    from scpd.master.door import Door
    from scpd.process.titles import Title
    from scpd.tls.endpoint import Tls
    from scpd.worker.bounds import Bounds

    Facts = dict[str, Any]

log = logging.getLogger("dcmtk.apps.storescp")

_VARIABLE = "RUNTIME_DIRECTORY"  # systemd.exec(5); several are separated by colons


def teller(
    settings: Settings,
    title: Title,
    places: Sequence[str],
    bounds: Bounds | None = None,
    tls: Tls | None = None,
) -> Callable[[str, Facts], Facts]:
    """Say how a teller makes its answer; what it needs of ours is imported here, as for a worker."""
    from scpd.keeper_policies import lock_directory, needs_keeper
    from scpd.master.answers import Sources, answer

    used = needs_keeper(settings)
    sources = Sources(
        () if settings.ignore else (settings.output_directory, *places),
        lock_directory(settings) if used else None,
        _count(settings) if used else None,
        wants_keeper=used,
        want_of_room=None if bounds is None else bounds.want_of_room,
        certificate_expires=None if tls is None else tls.expires().timestamp(),
    )

    def tell(question: str, facts: Facts) -> Facts:
        title.show("teller")
        return answer(question, facts, sources)

    return tell


def _count(settings: Settings) -> Callable[[], Facts]:
    from scpd.ctl.counts import count
    from scpd.keeper_policies import lock_directory

    return lambda: count(lock_directory(settings), settings.output_directory)


def open_door(settings: Settings, port: int, environment: Mapping[str, str]) -> Door | None:
    """Listen for scpctl; `None` where that cannot be, which is no reason to serve nobody."""
    from scpd.master import door

    runtime = door.first_usable([runtime_directory(environment)])
    where, stem = (runtime, str(port)) if runtime else (_directory(settings), f"{door.PREFIX}{port}")
    if not where:
        log.info(
            "no place for scpctl's socket: neither %s nor a lock directory", runtime_directory(environment)
        )
        return None
    try:
        if not runtime:
            _make(where, follows_links=settings.lock_directory is not None)
        return door.open_door(where, stem)
    except OSError as error:
        log.warning("scpctl cannot ask this daemon: no socket in %s: %s", where, error.strerror)
        return None


def runtime_directory(environment: Mapping[str, str]) -> str:
    """Give the directory that is for sockets and the like."""
    from scpd.master.door import RUNTIME_DIRECTORY

    return environment.get(_VARIABLE, "").partition(":")[0] or RUNTIME_DIRECTORY


def _directory(settings: Settings) -> str:
    """Give the lock directory, be it used for anything else or not; "" with --ignore, unless it is."""
    from scpd.keeper_policies import lock_directory, needs_keeper

    if settings.ignore and settings.lock_directory is None and not needs_keeper(settings):
        return ""
    return lock_directory(settings)


def _make(path: str, *, follows_links: bool) -> None:
    """Make the directory if it is not there; what others can put into the output directory is not followed."""
    from scpd.store.directory import open_directory

    try:
        os.mkdir(path)
    except FileExistsError:
        if not follows_links:
            os.close(open_directory(path))
