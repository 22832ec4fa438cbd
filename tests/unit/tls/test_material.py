from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scpd.errors import StartError
from scpd.tls import material
from scpd.tls.material import Sources
from scpd.tls.passwords import Password
from tests.harness.certificates import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from tests.harness.certificates import Infrastructure, Pair

NOBODY = 65534


def of(pair: Pair, password: Password | None = None, **more: Any) -> Sources:
    """Name the files of a pair; the key is encrypted if there is a password."""
    return Sources(pair.key if password is None else pair.locked, pair.crt, password or Password(), **more)


def refusal(sources: Sources, former: dict[str, Any] | None = None) -> str:
    with pytest.raises(StartError) as caught:
        material.load(sources, former)
    return str(caught.value)


def handed_on(loaded: material.Material) -> dict[str, Any]:
    """Give the estate as a successor reads it."""
    estate: dict[str, Any] = json.loads(json.dumps(loaded.estate()))
    return estate


@pytest.fixture
def private(tmp_path: Path, certificates: Infrastructure) -> Pair:
    """A pair of its own files, for tests that change them."""
    pair = certificates.server
    return type(pair)(tmp_path, "mine", pair.private, pair.certificate, pair.chain).write()


def test_key_and_chain_are_read(certificates: Infrastructure) -> None:
    loaded = material.load(of(certificates.of_intermediate))
    assert loaded.chain == [certificates.of_intermediate.certificate, certificates.intermediate.certificate]
    assert loaded.key.public_key() == certificates.of_intermediate.private.public_key()


@pytest.mark.parametrize("password", [Password(PASSWORD), None])
def test_der_is_read_with_and_without_a_password(
    password: Password | None, certificates: Infrastructure
) -> None:
    pair = certificates.server_ec
    key = pair.key_der if password is None else pair.locked_der
    loaded = material.load(
        Sources(key, pair.crt_der, password or Password(), form="der", authorities=(certificates.ca.crt_der,))
    )
    assert loaded.chain == [pair.certificate]
    assert loaded.authorities == [(certificates.ca.crt_der, certificates.ca.certificate)]


def test_a_key_may_be_of_the_older_kind_and_stand_among_others(
    tmp_path: Path, certificates: Infrastructure
) -> None:
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

    pair = certificates.server
    old = pair.private.private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(PASSWORD.encode())
    )
    assert b"DEK-Info" in old
    both = tmp_path / "both.pem"
    both.write_bytes(b"Bag Attributes\n" + Path(pair.crt).read_bytes() + b"\n" + old)
    loaded = material.load(Sources(str(both), str(both), Password(PASSWORD)))
    assert loaded.key.public_key() == pair.private.public_key()


def test_an_ec_key_behind_its_parameters_is_found(tmp_path: Path, certificates: Infrastructure) -> None:
    pair = certificates.server_ec
    key = tmp_path / "key"
    parameters = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    key.write_bytes(parameters + Path(pair.key).read_bytes())
    assert (
        material.load(Sources(str(key), pair.crt, Password())).key.public_key() == pair.private.public_key()
    )


class TestPassword:
    def test_one_that_is_not_needed_does_no_harm(self, certificates: Infrastructure) -> None:
        pair = certificates.server
        assert material.load(Sources(pair.key, pair.crt, Password("whatever")))

    @pytest.mark.parametrize("content", [f"{PASSWORD}\n", PASSWORD, f"{PASSWORD}\r\nsecond line\n"])
    def test_it_may_be_the_first_line_of_a_file(
        self, content: str, tmp_path: Path, certificates: Infrastructure
    ) -> None:
        (tmp_path / "password").write_text(content, newline="")
        assert material.load(of(certificates.server, Password(file=str(tmp_path / "password"))))

    def test_a_wrong_one_is_told(self, certificates: Infrastructure) -> None:
        assert refusal(of(certificates.server, Password("x"))) == (
            f"wrong password for private key {certificates.server.locked}"
        )

    def test_so_is_none(self, certificates: Infrastructure) -> None:
        locked = certificates.server.locked
        assert refusal(of(certificates.server, Password(""))) == (
            f"private key {locked} is encrypted: it needs a password"
        )

    def test_nobody_is_asked_who_may_not_be(self, certificates: Infrastructure) -> None:
        locked = certificates.server.locked
        assert refusal(of(certificates.server, Password())) == (
            f"private key {locked} is encrypted, and its password cannot be asked for now"
        )

    def test_a_missing_file_is_told(self, tmp_path: Path, certificates: Infrastructure) -> None:
        path = str(tmp_path / "none")
        assert refusal(of(certificates.server, Password(file=path))) == (
            f"cannot read {path}: No such file or directory"
        )


