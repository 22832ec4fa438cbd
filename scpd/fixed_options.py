"""What cannot change while associations run: a master that renews itself keeps it, and refuses another value.

It has given up the rights that a port or a pid file may need; its workers use the lock directory.
"""

from __future__ import annotations

import os

from scpd.keeper_policies import lock_directory, needs_keeper

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from scpd.cli.settings import Settings

# Of an estate (`process.succession`): what `fixed_options` gave.
FIXED = "fixed"
# Likewise: the descriptor that keeps the lock directory in use, if there is one.
LOCK_DIRECTORY = "lock_directory"
# Likewise: what was read of keys and certificates (`tls.material`), if there is TLS.
TLS = "tls"

_LOCK_DIRECTORY = "lock directory"


def fixed_options(settings: Settings) -> dict[str, str]:
    """Give their values as texts, by what an administrator calls them."""
    place = os.path.realpath(lock_directory(settings)) if needs_keeper(settings) else ""
    return {
        "port": str(settings.port or ""),
        "--bind": " ".join(settings.bind),
        "IP protocol": settings.ip_protocol,
        "--inetd": "given" if settings.inetd else "",
        "--daemon": "given" if settings.daemon else "",
        "--user": settings.user or "",
        "--group": settings.group or "",
        "--pidfile": settings.pidfile or "",
        _LOCK_DIRECTORY: place,
    }


def of_keeper(settings: Settings) -> dict[str, str]:
    """Give those of a keeper that is a service of its own."""
    return {_LOCK_DIRECTORY: fixed_options(settings)[_LOCK_DIRECTORY]}


def changes(settings: Settings, running: Mapping[str, str]) -> list[str]:
    """Say what is asked for and not what is `running`, a line each; who had no lock directory may get one."""
    return [
        f"{name} cannot change while associations run, from {before or 'none'} to {now or 'none'}: restart"
        for name, now in fixed_options(settings).items()
        if now != (before := running.get(name, now)) and (name != _LOCK_DIRECTORY or (now and before))
    ]
