"""What TLS has from the disk: key, certificate, authorities, revocation lists, Diffie-Hellman parameters; in memory.

All is read before the master gives up its rights, so that a context can be made of it at any time: at the start, every
two hours, in a program that succeeds this one.  That one gets the *estate*, a JSON object with the contents of all
files and with the key, opened; the password is not in it.  It never leaves the process (`process.succession`).

Raises `StartError`, with the name of the file.
"""

from __future__ import annotations

from base64 import b64decode, b64encode

from scpd.errors import StartError
from scpd.process.renewable import closed, not_renewed
from scpd.tls import certificates, dh, keys
from scpd.tls.files import Files
from scpd.tls.keys import PEM, Locked
from scpd.tls.names import UNREADABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

    from scpd.tls.passwords import Password

_FILES, _KEY = "files", "key"


class Sources:
    """Where it all is: paths; `form` is pem or der, of key, certificates and `authorities`."""

    __slots__ = (
        "authorities",
        "certificate",
        "crls",
        "dh_parameters",
        "directories",
        "form",
        "key",
        "password",
    )

    def __init__(  # noqa: PLR0913 - as many as there are files to name
        self,
        key: str,
        certificate: str,
        password: Password,
        *,
        form: str = PEM,
        authorities: tuple[str, ...] = (),
        directories: tuple[str, ...] = (),
        crls: tuple[str, ...] = (),
        dh_parameters: str | None = None,
    ) -> None:
        self.key = key
        self.certificate = certificate
        self.password = password
        self.form = form
        self.authorities = authorities
        self.directories = directories
        self.crls = crls
        self.dh_parameters = dh_parameters

    def paths(self) -> tuple[str, ...]:
        """Give all that a reload has to read again."""
        single = (self.password.file, self.dh_parameters)
        named = (path for path in single if path is not None)
        return (self.key, self.certificate, *self.authorities, *self.directories, *self.crls, *named)


class Material:
    """What was read, by the path that it is from; `left_out` says what of directories could not be used, and why.

    `chain` has the own certificate first; `dh_parameters` is PEM.
    """

    __slots__ = ("_files", "authorities", "chain", "crls", "dh_parameters", "key", "left_out")

    def __init__(self, sources: Sources, files: Files, key: PrivateKeyTypes) -> None:
        self._files = files
        self.key = key
        self.left_out: list[str] = []
        self.chain = certificates.certificates(
            sources.certificate, files.content(sources.certificate), sources.form
        )
        self.authorities: list[tuple[str, x509.Certificate]] = []
        self.crls: list[tuple[str, x509.CertificateRevocationList]] = []
        for path in sources.authorities:
            self._add_authorities(path, files.content(path), sources.form)
        for directory in sources.directories:
            self._add_directory(directory)
        for path in sources.crls:
            self.crls += ((path, crl) for crl in certificates.crls(path, files.content(path)))
        self.dh_parameters = dh.BUILT_IN
        if sources.dh_parameters is not None:
            self.dh_parameters = files.content(sources.dh_parameters)
            dh.bits(sources.dh_parameters, self.dh_parameters)

    def _add_authorities(self, path: str, content: bytes, form: str) -> None:
        self.authorities += ((path, each) for each in certificates.certificates(path, content, form))
        if form == PEM:
            try:
                self.crls += ((path, crl) for crl in certificates.crls_within(content))
            except UNREADABLE as error:
                raise StartError(f"cannot load revocation list from {path}: {error}") from None

    def _add_directory(self, directory: str) -> None:
        found = self._files.hashed(directory)
        for path, content in found.items():
            try:
                trusted, revoked = certificates.hashed(path, content)
            except StartError as error:  # one of many, and OpenSSL would not mind
                self.left_out.append(str(error))
                continue
            self.authorities += ((path, each) for each in trusted)
            self.crls += ((path, each) for each in revoked)
        if not found:
            self.left_out.append(f"{directory} has no file that is named by its hash (openssl rehash)")

    @property
    def kept(self) -> dict[str, str]:
        """What could not be read again, and why."""
        return self._files.kept

    def estate(self) -> dict[str, Any]:
        """Give what a successor needs if it cannot read what we could; of password files it is nothing."""
        files = {path: _text(content) for path, content in self._files.read.items()}
        return {_FILES: files, _KEY: _text(keys.to_bytes(self.key))}


def load(sources: Sources, former: Mapping[str, Any] | None = None, *, may_ask: bool = False) -> Material:
    """Read everything; `former` is the estate of the program before us, `may_ask` allows to ask for the password."""
    estate = former or {_FILES: {}, _KEY: ""}
    files = Files({path: b64decode(text) for path, text in estate[_FILES].items()})
    content = files.content(sources.key)
    is_same = estate[_FILES].get(sources.key) == _text(content)
    former_key = keys.from_bytes(b64decode(estate[_KEY])) if is_same else None
    material = Material(sources, files, _key(sources, files, content, former_key, may_ask=may_ask))
    try:
        is_of_key = material.chain[0].public_key() == material.key.public_key()
    except UNREADABLE as error:
        raise StartError(f"cannot load certificate from {sources.certificate}: {error}") from None
    if not is_of_key:
        raise StartError(f"Private key '{sources.key}' and certificate '{sources.certificate}' do not match")
    return material


def _key(
    sources: Sources, files: Files, content: bytes, former: PrivateKeyTypes | None, *, may_ask: bool
) -> PrivateKeyTypes:
    """Open the key, or take it as it was opened before if it is still the same and nobody can open it now."""
    try:
        return keys.unlock(sources.key, content, sources.form, None)
    except Locked:
        pass
    file = sources.password.file
    refused = closed((file,)) if file is not None and former is not None else []
    if former is not None and refused:
        files.kept.update(refused)
        return former
    # The password does not go into the estate: its file is none of those.
    password = sources.password.look_up(sources.key, Files({}), may_ask=may_ask)
    if password is not None:
        return keys.unlock(sources.key, content, sources.form, password)
    if former is None:
        raise StartError(f"private key {sources.key} is encrypted, and its password cannot be asked for now")
    return former


def unrenewable(sources: Sources) -> list[str]:
    """Say what this process could not read again, as it is now."""
    return [not_renewed(path, reason) for path, reason in closed(sources.paths())]


def _text(content: bytes) -> str:
    return b64encode(content).decode("ascii")