class TestMistakes:
    @pytest.mark.parametrize(
        "name", ["key", "certificate", "authorities", "directories", "crls", "dh_parameters"]
    )
    def test_a_missing_file_is_named(self, name: str, tmp_path: Path, certificates: Infrastructure) -> None:
        sources = of(certificates.server)
        path = str(tmp_path / "none")
        is_single = name in {"key", "certificate", "dh_parameters"}
        setattr(sources, name, path if is_single else (path,))
        assert refusal(sources) == f"cannot read {path}: No such file or directory"

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("key", "cannot load private key {}: there is none in it"),
            ("certificate", "cannot load certificate from {}: there is none in it"),
            ("authorities", "cannot load certificate from {}: there is none in it"),
            ("crls", "cannot load revocation list from {}: there is none in it"),
            ("dh_parameters", "cannot load Diffie-Hellman parameters from {}: there are none in it"),
        ],
    )
    def test_a_file_of_something_else_is_named(
        self, name: str, text: str, tmp_path: Path, certificates: Infrastructure
    ) -> None:
        sources = of(certificates.server)
        path = tmp_path / "junk"
        path.write_bytes(b"no such thing\n")
        is_single = name in {"key", "certificate", "dh_parameters"}
        setattr(sources, name, str(path) if is_single else (str(path),))
        assert refusal(sources) == text.format(path)

    def test_damaged_blocks_are_named(self, tmp_path: Path, certificates: Infrastructure) -> None:
        path = tmp_path / "damaged"
        for label in ("PRIVATE KEY", "CERTIFICATE", "X509 CRL"):
            path.write_text(f"-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n")
            sources = of(certificates.server)
            if label == "PRIVATE KEY":
                sources.key = str(path)
            elif label == "CERTIFICATE":
                sources.certificate = str(path)
            else:
                sources.crls = (str(path),)
            assert refusal(sources).startswith("cannot load ")
            assert str(path) in refusal(sources)

    def test_a_file_that_was_cut_is_named(self, tmp_path: Path, certificates: Infrastructure) -> None:
        # Its last certificate would be missing without a word.
        path = tmp_path / "cut"
        whole = Path(certificates.foreign_ca.crt).read_bytes()
        path.write_bytes(Path(certificates.ca.crt).read_bytes() + whole[:500])
        said = f"cannot load certificate from {path}: a block is cut off, or does not begin a line"
        assert refusal(of(certificates.server, authorities=(str(path),))) == said
        sources = of(certificates.server)
        sources.certificate = str(path)
        assert refusal(sources) == said

    def test_a_certificate_in_openssls_own_form_is_told(
        self, tmp_path: Path, certificates: Infrastructure
    ) -> None:
        path = tmp_path / "trusted"
        text = Path(certificates.ca.crt).read_text()
        path.write_text(text.replace("CERTIFICATE", "TRUSTED CERTIFICATE"))
        assert refusal(of(certificates.server, authorities=(str(path),))) == (
            f"cannot load certificate from {path}: there is none in it but such as only OpenSSL reads "
            "(openssl x509 makes a plain one of it)"
        )

    def test_pem_for_der_and_back_is_told(self, certificates: Infrastructure) -> None:
        pair = certificates.server
        said = [
            refusal(Sources(key, certificate, Password(), form=form))
            for key, certificate, form in (
                (pair.key_der, pair.crt, "pem"),
                (pair.key, pair.crt_der, "pem"),
                (pair.key, pair.crt_der, "der"),
                (pair.key_der, pair.crt, "der"),
            )
        ]
        assert said == [
            f"cannot load private key {pair.key_der}: there is none in it (is it DER? --der-keys)",
            f"cannot load certificate from {pair.crt_der}: there is none in it (is it DER? --der-keys)",
            f"cannot load private key {pair.key}: it is PEM, not DER",
            f"cannot load certificate from {pair.crt}: it is PEM, not DER",
        ]

    def test_a_key_of_another_certificate_is_told(self, certificates: Infrastructure) -> None:
        sources = Sources(certificates.good.key, certificates.server.crt, Password())
        assert refusal(sources) == (
            f"Private key '{certificates.good.key}' and certificate '{certificates.server.crt}' do not match"
        )

    def test_in_a_directory_what_cannot_be_used_is_left_out(self, certificates: Infrastructure) -> None:
        folder = certificates.hashed("partly", certificates.ca)
        (Path(folder) / "01234567.0").write_text("junk")
        (Path(folder) / "README").write_text("no certificate")
        loaded = material.load(of(certificates.server, directories=(folder,)))
        assert [each for _, each in loaded.authorities] == [certificates.ca.certificate]
        assert loaded.left_out == [f"cannot load certificate from {folder}/01234567.0: there is none in it"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not read")
class TestWithoutRights:
    """A successor that has given up root: what it cannot read is as it was."""

    def load_as_nobody(self, sources: Sources, former: dict[str, Any] | None) -> tuple[str, dict[str, str]]:
        """Load in a child that is nobody; give its complaint, or nothing and what was kept."""
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.setresgid(NOBODY, NOBODY, NOBODY)
                os.setresuid(NOBODY, NOBODY, NOBODY)
                loaded = material.load(sources, former)
                answer: Any = ["", loaded.kept]
            except StartError as error:
                answer = [str(error), {}]
            except BaseException as error:  # noqa: BLE001 - the child ends here, whatever happens
                answer = [repr(error), {}]
            os.write(writer, json.dumps(answer).encode())
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as answers:
            complaint, kept = json.load(answers)
        os.waitpid(pid, 0)
        return complaint, kept

    @pytest.fixture
    def closed(self, certificates: Infrastructure) -> Iterator[Pair]:
        """A pair in a place that others can look into (not pytest's, which it closes), with a key that is root's."""
        pair = certificates.server
        with tempfile.TemporaryDirectory() as name:
            Path(name).chmod(0o755)
            yield type(pair)(Path(name), "mine", pair.private, pair.certificate, pair.chain).write()

    def test_a_key_is_kept_with_a_word_while_the_rest_is_new(self, closed: Pair) -> None:
        former = handed_on(material.load(of(closed)))
        assert self.load_as_nobody(of(closed), former) == ("", {closed.key: "Permission denied"})

    def test_without_a_former_one_it_is_an_error(self, closed: Pair) -> None:
        complaint, _ = self.load_as_nobody(of(closed), None)
        assert complaint == f"cannot read {closed.key}: Permission denied"

    def test_a_new_certificate_for_the_old_key_is_told(
        self, closed: Pair, certificates: Infrastructure
    ) -> None:
        former = handed_on(material.load(of(closed)))
        Path(closed.crt).write_bytes(Path(certificates.good.crt).read_bytes())
        complaint, _ = self.load_as_nobody(of(closed), former)
        assert complaint == f"Private key '{closed.key}' and certificate '{closed.crt}' do not match"

    def test_a_file_that_is_gone_is_an_error_all_the_same(self, closed: Pair) -> None:
        former = handed_on(material.load(of(closed)))
        Path(closed.crt).unlink()
        complaint, _ = self.load_as_nobody(of(closed), former)
        assert complaint == f"cannot read {closed.crt}: No such file or directory"

    def test_a_password_file_that_is_closed_is_not_needed_for_the_same_key(self, closed: Pair) -> None:
        password = closed.directory / "password"
        password.write_text(PASSWORD)
        password.chmod(0o600)
        Path(closed.locked).chmod(0o644)
        sources = of(closed, Password(file=str(password)))
        former = handed_on(material.load(sources))
        assert self.load_as_nobody(sources, former) == ("", {str(password): "Permission denied"})

    def test_a_hashed_directory_is_kept_as_it_was(self, closed: Pair, certificates: Infrastructure) -> None:
        folder = closed.directory / "hashed"
        Path(certificates.hashed("closed", certificates.ca)).rename(folder)
        sources = of(closed, directories=(str(folder),))
        former = handed_on(material.load(sources))
        folder.chmod(0o700)
        complaint, kept = self.load_as_nobody(sources, former)
        assert complaint == ""
        assert kept[str(folder)] == "Permission denied"

    def test_what_the_user_cannot_read_again_is_known_at_the_start(self, closed: Pair) -> None:
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.setresuid(NOBODY, NOBODY, NOBODY)
            os.write(writer, json.dumps(material.unrenewable(of(closed))).encode())
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as answers:
            assert json.load(answers) == [f"cannot be renewed by reload: {closed.key}: Permission denied"]
        os.waitpid(pid, 0)


class TestEstate:
    def test_it_has_no_password(self, tmp_path: Path, certificates: Infrastructure) -> None:
        secret = "a-password-nobody-else-has"
        from cryptography.hazmat.primitives.serialization import BestAvailableEncryption

        from tests.harness.certificates import key_bytes

        key = tmp_path / "key"
        key.write_bytes(
            key_bytes(certificates.server.private, encryption=BestAvailableEncryption(secret.encode()))
        )
        (tmp_path / "password").write_text(secret)
        sources = Sources(str(key), certificates.server.crt, Password(file=str(tmp_path / "password")))
        estate = material.load(sources).estate()
        assert set(estate["files"]) == {str(key), certificates.server.crt}
        from base64 import b64decode

        contents = [b64decode(text) for text in (*estate["files"].values(), estate["key"])]
        assert not any(secret.encode() in content for content in contents)

    def test_a_password_that_was_asked_for_is_not_asked_for_again_while_the_key_is_the_same(
        self, private: Pair
    ) -> None:
        given = handed_on(material.load(of(private, Password(PASSWORD))))
        assert material.load(of(private, Password()), given).key.public_key() == private.private.public_key()
        type(private)(private.directory, "mine", private.private, private.certificate).write()  # other salt
        assert refusal(of(private, Password()), given) == (
            f"private key {private.locked} is encrypted, and its password cannot be asked for now"
        )

    def test_a_password_that_has_become_wrong_is_told_though_the_key_is_the_same(self, private: Pair) -> None:
        given = handed_on(material.load(of(private, Password(PASSWORD))))
        assert (
            refusal(of(private, Password("x")), given) == f"wrong password for private key {private.locked}"
        )
