"""How a worker is confined before it reads a byte of its peer; whoever cannot be serves nobody."""

from __future__ import annotations

import logging

from scpd.errors import Denied

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scpd.process.confine import Confinement


def enter(confinement: Confinement) -> None:
    """Be confined from now on; raises `Denied`."""
    try:
        confinement.enter()
    except OSError as error:
        raise Denied(f"the worker cannot be confined: {error.strerror}", logging.ERROR) from None
