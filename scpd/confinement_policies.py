"""From settings to what a worker may still do, as `policies` does it for the other rooms.

It may read and write where objects are stored and where studies are recorded, and write where its log files are.  It
may read the software of the machine too: Python imports a codec when a text needs it.  A process of inetd also reads
the dictionaries when it needs them; all else has been read before.
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from scpd.cli.settings import Settings
    from scpd.log.setup import Logging
    from scpd.peers_policies import Peers
    from scpd.process.confine import Confinement
    from scpd.process.landlock import Rule

log = logging.getLogger("dcmtk.apps.storescp")

_SOFTWARE = ("/usr", "/lib", "/lib64", "/etc/ld.so.cache")
_DICTIONARIES = "DCMDICTPATH"  # `dataset.dictpath`, which an inetd start has no time for
_BOOT_ID = "/proc/sys/kernel/random/boot_id"


def of_master(settings: Settings, logs: Logging, peers: Peers | None) -> Confinement | None:
    """Give the confinement of the workers to come, and say in the log what it is; `None` with --no-confine."""
    if not settings.confine:
        return None
    from scpd.process.confine import Confinement

    rules = [*_rules(settings, logs, peers), *_software()]
    confinement = Confinement(rules, _calls(settings, logs))
    log.log(logging.INFO if confinement else logging.WARNING, "%s", confinement)
    return confinement


def of_inetd(
    settings: Settings, logs: Logging, peers: Peers | None, environment: Mapping[str, str]
) -> Confinement | None:
    """Give the confinement of this process, which imports what it needs when it needs it; `None` with --no-confine."""
    if not settings.confine:
        return None
    from scpd.process.confine import Confinement

    if settings.sorting is not None and settings.sorting[0] == "patientname":
        from scpd.dataset import charsets

        charsets.prepare()  # others' modules may do at their import what a worker may not
    rules = [*_rules(settings, logs, peers), *_software(), *_read_late(environment), *_output()]
    return Confinement(rules, [*_calls(settings, logs), "sendmsg"])


def _rules(settings: Settings, logs: Logging, peers: Peers | None) -> Iterator[Rule]:
    from scpd.keeper_policies import lock_directory, needs_keeper
    from scpd.peers_policies import directories
    from scpd.process import landlock

    if not settings.ignore:
        for place in (settings.output_directory, *directories(peers)):
            yield place, landlock.STORE
    if needs_keeper(settings) or (peers is not None and peers.limited()):
        yield lock_directory(settings), landlock.STORE_AND_WAIT
    for path in logs.files():
        for name in {path, os.path.realpath(path)}:
            is_file = not os.path.exists(name) or os.path.isfile(name)
            yield (os.path.dirname(name), landlock.LOG) if is_file else (name, landlock.WRITE)
    for folder in settings.certificate_directories:  # what has been put there since counts at once
        yield folder, landlock.READ
    seed = _seed(settings)
    if seed:
        _make(seed)
        yield seed, landlock.WRITE


def _make(path: str) -> None:
    """Make an empty file, so that a worker need not have its directory; a worker tells what it cannot write."""
    with suppress(OSError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600))


def _software() -> Iterator[Rule]:
    from scpd.process import landlock

    paths = (sys.prefix, sys.base_prefix, os.path.dirname(__file__), *_SOFTWARE)
    yield from ((path, landlock.READ) for path in dict.fromkeys(paths))


def _read_late(environment: Mapping[str, str]) -> Iterator[Rule]:
    from scpd.process import landlock

    dictionaries = filter(None, environment.get(_DICTIONARIES, "").split(":"))
    yield from ((path, landlock.READ) for path in (*dictionaries, _BOOT_ID))


def _output() -> Iterator[Rule]:
    """Let the file of standard error be removed at the end, if nothing was written to it."""
    from scpd.process import inherited, landlock

    path = inherited.own_file()
    if path:
        yield os.path.dirname(path), landlock.REMOVE


def _calls(settings: Settings, logs: Logging) -> Iterator[str]:
    if logs.connects():
        yield "connect"
    if _seed(settings):
        yield "fchmod"


def _seed(settings: Settings) -> str:
    """Give the absolute path of the file for a new seed, if one is asked for."""
    if settings.tls is None or settings.seed_output is None:
        return ""
    return os.path.abspath(settings.seed_output or settings.seed_file or "")
