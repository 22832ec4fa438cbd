"""The recipe for one object, with data sets by hand."""

from __future__ import annotations

import errno
import logging
import os
import resource
import shutil
import struct
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scpd.dataset.dictionary import Dictionary
from scpd.dataset.encoding import Encoding
from scpd.dimse import messages
from scpd.errors import Gone, PeerError, Refused, Released
from scpd.store import sink
from scpd.store.filemeta import FileMeta
from scpd.store.names import time_file_name
from scpd.ul.negotiation import Context
from scpd.worker import naming
from scpd.worker.announcement import check_command
from scpd.worker.progress import Progress
from scpd.worker.rewrite import Form
from scpd.worker.store import ObjectStore, StorePolicy
from tests.harness.forked import in_child

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
INSTANCE = "1.2.3.4.5"
LITTLE, BIG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
CONTEXT = Context(1, CT, LITTLE)
NAME = f"CT.{INSTANCE}"
FORM = Form(Encoding(), Dictionary(), rejects_odd=False)
FORMS = [pytest.param(None, id="bit-preserving"), pytest.param(FORM, id="in form")]
READ = 65536  # bytes that may come at once
DataSet = list[tuple[list[memoryview], int, bool]]


def element(group: int, number: int, vr: bytes, value: bytes) -> bytes:
    value += b"\0" * (len(value) % 2)
    return struct.pack("<HH2sH", group, number, vr, len(value)) + value


