"""What a TLS connection must be like: profile, suites, and what is asked of the peer.

Nothing but values; `tls_policies` fills them in, `contexts` makes an OpenSSL context of them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scpd.tls.profiles import Profile

REQUIRE, VERIFY, IGNORE = "require", "verify", "ignore"
LEAF, CHAIN = "leaf", "chain"


class Policy:
    """The rules: `suites` as OpenSSL names them, best first; `peer_certificate` is require, verify or ignore.

    `crl_check` is whose revocation lists are asked for: those of the peer (leaf), of all its authorities too (chain),
    `None`: none.  `directories` have further authorities, looked for when a peer needs them (PEM).  With
    `server_name` a client may ask for that name or for none.
    """

    __slots__ = ("crl_check", "directories", "peer_certificate", "profile", "server_name", "suites")

    def __init__(
        self,
        profile: Profile,
        suites: tuple[str, ...],
        *,
        peer_certificate: str = REQUIRE,
        crl_check: str | None = None,
        directories: tuple[str, ...] = (),
        server_name: str | None = None,
    ) -> None:
        self.profile = profile
        self.suites = suites
        self.peer_certificate = peer_certificate
        self.crl_check = crl_check
        self.directories = directories
        self.server_name = server_name
