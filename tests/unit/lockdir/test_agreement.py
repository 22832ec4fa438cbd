"""Who uses a lock directory agrees with all others; several users in one process, each with its own open file."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scpd.errors import StartError
from scpd.lockdir import layout, records
from scpd.lockdir.agreement import GIVEN, check, check_change, check_place, use
from tests.harness.forked import in_child
from tests.harness.wrapped import require_root

if TYPE_CHECKING:
    from collections.abc import Iterator

Options = list[tuple[str, str]]
OURS: Options = [
    ("--eostudy-timeout", "5"),
    ("--rename-on-eostudy", GIVEN),
    ("--exec-on-eostudy", "'mail #p'"),
]


def changed(changes: dict[str, str]) -> Options:
    """Give our options, some of them changed."""
    other = {f"--{name.replace('_', '-')}": value for name, value in changes.items()}
    return [(name, other.get(name, value)) for name, value in OURS]


class Scene:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.users: list[int] = []

    def use(self, **changes: str) -> int:
        """Use it with our options, or with some of them changed."""
        self.users.append(use(str(self.path), changed(changes)))
        return self.users[-1]

    def use_again(self, held: int, **changes: str) -> int:
        """Use it as a successor of who `held` it, whose descriptor is no longer ours if there is another one."""
        now = use(str(self.path), changed(changes), held)
        if now != held:
            self.users.append(now)
        return now

    def refusal(self, **changes: str) -> str:
        with pytest.raises(StartError) as caught:
            self.use(**changes)
        return str(caught.value).removeprefix(f"lock directory {self.path} is in use ")

    def leave(self, user: int) -> None:
        self.users.remove(user)
        os.close(user)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    before = len(os.listdir("/proc/self/fd"))
    scene = Scene(tmp_path / "lock")
    yield scene
    for each in scene.users:
        os.close(each)
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_first_one_makes_the_directory(scene: Scene) -> None:
    scene.use()

    assert {"journals", "open", "sealed", "wake", "rules"} <= set(os.listdir(scene.path))


def test_any_number_may_use_it_with_the_same_options(scene: Scene) -> None:
    for _ in range(5):
        scene.use()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"eostudy_timeout": "10"}, "with --eostudy-timeout 5, not 10"),
        ({"eostudy_timeout": ""}, "with --eostudy-timeout 5, not without it"),
        ({"rename_on_eostudy": ""}, "with --rename-on-eostudy, not without it"),
        ({"exec_on_eostudy": "'rm'"}, "with --exec-on-eostudy 'mail #p', not 'rm'"),
    ],
)
def test_another_option_is_refused_with_both_values(scene: Scene, changes: dict[str, str], text: str) -> None:
    scene.use()

    assert scene.refusal(**changes) == text
    scene.use()  # the refused one is no obstacle


def test_an_option_that_the_others_do_not_have_is_refused(scene: Scene) -> None:
    scene.use(rename_on_eostudy="")

    assert scene.refusal() == "without --rename-on-eostudy, not with it"


def test_options_change_when_the_last_user_has_gone(scene: Scene) -> None:
    first, second = scene.use(), scene.use()
    scene.leave(first)
    assert scene.refusal(eostudy_timeout="10")

    scene.leave(second)
    scene.use(eostudy_timeout="10")
    assert scene.refusal()


def test_a_shorter_text_leaves_nothing_of_a_longer_one(scene: Scene) -> None:
    scene.leave(scene.use(exec_on_eostudy="'" + "x" * 5000 + "'"))
    scene.use()
    scene.use()


def test_a_dead_user_is_none(scene: Scene) -> None:
    assert in_child(lambda: 0 if scene.use(eostudy_timeout="10") else 1) == 0

    scene.use()


LATER = b"\n" * 5000 + records.encode(("--eostudy-timeout", "99"))


@pytest.mark.parametrize("wreck", [b"", b"--eostudy-timeout\t5", b"junk\n\0\xff\n" * 100, LATER])
def test_whoever_finds_nobody_else_writes_a_torn_file_anew(scene: Scene, wreck: bytes) -> None:
    layout.make(str(scene.path))
    (scene.path / "rules").write_bytes(wreck)
    scene.use()
    scene.use()

    assert scene.refusal(eostudy_timeout="10")


def test_what_is_no_directory_is_a_start_error(scene: Scene) -> None:
    scene.path.write_bytes(b"")
    with pytest.raises(StartError, match=f"cannot use lock directory: {scene.path}: Not a directory"):
        scene.use()


def test_a_directory_without_rights_is_a_start_error() -> None:
    require_root()
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        os.chmod(folder, 0o755)
        path = Path(folder) / "lock"
        layout.make(str(path))
        path.chmod(0o777)

        def life() -> int:
            os.setgid(65534)
            os.setuid(65534)
            with pytest.raises(StartError, match="journals is not writeable"):
                Scene(path).use()
            return 0

        assert in_child(life) == 0


def test_a_link_is_not_followed(scene: Scene, tmp_path: Path) -> None:
    layout.make(str(scene.path))
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (scene.path / "rules").symlink_to(victim)
    scene.use()
    assert victim.read_bytes() == b"precious"
    assert not (scene.path / "rules").is_symlink()


class TestCheck:
    """What --check-config asks: nothing is made, nobody is asked."""

    def test_a_directory_that_is_there_or_can_be_made_is_fine(self, tmp_path: Path) -> None:
        check(str(tmp_path))
        check(f"{tmp_path}/new")
        assert list(tmp_path.iterdir()) == []

    def test_a_file_in_its_place_or_nothing_above_it_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(StartError, match="file: Not a directory"):
            check(f"{tmp_path}/file")
        with pytest.raises(StartError, match="no/dir: No such file or directory"):
            check(f"{tmp_path}/no/dir")


class TestPlace:
    """Where it may lie: a peer may choose names in the output directory, but none that begins with a dot."""

    @pytest.mark.parametrize("place", ["in/.scpd", "in/.locks/a", "elsewhere", "input", "in/../locks"])
    def test_beside_studies(self, tmp_path: Path, place: str) -> None:
        check_place(f"{tmp_path}/{place}", f"{tmp_path}/in")
        check_place(f"{tmp_path}/{place}/", f"{tmp_path}/in/")

    @pytest.mark.parametrize("place", ["in/locks", "in/a/.locks", "link/locks"])
    def test_not_where_a_study_may_be(self, tmp_path: Path, place: str) -> None:
        (tmp_path / "link").symlink_to(tmp_path / "in")
        with pytest.raises(StartError, match=f"output directory must begin with a dot: {tmp_path}/{place}$"):
            check_place(f"{tmp_path}/{place}", f"{tmp_path}/in")

    @pytest.mark.parametrize("place", ["in", "in/", ".", "link"])
    def test_not_around_them(self, tmp_path: Path, place: str) -> None:
        (tmp_path / "link").symlink_to(tmp_path / "in")
        with pytest.raises(StartError, match="must not hold the output directory"):
            check_place(f"{tmp_path}/{place}", f"{tmp_path}/in")

    def test_the_root_is_not_for_locks(self, tmp_path: Path) -> None:
        with pytest.raises(StartError, match=r"must not hold the output directory: /$"):
            check_place("/", str(tmp_path))
        check_place("/.locks", "/")


def test_who_is_alone_may_change_the_options(scene: Scene) -> None:
    held = scene.use()
    check_change(held, str(scene.path), changed({"eostudy_timeout": "10"}))
    assert scene.use_again(held, eostudy_timeout="10") == held
    assert scene.refusal() == "with --eostudy-timeout 10, not 5"
    scene.use(eostudy_timeout="10")


def test_who_is_not_alone_may_not_and_keeps_what_it_has(scene: Scene) -> None:
    held, other = scene.use(), scene.use()
    with pytest.raises(StartError, match=r"with --eostudy-timeout 5, not 10$"):
        check_change(held, str(scene.path), changed({"eostudy_timeout": "10"}))
    with pytest.raises(StartError, match=r"with --eostudy-timeout 5, not 10$"):
        scene.use_again(held, eostudy_timeout="10")
    check_change(held, str(scene.path), OURS)
    assert scene.use_again(held) == held
    scene.leave(other)
    check_change(held, str(scene.path), changed({"eostudy_timeout": "10"}))


def test_to_ask_changes_nothing(scene: Scene) -> None:
    held = scene.use()
    before = (scene.path / "rules").read_bytes()
    check_change(held, str(scene.path), changed({"eostudy_timeout": "10"}))
    assert (scene.path / "rules").read_bytes() == before
    scene.use()


def test_a_successor_shares_it_with_its_next_user(scene: Scene) -> None:
    scene.use_again(scene.use())
    scene.use()


def test_a_successor_of_who_held_a_file_that_was_removed_takes_the_one_that_is_there(scene: Scene) -> None:
    held = scene.use()
    (scene.path / "rules").unlink()
    assert scene.use_again(held) != held
    assert scene.refusal(eostudy_timeout="10") == "with --eostudy-timeout 5, not 10"
