"""A data set on its way: in memory while it is short, in a file when it is not, and the same bytes in both."""

from __future__ import annotations

import errno
import os
import resource
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scpd.store.scratch import Scratch
from scpd.store.sink import OutputDirectory
from tests.harness.forked import in_child

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PREFIX = b"file meta"
MOST = 16  # bytes that these ones hold in memory


class Scene:
    """An output directory, and scratches for it."""

    def __init__(self, inbox: Path) -> None:
        self.inbox = inbox
        self.output = OutputDirectory(str(inbox), fsync=False)

    def scratch(self, most: int | None = MOST, prefix: bytes = PREFIX) -> Scratch:
        return Scratch(self.output, None if most is None else bytearray(b"\xee" * most), prefix)

    def temporary(self) -> dict[str, bytes]:
        """What there is of objects under way."""
        found = (self.inbox / ".scpd" / "tmp").iterdir()
        return {path.name: path.read_bytes() for path in found if path.name != "lock"}

    def published(self, scratch: Scratch) -> bytes:
        scratch.file().publish("CT.1")
        return (self.inbox / "CT.1").read_bytes()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    before = len(os.listdir("/proc/self/fd"))
    scene = Scene(tmp_path)
    yield scene
    scene.output.close()
    assert len(os.listdir("/proc/self/fd")) == before, "a descriptor is lost"


def seen(scratch: Scratch) -> bytes:
    """What a look at it shows."""
    content = bytes(scratch.view())
    scratch.release()
    return content


PLACES = pytest.mark.parametrize("most", [MOST, 4, None], ids=["in memory", "moved", "in a file"])


def test_what_is_short_is_in_no_file(scene: Scene) -> None:
    scratch = scene.scratch()
    scratch.write([b"0123456789", memoryview(b"abcdef")])

    assert scene.temporary() == {}
    assert seen(scratch) == b"0123456789abcdef"
    assert scratch.size == MOST


def test_what_grows_moves_to_a_file_behind_its_prefix(scene: Scene) -> None:
    scratch = scene.scratch()
    scratch.write([b"0123456789abcdef"])
    scratch.write([b"g", b"h"])

    assert list(scene.temporary().values()) == [PREFIX + b"0123456789abcdefgh"]
    assert seen(scratch) == b"0123456789abcdefgh"
    assert scene.published(scratch) == PREFIX + b"0123456789abcdefgh"


def test_what_begins_too_long_is_in_a_file_from_its_begin(scene: Scene) -> None:
    scratch = scene.scratch()
    scratch.write([b"x" * 100])

    assert list(scene.temporary().values()) == [PREFIX + b"x" * 100]
    scratch.discard()


def test_nobody_needs_a_file_for_nothing(scene: Scene) -> None:
    assert seen(scene.scratch()) == b""
    assert seen(scene.scratch(None)) == b""
    assert scene.temporary() == {}


@pytest.mark.parametrize("prefix", [b"", PREFIX])
@pytest.mark.parametrize("most", [MOST, None])
def test_nothing_can_be_looked_at_too(scene: Scene, most: int | None, prefix: bytes) -> None:
    """Even with a file of its own, which cannot be mapped without a byte in it."""
    scratch = scene.scratch(most, prefix)
    scratch.write([b""])
    scratch.file()

    assert seen(scratch) == b""
    assert scene.published(scratch) == prefix


@PLACES
def test_what_is_published_is_the_prefix_and_all_that_was_written(scene: Scene, most: int | None) -> None:
    scratch = scene.scratch(most)
    scratch.write([b"01", b"", b"23"])
    scratch.write([memoryview(b"456")])

    assert scene.published(scratch) == PREFIX + b"0123456"
    assert scene.temporary() == {}


@PLACES
def test_what_is_published_may_be_nothing_but_the_prefix(scene: Scene, most: int | None) -> None:
    assert scene.published(scene.scratch(most)) == PREFIX


@PLACES
@pytest.mark.parametrize("prefix", [b"", PREFIX])
def test_what_was_written_is_overwritten(scene: Scene, most: int | None, prefix: bytes) -> None:
    scratch = scene.scratch(most, prefix)
    scratch.write([b"length"])
    scratch.patch(0, b"LEN")
    scratch.write([b"data"])
    scratch.patch(4, b"THDA")

    assert seen(scratch) == b"LENgTHDAta"
    scratch.write([b"."])
    assert scene.published(scratch) == prefix + b"LENgTHDAta."


def test_what_was_written_before_it_moved_is_overwritten_where_it_is_now(scene: Scene) -> None:
    scratch = scene.scratch()
    scratch.write([b"before and "])
    scratch.patch(0, b"B")
    scratch.write([b"behind the border"])
    scratch.patch(7, b"A")
    scratch.patch(11, b"BEHIND")

    assert seen(scratch) == b"Before And BEHIND the border"
    scratch.discard()


