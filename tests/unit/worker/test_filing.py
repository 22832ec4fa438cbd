"""Objects filed by study and recorded, with data sets by hand; what the keeper makes of it is not seen here."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import struct
import time
import zlib
from typing import TYPE_CHECKING

import pytest

from scpd.dataset.dictionary import Dictionary
from scpd.dataset.encoding import Encoding
from scpd.dataset.plain import STUDY_INSTANCE_UID
from scpd.dimse import messages
from scpd.errors import Gone, Refused
from scpd.lockdir import layout, records
from scpd.store.folders import CONC_STUDIES, STUDY_UID, Sorting
from scpd.study.record import ObjectRecord, Sender
from scpd.study.states import About
from scpd.study.tracker import Tracker, TrackerPolicy
from scpd.ul.negotiation import Context
from scpd.worker import placing
from scpd.worker.filing import Filing, FilingPolicy
from scpd.worker.progress import Progress
from scpd.worker.rewrite import Form
from scpd.worker.store import ObjectStore, StorePolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

CT = "1.2.840.10008.5.1.4.1.1.2"
LITTLE, BIG, DEFLATED = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
FORM = Form(Encoding(), Dictionary(), rejects_odd=False)
FORMS = [pytest.param(None, id="bit-preserving"), pytest.param(FORM, id="in form")]
BY_UID, BY_TIME = Sorting(STUDY_UID, "X"), Sorting(CONC_STUDIES, "X")
RULES, RENAMING = "5 either - each-peer - run", "5 either - each-peer rename run"
NOON = time.mktime((2020, 1, 1, 12, 0, 0, 0, 0, -1))
AT_NOON = "X_20200101_120000"


def element(group: int, number: int, vr: bytes, value: bytes) -> bytes:
    value += b"\0" * (len(value) % 2)
    return struct.pack("<HH2sH", group, number, vr, len(value)) + value


def data_set(study: str | None, instance: str, size: int = 100) -> bytes:
    uids = element(8, 0x16, b"UI", CT.encode()) + element(8, 0x18, b"UI", instance.encode())
    study_uid = b"" if study is None else element(0x20, 0xD, b"UI", study.encode())
    return uids + study_uid + struct.pack("<HH2s2xI", 0x7FE0, 0x10, b"OB", size) + bytes(size)


def portions(data: bytes, *places: int) -> Iterator[tuple[list[memoryview], int, bool]]:
    ends = [*places, len(data)]
    begin = 0
    for end in ends:
        yield [memoryview(data)[begin:end]], 1, end == len(data)
        begin = end


class Titles:
    def show(self, text: str) -> None:
        pass


class Scene:
    """An output directory, a lock directory, and associations that send."""

    def __init__(self, path: Path) -> None:
        self.inbox = path / "inbox"
        self.inbox.mkdir()
        self.lock = path / "lock"
        layout.make(str(self.lock))
        self.stores: list[ObjectStore] = []

    def policy(
        self, sorting: Sorting | None = BY_UID, rules: str = "", hook: str = "", *, fsync: bool = False
    ) -> FilingPolicy:
        tracker = None
        if rules or hook:
            tracker = TrackerPolicy(
                lock_directory=str(self.lock),
                rules=rules,
                renames=rules == RENAMING,
                hook=hook,
                waits="",
                boot="boot",
                fsync=fsync,
            )
        return FilingPolicy(sorting, tracker, str(self.inbox))

    def store(self, filing: FilingPolicy, **policy: object) -> ObjectStore:
        options: dict[str, object] = {
            "output_directory": str(self.inbox),
            "extension": "",
            "naming": "uid",
            "duplicates": "replace",
            "form": FORM,
            "with_file_meta": False,
            "fsync": False,
        }
        made = ObjectStore(
            StorePolicy(**(options | policy)),  # type: ignore[arg-type]
            b"CALLING",
            b"CALLED",
            filing.begin("CALLING", "CALLED", "127.0.0.1", "localhost"),
        )
        self.stores.append(made)
        return made

    def objects(self) -> list[str]:
        """What is in the output directory, directories with a slash."""
        return sorted(
            f"{path.relative_to(self.inbox)}{'/' if path.is_dir() else ''}"
            for path in self.inbox.rglob("*")
            if ".scpd" not in path.parts
        )

    def lines(self) -> list[list[str]]:
        """The lines of all journals, but for the heads."""
        found = []
        for path in sorted((self.lock / "journals").iterdir()):
            if path.is_file():
                found += records.decode_all(path.read_bytes().splitlines())[1:]
        return found

    def recorded(self) -> list[ObjectRecord]:
        found = [ObjectRecord.decode(line) for line in self.lines() if line[0] == "object"]
        return [each for each in found if each is not None]

    def notes(self) -> list[list[str]]:
        return [line for line in self.lines() if line[0] in ("stored", "failed")]


class Watching(Filing):
    """One that notes what it is told of the study."""

    __slots__ = ("seen",)

    def __init__(self, policy: FilingPolicy, sender: Sender) -> None:
        super().__init__(policy, sender)
        self.seen: list[bytes | None] = []

    def saw(self, found: Mapping[int, bytes]) -> None:
        self.seen.append(found.get(STUDY_INSTANCE_UID))
        super().saw(found)


def send(
    store: ObjectStore,
    study: str | None = "1.2.3",
    instance: str = "1",
    *,
    data: bytes | None = None,
    syntax: str = LITTLE,
    places: tuple[int, ...] = (),
    is_prompt: bool = False,
) -> None:
    """Send an object; with `is_prompt` another one follows at once."""
    request = messages.Request(messages.C_STORE_RQ, 1, has_data_set=True)
    request.affected_sop_class_uid, request.has_sop_class_uid = CT, True
    request.affected_sop_instance_uid, request.has_sop_instance_uid = instance, True
    content = data_set(study, instance) if data is None else data
    try:
        store.store(request, Context(1, CT, syntax), portions(content, *places), Progress(Titles(), "peer"))  # type: ignore[arg-type]
    finally:
        if not is_prompt:
            store.rest()


def status_of(store: ObjectStore, *arguments: object, **more: object) -> int:
    with pytest.raises(Refused) as caught:
        send(store, *arguments, **more)  # type: ignore[arg-type]
    assert len(caught.value.comment) <= 64
    return caught.value.status


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    before = len(os.listdir("/proc/self/fd"))
    scene = Scene(tmp_path)
    yield scene
    for each in scene.stores:
        each.close()
    assert len(os.listdir("/proc/self/fd")) == before


class TestSorting:
    @pytest.mark.parametrize("form", FORMS)
    @pytest.mark.parametrize("rules", ["", RULES, RENAMING])
    def test_objects_lie_in_the_directories_of_their_studies(
        self, scene: Scene, form: Form | None, rules: str
    ) -> None:
        store = scene.store(scene.policy(rules=rules), form=form)
        for study, instance in (("1.2.3", "1"), ("1.2.3", "2"), ("1.2.4", "3"), ("1.2.3", "4")):
            send(store, study, instance)

        directories = {"X_1.2.3/": "124", "X_1.2.4/": "3"}
        wanted = [f"{name}CT.{each}" for name, numbers in directories.items() for each in numbers]
        assert scene.objects() == sorted([*directories, *wanted])

    def test_the_log_tells_of_directories_in_storescps_words(
        self, scene: Scene, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.INFO):
            store = scene.store(scene.policy())
            for study, instance in (("1.2.3", "1"), ("1.2.3", "2"), ("1.2.4", "3"), ("1.2.3", "4")):
                send(store, study, instance)

        assert [record.getMessage().replace(f"{scene.inbox}/", "") for record in caplog.records] == [
            "created new subdirectory for study: X_1.2.3",
            "storing DICOM file: X_1.2.3/CT.1",
            "storing DICOM file: X_1.2.3/CT.2",
            "created new subdirectory for study: X_1.2.4",
            "storing DICOM file: X_1.2.4/CT.3",
            "using existing subdirectory for study: X_1.2.3",
            "storing DICOM file: X_1.2.3/CT.4",
        ]

    @pytest.mark.parametrize("form", FORMS)
    @pytest.mark.parametrize("rules", ["", RULES])
    @pytest.mark.parametrize("study", [None, ""])
    def test_an_object_of_no_study_is_refused_and_leaves_nothing(
        self, scene: Scene, form: Form | None, rules: str, study: str | None
    ) -> None:
        store = scene.store(scene.policy(rules=rules), form=form)

        assert status_of(store, study) == 0xC000
        assert scene.objects() == []
        send(store)

    @pytest.mark.parametrize("form", FORMS)
    def test_a_refused_object_leaves_no_directory(self, scene: Scene, form: Form | None) -> None:
        def broken_off() -> Iterator[object]:
            yield from portions(data_set("1.2.3", "1", 5000)[:4000])
            raise Gone("gone")

        store = scene.store(scene.policy(BY_TIME, RULES), form=form)
        request = messages.Request(messages.C_STORE_RQ, 1, has_data_set=True)
        request.affected_sop_class_uid, request.affected_sop_instance_uid = CT, "1"
        with pytest.raises(Gone):
            store.store(request, Context(1, CT, LITTLE), broken_off(), Progress(Titles(), "peer"))  # type: ignore[arg-type]
        assert scene.objects() == []
        assert scene.recorded() == []

    def test_an_object_that_is_not_the_announced_one_opens_no_study(self, scene: Scene) -> None:
        store = scene.store(scene.policy(BY_TIME, RULES))

        assert status_of(store, data=data_set("1.2.3", "other")) == 0xA900
        assert os.listdir(scene.lock / "open") == []

    @pytest.mark.parametrize("form", FORMS)
    def test_the_study_of_a_deflated_data_set_is_seen(self, scene: Scene, form: Form | None) -> None:
        deflater = zlib.compressobj(wbits=-15)
        deflated = deflater.compress(data_set("1.2.3", "1")) + deflater.flush()
        store = scene.store(scene.policy(), form=form)
        send(store, data=deflated + b"\0" * (len(deflated) % 2), syntax=DEFLATED)

        assert scene.objects() == ["X_1.2.3/", "X_1.2.3/CT.1"]

    @pytest.mark.parametrize("form", FORMS)
    def test_the_study_is_seen_wherever_the_data_set_is_cut(self, scene: Scene, form: Form | None) -> None:
        store = scene.store(scene.policy(rules=RULES), form=form)
        for place in range(2, len(data_set("1.2.3", "1")), 2):
            send(store, places=(place,))

        assert scene.objects() == ["X_1.2.3/", "X_1.2.3/CT.1"]

    @pytest.mark.parametrize("form", FORMS)
    def test_the_study_may_be_the_last_that_a_data_set_says(self, scene: Scene, form: Form | None) -> None:
        data = data_set(None, "1")[:-112] + element(0x20, 0xD, b"UI", b"1.2.3")
        store = scene.store(scene.policy(rules=RULES), form=form)
        for place in range(2, len(data), 2):
            send(store, data=data, places=(place,))

        assert scene.objects() == ["X_1.2.3/", "X_1.2.3/CT.1"]

    @pytest.mark.parametrize("form", FORMS)
    @pytest.mark.parametrize("study", ["1.2.3", None])
    def test_of_each_data_set_it_is_told_once(
        self, scene: Scene, form: Form | None, study: str | None
    ) -> None:
        """Of one without a study too: at its end."""
        filing = Watching(scene.policy(None, hook="xcr"), Sender("", "", "", "", ""))
        store = scene.store(scene.policy(), form=form)
        store._filing, store._saw, store._is_sorted = filing, filing.saw, False
        data = data_set(study, "1", 1000)
        send(store, data=data, places=(10, 50, len(data) - 500))

        assert filing.seen == [None if study is None else study.encode() + b"\0"]

    def test_a_directory_that_was_moved_away_is_made_anew(self, scene: Scene) -> None:
        store = scene.store(scene.policy(rules=RULES))
        send(store, instance="1")
        os.rename(scene.inbox / "X_1.2.3", scene.inbox / "elsewhere")
        send(store, instance="2")

        assert scene.objects() == ["X_1.2.3/", "X_1.2.3/CT.2", "elsewhere/", "elsewhere/CT.1"]

    def test_a_file_that_has_the_name_is_left_alone(self, scene: Scene) -> None:
        (scene.inbox / "X_1.2.3").write_bytes(b"precious")
        store = scene.store(scene.policy())

        assert status_of(store) == 0xA700
        assert (scene.inbox / "X_1.2.3").read_bytes() == b"precious"
        send(store, "1.2.4")

    @pytest.mark.parametrize("rules", ["", RULES])
    @pytest.mark.parametrize(
        ("code", "status"),
        [(errno.ENAMETOOLONG, 0xC000), (errno.ENOSPC, 0xA700), (errno.EACCES, 0xA700), (errno.EROFS, 0xA700)],
    )
    def test_a_directory_that_cannot_be_made(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch, code: int, status: int, rules: str
    ) -> None:
        real_mkdir = os.mkdir

        def mkdir(path: str, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
            if path.startswith("X"):
                raise OSError(code, os.strerror(code))
            real_mkdir(path, mode, dir_fd=dir_fd)

        store = scene.store(scene.policy(rules=rules))
        with monkeypatch.context() as patch:
            patch.setattr(os, "mkdir", mkdir)
            assert status_of(store) == status
        assert scene.objects() == []
        send(store)
        assert scene.objects() == ["X_1.2.3/", "X_1.2.3/CT.1"]


class TestDirectoriesByTime:
    @pytest.fixture(autouse=True)
    def _noon(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(placing, "time", lambda: NOON)

    def test_two_studies_of_one_millisecond_share_no_directory(self, scene: Scene) -> None:
        one, two = (scene.store(scene.policy(BY_TIME, RULES)) for _ in range(2))
        send(one, "1.2.3", "1")
        send(two, "1.2.4", "2")
        send(two, "1.2.5", "3")

        names = [f"{AT_NOON}{number:03}/" for number in range(3)]
        assert [name for name in scene.objects() if name.endswith("/")] == names

    def test_all_associations_share_the_directory_of_a_study(self, scene: Scene) -> None:
        one, two = (scene.store(scene.policy(BY_TIME, RULES)) for _ in range(2))
        send(one, instance="1")
        send(two, instance="2")
        send(one, instance="3")

        assert scene.objects() == [f"{AT_NOON}000/", *(f"{AT_NOON}000/CT.{number}" for number in "123")]

    def test_what_has_the_name_already_is_left_alone(self, scene: Scene) -> None:
        (scene.inbox / f"{AT_NOON}000").mkdir()
        (scene.inbox / f"{AT_NOON}001").write_bytes(b"precious")
        send(scene.store(scene.policy(BY_TIME, RULES)))

        assert f"{AT_NOON}002/CT.1" in scene.objects()
        assert (scene.inbox / f"{AT_NOON}001").read_bytes() == b"precious"

    def test_a_forged_name_moves_nothing_out_of_the_output_directory(self, scene: Scene) -> None:
        store = scene.store(scene.policy(BY_TIME, RULES))
        send(store, instance="1")
        for name in ("..", "../elsewhere", "/tmp", ".scpd/tmp"):
            (scene.lock / "open" / "1.2.3" / "directory").write_bytes(records.encode((name,)))
            other = scene.store(scene.policy(BY_TIME, RULES))
            assert status_of(other, instance="2") == 0xA700
        assert os.listdir(scene.inbox.parent) == ["inbox", "lock"] or set(os.listdir(scene.inbox.parent)) == {
            "inbox",
            "lock",
        }
        assert scene.objects() == [f"{AT_NOON}000/", f"{AT_NOON}000/CT.1"]


class TestRecords:
    @pytest.mark.parametrize("form", FORMS)
    def test_a_line_says_what_was_stored_where(self, scene: Scene, form: Form | None) -> None:
        send(scene.store(scene.policy(rules=RULES, hook="xcr"), form=form), "1.2.3", "1")

        (line,) = scene.recorded()
        status = (scene.inbox / "X_1.2.3" / "CT.1").stat()
        about = About.decode((scene.lock / "open" / "1.2.3" / "study").read_bytes())
        assert about is not None
        assert (line.directory, line.name, line.inode, line.size) == (
            "X_1.2.3",
            "CT.1",
            status.st_ino,
            status.st_size,
        )
        assert (line.generation, line.study_instance_uid, line.hook) == (about.generation, "1.2.3", "xcr")
        assert (line.sop_class_uid, line.sop_instance_uid, line.transfer_syntax_uid) == (CT, "1", LITTLE)
        assert scene.notes() == [["stored", "1", "CT.1", str(status.st_ino)]]

    def test_the_transfer_syntax_is_that_of_the_file(self, scene: Scene) -> None:
        big = Form(Encoding(transfer_syntax=BIG), Dictionary(), rejects_odd=False)
        store = scene.store(scene.policy(None, hook="xcr"), form=big)
        send(store)
        send(store, instance="2", data=data_set("1.2.3", "2", 5000), places=(3000,))
        send(store, instance="3", data=data_set("1.2.3", "3") + b"odd!")

        assert [line.transfer_syntax_uid for line in scene.recorded()] == [BIG, BIG, LITTLE]

    @pytest.mark.parametrize("form", FORMS)
    def test_a_command_alone_makes_no_directories(self, scene: Scene, form: Form | None) -> None:
        send(scene.store(scene.policy(None, hook="xcr"), form=form))

        (line,) = scene.recorded()
        assert scene.objects() == ["CT.1"]
        assert (line.directory, line.generation, line.study_instance_uid) == ("", "", "1.2.3")
        assert os.listdir(scene.lock / "open") == []

    def test_directories_by_uid_alone_make_no_records(self, scene: Scene) -> None:
        send(scene.store(scene.policy()))

        assert scene.lines() == []
        assert os.listdir(scene.lock / "open") == []

    @pytest.mark.parametrize(
        ("policy", "note"), [("both", "CT.1.1"), ("keep", "CT.1"), ("replace", "CT.1"), ("refuse", None)]
    )
    def test_the_note_says_what_stands_for_an_object_whose_name_was_taken(
        self, scene: Scene, policy: str, note: str | None
    ) -> None:
        store = scene.store(scene.policy(rules=RULES), duplicates=policy)
        send(store)
        first = (scene.inbox / "X_1.2.3" / "CT.1").stat().st_ino
        if note is None:
            assert status_of(store) == 0x0111
            assert scene.notes()[1] == ["failed", "2"]
            return
        send(store)
        inode = (scene.inbox / "X_1.2.3" / note).stat().st_ino
        assert scene.notes()[1] == ["stored", "2", note, str(inode)]
        assert (inode == first) == (policy == "keep")

    def test_an_object_that_stands_though_its_directory_was_not_flushed_counts(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = scene.store(scene.policy(rules=RULES, fsync=True), fsync=True)
        send(store, instance="1")
        real_fsync = os.fsync

        def fsync(descriptor: int) -> None:
            if os.path.isdir(f"/proc/self/fd/{descriptor}"):
                raise OSError(errno.EIO, "Input/output error")
            real_fsync(descriptor)

        monkeypatch.setattr(os, "fsync", fsync)
        assert status_of(store, instance="2") == 0xA700
        assert [note[:3] for note in scene.notes()] == [["stored", "1", "CT.1"], ["stored", "2", "CT.2"]]

    def test_the_note_of_an_object_that_another_follows_at_once_comes_with_its_line(
        self, scene: Scene
    ) -> None:
        store = scene.store(scene.policy(rules=RULES))
        for instance in ("1", "2", "3"):
            send(store, instance=instance, is_prompt=True)
        kinds = [line[:2] for line in scene.lines() if line[0] in ("object", "stored")]
        assert kinds == [["object", "1"], ["stored", "1"], ["object", "2"], ["object", "3"]]
        assert [line.stored for line in scene.recorded()] == [0, 0, 2]

        store.rest()
        assert scene.notes()[1][:3] == ["stored", "3", "CT.3"]

    def test_a_line_stands_before_its_object_does(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen = []
        policy = scene.policy(rules=RULES)
        store = scene.store(policy)
        real = store._publication

        def publication(*arguments: object) -> tuple[str, str]:
            seen.append(([line.name for line in scene.recorded()], scene.objects()))
            return real(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(store, "_publication", publication)
        send(store)
        assert seen == [(["CT.1"], ["X_1.2.3/"])]

    def test_uids_without_end_are_cut_off_in_a_record(self, scene: Scene) -> None:
        store = scene.store(scene.policy(None, hook="xcr"), naming="unique")
        send(store, "9" * 60000, "8" * 60000)

        (line,) = scene.recorded()
        assert (line.study_instance_uid, line.sop_instance_uid) == ("9" * 128, "8" * 128)


@pytest.mark.parametrize(("recorded", "waits"), [(None, ""), (None, "xs"), (print, "")])
def test_there_is_something_to_wait_for_if_the_options_say_so(
    recorded: Callable[[], None] | None, waits: str
) -> None:
    tracker = TrackerPolicy(
        lock_directory="", rules="", renames=False, hook="xcr", waits=waits, boot="boot", fsync=False
    )
    filing = FilingPolicy(None, tracker, "", recorded).begin("CALLING", "CALLED", "127.0.0.1", "localhost")
    assert filing.settles == bool(recorded or waits)


class TestFailures:
    def remove(self, scene: Scene) -> None:
        shutil.rmtree(scene.lock)

    @pytest.mark.parametrize("filing", [(BY_TIME, RULES, ""), (None, "", "xcr")])
    def test_without_its_lock_directory_no_object_is_stored(
        self, scene: Scene, filing: tuple[Sorting | None, str, str]
    ) -> None:
        self.remove(scene)
        store = scene.store(scene.policy(*filing))
        assert status_of(store) == 0xA700
        assert scene.objects() == []

        layout.make(str(scene.lock))
        send(store)
        assert len(scene.recorded()) == 1

    def test_a_lock_directory_that_is_replaced_while_nobody_looks_is_found_anew(self, scene: Scene) -> None:
        store = scene.store(scene.policy(rules=RULES))
        send(store, instance="1")
        self.remove(scene)
        layout.make(str(scene.lock))
        assert status_of(store, instance="2") == 0xA700
        send(store, instance="2")

        assert [line.name for line in scene.recorded()] == ["CT.2"]

    def test_a_note_that_cannot_be_written_in_a_pause_is_no_reason_to_refuse_what_is_on_its_way(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def full(_: Tracker) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        def pausing(content: bytes) -> Iterator[tuple[list[memoryview], int, bool]]:
            yield [memoryview(content)], 1, False
            with monkeypatch.context() as patch:
                patch.setattr(Tracker, "_catch_up", full)
                store.rest()
            yield [], 1, True

        store = scene.store(scene.policy(rules=RULES))
        for instance in ("1", "2"):
            send(store, instance=instance, is_prompt=True)
        monkeypatch.setattr(f"{__name__}.portions", lambda content, *_: pausing(content))
        send(store, instance="3")

        assert f"cannot use lock directory: {scene.lock}: No space left" in caplog.text
        assert scene.objects() == ["X_1.2.3/", *(f"X_1.2.3/CT.{number}" for number in (1, 2, 3))]
        assert sorted(line.name for line in scene.recorded()) == ["CT.1", "CT.2", "CT.3"]
        assert sorted(note[2] for note in scene.notes()) == ["CT.1", "CT.3"], (
            "the keeper judges the other one"
        )

    def test_a_note_that_cannot_be_written_is_no_reason_to_refuse(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def full(*_: object) -> bytes:
            raise OSError(errno.ENOSPC, "No space left on device")

        store = scene.store(scene.policy(rules=RULES))
        with monkeypatch.context() as patch:
            patch.setattr("scpd.study.record.encode_stored", full)
            send(store, instance="1")
        assert f"cannot use lock directory: {scene.lock}: No space left" in caplog.text
        send(store, instance="2")

        assert len(os.listdir(scene.lock / "journals")) == 3, (
            "the keeper judges the first one, which has ended"
        )
        assert scene.objects() == ["X_1.2.3/", "X_1.2.3/CT.1", "X_1.2.3/CT.2"]
