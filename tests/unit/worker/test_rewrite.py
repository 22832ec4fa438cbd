"""From a received data set to the file in which it is written anew, deflated or not; nothing is left of what fails."""

from __future__ import annotations

import errno
import os
import resource
import struct
import zlib
from typing import TYPE_CHECKING

import pytest

from scpd.dataset.dictionary import Dictionary
from scpd.dataset.elements import EndOfData
from scpd.dataset.encoding import Encoding
from scpd.dataset.scan import Scan
from scpd.errors import Refused
from scpd.store.scratch import MOST_IN_MEMORY
from scpd.store.sink import OutputDirectory
from scpd.worker.rewrite import Form, Rewriter
from tests.harness.forked import in_child

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LITTLE, BIG, DEFLATED = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
JPIP_DEFLATED = "1.2.840.10008.1.2.4.95"
META = b"file meta"
UIDS = b"\x08\0\x16\0UI\x06\x001.2.3\0" + b"\x08\0\x18\0UI\x04\x001.2\0"
GROUP_LENGTH = b"\x08\0\0\0UL\x04\0" + struct.pack("<I", len(UIDS))


def stream(data: bytes, level: int = 6) -> bytes:
    engine = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    return engine.compress(data) + engine.flush()


def pixels(value: bytes) -> bytes:
    return struct.pack("<HH2s2xI", 0x7FE0, 0x10, b"OW", len(value)) + value


class Scene:
    """An output directory, and what is written there."""

    def __init__(self, inbox: Path) -> None:
        self.inbox = inbox
        self.output = OutputDirectory(str(inbox), fsync=False)

    def rewritten(self, received: bytes, syntax: str, **options: object) -> bytes:
        """Give the file of a data set, without its file meta."""
        encoding = Encoding(**options)  # type: ignore[arg-type]
        scan = Scan(syntax, encoding, Dictionary())
        scan.feed([received], len(received))
        scan.finish()
        rewriter = Rewriter(self.output, Form(encoding, Dictionary(), rejects_odd=False))
        incoming = rewriter.rewritten(memoryview(received), syntax, scan, META)
        assert len(self.temporary()) == 1, "a file that is not the one to publish"
        incoming.replace("CT.1")
        content = (self.inbox / "CT.1").read_bytes()
        assert content.startswith(META)
        return content[len(META) :]

    def temporary(self) -> list[str]:
        """What there is of objects under way."""
        return [name for name in os.listdir(self.inbox / ".scpd" / "tmp") if name != "lock"]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    before = len(os.listdir("/proc/self/fd"))
    scene = Scene(tmp_path)
    yield scene
    scene.output.close()
    assert len(os.listdir("/proc/self/fd")) == before, "a descriptor is lost"


def inflated(data: bytes) -> bytes:
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    content = engine.decompress(data)
    assert engine.eof
    assert engine.unused_data in (b"", b"\0")
    return content