@PLACES
def test_what_was_forgotten_is_not_there(scene: Scene, most: int | None) -> None:
    scratch = scene.scratch(most)
    scratch.write([b"0123456789"])
    scratch.restart()
    assert scratch.size == 0
    scratch.write([b"anew"])
    scratch.patch(1, b"N")

    assert seen(scratch) == b"aNew"
    assert scene.published(scratch) == PREFIX + b"aNew"


def test_a_look_at_a_file_that_was_moved_to_lasts_while_it_is_discarded(scene: Scene) -> None:
    scratch = scene.scratch()
    scratch.write([b"x" * 5000])
    view = scratch.view()

    scratch.discard()

    assert scene.temporary() == {}
    assert view == b"x" * 5000
    scratch.release()
    with pytest.raises(ValueError, match="released"):
        bytes(view)


def test_the_end_of_a_look_ends_it_though_somebody_still_looks_at_a_part(scene: Scene) -> None:
    """A traceback does, of an error that came up while the view was read."""
    for most in (MOST, None):
        scratch = scene.scratch(most)
        scratch.write([b"0123456789"])
        part = scratch.view()[2:4]

        scratch.release()
        scratch.discard()

        assert part == b"23"
        part.release()
    assert scene.temporary() == {}


def test_release_without_a_look_and_twice_is_fine(scene: Scene) -> None:
    scratch = scene.scratch(None)
    scratch.release()
    scratch.write([b"x"])
    scratch.view()
    scratch.release()
    scratch.release()
    scratch.discard()
    scratch.discard()


def test_what_was_looked_at_is_published_as_it_lies(scene: Scene) -> None:
    """In memory or not: what is found to need no change is stored as it came."""
    for most in (MOST, 4):
        scratch = scene.scratch(most)
        scratch.write([b"01234567"])
        assert seen(scratch) == b"01234567"
        incoming = scratch.file()
        assert scratch.file() is incoming
        incoming.replace("CT.1")

        assert (scene.inbox / "CT.1").read_bytes() == PREFIX + b"01234567"
    assert scene.temporary() == {}


def test_what_takes_the_memory_after_another_shows_nothing_of_it(scene: Scene) -> None:
    memory = bytearray(MOST)
    first = Scratch(scene.output, memory, PREFIX)
    first.write([b"secret of Jane"])
    first.discard()

    second = Scratch(scene.output, memory, PREFIX)
    second.write([b"short"])

    assert seen(second) == b"short"
    assert scene.published(second) == PREFIX + b"short"


@PLACES
def test_nothing_is_left_of_what_was_discarded(scene: Scene, most: int | None) -> None:
    scratch = scene.scratch(most)
    scratch.write([b"0123456789"])
    assert (scene.temporary() == {}) is (most == MOST)

    scratch.discard()

    assert scene.temporary() == {}


@pytest.mark.parametrize("most", [MOST, None])
def test_a_full_disk_is_an_error_and_leaves_nothing(scene: Scene, most: int | None) -> None:
    def fill() -> list[object]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        scratch = scene.scratch(most)
        scratch.write([b"short"])
        code = None
        try:
            scratch.write([bytes(990), bytes(10)])
        except OSError as error:
            code = error.errno
        scratch.discard()
        return [code, list(scene.temporary())]

    assert in_child(fill) == [errno.EFBIG, []]


def test_a_disk_that_is_full_when_the_memory_is_moves_is_an_error_and_leaves_nothing(scene: Scene) -> None:
    def fill() -> list[object]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5, 5))
        scratch = scene.scratch()
        scratch.write([b"0123456789"])
        code = None
        try:
            scratch.file()
        except OSError as error:
            code = error.errno
        scratch.discard()
        return [code, list(scene.temporary())]

    assert in_child(fill) == [errno.EFBIG, []]


def test_a_directory_that_is_gone_is_an_error(scene: Scene) -> None:
    scratch = scene.scratch()
    scratch.write([b"0123456789"])
    (scene.inbox / ".scpd" / "tmp" / "lock").unlink()
    (scene.inbox / ".scpd" / "tmp").rmdir()

    with pytest.raises(FileNotFoundError):
        scratch.write([b"more than it holds"])
    scratch.discard()


STEPS = st.lists(
    st.one_of(
        st.lists(st.binary(max_size=9), max_size=4),
        st.tuples(st.integers(0, 60), st.binary(max_size=6)),
        st.just(None),
    ),
    max_size=12,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(steps=STEPS, most=st.sampled_from([None, 0, 1, 8, 20, 1000]))
def test_any_steps_give_the_same_bytes_wherever_they_lie(
    scene: Scene, steps: list[object], most: int | None
) -> None:
    expected = bytearray()
    scratch = scene.scratch(most)
    for step in steps:
        if step is None:
            scratch.restart()
            expected.clear()
        elif isinstance(step, list):
            scratch.write(step)
            expected += b"".join(step)
        else:
            offset, data = step  # type: ignore[misc]
            if offset + len(data) <= len(expected):
                scratch.patch(offset, data)
                expected[offset : offset + len(data)] = data

    assert seen(scratch) == expected
    scratch.file().replace("CT.1")
    assert (scene.inbox / "CT.1").read_bytes() == PREFIX + expected
