"""An object takes its form: what is kept as it came, what is written anew, what is refused; data sets by hand."""

from __future__ import annotations

import errno
import logging
import os
import resource
import struct
import zlib
from itertools import pairwise, product
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scpd.dataset import dictionary as dictionaries
from scpd.dataset.elements import EndOfData
from scpd.dataset.encoding import Encoding
from scpd.dataset.forward import Forward
from scpd.dataset.recode import Source, recode
from scpd.dataset.scan import Scan
from scpd.errors import Gone, Refused
from scpd.store.scratch import MOST_IN_MEMORY
from scpd.store.sink import OutputDirectory
from scpd.worker.form import Announced, FormingStore
from scpd.worker.progress import Progress
from scpd.worker.rewrite import Form, Rewriter
from tests.harness.forked import in_child

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    Pieces = tuple[list[memoryview], int, bool]

CT = "1.2.840.10008.5.1.4.1.1.2"
INSTANCE = "1.2.3.4.5"
IMPLICIT, LITTLE, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
DEFLATED, JPEG = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.50"
SYNTAXES = [IMPLICIT, LITTLE, BIG]
NAME = f"CT.{INSTANCE}"
UNDEFINED = 0xFFFFFFFF
DICTIONARY = dictionaries.builtin()
LONG_FORM = {"OB", "OW", "SQ", "UN"}


def element(
    group: int, number: int, vr: str, value: bytes, *, syntax: str = LITTLE, length: int | None = None
) -> bytes:
    """Encode an element; its length is that of its value unless another is given."""
    order = ">" if syntax == BIG else "<"
    size = len(value) if length is None else length
    tag = struct.pack(order + "HH", group, number)
    if syntax == IMPLICIT or group == 0xFFFE:
        return tag + struct.pack(order + "I", size) + value
    if vr in LONG_FORM:
        return tag + vr.encode() + struct.pack(order + "HI", 0, size) + value
    return tag + vr.encode() + struct.pack(order + "H", size) + value


def uids(instance: str = INSTANCE, *, syntax: str = LITTLE) -> bytes:
    value = instance.encode() + b"\0" * (len(instance) % 2)
    return element(8, 0x16, "UI", CT.encode() + b"\0", syntax=syntax) + element(
        8, 0x18, "UI", value, syntax=syntax
    )


def sequence(content: bytes, *, syntax: str = LITTLE, is_defined: bool = False) -> bytes:
    """A sequence of one item."""
    if is_defined:
        item = element(0xFFFE, 0xE000, "", content, syntax=syntax)
        return element(8, 0x1140, "SQ", item, syntax=syntax)
    item = element(0xFFFE, 0xE000, "", content, syntax=syntax, length=UNDEFINED)
    item += element(0xFFFE, 0xE00D, "", b"", syntax=syntax)
    end = element(0xFFFE, 0xE0DD, "", b"", syntax=syntax)
    return element(8, 0x1140, "SQ", item + end, syntax=syntax, length=UNDEFINED)