@pytest.mark.parametrize("size", [100, MOST_IN_MEMORY + 100], ids=["short", "long"])
class TestWays:
    """Each way from deflated or not to deflated or not, with what lies in memory meanwhile and what does not."""

    def test_what_is_not_deflated_is_recoded(self, scene: Scene, size: int) -> None:
        data = UIDS + pixels(b"\1\2" * (size // 2))

        file = scene.rewritten(data, LITTLE, transfer_syntax=BIG)

        assert file.endswith(b"\x7f\xe0\0\x10OW\0\0" + struct.pack(">I", size) + b"\2\1" * (size // 2))
        assert len(file) == len(data)

    def test_what_is_deflated_is_inflated(self, scene: Scene, size: int) -> None:
        data = UIDS + pixels(b"\1\2" * (size // 2))

        assert scene.rewritten(stream(data), DEFLATED, transfer_syntax=LITTLE) == data

    def test_what_is_not_is_deflated(self, scene: Scene, size: int) -> None:
        data = UIDS + pixels(b"\1\2" * (size // 2))

        assert inflated(scene.rewritten(data, LITTLE, transfer_syntax=DEFLATED)) == data

    def test_what_is_deflated_is_deflated_anew(self, scene: Scene, size: int) -> None:
        data = UIDS + pixels(b"\1\2" * (size // 2))

        file = scene.rewritten(stream(data, 9), DEFLATED, group_lengths="create")

        assert inflated(file).startswith(GROUP_LENGTH + UIDS + b"\xe0\x7f\0\0UL")
        assert inflated(file).endswith(pixels(b"\1\2" * (size // 2)))


@pytest.mark.parametrize("syntax", [DEFLATED, JPIP_DEFLATED])
def test_every_transfer_syntax_of_deflated_data_sets_stays_one(scene: Scene, syntax: str) -> None:
    file = scene.rewritten(stream(UIDS), syntax, group_lengths="create")

    assert inflated(file) == GROUP_LENGTH + UIDS


def test_an_odd_stream_is_made_even(scene: Scene) -> None:
    values = [b"\1\2" * number for number in range(1, 30)]
    odd = [value for value in values if len(stream(UIDS + pixels(value))) % 2]
    assert odd
    for value in values:
        file = scene.rewritten(UIDS + pixels(value), LITTLE, transfer_syntax=DEFLATED)

        bare = stream(UIDS + pixels(value))
        assert file == bare + b"\0" * (value in odd)


def test_the_compression_level_is_that_which_is_asked_for(scene: Scene) -> None:
    data = UIDS + pixels(b"".join(b"%d" % number for number in range(1000, 9000)))
    for level in (0, 1, 9):
        file = scene.rewritten(stream(data, 5), DEFLATED, transfer_syntax=DEFLATED, compression_level=level)

        assert file.removesuffix(b"\0") == stream(data, level).removesuffix(b"\0")


def test_a_file_is_padded_as_a_whole_and_a_deflated_one_as_if_it_were_not(scene: Scene) -> None:
    """The padding counts from the begin of the file, file meta included."""
    file = scene.rewritten(UIDS, LITTLE, padding=(64, 0))
    assert (len(META) + len(file)) % 64 == 0

    file = scene.rewritten(stream(UIDS), DEFLATED, padding=(64, 0))
    assert (len(META) + len(inflated(file))) % 64 == 0


class TestFailures:
    @pytest.mark.parametrize("written", [LITTLE, DEFLATED])
    @pytest.mark.parametrize(
        ("data", "syntax"),
        [
            (UIDS + b"\x09\0\1", LITTLE),
            (stream(UIDS + b"\x09\0\1"), DEFLATED),
            (b"\xff" + stream(UIDS), DEFLATED),
        ],
        ids=["cut off", "deflated and cut off", "no stream"],
    )
    def test_nothing_is_left_of_what_is_not_understood(
        self, scene: Scene, data: bytes, syntax: str, written: str
    ) -> None:
        encoding = Encoding(transfer_syntax=written)
        rewriter = Rewriter(scene.output, Form(encoding, Dictionary(), rejects_odd=False))

        with pytest.raises((EndOfData, Refused)):
            rewriter.rewritten(memoryview(data), syntax, Scan(syntax, encoding, Dictionary()), META)

        assert scene.temporary() == []

    @pytest.mark.parametrize(
        ("syntax", "written"),
        [
            pytest.param(LITTLE, BIG, id="recoding"),
            pytest.param(DEFLATED, LITTLE, id="recoding what was inflated in memory"),
            pytest.param(LITTLE, DEFLATED, id="deflating"),
        ],
    )
    @pytest.mark.parametrize("limit", [0, 5, 1000])
    def test_nothing_is_left_when_the_disk_is_full(
        self, scene: Scene, syntax: str, written: str, limit: int
    ) -> None:
        data = UIDS + pixels(os.urandom(50_000))
        received = stream(data) if syntax == DEFLATED else data

        assert self.code_of_a_full_disk(scene, received, limit, syntax, written) == errno.EFBIG

    @pytest.mark.parametrize(
        ("written", "limit"),
        [
            pytest.param(LITTLE, 1_000_000, id="while it is inflated"),
            pytest.param(LITTLE, MOST_IN_MEMORY + 1040, id="while what was inflated is recoded"),
            pytest.param(DEFLATED, MOST_IN_MEMORY + 1040, id="while it is deflated again"),
        ],
    )
    def test_nothing_is_left_of_what_was_inflated_when_the_disk_is_full(
        self, scene: Scene, written: str, limit: int
    ) -> None:
        data = UIDS + pixels(os.urandom(MOST_IN_MEMORY + 1000))
        assert MOST_IN_MEMORY + 1000 < len(data) < MOST_IN_MEMORY + 1040 + len(META)

        options = {"group_lengths": "create"} if written == DEFLATED else {}
        code = self.code_of_a_full_disk(scene, stream(data, 1), limit, DEFLATED, written, **options)

        assert code == errno.EFBIG

    def code_of_a_full_disk(
        self,
        scene: Scene,
        received: bytes,
        limit: int,
        syntax: str,
        written: str,
        **options: object,
    ) -> object:
        """Give the error of a file that may not be so long; nothing is left."""

        def fill() -> int:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            code = None
            try:
                scene.rewritten(received, syntax, transfer_syntax=written, **options)
            except OSError as error:
                code = error.errno
            assert scene.temporary() == []
            return code or 0

        return in_child(fill)
