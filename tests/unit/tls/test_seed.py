from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from scpd.tls import seed

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_is_mixed_in_and_a_missing_one_is_no_word_worth(tmp_path: Path) -> None:
    (tmp_path / "seed").write_bytes(b"anything")
    assert seed.mix_in(str(tmp_path / "seed")) == ""
    assert seed.mix_in(str(tmp_path / "none")) == ""
    assert seed.mix_in("/dev/urandom") == ""  # has no end


def test_a_socket_is_told_to_be_of_no_use(tmp_path: Path) -> None:
    path = str(tmp_path / "egd")
    with socket.socket(socket.AF_UNIX) as daemon:
        daemon.bind(path)
        assert seed.mix_in(path) == (
            f"--seed {path} has no effect: OpenSSL takes nothing from entropy gathering daemons any more"
        )


def test_what_is_written_is_new_and_for_our_eyes_only(tmp_path: Path) -> None:
    path = tmp_path / "seed"
    path.write_bytes(bytes(5000))
    path.chmod(0o644)
    seed.write(str(path))
    first = path.read_bytes()
    seed.write(str(path))
    assert len(first) == 1024
    assert path.read_bytes() != first
    assert path.stat().st_mode & 0o777 == 0o600
