"""A public key infrastructure for tests: authorities, certificates of every kind, keys, revocation lists, as files.

    ca                    the root that signs all below; `intermediate` is an authority that it has signed
    server                of the program under test: localhost, 127.0.0.1; `server-ec` the same with an EC key
    good                  a client; others: expired, future, revoked, server-only (its only purpose), weak (1024 bits)
    of-intermediate       a client of the intermediate; its chain file sends that too
    foreign               a client of another root, foreign-ca
    self-signed           a client of nobody
    dsa                   a server or client with a DSA key, of 2048 bits; `dsa-weak` the same with 1024
    small-curve           a client with an EC key of 224 bits

A `Pair` NAME has the files NAME.key and NAME.crt (PEM, its own certificate first), NAME.key.der and NAME.crt.der, and
NAME.locked.key and NAME.locked.der (PKCS 8, under `PASSWORD`).  Keys are RSA of 2048 bits where nothing else is said.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Iterable

    Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | dsa.DSAPrivateKey

PASSWORD = "secret"
DAY = dt.timedelta(days=1)
CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH
BOTH = (CLIENT, SERVER)


@dataclass(frozen=True)
class Pair:
    """A private key, its certificate and those above it that are sent along; and their files."""

    directory: Path
    name: str
    private: Key
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def key(self) -> str:
        """The path of the key: PEM, no password."""
        return str(self.directory / f"{self.name}.key")

    @property
    def crt(self) -> str:
        """The path of the certificate and its chain: PEM."""
        return str(self.directory / f"{self.name}.crt")

    @property
    def key_der(self) -> str:
        """The path of the key: DER, PKCS 8, no password."""
        return f"{self.key}.der"

    @property
    def crt_der(self) -> str:
        """The path of the certificate alone: DER."""
        return f"{self.crt}.der"

    @property
    def locked(self) -> str:
        """The path of the key under `PASSWORD`: PEM."""
        return str(self.directory / f"{self.name}.locked.key")

    @property
    def locked_der(self) -> str:
        """The path of the key under `PASSWORD`: DER."""
        return str(self.directory / f"{self.name}.locked.der")

    @property
    def subject(self) -> str:
        """The subject as RFC 4514 writes it."""
        return self.certificate.subject.rfc4514_string()

    def write(self) -> Pair:
        """Write all its files."""
        plain, locked = NoEncryption(), BestAvailableEncryption(PASSWORD.encode())
        for path, encoding, encryption in (
            (self.key, Encoding.PEM, plain),
            (self.key_der, Encoding.DER, plain),
            (self.locked, Encoding.PEM, locked),
            (self.locked_der, Encoding.DER, locked),
        ):
            _write(path, key_bytes(self.private, encoding, encryption), 0o600)
        chain = (self.certificate, *self.chain)
        _write(self.crt, b"".join(each.public_bytes(Encoding.PEM) for each in chain))
        _write(self.crt_der, self.certificate.public_bytes(Encoding.DER))
        return self


def key_bytes(
    key: Key, encoding: Encoding = Encoding.PEM, encryption: KeySerializationEncryption | None = None
) -> bytes:
    """Write a private key as PKCS 8."""
    return key.private_bytes(encoding, PrivateFormat.PKCS8, encryption or NoEncryption())


class Infrastructure:
    """Makes the pairs as they are asked for, in a directory; a test may make others with `issue`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.now = dt.datetime.now(dt.UTC).replace(microsecond=0)

    def authority(self, name: str, issuer: Pair | None = None) -> Pair:
        """Make a root, or an authority below another."""
        return self.issue(name, issuer, authority=True, purposes=())

    def issue(  # a certificate has that many properties
        self,
        name: str,
        issuer: Pair | None,
        *,
        days: tuple[float, float] = (-1, 365),
        purposes: Iterable[x509.ObjectIdentifier] = BOTH,
        names: Iterable[str] = (),
        common_name: str = "",
        key: Key | None = None,
        authority: bool = False,
        hash_algorithm: hashes.HashAlgorithm | None = None,
    ) -> Pair:
        """Make and write a pair, valid for `days` from now; without an issuer it has signed itself.

        `names` are its DNS names and addresses; `common_name` is `name` if it is not given.
        """
        key = key or rsa_key()
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Hospital"),
                x509.NameAttribute(NameOID.COMMON_NAME, common_name or name),
            ]
        )
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if issuer is None else issuer.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.now + days[0] * DAY)
            .not_valid_after(self.now + days[1] * DAY)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        if purposes := list(purposes):
            builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        if names := list(names):
            builder = builder.add_extension(x509.SubjectAlternativeName(map(_general_name, names)), False)
        signer = key if issuer is None else issuer.private
        certificate = builder.sign(signer, hash_algorithm or hashes.SHA256())
        # A root is not sent; an intermediate is.
        is_root = issuer is None or issuer.certificate.issuer == issuer.certificate.subject
        chain = () if is_root or issuer is None else (issuer.certificate, *issuer.chain)
        return Pair(self.directory, name, key, certificate, chain).write()

    def sign_again(self, pair: Pair, issuer: Pair, digest: str) -> None:
        """Replace NAME.crt by one with another digest: `cryptography` does not sign with those that are broken."""
        request, plain = f"{pair.crt}.csr", ["openssl", "x509", "-req", f"-{digest}", "-days", "365"]
        asked = ["openssl", "req", "-new", "-key", pair.key, "-subj", f"/CN={pair.name}", "-out", request]
        signed = [*plain, "-in", request, "-CA", issuer.crt, "-CAkey", issuer.key, "-out", pair.crt]
        for command in (asked, signed):
            subprocess.run(command, check=True, capture_output=True, timeout=30)

    def crl(
        self, name: str, issuer: Pair, revoked: Iterable[Pair] = (), *, days: tuple[float, float] = (-1, 30)
    ) -> str:
        """Make a revocation list of an authority, NAME.crl (PEM) and NAME.crl.der; give the path of the first."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(issuer.certificate.subject)
            .last_update(self.now + days[0] * DAY)
            .next_update(self.now + days[1] * DAY)
        )
        for each in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(each.certificate.serial_number)
            builder = builder.add_revoked_certificate(entry.revocation_date(self.now - DAY).build())
        crl = builder.sign(issuer.private, hashes.SHA256())
        path = str(self.directory / f"{name}.crl")
        _write(path, crl.public_bytes(Encoding.PEM))
        _write(f"{path}.der", crl.public_bytes(Encoding.DER))
        return path

    @cached_property
    def ca(self) -> Pair:
        return self.authority("ca")

    @cached_property
    def intermediate(self) -> Pair:
        return self.authority("intermediate", self.ca)

    @cached_property
    def foreign_ca(self) -> Pair:
        return self.authority("foreign-ca")

    @cached_property
    def server(self) -> Pair:
        return self.issue("server", self.ca, names=("localhost", "127.0.0.1"))

    @cached_property
    def server_ec(self) -> Pair:
        return self.issue("server-ec", self.ca, names=("localhost", "127.0.0.1"), key=ec_key())

    @cached_property
    def good(self) -> Pair:
        return self.issue("good", self.ca, names=("ct1.hospital.example",))

    @cached_property
    def expired(self) -> Pair:
        return self.issue("expired", self.ca, days=(-30, -1))

    @cached_property
    def future(self) -> Pair:
        return self.issue("future", self.ca, days=(1, 30))

    @cached_property
    def revoked(self) -> Pair:
        return self.issue("revoked", self.ca)

    @cached_property
    def server_only(self) -> Pair:
        return self.issue("server-only", self.ca, purposes=(SERVER,))

    @cached_property
    def weak(self) -> Pair:
        return self.issue("weak", self.ca, key=rsa_key(1024))

    @cached_property
    def of_intermediate(self) -> Pair:
        return self.issue("of-intermediate", self.intermediate)

    @cached_property
    def foreign(self) -> Pair:
        return self.issue("foreign", self.foreign_ca)

    @cached_property
    def self_signed(self) -> Pair:
        return self.issue("self-signed", None)

    @cached_property
    def dsa(self) -> Pair:
        return self.issue(
            "dsa", self.ca, names=("localhost", "127.0.0.1"), key=dsa.generate_private_key(2048)
        )

    @cached_property
    def dsa_weak(self) -> Pair:
        return self.issue("dsa-weak", self.ca, names=("localhost",), key=dsa.generate_private_key(1024))

    @cached_property
    def small_curve(self) -> Pair:
        return self.issue("small-curve", self.ca, key=ec_key(ec.SECP224R1()))

    @cached_property
    def current_crl(self) -> str:
        """The path of the root's list, with `revoked` in it; DER is the same with `.der` behind."""
        return self.crl("current", self.ca, [self.revoked])

    @cached_property
    def stale_crl(self) -> str:
        """The path of a list of the root that is out of date."""
        return self.crl("stale", self.ca, [self.revoked], days=(-30, -1))

    def hashed(self, name: str, *pairs: Pair, crls: Iterable[str] = ()) -> str:
        """Make a directory as `openssl rehash` does, of these authorities and lists (PEM); give its path."""
        from OpenSSL.crypto import X509

        folder = self.directory / name
        folder.mkdir()
        for pair in pairs:
            digest = X509.from_cryptography(pair.certificate).subject_name_hash()
            number = len(list(folder.glob(f"{digest:08x}.[0-9]*")))
            (folder / f"{digest:08x}.{number}").write_bytes(pair.certificate.public_bytes(Encoding.PEM))
        for path in crls:
            crl = x509.load_pem_x509_crl(Path(path).read_bytes())
            digest = _name_hash(crl.issuer, pairs)
            number = len(list(folder.glob(f"{digest:08x}.r[0-9]*")))
            (folder / f"{digest:08x}.r{number}").write_bytes(Path(path).read_bytes())
        return str(folder)


def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """Make a key; 2048 bits take some 50 ms."""
    return rsa.generate_private_key(65537, bits)


def ec_key(curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    """Make a key, of P-256 if nothing else is asked for."""
    return ec.generate_private_key(curve or ec.SECP256R1())


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _name_hash(name: x509.Name, pairs: Iterable[Pair]) -> int:
    from OpenSSL.crypto import X509

    (pair,) = (each for each in pairs if each.certificate.subject == name)
    return X509.from_cryptography(pair.certificate).subject_name_hash()


def _write(path: str, content: bytes, mode: int = 0o644) -> None:
    Path(path).write_bytes(content)
    Path(path).chmod(mode)
