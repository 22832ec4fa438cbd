from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from scpd.tls.endpoint import RENEWAL_SECONDS
from tests.harness.handshakes import Client, load, shake

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.harness.certificates import Infrastructure


def test_a_context_is_new_after_two_hours_and_not_before(server_words: list[str]) -> None:
    tls, _ = load(*server_words)
    tls.refresh(1e9)  # from here on, whatever the clock of this machine says
    first = tls.context()
    tls.refresh(1e9 + RENEWAL_SECONDS - 1)
    assert tls.context() is first
    tls.refresh(1e9 + RENEWAL_SECONDS)
    assert tls.context() is not first


def test_files_are_not_needed_for_that(tmp_path: Path, certificates: Infrastructure) -> None:
    server = certificates.server
    mine = type(server)(tmp_path, "mine", server.private, server.certificate).write()
    tls, _ = load("+tls", mine.key, mine.crt, "-ic")
    for path in tmp_path.iterdir():
        path.unlink()
    tls.refresh(1e12)
    assert not shake(tls, Client()).error


def test_the_first_certificate_of_the_chain_to_expire_is_told(certificates: Infrastructure) -> None:
    pair = certificates.issue("short", certificates.intermediate, days=(-1, 40))
    assert load("+tls", pair.key, pair.crt, "-ic")[0].expires() == pair.certificate.not_valid_after_utc


def test_a_seed_is_written_where_it_was_asked_for(tmp_path: Path, server_words: list[str]) -> None:
    seed, other = tmp_path / "seed", tmp_path / "other"
    seed.write_bytes(b"old")
    load(*server_words, "+rs", str(seed))[0].leave_seed()
    assert seed.read_bytes() == b"old"
    load(*server_words, "+rs", str(seed), "+wf", str(other))[0].leave_seed()
    assert (seed.read_bytes(), other.stat().st_size) == (b"old", 1024)
    load(*server_words, "+rs", str(seed), "+ws")[0].leave_seed()
    assert seed.stat().st_size == 1024


def test_a_seed_that_cannot_be_written_is_a_warning(
    tmp_path: Path, server_words: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "none" / "seed"
    with caplog.at_level(logging.WARNING):
        load(*server_words, "+rs", str(path), "+ws")[0].leave_seed()
    assert caplog.messages == [f"cannot write the seed to {path}: No such file or directory"]
