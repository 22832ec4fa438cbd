"""Our end of TLS: what a master has of it from its start to its end, and a worker when it serves.

The master makes a context before it forks, and a new one every two hours: that is how long a session that was recorded
may be of use to somebody who gets hold of the process's memory, and how long a client may go on without being verified.
"""

from __future__ import annotations

import logging
from time import monotonic

from scpd.errors import StartError
from scpd.tls import contexts, seed

TYPE_CHECKING = False
if TYPE_CHECKING:
    import datetime as dt
    from typing import Any

    from OpenSSL import SSL

    from scpd.tls.material import Material
    from scpd.tls.policy import Policy

log = logging.getLogger("dcmtk.apps.storescp")

RENEWAL_SECONDS = 7200.0


class Tls:
    """TLS as it is in force: a context, and whom to let in by name (`allowed_names`, patterns; empty: everybody).

    `peer_certificate` is require, verify or ignore; `seed_output` the file for a new seed behind each association.
    """

    __slots__ = ("_context", "_made_at", "_material", "_policy", "_seed_output", "allowed_names")

    def __init__(
        self,
        policy: Policy,
        material: Material,
        allowed_names: tuple[str, ...] = (),
        seed_output: str | None = None,
        now: float | None = None,
    ) -> None:
        self._policy = policy
        self._material = material
        self.allowed_names = allowed_names
        self._seed_output = seed_output
        self._context = contexts.make(policy, material)
        self._made_at = monotonic() if now is None else now

    @property
    def peer_certificate(self) -> str:
        """What is asked of the peer: require, verify or ignore."""
        return self._policy.peer_certificate

    def context(self) -> SSL.Context:
        """Give what connections are made of."""
        return self._context

    def refresh(self, now: float | None = None) -> None:
        """Make a new context if the present one is two hours old."""
        now = monotonic() if now is None else now
        if now - self._made_at < RENEWAL_SECONDS:
            return
        self._made_at = now
        try:
            self._context = contexts.make(self._policy, self._material)
        except (StartError, OSError) as error:  # it was made before, of the same: no memory, no descriptors
            log.warning("TLS: the keys of session tickets stay as they are: %s", error)

    def expires(self) -> dt.datetime:
        """Say when the first certificate of our own chain will be of no use any more."""
        return min(certificate.not_valid_after_utc for certificate in self._material.chain)

    def estate(self) -> dict[str, Any]:
        """Give what a successor needs that cannot read what we could."""
        return self._material.estate()

    def leave_seed(self) -> None:
        """Write a new seed, if that is asked for: an association has ended."""
        if self._seed_output is None:
            return
        try:
            seed.write(self._seed_output)
        except OSError as error:
            log.warning("cannot write the seed to %s: %s", self._seed_output, error.strerror)
