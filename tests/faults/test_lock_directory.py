"""Whoever may write into the lock directory runs no command of his own, moves nothing elsewhere, and stops no keeper.

Each forgery is laid beside an honest study, before the keeper starts and while it is at work: the study ends as ever,
what lies outside of the output directory is untouched, and what the keeper has to say of it is said once.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scpd.keeper.accounts import write_failed
from scpd.lockdir import layout, records
from scpd.lockdir.layout import LockDirectory
from scpd.study.plan import Move, Plan
from scpd.study.record import Sender, encode_failed, encode_opened, encode_stored, encode_waits
from scpd.study.rules import Rules
from scpd.study.states import About, key_of
from tests.harness.keeping import Descriptors, Site
from tests.harness.objects import ct_image
from tests.harness.storing import store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import ServerFactory

MANY_DIGITS = "9" * 5000
GENERATION = "0123456789abcdef"
RULES = Rules(timeout=1, renames=True, runs=True).encode()
LONGEST_SECONDS = 110  # less than pytest allows
LATER = 1000.0
TURNS = 20

FORGERIES: dict[str, Callable[[Path, Path], None]] = {}


def forgery(make: Callable[[Path, Path], None]) -> Callable[[Path, Path], None]:
    """Enter a function of the lock directory, and of a directory outside that it should not reach."""
    FORGERIES[make.__name__] = make
    return make


def line(*fields: str) -> bytes:
    return records.encode(fields)


def object_line(number: str = "1", **fields: str) -> bytes:
    """Give the line of an object, forged in some fields."""
    names = (
        "at",
        "generation",
        "directory",
        "name",
        "inode",
        "size",
        "sop_class",
        "instance",
        "study",
        "syntax",
    )
    values = {
        "at": "1",
        "generation": GENERATION,
        "directory": "study_9",
        "name": "CT.9",
        "inode": "1",
        "size": "1",
        "hook": "xcr",
        **fields,
    }
    return line("object", number, *(values.get(name, "1.2.3") for name in names), values["hook"])


def journal(path: Path, *lines: bytes, name: str = "1-abc", head: bytes | None = None) -> None:
    first = Sender("a boot", "FORGER", "CALLED", "10.0.0.9", "forger").encode() if head is None else head
    (path / "journals" / name).write_bytes(first + b"".join(lines))


def state(folder: Path, *, uid: str = "9", about: bytes | None = None, **files: bytes) -> Path:
    folder.mkdir(parents=True)
    (folder / "study").write_bytes(About(GENERATION, uid, RULES).encode() if about is None else about)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def plan(directory: str, *moves: tuple[str, int, str]) -> bytes:
    return Plan(
        study_instance_uid="9",
        directory=directory,
        calling="FORGER",
        called="CALLED",
        host="10.0.0.9",
        peer_name="forger",
        transfer_syntax_uid="1.2",
        objects=1,
        moves=[Move(*move) for move in moves],
    ).encode()


def inode(path: Path) -> int:
    return path.lstat().st_ino


@forgery
def objects_with_names_that_are_paths(path: Path, elsewhere: Path) -> None:
    for number, name in enumerate(
        ("../../elsewhere/a", "/etc/passwd", "..", ".", ".hidden", "a\nb", "x" * 300), 1
    ):
        journal(
            path,
            object_line(name=name, inode=str(inode(elsewhere / "a"))),
            encode_stored(1, name, inode(elsewhere / "a")),
            object_line("2", name="CT.1"),
            encode_stored(2, name, 1),
            name=f"{number}-a",
        )


@forgery
def objects_in_directories_that_are_paths(path: Path, elsewhere: Path) -> None:
    for number, name in enumerate(("../elsewhere", str(elsewhere), "..", "study_1.1/..", ".scpd", "link"), 1):
        found = object_line(directory=name, name="a", inode=str(inode(elsewhere / "a")))
        journal(path, found, encode_stored(1, "a", inode(elsewhere / "a")), name=f"{number}-a")
        journal(path, found, name=f"{number}-b")  # the file decides


@forgery
def output_directories_that_no_option_allows(path: Path, elsewhere: Path) -> None:
    for number, place in enumerate((str(elsewhere), "/", "..", "/etc", "x" * 2000, "a\nb"), 1):
        head = Sender("a boot", "FORGER", "CALLED", "10.0.0.9", "forger", "", place).encode()
        found = object_line(directory="", name="a", inode=str(inode(elsewhere / "a")))
        journal(path, found, encode_stored(1, "a", inode(elsewhere / "a")), name=f"{number}-a", head=head)
        journal(path, found, name=f"{number}-b", head=head)  # the file decides
        key = key_of("9", place)
        opened, sealed = f"{number:016x}", f"{number + 100:016x}"
        state(path / f"open/{key}", about=About(opened, "9", RULES, place).encode())
        moves = plan("", ("a", inode(elsewhere / "a"), "b")), plan(".", ("a", inode(elsewhere / "a"), "b"))
        state(
            path / f"sealed/{key}.{sealed}",
            about=About(sealed, "9", RULES, place).encode(),
            plan=moves[number % 2],
        )
    values = {"job": "8-a.1.xcr", "place": str(elsewhere), "file": "a"}
    (path / "failed/8-a.1.xcr").write_bytes(b"".join(map(records.encode, values.items())))
    request(path, "retry", "8-a.1.xcr")


@forgery
def numbers_of_5000_digits(path: Path, _: Path) -> None:
    head = Sender("a boot", "FORGER", "CALLED", "10.0.0.9", "forger").encode()
    lines = [
        object_line(MANY_DIGITS),
        object_line(at=MANY_DIGITS),
        object_line(inode=MANY_DIGITS),
        object_line("1"),
        line("stored", MANY_DIGITS, "CT.9", "1"),
        line("stored", "1", "CT.9", MANY_DIGITS),
        line("failed", MANY_DIGITS),
        line("waits", MANY_DIGITS),
        line("waits", "\u0663"),  # a digit for whom it concerns
        line("stored", "\u0661", "CT.9", "\u0661"),
    ]
    journal(path, *lines, head=head)
    (path / "keepers/1-abc").write_bytes(line("tried", "1-abc.1.xcr", MANY_DIGITS))
    write = path / "failed/1-abc.1.xcr"
    write.write_bytes(line("job", "1-abc.1.xcr") + line("objects", MANY_DIGITS))
    request(path, "retry", "1-abc.1.xcr")
    moves = line("move", "CT.9", MANY_DIGITS, "CT000001")
    head = line("plan", "9", "study_9", "A", "B", "C", "D", "1.2", MANY_DIGITS)
    state(path / f"sealed/9.{GENERATION}", plan=head + moves + line("end", "1"))


@forgery
def journals_that_are_none(path: Path, elsewhere: Path) -> None:
    journals = path / "journals"
    for name, content in {
        "1-empty": b"",
        "1-torn": b"journal\tx",
        "1-noise": bytes(range(256)) * 100,
        "1-long": b"x" * 3_000_000,
        "1-lines": b"\n" * 300_000,
    }.items():
        (journals / name).write_bytes(content)
    journal(path, b"x" * 100_000 + b"\n", b"\xff\xfe\n", object_line(name="x" * 20_000), name="1-mixed")
    journal(path, name="a name\n\x1b[31m that is none")
    journal(path, object_line("1"), name="x" * 255)
    (journals / "1-link").symlink_to(elsewhere / "a")
    (journals / "1-loop").symlink_to("1-loop")
    (journals / "1-dir").mkdir()
    os.mkfifo(journals / "1-fifo")
    os.mkfifo(journals / ".fifo")
    (journals / ".dir").mkdir()
    sparse(journals / "1-sparse")


@forgery
def a_journal_whose_place_among_the_dead_is_taken(path: Path, _: Path) -> None:
    journal(path, object_line("1"), encode_stored(1, "CT.9", 1))
    (path / "journals/dead/1-abc").mkdir()
    (path / "journals/dead/1-abc/x").touch()


@forgery
def one_object_many_times(path: Path, _: Path) -> None:
    """All with the same number, in the honest study."""
    (honest,) = (path / "open").iterdir() if any((path / "open").iterdir()) else (path / "sealed").iterdir()
    about = About.decode((honest / "study").read_bytes())
    assert about is not None
    last = {"at": "9" * 19, "generation": about.generation, "directory": "study_1.1"}
    lines = [object_line("1", **last), encode_stored(1, "CT.9", 1)]
    journal(path, *lines * 5)


@forgery
def studies_whose_keys_are_paths(path: Path, elsewhere: Path) -> None:
    for depth in ("open-..", "open-"):
        (path / "strange" / depth).mkdir()
    (path / f"strange/open-{elsewhere}").mkdir(parents=True)
    keys = [
        "../../../elsewhere/a",
        str(elsewhere / "a"),
        "..",
        ".",
        "../../study_1.1",
        "a\0b",
        "\ud800",
        "x" * 300,
        "",
    ]
    journal(path, *(encode_opened(key, GENERATION) for key in keys))
    state(elsewhere / "study")
    journal(path, encode_opened("../../../elsewhere/study", GENERATION), name="1-def")


@forgery
def open_studies_that_are_none(path: Path, elsewhere: Path) -> None:
    opened = path / "open"
    (opened / "link").symlink_to(elsewhere)
    (opened / "file").write_bytes(b"x")
    os.mkfifo(opened / "fifo")
    (opened / "empty").mkdir()
    (opened / ".prepared").mkdir()
    state(opened / "a name that is none", uid="a name that is none")
    state(opened / "8.1", uid="8.2")
    state(opened / "8.3", uid="8.3", about=b"noise")
    state(opened / "8.4", about=About(GENERATION, "8.4", "words nan -1 each-peer - -").encode())
    (state(opened / "8.5", uid="8.5") / "study").unlink()
    (opened / "8.5/other").touch()
    for key, make in {"8.6": os.mkfifo, "8.7": os.mkdir}.items():
        (state(opened / key, uid=key) / "study").unlink()
        make(opened / key / "study")
    (state(opened / "8.8", uid="8.8") / "study").unlink()
    (opened / "8.8/study").symlink_to(elsewhere / "a")


@forgery
def directories_of_studies_that_are_paths(path: Path, elsewhere: Path) -> None:
    for number, name in enumerate(("../elsewhere", str(elsewhere), "", "a\0b"), 1):
        state(path / f"open/7.{number}", uid=f"7.{number}", directory=line(name) * 1000)
    (state(path / "open/7.9", uid="7.9") / "directory").symlink_to(elsewhere / "a")


@forgery
def sealed_studies_that_are_none(path: Path, elsewhere: Path) -> None:
    sealed = path / "sealed"
    (sealed / f"9.{GENERATION}").symlink_to(elsewhere)
    (sealed / "file").write_bytes(b"x")
    (sealed / "no-generation").mkdir()
    state(sealed / "6.other-generation", uid="6")
    state(sealed / f"..{GENERATION}", uid=".")
    state(sealed / f"a name.{GENERATION}", uid="a name")
    found = state(sealed / f"6.{GENERATION}", uid="6")
    (found / "directory in it").mkdir()


@forgery
def plans_for_what_lies_elsewhere(path: Path, elsewhere: Path) -> None:
    move = ("a", inode(elsewhere / "a"), "CT000001")
    up = ("../../elsewhere/a", inode(elsewhere / "a"), "CT000001")
    down = ("CT.9", 1, "../../elsewhere/b")
    for number, content in enumerate(
        (
            plan("../elsewhere", move),
            plan(str(elsewhere), move),
            plan("link", move),
            plan(".scpd", ("rules", inode(path / "wake"), "x")),
            plan("study_1.1", up),
            plan("study_1.1", down),
            plan("study_1.1", ("CT.9", 1, ".hidden")),
            plan("study_1.1", ("x" * 300, 1, "y" * 300)),
            b"",
            b"noise\n" * 100,
            plan("study_1.1", move)[:-5],
        )
    ):
        generation = f"{number:016}"
        about = About(generation, "5", RULES).encode()
        state(path / f"sealed/5.{generation}", about=about, plan=content)


@forgery
def plans_that_are_no_files(path: Path, elsewhere: Path) -> None:
    for number, make in enumerate(
        (os.mkfifo, os.mkdir, lambda at: at.symlink_to(elsewhere / "a"), lambda at: at.symlink_to("plan"))
    ):
        generation = f"{number:016}"
        folder = state(path / f"sealed/4.{generation}", about=About(generation, "4", RULES).encode())
        make(folder / "plan")


def request(path: Path, *fields: str, name: str | None = None) -> None:
    (path / "requests" / (name or os.urandom(4).hex())).write_bytes(line(*fields))


@forgery
def requests_for_what_lies_elsewhere(path: Path, elsewhere: Path) -> None:
    (elsewhere / "job.xcr").write_bytes(line("job", "job.xcr") + line("calling_aet", "FORGER"))
    for subject in (
        "../../../elsewhere/a",
        "../../../elsewhere/job.xcr",
        str(elsewhere / "a"),
        "a\0b",
        "\ud800",
        "",
        "..",
        "x" * 300,
    ):
        for verb in ("complete", "retry", "drop", "run"):
            request(path, verb, subject)


@forgery
def requests_that_are_none(path: Path, elsewhere: Path) -> None:
    requests = path / "requests"
    (requests / "noise").write_bytes(bytes(range(256)))
    (requests / "empty").touch()
    (requests / ("\u4e00" * 80)).touch()
    request(path, "drop")
    request(path, "drop", "a", "b")
    request(path, "rm -rf /", "x")
    os.mkfifo(requests / "fifo")
    (requests / "dir").mkdir()
    (requests / "link").symlink_to(elsewhere / "a")
    sparse(requests / "sparse")
    socket_at(requests / "socket")


@forgery
def commands_set_aside_by_nobody(path: Path, elsewhere: Path) -> None:
    lockdir = LockDirectory(str(path))
    values = {
        "command": "touch /tmp/x",
        "study_directory": "../elsewhere",
        "file": "../../elsewhere/a",
        "peer": "`id`",
    }
    for job in ("x.1.xcr", "x.1.xcs", "x.1.sh", "touch"):
        write_failed(lockdir, job, {**values, "hook": "touch /tmp/x"})
        request(path, "retry", job)
    lockdir.close()
    for number, make in enumerate((os.mkfifo, os.mkdir, lambda at: at.symlink_to(elsewhere / "a"))):
        make(path / f"failed/y.{number}.xcr")
        request(path, "drop", f"y.{number}.xcr")
        request(path, "retry", f"y.{number}.xcr")


@forgery
def accounts_that_are_none(path: Path, elsewhere: Path) -> None:
    keepers = path / "keepers"
    (keepers / "noise").write_bytes(bytes(range(256)) * 50)
    (keepers / "odd").write_bytes(
        line("settled", "../x") + line("tried", "x", "-1") + line("tried", "x", "\u0663")
    )
    (keepers / "dir").mkdir()
    os.mkfifo(keepers / "fifo")
    (keepers / "link").symlink_to(elsewhere / "a")
    socket_at(keepers / "socket")


@forgery
def waiting_workers_that_are_none(path: Path, elsewhere: Path) -> None:
    for name in ("1-a", "1-b", "1-c", "1-d"):
        waits = Sender("a boot", "FORGER", "CALLED", "10.0.0.9", "forger", "xs").encode()
        journal(path, encode_waits(1), encode_failed(1), name=name, head=waits)
    (path / "replies/1-a").symlink_to(elsewhere / "a")
    (path / "replies/1-b").mkdir()
    os.mkfifo(path / "replies/1-c")


@forgery
def locks_that_are_no_files(path: Path, elsewhere: Path) -> None:
    for number in range(64):
        at = path / f"publish/{number:02}"
        with suppress(FileNotFoundError):
            at.unlink()
        (os.mkfifo, os.mkdir, lambda it: it.symlink_to(elsewhere / "a"), lambda it: it.symlink_to("nowhere"))[
            number % 4
        ](at)


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 28)


def socket_at(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # a socket's path is short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def contents(path: Path) -> dict[str, bytes]:
    return {str(found): found.read_bytes() for found in path.rglob("*") if found.is_file()}


@pytest.fixture(autouse=True)
def _nothing_blocks() -> Iterator[None]:
    def too_long(*_: object) -> None:
        raise AssertionError("blocked")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(LONGEST_SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


class Scene:
    """A site where an honest worker has stored two objects of a study, and a place outside."""

    def __init__(self, folder: Path) -> None:
        self.site = Site(folder, Rules(timeout=100, renames=True, runs=True), on_reception=True)
        self.elsewhere = folder / "elsewhere"
        self.elsewhere.mkdir()
        (self.elsewhere / "a").write_bytes(b"not yours")
        (self.site.output / "link").symlink_to(self.elsewhere)
        self.path = self.site.lock_directory
        self.now = monotonic()
        self.store("1.1", 2)

    def store(self, study: str, count: int) -> None:
        """Have an honest worker store objects."""
        worker = self.site.worker("HONEST")
        for number in range(1, count + 1):
            worker.begin(study, f"{study}.{number}")
            worker.finish()
        worker.release()

    def end(self, study: str, count: int) -> None:
        """Fail unless the study is complete, with its command run behind those of its objects."""
        folder = self.site.output / f"study_{study}"
        content = {name.name: name.read_text() for name in folder.iterdir()}
        wanted = {f"CT{number:06}": f"{study}.{number}" for number in range(1, count + 1)}
        assert wanted.items() <= content.items()
        commands = [command for _, command, _ in self.site.commands.started]
        ends = commands.index(f"xcs {folder}")
        for number in range(1, count + 1):
            assert commands.index(f"xcr {folder}/CT.{study}.{number}") < ends

    def assert_only_our_commands(self) -> None:
        """Fail if another command than the site's was run, or with a path that leads elsewhere."""
        inbox = str(self.site.output)
        for _, command, environment in self.site.commands.started:
            assert command.split(" ")[0] in {"xcr", "xcs"}
            assert not set(command) & set("`$;&|<>\n'\"")
            for name in ("SCPD_DIRECTORY", "SCPD_FILE"):
                assert ".." not in environment.get(name, "").split("/")
            assert environment.get("SCPD_DIRECTORY", inbox).startswith(inbox)
            assert "/" not in environment.get("SCPD_FILE", "")


