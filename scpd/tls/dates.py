"""Until when certificates and revocation lists are good, for whoever has to renew them."""

from __future__ import annotations

import datetime as dt

from scpd.tls import names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cryptography import x509

SOON = dt.timedelta(days=30)


def warnings(certificates: Iterable[tuple[str, x509.Certificate]], now: dt.datetime) -> Iterator[str]:
    """Say which certificates, with the files that they are from, are not good now, or not in 30 days."""
    for path, certificate in certificates:
        subject = names.text(certificate, "subject")
        end = certificate.not_valid_after_utc
        if end < now:
            yield f"certificate {path} ({subject}) has expired on {_day(end)}"
        elif certificate.not_valid_before_utc > now:
            yield f"certificate {path} ({subject}) is not valid before {_day(certificate.not_valid_before_utc)}"
        elif end - now < SOON:
            yield f"certificate {path} ({subject}) expires on {_day(end)}"


def stale(crls: Iterable[tuple[str, x509.CertificateRevocationList]], now: dt.datetime) -> Iterator[str]:
    """Say which revocation lists are out of date, and no newer one is there: whom they are about is refused."""
    crls = tuple(crls)
    current = [crl.issuer for _, crl in crls if not _is_over(crl, now)]
    for path, crl in crls:
        if _is_over(crl, now) and crl.issuer not in current:
            since = _day(crl.next_update_utc or now)
            yield f"revocation list {path} is out of date since {since}: peers will be refused"


def _is_over(crl: x509.CertificateRevocationList, now: dt.datetime) -> bool:
    return crl.next_update_utc is not None and crl.next_update_utc < now


def _day(when: dt.datetime) -> str:
    return f"{when:%Y-%m-%d}"
