"""Who is let in, and what the association gets: by the table of --peers, or the options that stand for one.

The table decides by titles and address (`ul.callers`); an entry may bring a service of its own (profile, output
directory), and a limit of associations at a time, which is counted in the lock directory.  All is prepared by the
master.  Raises `Reject` with the standard's reason (PS3.8 9.3.4).
"""

from __future__ import annotations

from scpd.errors import Reject
from scpd.log.counted import counted
from scpd.ul.escape import printable
from scpd.ul.negotiation import SERVICE_PROVIDER_PRESENTATION, TEMPORARY_CONGESTION, TRANSIENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from scpd.lockdir.slots import Slots
    from scpd.ul.callers import Callers, Permission
    from scpd.worker.service import ServicePolicy


class Admission:
    """A table, and what its entries bring: those that bring nothing are in neither mapping."""

    __slots__ = ("_callers", "_services", "_slots")

    def __init__(
        self,
        callers: Callers,
        services: Mapping[Permission, ServicePolicy],
        slots: Mapping[Permission, Slots],
    ) -> None:
        self._callers = callers
        self._services = services
        self._slots = slots

    def admit(self, called: bytes, calling: bytes, host: str) -> tuple[ServicePolicy | None, int]:
        """Give the service of its own that an association gets, if any, and the descriptor that counts it, or -1."""
        entry = self._callers.permission(called, calling, host)
        slots = self._slots.get(entry)
        descriptor = -1 if slots is None else _counted(slots, entry, calling, host)
        return self._services.get(entry), descriptor


def _counted(slots: Slots, entry: Permission, calling: bytes, host: str) -> int:
    try:
        descriptor = slots.take()
    except OSError as error:
        why = f"associations cannot be counted: {error.strerror}"
    else:
        if descriptor is not None:
            return descriptor
        why = f"limit of {counted(entry.limit, 'association')} reached"
    text = f"{why} ({printable(calling.strip(b' '))} at {host}, {entry.where})"
    raise Reject(TRANSIENT, SERVICE_PROVIDER_PRESENTATION, TEMPORARY_CONGESTION, text)
