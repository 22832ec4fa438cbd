"""`make install`: a tree that is complete, runs from where it is put, and never touches an administrator's file."""

from __future__ import annotations

import marshal
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scpd.cli.mdoc import MANUALS
from tests.harness.clients import run, storescu
from tests.harness.installing import files_below, install, make
from tests.harness.objects import write_ct_images
from tests.harness.servers import REPOSITORY, ServerFactory

if TYPE_CHECKING:
    from collections.abc import Iterator

LIBRARY = "usr/lib/scpd/python"
UNCHECKED = 1  # PEP 552: by a hash that nobody looks at
CODE_AT = 16
UNITS = {path.name for path in (REPOSITORY / "systemd").iterdir() if path.is_file()}
CONFIGURATION = {"scpd.conf", "storescp.cfg", "logger.cfg"}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make install PREFIX=/usr` put into a folder, by somebody with a strict umask, which then was moved."""
    staged = tmp_path_factory.mktemp("staged") / "root"
    install(staged, "PREFIX=/usr", umask=0o077)
    moved = tmp_path_factory.mktemp("moved") / "root"
    staged.rename(moved)
    return moved


@pytest.fixture
def installed(tree: Path, tmp_path: Path) -> Iterator[ServerFactory]:
    """Servers as those of `scpd`, from the tree."""
    factory = ServerFactory(
        [str(tree / "usr/lib/scpd/bin/storescp")], tmp_path, "inbox", dict(os.environ), may_leave=False
    )
    yield factory
    factory.finish()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def modules(tree: Path) -> list[Path]:
    return [path for path in (tree / LIBRARY).rglob("*.py") if path.stat().st_size]


def test_the_tree_is_complete(tree: Path) -> None:
    assert names(tree) == {"etc", "usr"}
    assert names(tree / "usr") == {"bin", "lib", "share"}
    assert names(tree / "usr/bin") == {"scpd", "scpctl"}
    assert names(tree / "usr/lib/systemd/system") == {*UNITS, "scpd.service.d"}
    assert names(tree / "etc/scpd") == CONFIGURATION
    examples = {path.name for folder in ("etc", "inetd") for path in (REPOSITORY / folder).iterdir()}
    assert names(tree / "usr/share/doc/scpd/examples") == examples
    pages = {path.name for path in (tree / "usr/share/man").rglob("*") if path.is_file()}
    assert pages == {path.name for path in MANUALS.glob("*.[1-9]")}
    ours = {path.relative_to(REPOSITORY) for path in (REPOSITORY / "scpd").rglob("*.py")}
    assert {path for path in ours if not (tree / LIBRARY / path).is_file()} == set()


def test_everybody_may_read_it_and_its_owner_alone_may_write(tree: Path) -> None:
    is_readable_and_safe(tree)


def test_whoever_fetched_the_libraries_everybody_may_read_them(tmp_path: Path) -> None:
    libraries = tmp_path / "libraries"
    libraries.mkdir(mode=0o700)
    (libraries / "one.py").touch(mode=0o600)
    (libraries / "two.py").touch()
    (libraries / "two.py").chmod(0o666)
    install(tmp_path / "root", f"PACKAGES={libraries}", "PREFIX=/usr", "COMPILE=no")
    assert names(tmp_path / "root" / LIBRARY) == {"scpd", "one.py", "two.py"}
    is_readable_and_safe(tmp_path / "root")


def is_readable_and_safe(tree: Path) -> None:
    for path in tree.rglob("*"):
        status = path.lstat()
        assert status.st_uid == os.geteuid()
        if path.is_symlink():
            continue
        wanted = 0o555 if path.is_dir() or path.parent == tree / "usr/bin" else 0o444
        assert (status.st_mode & wanted, status.st_mode & 0o022) == (wanted, 0), path


def test_everything_is_compiled_for_its_final_place_and_never_again(tree: Path) -> None:
    assert modules(tree)
    for path in modules(tree):
        (compiled,) = (path.parent / "__pycache__").glob(f"{path.stem}.cpython-*.pyc")
        content = compiled.read_bytes()
        assert content[4] == UNCHECKED
        assert marshal.loads(content[CODE_AT:]).co_filename == f"/{path.relative_to(tree)}"


def test_it_runs_from_where_it_was_moved_and_from_a_link(tree: Path, tmp_path: Path) -> None:
    link = tmp_path / "storescp"
    link.symlink_to(tree / "usr/lib/scpd/bin/storescp")
    for program in (tree / "usr/bin/scpd", link):
        ended = run([str(program), "--version"])
        assert ended.stdout.startswith(f"$scpd: {program.name} v"), ended.stderr
        assert "not installed" not in ended.stdout
    assert run([str(tree / "usr/bin/scpctl"), "--help"]).returncode == 0
    named = run(["env", "-C", str(tree / "usr/bin"), "./scpd", "--version"])
    assert named.stdout.startswith("$scpd: scpd v"), named.stderr


def test_nothing_of_the_environment_gets_into_it(tree: Path, tmp_path: Path) -> None:
    for name in ("scpd", "sitecustomize", "setproctitle"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('not ours')\n")
    hostile = {
        "PYTHONPATH": str(tmp_path),
        "PYTHONSTARTUP": str(tmp_path / "scpd.py"),
        "PYTHONHOME": "/missing",
    }
    ended = run(["env", "-C", str(tmp_path), str(tree / "usr/bin/scpd"), "--version"], env=hostile)
    assert ended.returncode == 0, ended.stderr


def test_another_interpreter_is_named_in_one_line(tree: Path) -> None:
    text = (tree / "usr/bin/scpd").read_text()
    other = tree / "usr/bin/other"
    other.write_text(re.sub(r"_BUILT_FOR = \(3, \d+\)", "_BUILT_FOR = (3, 99)", text))
    other.chmod(0o755)
    try:
        ended = run([str(other), "--version"])
    finally:
        other.unlink()
    assert ended.returncode == 1
    assert re.fullmatch(rf"{other}: installed for Python 3\.99, but \S+ is 3\.\d+: .*\n", ended.stderr)


def test_it_receives_and_writes_nothing_into_its_own_tree(
    tree: Path, installed: ServerFactory, tmp_path: Path
) -> None:
    before = files_below(tree)
    server = installed("--fork", "-v", "-su", "study", "-tos", "60")
    write_ct_images(tmp_path / "series", 3)
    result = storescu(server, "+sd", tmp_path / "series")
    assert result.returncode == 0, result.stderr
    assert len(list(server.inbox.glob("study_*/CT.*"))) == 3
    assert run([str(tree / "usr/bin/scpctl"), "echo", server.host, str(server.port)]).returncode == 0
    assert server.stop() == 0
    assert files_below(tree) == before


def test_files_name_each_other_by_the_prefix(tmp_path: Path) -> None:
    install(tmp_path, "PREFIX=/opt/scpd", "COMPILE=no")
    assert names(tmp_path) == {"opt"}
    prefix = tmp_path / "opt/scpd"
    texts = [path for path in prefix.rglob("*") if path.is_file() and LIBRARY[4:] not in str(path)]
    assert {path.name for path in texts} > {"scpd.service", "scpd.8", "inetd.conf", "scpd.conf"}
    for path in texts:
        assert not re.search(
            r"/usr/bin/scp|/usr/(lib|share/doc)/scpd|(?<!/opt/scpd)/etc/scpd", path.read_text()
        ), path
    service = (prefix / "lib/systemd/system/scpd.service").read_text()
    assert "ExecStart=/opt/scpd/bin/scpd --no-keeper @/opt/scpd/etc/scpd/scpd.conf\n" in service


def test_an_administrators_file_is_never_touched(tmp_path: Path) -> None:
    words = ("PREFIX=/usr", "COMPILE=no")
    install(tmp_path, *words)
    own = tmp_path / "etc/scpd/scpd.conf"
    own.write_text("--fork -od /srv/dicom 104\n")
    (tmp_path / "etc/scpd/peers").write_text("STORE *\n")
    assert install(tmp_path, *words).splitlines() == [
        "kept: /etc/scpd/scpd.conf; the new one is /usr/share/doc/scpd/examples/scpd.conf"
    ]
    assert own.read_text() == "--fork -od /srv/dicom 104\n"

    assert make("uninstall", f"DESTDIR={tmp_path}", *words).splitlines() == ["kept: /etc/scpd"]
    assert {path for path in files_below(tmp_path) if (tmp_path / path).is_file()} == {
        "etc/scpd/scpd.conf",
        "etc/scpd/peers",
    }


def test_all_that_was_installed_is_uninstalled(tmp_path: Path) -> None:
    words = (f"DESTDIR={tmp_path}", "PREFIX=/usr", "COMPILE=no")
    make("install", *words)
    assert make("uninstall", *words) == ""
    assert [path for path in files_below(tmp_path) if not (tmp_path / path).is_dir()] == []


def test_an_older_installation_is_replaced_as_a_whole(tmp_path: Path) -> None:
    words = ("PREFIX=/usr", "COMPILE=no")
    install(tmp_path, *words)
    library = tmp_path / LIBRARY
    (library / "scpd/gone.py").touch()
    shutil.copytree(library, library.with_name("python.new"))  # of one that was broken off
    assert install(tmp_path, *words) == ""
    assert names(library.parent) == {"bin", "python"}
    assert not (library / "scpd/gone.py").exists()


def test_nothing_is_put_outside_of_the_destination(tree: Path) -> None:
    version = (tree / "usr/share/doc/scpd/CHANGELOG.md").stat().st_mtime
    for name in ("usr/bin/scpd", "usr/lib/scpd", "etc/scpd", "usr/lib/systemd/system/scpd.service"):
        real = Path("/", name)
        assert not real.exists() or real.stat().st_mtime < version - 1