def ct_image(*, size: int = 100, sop_class: str = CT, instance: str = INSTANCE, before: bytes = b"") -> bytes:
    """A data set of these UIDs with so many bytes of pixels, explicit little endian; `before` the UIDs."""
    uids = element(8, 0x16, b"UI", sop_class.encode()) + element(8, 0x18, b"UI", instance.encode())
    pixels = (
        struct.pack("<HH2s2xI", 0x7FE0, 0x10, b"OB", size) + (b"\1\2\3\4\5\6\7\0" * (size // 8 + 1))[:size]
    )
    return before + uids + pixels


IMAGE = ct_image()
UIDS = IMAGE[:-112]
META = FileMeta(LITTLE, b"CT_1", b"STORESCP").for_object(CT, INSTANCE)


def request(**changes: object) -> messages.Request:
    asked = messages.Request(messages.C_STORE_RQ, 1, has_data_set=True)
    asked.affected_sop_class_uid, asked.has_sop_class_uid = CT, True
    asked.affected_sop_instance_uid, asked.has_sop_instance_uid = INSTANCE, True
    for name, value in changes.items():
        setattr(asked, name, value)
    return asked


def cut(data: bytes, *places: int) -> DataSet:
    """The data set as it comes if the reads end at these places: one list of one piece after the other."""
    ends = [0, *places, len(data)]
    lists = [([memoryview(data)[start:stop]], 1, False) for start, stop in pairwise(ends)]
    return [*lists[:-1], (*lists[-1][:2], True)]


class Titles:
    def show(self, text: str) -> None:
        pass


class Scene:
    """An output directory, and stores for it."""

    def __init__(self, inbox: Path) -> None:
        self.inbox = inbox

    def store(self, **policy: object) -> ObjectStore:
        options: dict[str, object] = {
            "output_directory": str(self.inbox),
            "extension": "",
            "naming": "uid",
            "duplicates": "replace",
            "form": FORM,
            "with_file_meta": True,
            "fsync": False,
        }
        return ObjectStore(StorePolicy(**(options | policy)), b"CT_1", b"STORESCP")  # type: ignore[arg-type]

    def receive(
        self, data: DataSet | Iterator[object], asked: messages.Request | None = None, **policy: object
    ) -> None:
        """Store one object."""
        store_object(self.store(**policy), data, asked)

    def objects(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.inbox.iterdir() if path.name != ".scpd"}

    def temporary(self) -> list[str]:
        """What there is of objects under way."""
        path = self.inbox / ".scpd" / "tmp"
        return [name for name in os.listdir(path) if name != "lock"] if path.exists() else []

    def refusal(self, data: DataSet | Iterator[object], **policy: object) -> Refused:
        """Store one object and see it refused, with nothing left or changed."""
        before = self.objects()
        with pytest.raises(Refused) as caught:
            self.receive(data, **policy)
        assert self.objects() == before
        assert self.temporary() == []
        assert len(caught.value.comment) <= 64
        return caught.value


def store_object(
    object_store: ObjectStore, data: DataSet | Iterator[object], asked: messages.Request | None = None
) -> None:
    object_store.store(asked or request(), CONTEXT, iter(data), Progress(Titles(), "127.0.0.1:4711"))  # type: ignore[arg-type]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    path = tmp_path / "inbox"
    path.mkdir()
    return Scene(path)


class TestFiles:
    @pytest.mark.parametrize("fsync", [True, False])
    def test_an_object_is_its_file_meta_and_the_data_set_as_it_came(self, scene: Scene, fsync: bool) -> None:
        scene.receive(cut(IMAGE), fsync=fsync)

        assert scene.objects() == {NAME: META + IMAGE}
        assert scene.temporary() == []

    def test_without_file_meta_the_file_is_the_data_set(self, scene: Scene) -> None:
        scene.receive(cut(IMAGE), with_file_meta=False)

        assert scene.objects() == {NAME: IMAGE}

    def test_the_extension_is_appended(self, scene: Scene) -> None:
        scene.receive(cut(IMAGE), extension=".dcm")

        assert list(scene.objects()) == [NAME + ".dcm"]

    def test_unique_names_are_new_at_every_transfer(self, scene: Scene) -> None:
        object_store = scene.store(naming="unique", extension=".x")
        for _ in range(3):
            store_object(object_store, cut(IMAGE))

        names = list(scene.objects())
        assert len(set(names)) == 3
        assert all(name.startswith("CT.X.2.25.") and name.endswith(".x") for name in names)
        assert set(scene.objects().values()) == {META + IMAGE}

    def test_one_association_stores_many_objects_on_many_contexts(self, scene: Scene) -> None:
        object_store = scene.store()
        implicit = b"\x08\0\x16\0" + struct.pack("<I", 26) + CT.encode() + b"\0"
        implicit += b"\x08\0\x18\0" + struct.pack("<I", 8) + b"9.9.9.9\0"
        other = request(affected_sop_instance_uid="9.9.9.9")
        assert len(CT) == 25

        store_object(object_store, cut(IMAGE))
        object_store.store(
            other,
            Context(3, CT, "1.2.840.10008.1.2"),
            iter(cut(implicit)),
            Progress(Titles(), "127.0.0.1:4711"),  # type: ignore[arg-type]
        )
        store_object(object_store, cut(IMAGE))

        meta = FileMeta("1.2.840.10008.1.2", b"CT_1", b"STORESCP").for_object(CT, "9.9.9.9")
        assert scene.objects() == {NAME: META + IMAGE, "CT.9.9.9.9": meta + implicit}

    def test_a_file_is_made_ahead_for_who_has_sent_two_objects_and_goes_with_the_association(
        self, scene: Scene
    ) -> None:
        store = scene.store()
        for number, made_ahead in enumerate((0, 1, 1)):
            store_object(store, cut(ct_image()))
            store.prepare()
            assert len(scene.temporary()) == made_ahead, number

        store.close()

        assert scene.temporary() == []
        assert len(scene.objects()) == 1

    def test_a_resend_replaces_the_object_and_says_so(
        self, scene: Scene, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        scene.receive(cut(IMAGE))
        assert not [record for record in caplog.records if record.levelno > logging.INFO]
        again = ct_image(size=4)

        scene.receive(cut(again))

        assert scene.objects() == {NAME: META + again}
        assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
            ("INFO", f"storing DICOM file: {scene.inbox}/{NAME}"),
            ("INFO", f"storing DICOM file: {scene.inbox}/{NAME}"),
            ("WARNING", f"DICOM file already exists, overwriting: {scene.inbox}/{NAME}"),
        ]

    def test_nothing_appears_before_the_last_fragment(self, scene: Scene) -> None:
        seen = []

        def watched() -> Iterator[object]:
            for each in cut(ct_image(size=300_000), 100_000, 200_000):
                seen.append(scene.objects())
                yield each

        scene.receive(watched())

        assert seen == [{}, {}, {}]
        assert len(scene.objects()) == 1


def said(log: pytest.LogCaptureFixture, scene: Scene) -> list[tuple[str, str]]:
    """What was logged, without the directory."""
    return [(record.levelname, record.getMessage().replace(f"{scene.inbox}/", "")) for record in log.records]


class TestNames:
    @pytest.fixture(autouse=True)
    def _log(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)

    def test_a_time_that_is_taken_gets_a_serial_number_and_the_log_the_whole_name(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(naming, "time", lambda: 1785240672.345)
        for policy in ("replace", "refuse", "keep"):
            scene.receive(cut(IMAGE), naming="time", extension=".dcm", duplicates=policy)

        first = time_file_name(CT, ".dcm", 1785240672.345)
        stamp = first.partition(".")[0]
        names = [first, f"{stamp}_0000.CT.dcm", f"{stamp}_0001.CT.dcm"]
        assert scene.objects() == dict.fromkeys(names, META + IMAGE)
        assert said(caplog, scene) == [("INFO", f"storing DICOM file: {name}") for name in names]

    def test_the_time_is_that_of_the_command(self, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
        clock = [1785240672.0]
        monkeypatch.setattr(naming, "time", lambda: clock[0])

        def slow() -> Iterator[object]:
            clock[0] += 60
            yield from cut(IMAGE)

        scene.receive(slow(), naming="time")

        assert list(scene.objects()) == [time_file_name(CT, "", 1785240672.0)]

    @pytest.mark.parametrize("form", FORMS)
    @pytest.mark.parametrize(
        ("instance", "shown", "name"),
        [
            ("1/2;x", "1/2;x", "1_2_x"),
            ("1.2\xe4\x01", "1.2??", "1.2__"),
            ("../..", "../..", ".._.."),
        ],
    )
    def test_a_sanitised_uid_is_told_before_all(
        self,
        scene: Scene,
        caplog: pytest.LogCaptureFixture,
        form: Form | None,
        instance: str,
        shown: str,
        name: str,
    ) -> None:
        asked = request(affected_sop_instance_uid=instance)
        data = b"\x08\0\x16\0UI\x1a\0" + CT.encode() + b"\0" + uid_element(instance)
        scene.receive(cut(data), asked, form=form)

        assert list(scene.objects()) == [f"CT.{name}"]
        text = f'Sanitized unusual characters in SOP Instance UID, converted from "{shown}" to "{name}".'
        assert said(caplog, scene)[0] == ("WARNING", text)
        assert len(said(caplog, scene)) == 1 if form is None else 2

    @pytest.mark.parametrize("naming", ["unique", "time"])
    def test_a_uid_that_is_no_name_is_no_matter(
        self, scene: Scene, caplog: pytest.LogCaptureFixture, naming: str
    ) -> None:
        asked = request(affected_sop_instance_uid="1/2")
        scene.receive(cut(IMAGE), asked, naming=naming, form=None)

        assert said(caplog, scene) == []


def uid_element(instance: str) -> bytes:
    value = instance.encode("latin-1")
    return element(8, 0x18, b"UI", value)


class TestDuplicates:
    """What is stored, answered and said when the name is taken."""

    AGAIN = ct_image(size=4)

    @pytest.fixture(autouse=True)
    def _log(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.WARNING)

    def second(self, scene: Scene, again: bytes, **policy: object) -> dict[str, bytes]:
        scene.receive(cut(IMAGE), **policy)
        scene.receive(cut(again), **policy)
        assert scene.temporary() == []
        return scene.objects()

    @pytest.mark.parametrize("form", FORMS)
    def test_replaced(self, scene: Scene, caplog: pytest.LogCaptureFixture, form: Form | None) -> None:
        stored = self.second(scene, self.AGAIN, form=form)

        assert stored == {NAME: META + self.AGAIN}
        told = [("WARNING", f"DICOM file already exists, overwriting: {NAME}")]
        assert said(caplog, scene) == ([] if form is None else told)

    @pytest.mark.parametrize("form", FORMS)
    @pytest.mark.parametrize("policy", ["both", "keep"])
    def test_stored_beside(
        self, scene: Scene, caplog: pytest.LogCaptureFixture, form: Form | None, policy: str
    ) -> None:
        stored = self.second(scene, self.AGAIN, duplicates=policy, form=form)

        assert stored == {NAME: META + IMAGE, f"{NAME}.1": META + self.AGAIN}
        text = f"DICOM file already exists, storing beside it: {NAME}.1"
        assert said(caplog, scene) == [("WARNING", text)]

    @pytest.mark.parametrize("with_file_meta", [True, False])
    def test_kept(self, scene: Scene, caplog: pytest.LogCaptureFixture, with_file_meta: bool) -> None:
        stored = self.second(scene, IMAGE, duplicates="keep", with_file_meta=with_file_meta)

        assert stored == {NAME: META * with_file_meta + IMAGE}
        text = f"DICOM file already exists, keeping the equal one: {NAME}"
        assert said(caplog, scene) == [("WARNING", text)]

    def test_kept_though_another_sent_it(self, scene: Scene) -> None:
        scene.receive(cut(IMAGE), duplicates="keep")
        policy = scene.store(duplicates="keep")._policy
        store_object(ObjectStore(policy, b"OTHER", b"ANOTHER"), cut(IMAGE))

        assert scene.objects() == {NAME: META + IMAGE}

    def test_another_transfer_syntax_is_another_object(self, scene: Scene) -> None:
        scene.receive(cut(UIDS), duplicates="keep")
        context = Context(3, CT, "1.2.840.10008.1.2.4.50")
        progress = Progress(Titles(), "127.0.0.1:4711")  # type: ignore[arg-type]
        scene.store(duplicates="keep").store(request(), context, iter(cut(UIDS)), progress)

        assert set(scene.objects()) == {NAME, f"{NAME}.1"}

    @pytest.mark.parametrize("form", FORMS)
    @pytest.mark.parametrize("image", [IMAGE, AGAIN], ids=["equal", "different"])
    def test_refused(self, scene: Scene, image: bytes, form: Form | None) -> None:
        scene.receive(cut(IMAGE), duplicates="refuse")

        refusal = scene.refusal(cut(image), duplicates="refuse", form=form)

        assert refusal.status == 0x0111
        assert refusal.comment == "SOP Instance is stored already"
        assert refusal.detail == f"DICOM file already exists: {scene.inbox}/{NAME}"

    def test_after_a_refusal_the_next_object_is_stored(self, scene: Scene) -> None:
        object_store = scene.store(duplicates="refuse")
        store_object(object_store, cut(IMAGE))
        with pytest.raises(Refused):
            store_object(object_store, cut(IMAGE))
        (scene.inbox / NAME).unlink()

        store_object(object_store, cut(IMAGE))

        assert scene.objects() == {NAME: META + IMAGE}

    @pytest.mark.parametrize("failing", ["both", "keep"])
    def test_a_directory_that_was_not_flushed_names_what_is_there(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch, failing: str
    ) -> None:
        scene.receive(cut(IMAGE), fsync=True)
        real_fsync = os.fsync

        def fsync(descriptor: int) -> None:
            if os.path.isdir(f"/proc/self/fd/{descriptor}"):
                raise OSError(errno.EIO, "Input/output error")
            real_fsync(descriptor)

        monkeypatch.setattr(sink.os, "fsync", fsync)
        with pytest.raises(Refused) as caught:
            scene.receive(cut(self.AGAIN), fsync=True, duplicates=failing)

        assert caught.value.status == 0xA700
        assert f"/{NAME}.1 is stored, but its directory could not be flushed" in caught.value.detail


class TestIdentity:
    @pytest.mark.parametrize("form", FORMS)
    @pytest.mark.parametrize(
        ("in_command", "in_data_set"), [(" 1.2.3.4.5", "1.2.3.4.5"), ("1.2.3.4.5", "1.2.3.4.5 ")]
    )
    def test_spaces_in_a_uid_are_no_difference_whatever_the_options(
        self, scene: Scene, in_command: str, in_data_set: str, form: Form | None
    ) -> None:
        """As in storescp, where --uid-padding changes nothing either."""
        elements = {
            0x0002: CT.encode(),
            0x0100: b"\1\0",
            0x0110: b"\1\0",
            0x0800: b"\0\0",
            0x1000: in_command.encode(),
        }
        image = element(8, 0x16, b"UI", CT.encode()) + uid_element(in_data_set)

        scene.receive(cut(image), messages.parse_request(elements), form=form)

        assert scene.objects() == {NAME: META + (image if form is None else UIDS)}

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @given(places=st.lists(st.integers(0, len(IMAGE)), max_size=8).map(sorted))
    def test_any_cut_of_a_data_set_gives_the_same_file(self, scene: Scene, places: list[int]) -> None:
        scene.receive(cut(IMAGE, *places))

        assert scene.objects() == {NAME: META + IMAGE}

    @pytest.mark.parametrize("size", [1, 2, 13, 4096])
    def test_fragments_of_any_size_make_one_object(self, scene: Scene, size: int) -> None:
        filler = b"".join(element(8, number, b"LO", bytes(4000)) for number in range(1, 0x15))
        image = ct_image(size=READ, before=filler)
        data = [([memoryview(image)[start : start + size]], 1, False) for start in range(0, len(image), size)]
        data[-1] = (*data[-1][:2], True)

        scene.receive(data)

        assert scene.objects() == {NAME: META + image}

    @pytest.mark.parametrize("size", [1, 20, 100])
    @pytest.mark.parametrize("form", FORMS)
    def test_nothing_is_kept_of_a_buffer_that_is_used_again(
        self, scene: Scene, size: int, form: Form | None
    ) -> None:
        def received() -> Iterator[object]:
            buffer = bytearray(size)
            for start in range(0, len(IMAGE), size):
                content = IMAGE[start : start + size]
                buffer[: len(content)] = content
                yield [memoryview(buffer)[: len(content)]], 1, start + size >= len(IMAGE)
                buffer[:] = b"X" * size

        scene.receive(received(), form=form)

        assert scene.objects() == {NAME: META + IMAGE}

    @pytest.mark.parametrize("length", [READ - 2, READ, READ + 2, 2 * READ])
    @pytest.mark.parametrize("lists", [1, 2])
    def test_data_sets_about_as_long_as_a_read_are_whole(self, scene: Scene, length: int, lists: int) -> None:
        image = ct_image(size=length - len(ct_image(size=0)))
        assert len(image) == length

        scene.receive(cut(image, *[length - 1] * (lists - 1)))

        assert scene.objects() == {NAME: META + image}

    def test_empty_pieces_and_lists_are_fine(self, scene: Scene) -> None:
        empty = memoryview(b"")
        view = memoryview(IMAGE)

        scene.receive(
            [
                ([], 0, False),
                ([empty, view[:9], empty, view[9:]], 4, False),
                ([], 0, False),
                ([empty], 1, True),
            ]
        )

        assert scene.objects() == {NAME: META + IMAGE}

    @pytest.mark.parametrize("places", [(), (1,), (20, 40), tuple(range(1, 60))])
    @pytest.mark.parametrize(
        ("image", "status"),
        [
            pytest.param(ct_image(instance="9.9"), 0xA900, id="another instance"),
            pytest.param(ct_image(sop_class=MR), 0xA900, id="another class"),
            pytest.param(ct_image(instance=""), 0xA900, id="empty instance"),
            pytest.param(b"", 0xC000, id="nothing"),
            pytest.param(b"\0" * 200, 0xC000, id="zeros"),
            pytest.param(IMAGE[:40], 0xC000, id="the begin of it"),
            pytest.param(element(0x10, 0x10, b"PN", b"Doe^Jane"), 0xC000, id="no UIDs"),
        ],
    )
    def test_what_is_not_the_announced_object_is_refused_and_leaves_nothing(
        self, scene: Scene, image: bytes, status: int, places: tuple[int, ...]
    ) -> None:
        scene.receive(cut(IMAGE))
        places = tuple(place for place in places if place < len(image))

        assert scene.refusal(cut(image, *places)).status == status
        assert scene.objects() == {NAME: META + IMAGE}

    def test_a_refusal_comes_when_both_uids_are_known_and_leaves_the_rest_to_read(self, scene: Scene) -> None:
        image = ct_image(instance="9.9", size=3 * READ)
        data = iter(cut(image, READ, 2 * READ))

        scene.refusal(data)

        assert [is_last for _, _, is_last in data] == [False, True]

    @pytest.mark.parametrize(
        "image",
        [ct_image(instance="9.9"), b"", b"anything", bytes(200_000)],
        ids=["mismatch", "empty", "text", "zeros"],
    )
    def test_bit_preserving_nothing_is_looked_at(self, scene: Scene, image: bytes) -> None:
        scene.receive(cut(image), form=None)

        assert scene.objects() == {NAME: META + image}


class TestForm:
    """Objects that are written anew are stored like others."""

    ITEM = b"\xfe\xff\x00\xe0\xff\xff\xff\xff\xfe\xff\x0d\xe0\0\0\0\0"
    UGLY = UIDS + b"\x08\0\x40\x11SQ\0\0\xff\xff\xff\xff" + ITEM + b"\xfe\xff\xdd\xe0\0\0\0\0"
    PRETTY = UIDS + b"\x08\0\x40\x11SQ\0\0\x08\0\0\0" + b"\xfe\xff\x00\xe0\0\0\0\0"

    @pytest.mark.parametrize("with_file_meta", [True, False])
    def test_the_file_meta_names_the_transfer_syntax_that_is_written(
        self, scene: Scene, with_file_meta: bool
    ) -> None:
        big = Form(Encoding(transfer_syntax=BIG), Dictionary(), rejects_odd=False)
        pixels = b"\x7f\xe0\0\x10OB\0\0\0\0\0\x64" + IMAGE[-100:]
        for odd in (b"", b"odd"):
            scene.receive(cut(IMAGE + odd, 100), form=big, with_file_meta=with_file_meta)

            (content,) = scene.objects().values()
            meta = META if odd else FileMeta(BIG, b"CT_1", b"STORESCP").for_object(CT, INSTANCE)
            assert content.startswith(meta if with_file_meta else (UIDS if odd else b"\0\x08\0\x16"))
            assert content.endswith(IMAGE + odd if odd else pixels)

    def test_two_forms_of_one_object_are_equal(self, scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.WARNING)
        for data in (self.UGLY, self.PRETTY, self.UGLY):
            scene.receive(cut(data), duplicates="keep")

        assert scene.objects() == {NAME: META + self.PRETTY}
        assert (
            said(caplog, scene)
            == [("WARNING", f"DICOM file already exists, keeping the equal one: {NAME}")] * 2
        )

    def test_after_a_full_disk_the_next_one_is_written_anew(self, scene: Scene) -> None:
        def work() -> int:
            object_store = scene.store()
            unlimited = resource.RLIM_INFINITY
            store_object(object_store, cut(self.UGLY))
            before = scene.objects()
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, unlimited))
            with pytest.raises(Refused) as caught:
                store_object(object_store, cut(self.UGLY))
            assert (scene.objects(), scene.temporary()) == (before, [])
            resource.setrlimit(resource.RLIMIT_FSIZE, (unlimited, unlimited))
            store_object(object_store, cut(self.UGLY))
            return caught.value.status

        assert in_child(work) == 0xA700
        assert scene.objects() == {NAME: META + self.PRETTY}

    def test_what_is_refused_as_odd_leaves_the_earlier_object_alone(self, scene: Scene) -> None:
        scene.receive(cut(IMAGE))
        strict = Form(Encoding(), Dictionary(), rejects_odd=True)

        refusal = scene.refusal(cut(IMAGE + b"odd"), form=strict)

        assert (refusal.status, refusal.comment) == (0xC000, "the data set is cut off")
        assert scene.objects() == {NAME: META + IMAGE}

    def test_the_warning_of_an_odd_object_names_its_file(
        self, scene: Scene, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        scene.receive(cut(IMAGE + b"odd"), extension=".dcm")

        assert said(caplog, scene) == [
            ("WARNING", f"the data set is cut off, stored as received: {NAME}.dcm"),
            ("INFO", f"storing DICOM file: {NAME}.dcm"),
        ]


class TestCommand:
    @pytest.mark.parametrize(
        ("changes", "status"),
        [
            ({"has_sop_class_uid": False, "affected_sop_class_uid": ""}, 0x0120),
            ({"has_sop_instance_uid": False, "affected_sop_instance_uid": ""}, 0x0120),
            ({"affected_sop_instance_uid": ""}, 0x0106),
            ({"affected_sop_instance_uid": "1" * 65}, 0x0106),
            ({"affected_sop_class_uid": "1" * 65}, 0x0106),
            ({"affected_sop_class_uid": MR}, 0x0122),
            ({"affected_sop_class_uid": ""}, 0x0122),
            ({"has_data_set": False}, 0xC000),
        ],
    )
    def test_what_cannot_be_stored_is_refused_by_its_command(
        self, changes: dict[str, object], status: int
    ) -> None:
        with pytest.raises(Refused) as caught:
            check_command(request(**changes), CONTEXT)

        assert caught.value.status == status

    def test_an_object_of_the_contexts_class_is_not_refused(self) -> None:
        check_command(request(), CONTEXT)


def broken_off(error: Exception, *before: tuple[list[memoryview], int, bool]) -> Iterator[object]:
    yield from before
    raise error


class TestFailures:
    @pytest.mark.parametrize("error", [Gone("gone"), Released(), RuntimeError("a defect")])
    @pytest.mark.parametrize("come", [0, 10, 150_000])
    def test_a_broken_off_resend_leaves_the_stored_object_alone(
        self, scene: Scene, error: Exception, come: int
    ) -> None:
        scene.receive(cut(IMAGE))
        begin = cut(ct_image(size=200_000)[:come])[0][0]

        with pytest.raises(type(error)):
            scene.receive(broken_off(error, (begin, 0, False)))

        assert scene.objects() == {NAME: META + IMAGE}
        assert scene.temporary() == []

    def test_what_the_peer_did_is_told_though_the_file_cannot_be_removed(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def unlink(*_: object, **__: object) -> None:
            raise OSError(errno.EROFS, "Read-only file system")

        monkeypatch.setattr(sink.os, "unlink", unlink)

        with pytest.raises(PeerError):
            scene.receive(broken_off(Gone("gone"), ([memoryview(ct_image(size=READ))], 1, False)))

    def test_a_full_disk_is_a700_and_leaves_nothing(self, scene: Scene) -> None:
        def fill() -> list[object]:
            scene.receive(cut(IMAGE))
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
            refusal = scene.refusal(cut(ct_image(size=300_000), 90_000, 200_000))
            return [refusal.status, refusal.comment, refusal.detail]

        status, comment, detail = in_child(fill)

        assert status == 0xA700
        assert comment == "cannot write: File too large"
        assert detail == f"cannot write DICOM file: {scene.inbox}/{NAME}: File too large"
        assert scene.objects() == {NAME: META + IMAGE}

    @pytest.mark.parametrize("come", [0, 10, 150_000])
    def test_without_memory_is_a700_and_leaves_nothing_and_the_next_object_is_stored(
        self, scene: Scene, come: int
    ) -> None:
        object_store = scene.store()
        begin = cut(ct_image(size=200_000)[:come])[0][0]

        with pytest.raises(Refused) as caught:
            store_object(object_store, broken_off(MemoryError(), (begin, 0, False)))

        assert (caught.value.status, caught.value.comment) == (0xA700, "out of memory")
        assert caught.value.detail == f"{scene.inbox}/{NAME}: out of memory"
        assert scene.objects() == {}
        assert scene.temporary() == []
        store_object(object_store, cut(IMAGE))
        assert scene.objects() == {NAME: META + IMAGE}

    def test_after_a_full_disk_the_next_object_is_stored_without_a_restart(self, scene: Scene) -> None:
        def work() -> None:
            object_store = scene.store()
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
            with pytest.raises(Refused):
                store_object(object_store, cut(ct_image(size=3000)))
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            store_object(object_store, cut(IMAGE))

        in_child(work)

        assert scene.objects() == {NAME: META + IMAGE}

    @pytest.mark.parametrize(
        "opened", [True, False], ids=["within the association", "before its first object"]
    )
    def test_a_removed_output_directory_is_a700(self, scene: Scene, opened: bool) -> None:
        object_store = scene.store()
        if opened:
            store_object(object_store, cut(IMAGE))
        shutil.rmtree(scene.inbox)

        with pytest.raises(Refused) as caught:
            store_object(object_store, cut(IMAGE))

        assert caught.value.status == 0xA700
        assert "No such file" in caught.value.comment
        assert str(scene.inbox) not in caught.value.comment
        assert not scene.inbox.exists()

    def test_a_directory_in_the_place_of_the_object_is_a700(self, scene: Scene) -> None:
        (scene.inbox / NAME).mkdir()

        with pytest.raises(Refused) as caught:
            scene.receive(cut(IMAGE))

        assert caught.value.status == 0xA700
        assert scene.temporary() == []

    def test_too_long_a_name_is_a700(self, scene: Scene) -> None:
        assert scene.refusal(cut(IMAGE), extension="x" * 300).status == 0xA700

    @pytest.mark.parametrize(
        ("is_directory", "comment"), [(False, "cannot write"), (True, "directory not flushed")]
    )
    def test_a_failed_flush_is_a700_and_only_a_directorys_leaves_the_object(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch, is_directory: bool, comment: str
    ) -> None:
        real_fsync: Callable[[int], None] = os.fsync

        def fsync(descriptor: int) -> None:
            if os.path.isdir(f"/proc/self/fd/{descriptor}") is is_directory:
                raise OSError(errno.EIO, "Input/output error")
            real_fsync(descriptor)

        monkeypatch.setattr(sink.os, "fsync", fsync)

        with pytest.raises(Refused) as caught:
            scene.receive(cut(IMAGE), fsync=True)

        assert caught.value.status == 0xA700
        assert caught.value.comment == f"{comment}: Input/output error"
        assert scene.objects() == ({NAME: META + IMAGE} if is_directory else {})
        assert scene.temporary() == []