@contextmanager
def a_scene(folder: Path) -> Iterator[Scene]:
    """Give one whose descriptors are closed in the end."""
    descriptors = Descriptors()
    with descriptors.watched():
        yield Scene(folder)
    descriptors.close()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with a_scene(tmp_path) as made:
        yield made


@pytest.mark.parametrize("name", FORGERIES)
@pytest.mark.parametrize("when", ["before", "while it works"])
def test_a_forgery_changes_nothing_for_anybody_else(
    scene: Scene, name: str, when: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = contents(scene.elsewhere)
    if when == "before":
        FORGERIES[name](scene.path, scene.elsewhere)
        before = contents(scene.elsewhere)
        keeper = scene.site.keeper(scene.now)
    else:
        keeper = scene.site.keeper(scene.now)
        keeper.turn(scene.now)
        FORGERIES[name](scene.path, scene.elsewhere)
        before = contents(scene.elsewhere)
    for turn in range(TURNS):
        keeper.turn(scene.now + (1 + turn) * LATER)
    said = len([it for it in caplog.records if it.levelname != "INFO"])
    scene.end("1.1", 2)
    scene.store("1.2", 3)
    for turn in range(TURNS):
        keeper.turn(scene.now + (TURNS + 1 + turn) * LATER)
    scene.end("1.2", 3)
    assert contents(scene.elsewhere) == before
    scene.assert_only_our_commands()
    assert len([it for it in caplog.records if it.levelname != "INFO"]) <= said + 3, caplog.text
    keeper.close()
    again = scene.site.keeper(scene.now)
    again.turn(scene.now + LATER)
    again.close()


def test_a_fifo_with_a_writer_keeps_nobody_waiting(scene: Scene) -> None:
    generation = "0" * 16
    folder = state(scene.path / f"sealed/4.{generation}", about=About(generation, "4", RULES).encode())
    places = [
        folder / "plan",
        *(scene.path / part / "1-x" for part in ("journals", "keepers", "requests", "failed")),
    ]
    writers = []
    for place in places:
        os.mkfifo(place)
        writers.append(os.open(place, os.O_RDWR))
    keeper = scene.site.keeper(scene.now)
    for turn in range(TURNS):
        keeper.turn(scene.now + (1 + turn) * LATER)
    scene.end("1.1", 2)
    keeper.close()
    for writer in writers:
        os.close(writer)


@pytest.mark.parametrize(
    "part",
    ["journals/dead", "replies", "open", "sealed", "keepers", "running", "failed", "requests", "strange"],
)
@pytest.mark.parametrize("kind", ["file", "link", "gone"])
def test_a_directory_is_made_anew_when_something_has_taken_its_place(
    scene: Scene, part: str, kind: str
) -> None:
    shutil.rmtree(scene.path / part)
    if kind == "file":
        (scene.path / part).touch()
    elif kind == "link":
        (scene.path / part).symlink_to(scene.elsewhere)
    lockdir = LockDirectory(str(scene.path))
    layout.mend(lockdir)
    lockdir.close()
    scene.store("1.2", 2)
    keeper = scene.site.keeper(scene.now)
    for turn in range(TURNS):
        keeper.turn(scene.now + (1 + turn) * LATER)
    scene.end("1.2", 2)
    keeper.close()
    assert contents(scene.elsewhere) == {str(scene.elsewhere / "a"): b"not yours"}


def test_a_study_directory_that_became_a_link_is_not_followed(scene: Scene) -> None:
    folder = scene.site.output / "study_1.1"
    for file in folder.iterdir():
        file.rename(scene.elsewhere / file.name)
    folder.rmdir()
    folder.symlink_to(scene.elsewhere)
    before = contents(scene.elsewhere)
    keeper = scene.site.keeper(scene.now)
    for turn in range(TURNS):
        keeper.turn(scene.now + (1 + turn) * LATER)
    keeper.close()
    assert contents(scene.elsewhere) == before
    assert list((scene.path / "sealed").iterdir()) == []


def wreck(scene: Scene) -> list[Path]:
    """Leave a lock directory in which something is under way everywhere; give its files."""
    keeper = scene.site.keeper(scene.now)
    for _ in range(3):
        keeper.turn(scene.now)
    scene.store("1.3", 2)
    keeper.turn(scene.now)
    keeper.close()
    journal(scene.path, object_line("1"), encode_stored(1, "CT.9", 1), name="1-abc")
    state(scene.path / f"sealed/9.{GENERATION}", plan=plan("study_9", ("CT.9", 1, "CT000001")))
    about = About("f" * 16, "9.1", RULES).encode()
    state(scene.path / "open/9.1", about=about, directory=line("study_9.1"))
    lockdir = LockDirectory(str(scene.path))
    write_failed(lockdir, "x.1.xcr", {"job": "x.1.xcr", "file": "CT.9"})
    lockdir.close()
    request(scene.path, "retry", "x.1.xcr", name="1.a")
    return sorted(found for found in scene.path.rglob("*") if found.is_file())


@settings(max_examples=60)
@given(data=st.data())
def test_whatever_becomes_of_one_file_the_keeper_goes_on(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory(prefix="scpd-hostile-") as folder, a_scene(Path(folder)) as scene:
        files = wreck(scene)
        victim = data.draw(st.sampled_from(files))
        content = victim.read_bytes()
        at = data.draw(st.integers(0, len(content)))
        inserted = data.draw(
            st.one_of(st.binary(max_size=40), st.sampled_from([content, b"\n", line("settled", "x")]))
        )
        cut = data.draw(st.integers(0, len(content)))
        victim.write_bytes(content[:at] + inserted + content[at + cut :])
        keeper = scene.site.keeper(scene.now)
        scene.store("1.2", 2)
        for turn in range(TURNS):
            keeper.turn(scene.now + (1 + turn) * LATER)
        scene.end("1.2", 2)
        keeper.close()
        assert list((scene.path / "open").iterdir()) == []
        assert list((scene.path / "sealed").iterdir()) == []


def test_a_keeper_that_finds_all_of_it_serves_its_daemon(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], tmp_path: Path
) -> None:
    done = tmp_path / "done"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a").write_bytes(b"not yours")
    server = scpd("--fork", "-ss", "study", "-rns", "-tos", "1", "-xcs", f"echo #p >>{done}", "-v")
    path = server.inbox / ".scpd"
    server.wait_for(lambda: (path / "keeper").exists() and (path / "keeper").read_text())
    (server.inbox / "link").symlink_to(elsewhere)
    for name, forge in FORGERIES.items():
        if name != "one_object_many_times":
            with suppress(FileExistsError):
                forge(path, elsewhere)
    before = contents(elsewhere)
    for name in ("1.run", "a b.run", "x.1.xcr.run", "x.1.xcr.end"):
        (path / "running" / name).write_bytes(b"noise")
    os.replace(elsewhere / "a", path / "wake")
    (elsewhere / "a").write_bytes(b"not yours")
    for turn in (1, 2):
        peer = raw_peer(server)
        peer.associate()
        assert store(peer, ct_image(2000)).status == 0
        peer.release()
        server.wait_for(
            lambda turn=turn: (
                done.exists() and sum("study_2" in it for it in done.read_text().splitlines()) >= turn
            ),
            what="the command of a study",
        )
        if turn == 1:
            (path / "keeper").unlink()
            os.mkfifo(path / "keeper")
    assert "Traceback" not in server.stderr
    assert "defect" not in server.stderr
    assert contents(elsewhere) == before
    assert {found.name for found in elsewhere.iterdir() if found.is_file()} == {"a", "job.xcr"}
