"""The output directory at the start: one line says what is wrong with it."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from scpd.errors import StartError
from scpd.store.directory import check_output_directory

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = 65534


@pytest.mark.parametrize("must_be_writable", [True, False])
def test_a_directory_that_takes_objects_is_fine(tmp_path: Path, must_be_writable: bool) -> None:
    (tmp_path / "link").symlink_to(tmp_path)

    check_output_directory(str(tmp_path), must_be_writable=must_be_writable)
    check_output_directory(str(tmp_path / "link"), must_be_writable=must_be_writable)


@pytest.mark.parametrize("must_be_writable", [True, False])
def test_what_is_no_directory_is_named(tmp_path: Path, must_be_writable: bool) -> None:
    (tmp_path / "file").touch()

    for path in (tmp_path / "nothing", tmp_path / "file"):
        with pytest.raises(StartError) as caught:
            check_output_directory(str(path), must_be_writable=must_be_writable)
        assert str(caught.value) == f"specified output directory does not exist: {path}"


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A directory that every user may enter, as pytest's own are not."""
    with TemporaryDirectory() as path:
        Path(path).chmod(0o755)
        yield Path(path)


@pytest.mark.parametrize("mode", [0o555, 0o666, 0o444])
def test_a_directory_that_takes_no_objects_is_named_if_it_must(reachable: Path, mode: int) -> None:
    path = reachable / "closed"
    path.mkdir()
    path.chmod(mode)
    user = os.geteuid()
    if user == 0:  # root may write everywhere
        os.chown(path, NOBODY, -1)
        os.seteuid(NOBODY)
    try:
        check_output_directory(str(path), must_be_writable=False)
        with pytest.raises(StartError) as caught:
            check_output_directory(str(path), must_be_writable=True)
    finally:
        os.seteuid(user)
        path.chmod(0o755)

    assert str(caught.value) == f"specified output directory is not writeable: {path}"