def image(size: int = 100, *, syntax: str = LITTLE, between: bytes = b"", behind: bytes = b"") -> bytes:
    """A data set with so many bytes of pixels, between its UIDs and these something else, and behind them too."""
    pixels = (bytes(range(256)) * (size // 256 + 1))[:size]
    return uids(syntax=syntax) + between + element(0x7FE0, 0x10, "OW", pixels, syntax=syntax) + behind


def deflated(data: bytes) -> bytes:
    engine = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    return engine.compress(data) + engine.flush()


def inflated(data: bytes) -> bytes:
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    return engine.decompress(data) + engine.flush()


def cut(data: bytes, *places: int) -> list[Pieces]:
    """The data set as it comes if the reads end at these places."""
    ends = [0, *places, len(data)]
    lists = [([memoryview(data)[start:stop]], 1, False) for start, stop in pairwise(ends)]
    return [*lists[:-1], (*lists[-1][:2], True)]


def meta(transfer_syntax: str) -> bytes:
    """What stands for the file meta: it names the transfer syntax of the file."""
    return f"<{transfer_syntax}>".encode()


class Memory:
    """A target of a recoding."""

    def __init__(self) -> None:
        self.content = bytearray()

    def write(self, pieces: Sequence[bytes | memoryview]) -> None:
        self.content += b"".join(pieces)

    def patch(self, offset: int, data: bytes) -> None:
        self.content[offset : offset + len(data)] = data

    def restart(self) -> None:
        self.content.clear()


def expected(data: bytes, syntax: str, encoding: Encoding) -> bytes:
    """The file of a data set that is written anew, deflated ones inflated; at rest, and all at once."""
    scan = Scan(syntax, encoding, DICTIONARY)
    scan.feed([data], len(data))
    scan.finish()
    content = inflated(data) if syntax == DEFLATED else data
    file_meta = meta(encoding.written(syntax))
    target = Memory()
    recode(Source(memoryview(content), syntax, scan.unordered), encoding, DICTIONARY, target, len(file_meta))
    return file_meta + target.content


class Titles:
    def show(self, text: str) -> None:
        pass


class Scene:
    """An output directory with an earlier object in it, and one association's way there."""

    def __init__(self, inbox: Path) -> None:
        self.inbox = inbox
        (inbox / NAME).write_bytes(b"earlier")
        self.output = OutputDirectory(str(inbox), fsync=False)
        self.forming = self.store()

    def store(self, *, rejects_odd: bool = False, **encoding: object) -> FormingStore:
        """Begin a new association for this form."""
        form = Form(Encoding(**encoding), DICTIONARY, rejects_odd=rejects_odd)  # type: ignore[arg-type]
        self.forming = FormingStore(form, self.output)
        return self.forming

    def receive(self, data: list[Pieces] | Iterator[Pieces], syntax: str = LITTLE) -> bytes:
        """Give the file of one object, which is discarded then."""
        announced = Announced(CT, INSTANCE, syntax, meta, f"inbox/{NAME}")
        progress = Progress(Titles(), "127.0.0.1:4711")  # type: ignore[arg-type]
        incoming = self.forming.receive(announced, iter(data), progress)
        assert len(self.temporary()) == 1, "a file that is not the one to publish"
        incoming.publish("CT.9")
        content = (self.inbox / "CT.9").read_bytes()
        (self.inbox / "CT.9").unlink()
        self.assert_untouched()
        return content

    def refusal(self, data: list[Pieces] | Iterator[Pieces], syntax: str = LITTLE) -> Refused:
        """See one object refused, with nothing left or changed."""
        with pytest.raises(Refused) as caught:
            self.receive(data, syntax)
        self.assert_untouched()
        assert len(caught.value.comment) <= 64
        return caught.value

    def assert_untouched(self) -> None:
        assert self.temporary() == []
        assert sorted(os.listdir(self.inbox)) == [".scpd", NAME]
        assert (self.inbox / NAME).read_bytes() == b"earlier"

    def temporary(self) -> list[int]:
        """How long the files under way are."""
        found = (self.inbox / ".scpd" / "tmp").iterdir()
        return [path.stat().st_size for path in found if path.name != "lock"]

    def watched(self, data: list[Pieces], seen: list[int]) -> Iterator[Pieces]:
        """Note before each read how many files are under way."""
        for each in data:
            seen.append(len(self.temporary()))
            yield each
        seen.append(len(self.temporary()))


@pytest.fixture
def scene(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Scene]:
    caplog.set_level(logging.INFO)
    before = len(os.listdir("/proc/self/fd"))
    scene = Scene(tmp_path)
    yield scene
    scene.output.close()
    assert len(os.listdir("/proc/self/fd")) == before, "a descriptor is lost"


def overwriting(data: bytes, places: Sequence[int]) -> Iterator[Pieces]:
    """The data set as it comes into a buffer that is used again for each read."""
    for pieces, fragments, is_last in cut(data, *places):
        buffer = bytearray(b"".join(pieces))
        yield [memoryview(buffer)[:1], memoryview(buffer)[1:]], fragments, is_last
        buffer[:] = b"X" * len(buffer)


PRETTY = image(between=sequence(element(8, 0x1150, "UI", b"1.2\0"), is_defined=True))
UGLY = image(between=sequence(element(8, 0x1150, "UI", b"1.2\0")))
PADDING = element(0xFFFC, 0xFFFC, "OB", bytes(20))
ENCODINGS: dict[str, dict[str, object]] = {
    "+te": {"transfer_syntax": LITTLE},
    "+tb": {"transfer_syntax": BIG},
    "+ti": {"transfer_syntax": IMPLICIT},
    "+g": {"group_lengths": "create"},
    "-e": {"explicit_lengths": False},
    "+p": {"padding": (64, 16)},
    "+tb +g +p": {"transfer_syntax": BIG, "group_lengths": "create", "padding": (64, 16)},
}


class TestForm:
    @pytest.mark.parametrize("places", [(), (1,), (70,), tuple(range(1, 150))])
    def test_what_has_its_form_is_kept_as_it_came(self, scene: Scene, places: tuple[int, ...]) -> None:
        assert scene.receive(cut(PRETTY, *places)) == meta(LITTLE) + PRETTY

    @pytest.mark.parametrize("places", [(), (1,), (70,), tuple(range(1, 150))])
    def test_what_has_another_form_is_written_anew(
        self, scene: Scene, places: tuple[int, ...], caplog: pytest.LogCaptureFixture
    ) -> None:
        assert scene.receive(cut(UGLY, *places)) == meta(LITTLE) + PRETTY
        assert caplog.records == []

    def test_what_is_prepared_for_one_more_like_the_last_one_is_right_for_any(self, scene: Scene) -> None:
        kinds = {
            (LITTLE, UGLY): meta(LITTLE) + PRETTY,
            (LITTLE, PRETTY): meta(LITTLE) + PRETTY,
            (IMPLICIT, image(syntax=IMPLICIT)): meta(IMPLICIT) + image(syntax=IMPLICIT),
            (DEFLATED, deflated(PRETTY)): meta(DEFLATED) + deflated(PRETTY),
        }
        for first, second in product(kinds, repeat=2):
            for syntax, data in (first, second, second, second):
                assert scene.receive(cut(data, 50), syntax) == kinds[syntax, data]
                scene.forming.prepare()
            scene.refusal(cut(uids("1.2.3"), 50), first[0])  # what a refused one has spoilt is nobody's

    def test_what_changes_at_its_very_end_is_written_anew_too(self, scene: Scene) -> None:
        assert scene.receive(cut(PRETTY + PADDING, 200)) == meta(LITTLE) + PRETTY

    def test_the_file_names_the_transfer_syntax_that_is_written(self, scene: Scene) -> None:
        scene.store(transfer_syntax=IMPLICIT)
        implicit = image(
            syntax=IMPLICIT,
            between=sequence(
                element(8, 0x1150, "UI", b"1.2\0", syntax=IMPLICIT), syntax=IMPLICIT, is_defined=True
            ),
        )

        assert scene.receive(cut(UGLY)) == meta(IMPLICIT) + implicit
        assert scene.receive(cut(implicit), IMPLICIT) == meta(IMPLICIT) + implicit

    @pytest.mark.parametrize("options", ENCODINGS)
    @pytest.mark.parametrize("syntax", SYNTAXES)
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=12)
    @given(data=st.data())
    def test_any_cut_of_a_data_set_gives_the_same_file_from_a_buffer_that_is_used_again(
        self, scene: Scene, syntax: str, options: str, data: st.DataObject
    ) -> None:
        encoding = ENCODINGS[options]
        item = element(8, 0x1150, "UI", b"1.2\0", syntax=syntax)
        behind = element(0x7FE1, 0x10, "LO", b"ODD ", syntax=syntax)
        received = image(
            300,
            syntax=syntax,
            between=sequence(item, syntax=syntax),
            behind=data.draw(st.sampled_from([b"", behind])),
        )
        places = data.draw(st.lists(st.integers(0, len(received)), max_size=6).map(sorted))
        scene.store(**encoding)

        file = scene.receive(overwriting(received, places), syntax)

        assert file == expected(received, syntax, Encoding(**encoding))  # type: ignore[arg-type]

    @pytest.mark.parametrize("places", [(), (60,), (100,), (164,), (60, 100, 164, 170)])
    def test_what_turns_out_to_be_out_of_order_behind_its_pixel_data_is_put_in_order(
        self, scene: Scene, places: tuple[int, ...]
    ) -> None:
        late = element(0x10, 0x10, "PN", b"Doe^Jane")
        scene.store(transfer_syntax=BIG)

        file = scene.receive(overwriting(image(behind=late), places))

        in_order = element(0x10, 0x10, "PN", b"Doe^Jane", syntax=BIG) + image(syntax=BIG)[-112:-100]
        assert in_order in file
        assert file == expected(image(behind=late), LITTLE, Encoding(transfer_syntax=BIG))

    def test_much_may_follow_the_pixel_data_of_what_is_written_while_it_arrives(self, scene: Scene) -> None:
        behind = element(0x7FE1, 0x1001, "OB", bytes(MOST_IN_MEMORY + 1000))
        data = image(3000, behind=behind)
        scene.store(transfer_syntax=BIG)

        assert scene.receive(cut(data, 1000, 5000)) == expected(data, LITTLE, Encoding(transfer_syntax=BIG))
        assert scene.receive(cut(data + b"odd", 1000, 5000)) == meta(LITTLE) + data + b"odd"
        assert scene.refusal(cut(data[:-1], 1000, 5000)).status == 0xC000

    @pytest.mark.parametrize("syntax", [LITTLE, DEFLATED])
    @pytest.mark.parametrize("options", ["+te", "+tb", "+ti", "+td"])
    def test_deflated_data_sets_take_any_form_and_any_the_deflated_one(
        self, scene: Scene, syntax: str, options: str
    ) -> None:
        written = {"+te": LITTLE, "+tb": BIG, "+ti": IMPLICIT, "+td": DEFLATED}[options]
        data = deflated(UGLY) if syntax == DEFLATED else UGLY
        scene.store(transfer_syntax=written)

        file = scene.receive(overwriting(data, (20, 40)), syntax)

        wanted = expected(data, syntax, Encoding(transfer_syntax=written))
        begin = len(meta(written))
        if written == DEFLATED:
            file = file[:begin] + inflated(file[begin:])
        assert file == wanted

    def test_a_deflated_one_that_has_its_form_is_kept_as_it_came(self, scene: Scene) -> None:
        data = deflated(PRETTY)

        assert scene.receive(cut(data, 30), DEFLATED) == meta(DEFLATED) + data

    def test_compressed_pixel_data_stay_as_they_are_in_a_data_set_that_is_written_anew(
        self, scene: Scene
    ) -> None:
        assert scene.receive(cut(jpeg(sequence(b"", is_defined=False))), JPEG) == meta(JPEG) + jpeg(
            sequence(b"", is_defined=True)
        )


def jpeg(between: bytes = b"") -> bytes:
    """A data set with pixel data in fragments."""
    fragments = element(0xFFFE, 0xE000, "", b"") + element(0xFFFE, 0xE000, "", b"\xff\xd8\xff\xd9")
    end = element(0xFFFE, 0xE0DD, "", b"")
    return uids() + between + element(0x7FE0, 0x10, "OB", fragments + end, length=UNDEFINED)


class TestPlaces:
    """Where an object lies while it arrives."""

    def test_what_has_its_form_so_far_is_in_a_file(self, scene: Scene) -> None:
        seen: list[int] = []
        scene.receive(scene.watched(cut(PRETTY, 30, 60), seen))

        assert seen == [0, 1, 1, 1]

    def test_what_is_to_be_written_anew_is_in_none_before_its_pixel_data(self, scene: Scene) -> None:
        seen: list[int] = []
        scene.receive(scene.watched(cut(UGLY, 70, 80), seen))
        assert seen == [0, 0, 0, 0]

        scene.receive(scene.watched(cut(UGLY, 30, 80), seen))
        assert seen[4:] == [0, 1, 1, 1], "its first read did not show that"

        scene.store(transfer_syntax=BIG)
        scene.receive(scene.watched(cut(UGLY, 30, len(UGLY) - 110), seen))
        assert seen[8:] == [0, 0, 0, 0]

    def test_pixel_data_are_written_while_they_arrive(self, scene: Scene) -> None:
        sizes: list[list[int]] = []
        scene.store(transfer_syntax=IMPLICIT)
        data = image(60_000)

        def watched() -> Iterator[Pieces]:
            for each in cut(data, 20_000, 40_000):
                sizes.append(scene.temporary())
                yield each
            sizes.append(scene.temporary())

        scene.receive(watched())

        end = len(expected(data, LITTLE, Encoding(transfer_syntax=IMPLICIT)))
        assert sizes == [[], *([end - len(data) + place] for place in (20_000, 40_000)), [end]]

    def test_pixel_data_that_are_swapped_are_written_as_soon_as_there_are_many(self, scene: Scene) -> None:
        sizes: list[list[int]] = []
        scene.store(transfer_syntax=BIG)
        data = image(300_000)

        def watched() -> Iterator[Pieces]:
            for each in cut(data, 1001, 150_001):
                sizes.append(scene.temporary())
                yield each
            sizes.append(scene.temporary())

        scene.receive(watched())

        assert [bool(each) for each in sizes] == [False, True, True, True]
        assert sizes[1][0] < 10_000
        assert 100_000 < sizes[2][0] < sizes[3][0] == len(meta(BIG)) + len(data)

    def test_what_grows_too_long_for_memory_moves_to_a_file(self, scene: Scene) -> None:
        """It has no pixel data, which would be written as they arrive."""
        value = bytes(MOST_IN_MEMORY // 2)
        tail = b"".join(element(0x11, number, "OB", value) for number in (0x1001, 0x1002, 0x1003))
        data = uids() + element(0x11, 0x10, "LO", b"ODD ") + tail
        scene.store(transfer_syntax=BIG)
        seen: list[int] = []

        file = scene.receive(scene.watched(cut(data, 100, len(data) // 2, len(data) - 100), seen))

        assert seen == [0, 0, 0, 1, 1]
        assert file == expected(data, LITTLE, Encoding(transfer_syntax=BIG))


class TestLikeness:
    def test_objects_are_compared_with_those_before_from_the_third_on(self, scene: Scene) -> None:
        """Who sends one object only does not pay for what could be learnt from it."""
        forming = scene.store()

        assert forming._likeness(LITTLE) is None
        learnt = forming._likeness(LITTLE)
        assert learnt is not None
        assert forming._likeness(IMPLICIT) is None
        assert forming._likeness(LITTLE) is learnt
        assert forming._likeness(IMPLICIT) is not learnt

    @pytest.mark.parametrize("places", [(), (30,), (200,)])
    def test_each_object_of_an_association_is_judged_by_itself(
        self, scene: Scene, places: tuple[int, ...]
    ) -> None:
        scene.store()
        for number in range(8):
            assert scene.receive(cut(PRETTY, *places)) == meta(LITTLE) + PRETTY, number
        assert scene.receive(cut(UGLY, *places)) == meta(LITTLE) + PRETTY
        assert scene.receive(cut(PRETTY, *places)) == meta(LITTLE) + PRETTY
        other = PRETTY.replace(INSTANCE.encode(), b"1.2.3.4.6")
        assert scene.refusal(cut(other, *places)).status == 0xA900
        assert scene.receive(cut(PRETTY + PADDING, *places)) == meta(LITTLE) + PRETTY
        assert scene.receive(cut(PRETTY + b"\x08\0", *places)) == meta(LITTLE) + PRETTY + b"\x08\0"
        assert scene.refusal(cut(PRETTY[:-10], *places)).status == 0xC000
        for number in range(4):
            assert scene.receive(cut(UGLY, *places)) == meta(LITTLE) + PRETTY, number
        assert scene.refusal(cut(UGLY[:-10], *places)).status == 0xC000
        assert scene.receive(cut(PRETTY, *places)) == meta(LITTLE) + PRETTY

    @pytest.mark.parametrize("syntax", SYNTAXES)
    @pytest.mark.parametrize("options", ["", "+tb", "+ti"])
    def test_objects_of_many_kinds_are_told_apart_when_nothing_is_learnt_any_more(
        self, scene: Scene, syntax: str, options: str
    ) -> None:
        """One kind is remembered for good then, and an object of it may come at any time."""
        kinds = [
            image(
                20 * number,
                syntax=syntax,
                between=element(8, 0x20 + number, "LO", b"x" * 2 * number, syntax=syntax),
            )
            for number in range(1, 14)
        ]
        encoding = Encoding(**FORMS[options])  # type: ignore[arg-type]
        scene.store(**FORMS[options])

        for data in [*kinds, *reversed(kinds), *kinds]:
            file = scene.receive(overwriting(data, ()), syntax)
            assert file == expected(data, syntax, encoding)

    @pytest.mark.parametrize("syntax", SYNTAXES)
    def test_what_is_like_the_one_before_is_written_like_it(self, scene: Scene, syntax: str) -> None:
        data = image(300, syntax=syntax, between=sequence(b"", syntax=syntax))
        scene.store(transfer_syntax=BIG)
        wanted = expected(data, syntax, Encoding(transfer_syntax=BIG))

        for number in range(5):
            assert scene.receive(overwriting(data, (150, 250)), syntax) == wanted, number


class TestBegins:
    """The begin of a long data set may come by itself, to be looked at before the rest is there."""

    @pytest.mark.parametrize("options", ["", "+ti", "-e"])
    @pytest.mark.parametrize("places", [(200,), (16_000,), (200, 400), (1, 90_000), (200, 90_000)])
    def test_a_short_begin_is_written_together_with_what_comes_next(
        self, scene: Scene, places: tuple[int, ...], options: str
    ) -> None:
        data = image(100_000)
        forms = FORMS[options]
        scene.store(**forms)
        sizes: list[list[int]] = []

        def watched() -> Iterator[Pieces]:
            for each in overwriting(data, places):
                sizes.append(scene.temporary())
                yield each

        for _ in range(4):
            file = scene.receive(watched())
            assert file == expected(data, LITTLE, Encoding(**forms))  # type: ignore[arg-type]
        if not options:
            assert sizes[1] == [0]

    def test_who_drips_has_no_more_than_the_begin_held_back(self, scene: Scene) -> None:
        """Memory does not grow with the object."""
        data = image(100_000)
        scene.store()
        sizes: list[list[int]] = []

        def watched() -> Iterator[Pieces]:
            for each in cut(data, 200, 400, 600):
                sizes.append(scene.temporary())
                yield each

        scene.receive(watched())
        assert sizes == [[], [0], [len(meta(LITTLE)) + 400], [len(meta(LITTLE)) + 600]]

    def test_it_is_looked_at_by_itself_once_there_have_been_two_like_it(self, scene: Scene) -> None:
        """One from which to learn, and one that shows that it was worth it."""
        long, short = image(200_000), image(60_000)
        scene.store()

        def begin_tells(data: bytes) -> bool:
            scene.receive([cut(data)[0]])
            return scene.forming.prepare()

        assert [begin_tells(long) for _ in range(4)] == [False, False, True, True]
        unlike = image(200_000, between=element(8, 0x20, "DA", b"20000101"))
        assert [begin_tells(unlike) for _ in range(3)] == [False, True, True]
        assert [begin_tells(short) for _ in range(3)] == [False, False, False]

    @pytest.mark.parametrize("behind", [PADDING, element(8, 0x60, "CS", b"CT")])
    def test_what_its_end_is_needed_for_comes_whole(self, scene: Scene, behind: bytes) -> None:
        """It is to be written anew, as is not known before: what was written until then would be in vain."""
        data = image(200_000, behind=behind)
        scene.store()

        for _ in range(4):
            scene.receive([cut(data)[0]])
            assert not scene.forming.prepare()

    def test_a_series_goes_on_like_that(self, scene: Scene) -> None:
        data = image(200_000)
        scene.store()
        for _ in range(3):
            scene.receive([cut(data)[0]])

        for _ in range(20):
            assert scene.forming.prepare()
            assert scene.receive(cut(data, 16_000)) == meta(LITTLE) + data

    def test_other_kinds_in_between_whose_headers_come_later_end_it(self, scene: Scene) -> None:
        one, other = image(200_000), image(200_000, between=element(9, 0x1010, "OB", bytes(40_000)))
        scene.store()
        for _ in range(3):
            scene.receive([cut(one)[0]])

        told: list[bool] = []
        for _ in range(12):
            if scene.forming.prepare():
                scene.receive(cut(other, 16_000))
            else:
                scene.receive([cut(other)[0]])
            scene.receive([cut(one)[0]])
            told.append(scene.forming.prepare())

        assert told == [True] * 7 + [False] * 5

    @pytest.mark.parametrize(("size", "wanted"), [(14_000, True), (17_000, False)])
    def test_headers_that_are_not_there_with_the_request_are_awaited(
        self, scene: Scene, size: int, wanted: bool
    ) -> None:
        data = image(200_000, between=element(9, 0x1010, "OB", bytes(size)))
        scene.store()

        for _ in range(4):
            scene.receive([cut(data)[0]])
            begin_tells = scene.forming.prepare()

        assert begin_tells is wanted


ODD = {
    "cut off within a header": (image(behind=b"\xe1\x7f\x10"), "the data set is cut off"),
    "cut off behind a header": (
        image(behind=element(0x7FE1, 0x10, "LO", b"", length=4)),
        "the data set is cut off",
    ),
    "cut off behind the header of its pixel data": (image()[:-100], "the data set is cut off"),
    "an item delimiter": (
        image(behind=element(0xFFFE, 0xE00D, "", b"") + b"rest"),
        "an item delimiter outside an item",
    ),
    "file meta": (
        element(2, 0x10, "UI", LITTLE.encode() + b"\0") + image(),
        "an element of group 0002H in the data set",
    ),
    "zeros behind it": (image(behind=bytes(8)), "an element of group 0000H in the data set"),
}
SOME_FORMS = pytest.mark.parametrize("options", ["", "+tb", "+ti", "+td", "-e"])
FORMS: dict[str, dict[str, object]] = {"": {}, "+td": {"transfer_syntax": DEFLATED}, **ENCODINGS}


class TestOddObjects:
    @SOME_FORMS
    @pytest.mark.parametrize("what", ODD)
    @pytest.mark.parametrize("places", [(), (60,), (65, 120), (130,)])
    def test_they_are_stored_as_they_came_with_a_warning(
        self,
        scene: Scene,
        caplog: pytest.LogCaptureFixture,
        what: str,
        options: str,
        places: tuple[int, ...],
    ) -> None:
        data, oddity = ODD[what]
        scene.store(**FORMS[options])

        file = scene.receive(overwriting(data, [place for place in places if place < len(data)]))

        assert file == meta(LITTLE) + data
        assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
            ("WARNING", f"{oddity}, stored as received: inbox/{NAME}")
        ]

    @SOME_FORMS
    @pytest.mark.parametrize("what", ODD)
    def test_they_are_refused_if_that_is_asked_for(
        self, scene: Scene, caplog: pytest.LogCaptureFixture, what: str, options: str
    ) -> None:
        data, oddity = ODD[what]
        scene.store(rejects_odd=True, **FORMS[options])

        for places in ((), (60,), (65, 90)):
            refusal = scene.refusal(cut(data, *places))
            assert (refusal.status, refusal.comment) == (0xC000, oddity)
        assert caplog.records == []

    def test_others_are_stored_though_odd_ones_are_refused(self, scene: Scene) -> None:
        scene.store(rejects_odd=True)

        assert scene.receive(cut(UGLY)) == meta(LITTLE) + PRETTY

    @pytest.mark.parametrize("options", ["", "+te", "+td"])
    def test_a_deflate_stream_that_is_cut_off_is_odd(
        self, scene: Scene, caplog: pytest.LogCaptureFixture, options: str
    ) -> None:
        data = deflated(image(3000))[:-20]
        scene.store(**FORMS[options])

        assert scene.receive(cut(data, 60), DEFLATED) == meta(DEFLATED) + data
        assert caplog.messages == [f"the deflate stream is cut off, stored as received: inbox/{NAME}"]

    def test_a_long_one_that_was_being_swapped_is_had_back_as_it_came(self, scene: Scene) -> None:
        data = image(3_000_000, behind=element(0x7FE1, 0x10, "LO", b"ODD ") + b"\1")
        scene.store(transfer_syntax=BIG)

        file = scene.receive(overwriting(data, range(100_000, len(data), 99_999)))

        assert file == meta(LITTLE) + data


class TestRefusals:
    @SOME_FORMS
    @pytest.mark.parametrize(
        ("data", "status"),
        [
            pytest.param(image().replace(b"1.2.3.4.5", b"1.2.3.4.6"), 0xA900, id="another instance"),
            pytest.param(image().replace(CT.encode(), CT.encode()[:-1] + b"4"), 0xA900, id="another class"),
            pytest.param(uids("") + image()[len(uids()) :], 0xA900, id="an empty UID"),
            pytest.param(image()[len(uids()) :], 0xC000, id="no UIDs"),
            pytest.param(b"", 0xC000, id="nothing"),
            pytest.param(image()[:-2], 0xC000, id="cut off within its pixel data"),
            pytest.param(image(behind=element(0xFFFE, 0xE000, "", b"")), 0xC000, id="an item"),
            pytest.param(image(syntax=BIG), 0xC000, id="another byte order"),
        ],
    )
    def test_what_is_wrong_is_refused_wherever_it_is_cut(
        self, scene: Scene, data: bytes, status: int, options: str
    ) -> None:
        scene.store(**FORMS[options])
        for places in ((), (1,), (60,), (65, 90), tuple(range(1, 160))):
            refusal = scene.refusal(overwriting(data, [place for place in places if place < len(data)]))
            assert refusal.status == status, places

    def test_a_mismatch_is_refused_as_soon_as_both_uids_are_known(self, scene: Scene) -> None:
        data = iter(cut(image(3000).replace(b"1.2.3.4.5", b"1.2.3.4.6"), 40, 60, 500))

        assert scene.refusal(data).status == 0xA900
        assert len(list(data)) == 2

    def test_missing_uids_are_refused_at_the_end_only(self, scene: Scene) -> None:
        """They might come yet, out of order."""
        late = image(3000)[len(uids()) :]

        assert scene.refusal(iter(cut(late, 500))).status == 0xC000
        assert scene.receive(cut(late + uids(), 500)) == meta(LITTLE) + image(3000)

    @pytest.mark.parametrize("is_defined", [True, False])
    def test_uids_of_an_item_stand_for_those_that_the_data_set_lacks(
        self, scene: Scene, is_defined: bool
    ) -> None:
        rest = image()[len(uids()) :]
        mine = sequence(uids(), is_defined=is_defined)
        others = sequence(uids("9.9"), is_defined=is_defined)

        assert scene.receive(cut(mine + rest)) == meta(LITTLE) + sequence(uids(), is_defined=True) + rest
        assert scene.refusal(cut(others + rest)).status == 0xA900
        kept = meta(LITTLE) + uids() + sequence(uids("9.9"), is_defined=True) + rest
        assert scene.receive(cut(uids() + others + rest, 40)) == kept

    @pytest.mark.parametrize("options", ["+te", "+tb", "+ti", "+td"])
    def test_compressed_pixel_data_cannot_be_written_uncompressed(self, scene: Scene, options: str) -> None:
        scene.store(**FORMS[options])

        refusal = scene.refusal(cut(jpeg(), 60), JPEG)

        assert refusal.status == 0xA700
        assert refusal.comment == "compressed pixel data cannot be written uncompressed"

    @pytest.mark.parametrize("options", ["+te", "+tb", "+ti"])
    def test_a_data_set_of_a_compressed_transfer_syntax_without_fragments_can(
        self, scene: Scene, options: str
    ) -> None:
        scene.store(**FORMS[options])

        wanted = expected(uids(), JPEG, Encoding(**FORMS[options]))  # type: ignore[arg-type]
        assert scene.receive(cut(uids(), 60), JPEG) == wanted

    def test_what_is_odd_and_compressed_is_stored_as_it_came(self, scene: Scene) -> None:
        data = jpeg() + b"\1\2"
        scene.store(transfer_syntax=LITTLE)

        assert scene.receive(cut(data), JPEG) == meta(JPEG) + data


ARRIVALS = {
    "in a file": (PRETTY, 60, {}),
    "in memory": (UGLY, 60, {"transfer_syntax": BIG}),
    "written while it arrives": (image(3000), 1000, {"transfer_syntax": BIG}),
    "behind its pixel data": (
        image(3000, behind=element(0x7FE1, 0x10, "LO", b"ODD ") * 9),
        3090,
        {"transfer_syntax": BIG},
    ),
}


class TestFailures:
    @pytest.mark.parametrize("where", ARRIVALS)
    @pytest.mark.parametrize("error", [Gone("gone"), RuntimeError("a defect")])
    def test_nothing_is_left_of_what_is_broken_off(self, scene: Scene, where: str, error: Exception) -> None:
        data, place, encoding = ARRIVALS[where]
        scene.store(**encoding)

        def broken_off() -> Iterator[Pieces]:
            yield from cut(data, 30, place)[:2]
            raise error

        with pytest.raises(type(error)):
            scene.receive(broken_off())

        scene.assert_untouched()

    @pytest.mark.parametrize("kept", ["in memory", "in a file"])
    def test_what_we_turn_out_not_to_understand_is_stored_as_it_came(
        self,
        scene: Scene,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        kept: str,
    ) -> None:
        """Two pieces of code look at each object; an object must not be lost because they disagree."""
        data = uids() + element(8, 0x1140, "SQ", b"") + element(9, 0x1001, "UN", bytes(100_000))
        places = [60] if kept == "in memory" else [60, 5000]
        held: list[memoryview] = []

        def fails(_: object, received: memoryview, *__: object) -> None:
            held.append(received[10:20])  # as the frames of a traceback do
            raise EndOfData

        monkeypatch.setattr(Rewriter, "rewritten", fails)
        scene.store(**({"transfer_syntax": BIG} if kept == "in memory" else {}))
        late = b"" if kept == "in memory" else PADDING

        file = scene.receive(cut(data + late, *places))

        assert file == meta(LITTLE) + data + late
        assert [record.levelname for record in caplog.records] == ["ERROR"]
        assert caplog.messages[0].endswith(f"stored as received: inbox/{NAME}")
        held[0].release()

    @pytest.mark.parametrize("step", ["__init__", "finish"])
    @pytest.mark.parametrize("is_hopeless", [True, False])
    def test_what_we_do_not_understand_while_it_arrives_is_had_back(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch, step: str, is_hopeless: bool
    ) -> None:
        """It is written anew at the end then, or stored as it came if that is not possible either."""
        data = image(3000, behind=element(0x7FE1, 0x10, "LO", b"ODD "))

        def fails(*_: object) -> None:
            raise EndOfData

        real_finish = Forward.finish

        def finishes_too_late(self: Forward, rest: Source) -> None:
            real_finish(self, rest)
            raise EndOfData

        monkeypatch.setattr(Forward, step, fails if step == "__init__" else finishes_too_late)
        if is_hopeless:
            monkeypatch.setattr(Rewriter, "rewritten", fails)
        scene.store(transfer_syntax=BIG)
        as_it_came, anew = meta(LITTLE) + data, expected(data, LITTLE, Encoding(transfer_syntax=BIG))

        file = scene.receive(overwriting(data, (60, 1000, 2000)))

        assert file == (as_it_came if is_hopeless else anew)

    def full(
        self, scene: Scene, data: bytes, limit: int, syntax: str = LITTLE, places: Sequence[int] = ()
    ) -> None:
        """See that files of so many bytes are too short for the object, and nothing is left."""

        def fill() -> int:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            code = None
            try:
                scene.receive(cut(data, *places), syntax)
            except OSError as error:
                code = error.errno
            scene.assert_untouched()
            return code or 0

        assert in_child(fill) == errno.EFBIG

    def test_a_disk_that_is_full_while_it_arrives_leaves_nothing(self, scene: Scene) -> None:
        self.full(scene, image(30_000), 20_000, places=[10_000])

    def test_a_disk_that_is_full_while_it_is_written_as_it_arrives_leaves_nothing(self, scene: Scene) -> None:
        scene.store(transfer_syntax=BIG)
        for limit in (50, 20_000, 30_050):
            self.full(scene, image(30_000, behind=PADDING[:8]), limit, places=[10_000, 20_000])

    def test_a_disk_that_is_full_when_it_is_written_anew_from_memory_leaves_nothing(
        self, scene: Scene
    ) -> None:
        scene.store(transfer_syntax=BIG)
        for limit in (0, 10, 100, 20_000):
            self.full(scene, image(30_000), limit)

    def test_a_disk_that_is_full_when_it_is_written_anew_from_a_file_leaves_nothing(
        self, scene: Scene
    ) -> None:
        """The first file has come to its end, the second one is longer."""
        data = long_implicit()
        scene.store(transfer_syntax=LITTLE)

        self.full(scene, data, len(data) + len(meta(IMPLICIT)), IMPLICIT, places=[1000, len(data) - 9])

    def test_a_disk_that_is_full_when_an_inflated_one_is_written_anew_leaves_nothing(
        self, scene: Scene
    ) -> None:
        """What was inflated lies in a file of its own then."""
        data = deflated(image(MOST_IN_MEMORY + 1000, between=sequence(b"")))
        for written, limit in ((BIG, 1_000_000), (BIG, MOST_IN_MEMORY + 1100)):
            scene.store(transfer_syntax=written)
            self.full(scene, data, limit, DEFLATED)

    def test_a_disk_that_is_full_when_it_is_deflated_leaves_nothing(self, scene: Scene) -> None:
        noise = element(0x7FE0, 0x10, "OB", os.urandom(30_000))
        scene.store(transfer_syntax=DEFLATED)

        self.full(scene, uids() + noise, 29_000)

    def test_a_disk_that_is_full_when_one_is_had_back_leaves_nothing(self, scene: Scene) -> None:
        """It was written as it arrived, and the file of what it was is longer."""
        data = image(30_000, between=sequence(b""), behind=b"\1\2\3")
        scene.store(transfer_syntax=IMPLICIT)
        self.full(scene, data, len(data) + len(meta(LITTLE)) - 1, places=[10_000, 20_000])


def long_implicit() -> bytes:
    """An implicit data set that is too long for memory, has no pixel data, and is longer with VRs."""
    value = bytes(MOST_IN_MEMORY // 4)
    creator = element(0x11, 0x10, "LO", b"ODD ", syntax=IMPLICIT)
    rest = b"".join(element(0x11, 0x1000 + n, "UN", value, syntax=IMPLICIT) for n in range(5))
    return uids(syntax=IMPLICIT) + creator + rest
