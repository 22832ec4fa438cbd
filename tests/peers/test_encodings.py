"""The same objects to storescp 3.6.7 and to scpd, under every option for the output: identical data sets.

What scpd does otherwise is `DIFFERENCES`: each has an object, the other object that storescp would have to get in order
to store what scpd makes of the first, and the reason.  Everything else must be equal byte by byte, except

- a deflate stream, of which the content is compared (another zlib may deflate otherwise);
- the trailing padding of a file (`+p`): scpd's file meta information is longer, so that the padding differs, while both
  make the file as long as the option wants.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.harness import wire
from tests.harness.corpus import (
    EVERYWHERE,
    PADDING,
    PIXEL_REPRESENTATION,
    TAGS,
    Tree,
    oddities,
    random_tree,
    series,
    stored,
    us,
)
from tests.harness.deliveries import LARGEST_PDU, Outcome, comparable, deliver, profile
from tests.harness.objects import data_set_bytes, file_meta, in_rounds, pydicom_test_files
from tests.harness.trees import Element, Item, Sequence, encoding_of, header, inflated, padded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tests.harness.objects import StorableObject
    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import Server, ServerFactory
    from tests.harness.trees import Node

    Connect = Callable[..., RawPeer]
    StartPair = Callable[..., "Pair"]

ILE, ELE, EBE, DEFLATED = wire.IMPLICIT_LITTLE, wire.EXPLICIT_LITTLE, wire.EXPLICIT_BIG, wire.DEFLATED
DICTIONARIES = [Path("/usr/share/libdcmtk17") / name for name in ("dicom.dic", "private.dic")]
DCMDICTPATH = {"DCMDICTPATH": ":".join(map(str, DICTIONARIES))}
WRITTEN = {"+te": ELE, "+tb": EBE, "+ti": ILE, "+td": DEFLATED}
OPTION_SETS = [
    *(
        "",
        "+te",
        "+tb",
        "+ti",
        "+td",
        "+td +cl 1",
        "+td +cl 0",
        "+g",
        "-g",
        "-e",
        "-u",
        "+uc",
        "-F",
        "+p 256 64",
    ),
    *(
        "-e +g",
        "-e -g -u -F",
        "+tb -u +g",
        "+tb +uc -e",
        "+ti -e +uc",
        "+ti +g +p 0 48",
        "+te +uc +g +p 1024 0",
    ),
    *("+te -e +p 64 16", "+td -F +g -e", "+tb +uc -u +p 512 18 -g"),
]
CANNOT_UNDERSTAND = 0xC000  # PS3.4 B.2.3
# Every set of options gets another part of the trees, and of pydicom's files, unless --long gives it all.
SHARE_OF_TREES, SHARE_OF_FILES = 4, 2
RANDOM_TREES = 100
UID_ROOT = "1.2.826.0.1.3680043.9.9999"

needs_dictionaries = pytest.mark.skipif(
    not DICTIONARIES[0].is_file(), reason="Debian's dictionaries are not installed (libdcmtk17)"
)


def corpus() -> dict[str, StorableObject]:
    """Every tree in every transfer syntax that it is for."""
    objects = {}
    for number, tree in enumerate([*oddities(), *map(random_tree, range(RANDOM_TREES))]):
        for syntax in tree.syntaxes:
            uid = f"{UID_ROOT}.{number}.{EVERYWHERE.index(syntax)}"
            objects[f"{tree.name} in {syntax}"] = stored(tree, syntax, uid)
    return objects


@pytest.fixture(scope="module")
def trees() -> dict[str, StorableObject]:
    return corpus()


@pytest.fixture(scope="module")
def test_files() -> list[dict[str, StorableObject]]:
    """pydicom's files, in rounds of different instances."""
    rounds = in_rounds(pydicom_test_files())
    return [{file.path.name: file.object for file in files} for files in rounds]


class Pair(NamedTuple):
    """scpd and storescp with the same options."""

    ours: Server
    theirs: Server
    is_bare: bool
    written: str | None
    padded_to: int


@pytest.fixture
def in_memory(tmp_path: Path) -> Iterator[Path]:
    """A folder that no disk slows down, if there is such a thing here."""
    shared_memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(
        dir=shared_memory if os.access(shared_memory, os.W_OK) else tmp_path
    ) as name:
        yield Path(name)


@pytest.fixture
def start_pair(in_memory: Path, scpd: ServerFactory, storescp: ServerFactory, tmp_path: Path) -> StartPair:
    """`start_pair(options, rounds, env=)` starts both, so that they accept the objects of all rounds."""

    def start(
        options: str, rounds: Iterable[Mapping[str, StorableObject]], env: dict[str, str] | None = None
    ) -> Pair:
        words = options.split()
        objects = [sent for found in rounds for sent in found.values()]
        arguments = [*profile(tmp_path, objects), "-pdu", LARGEST_PDU, *words]
        return Pair(
            scpd("--no-fsync", *arguments, env=env, inbox=in_memory / "ours"),
            storescp(*arguments, env=env, inbox=in_memory / "theirs"),
            is_bare="-F" in words,
            written=next((WRITTEN[word] for word in words if word in WRITTEN), None),
            padded_to=int(words[words.index("+p") + 1]) if "+p" in words else 0,
        )

    return start


class Result(NamedTuple):
    """What is compared of an outcome; a data set is inflated."""

    status: int | None
    transfer_syntax: str
    data_set: bytes | None


def part_of(objects: Mapping[str, StorableObject], number: int, share: int) -> dict[str, StorableObject]:
    return dict(list(objects.items())[number % share :: share])


class Known(NamedTuple):
    """One of pydicom's files that scpd treats otherwise: why, what becomes of it, and the options that show it."""

    why: str
    holds: Callable[[StorableObject, Result, Result], bool]
    is_seen: Callable[[set[str]], bool] = lambda words: True


def stored_all_the_same(sent: StorableObject, ours: Result, theirs: Result) -> bool:
    """Tell whether storescp left the same file behind that it refused, but for padding that counts its file meta."""
    assert ours.data_set is not None
    assert theirs.data_set is not None
    data_sets = [without_padding(each.data_set or b"", each.transfer_syntax) for each in (ours, theirs)]
    has_refused = (ours.status, theirs.status) == (0, CANNOT_UNDERSTAND)
    return has_refused and ours.transfer_syntax == theirs.transfer_syntax and data_sets[0] == data_sets[1]


def refused(sent: StorableObject, ours: Result, theirs: Result) -> bool:
    return ours == (CANNOT_UNDERSTAND, "", None) and theirs == (None, "", None)


def another_dictionary(sent: StorableObject, ours: Result, theirs: Result) -> bool:
    return ours[:2] == theirs[:2]


KNOWN_FILES = {
    **dict.fromkeys(
        ("rtdose_rle.dcm", "rtdose_rle_1frame.dcm"),
        Known(
            "SOP UIDs of the VR UN are SOP UIDs (PS3.5 6.2.2 allows it)",
            stored_all_the_same,
            lambda words: not words & {*WRITTEN, "+uc"},
        ),
    ),
    "MR_truncated.dcm": Known("cut off within a value: refused, the association goes on", refused),
    "chrKoreanMulti.dcm": Known(
        "(0019,xx10) of AGFA is SH in pydicom's dictionary",
        another_dictionary,
        lambda words: "+uc" in words and "+ti" not in words,
    ),
}


def compare(
    connect: Connect,
    pair: Pair,
    objects: Mapping[str, StorableObject],
    sent_to_theirs: Mapping[str, StorableObject] = {},
) -> dict[str, tuple[Result, Result]]:
    """Give those of which the two do not make the same: our result and that of storescp."""
    theirs = deliver(connect, pair.theirs, {**objects, **sent_to_theirs})
    ours = deliver(connect, pair.ours, objects)
    different = {}
    for name, sent in objects.items():
        results = result(ours[name], sent, pair), result(theirs[name], sent, pair)
        if not are_equal(*results, pair):
            different[name] = results
        if pair.padded_to and results[0].transfer_syntax not in {"", DEFLATED}:
            assert len(ours[name].content or b"") % pair.padded_to == 0, name
    return different


def result(outcome: Outcome, sent: StorableObject, pair: Pair) -> Result:
    if outcome.content is None:
        return Result(outcome.status, "", None)
    if pair.is_bare:
        is_kept = outcome.content == sent.data_set
        syntax = sent.transfer_syntax_uid if is_kept else pair.written or sent.transfer_syntax_uid
        return Result(outcome.status, syntax, comparable(outcome.content, syntax))
    syntax = wire.uid(file_meta(outcome.content)[0x0010].value)
    return Result(outcome.status, syntax, comparable(data_set_bytes(outcome.content), syntax))


def are_equal(ours: Result, theirs: Result, pair: Pair) -> bool:
    """Say so; the padding of a file is left out, if one of them has some."""
    if ours == theirs:
        return True
    if not pair.padded_to or ours[:2] != theirs[:2] or ours.data_set is None or theirs.data_set is None:
        return False
    found = ({data, without_padding(data, ours.transfer_syntax)} for data in (ours.data_set, theirs.data_set))
    return bool(set.intersection(*found))


def without_padding(data_set: bytes, syntax: str) -> bytes:
    """Take off Data Set Trailing Padding at the end; it may be that of an item, if the data set ends with that."""
    padding = header(PADDING, "OB", 0, encoding_of(syntax))
    start = data_set.rfind(padding[:-4])
    found = start >= 0 and not any(data_set[start + len(padding) :])
    return data_set[:start] if found else data_set


def told(different: Mapping[str, tuple[Result, Result]], pair: Pair) -> str:
    """Say where results part."""
    lines = [f"{name}: {parting(ours, theirs)}" for name, (ours, theirs) in different.items()]
    return "\n".join([f"{len(different)} differ", *lines[:20], pair.ours.stderr[-2000:]])


def parting(ours: Result, theirs: Result) -> str:
    if ours[:2] != theirs[:2] or ours.data_set is None or theirs.data_set is None:
        return f"{ours[:2]}, not {theirs[:2]}"
    pairs = zip(ours.data_set, theirs.data_set, strict=False)
    same = next((index for index, (one, other) in enumerate(pairs) if one != other), -1)
    start = max(same - 24, 0)
    return f"at {same}: {ours.data_set[start : same + 24]!r}, not {theirs.data_set[start : same + 24]!r}"


@pytest.mark.parametrize("options", OPTION_SETS)
def test_data_sets_are_those_of_storescp(
    start_pair: StartPair,
    raw_peer: Connect,
    trees: dict[str, StorableObject],
    test_files: list[dict[str, StorableObject]],
    options: str,
    is_long: bool,
) -> None:
    pair = start_pair(options, [trees, *test_files])
    number = OPTION_SETS.index(options)
    rounds = [part_of(trees, number, 1 if is_long else SHARE_OF_TREES)]
    rounds += [part_of(files, number, 1 if is_long else SHARE_OF_FILES) for files in test_files]
    for objects in filter(None, rounds):
        different = compare(raw_peer, pair, objects)
        for name in KNOWN_FILES.keys() & objects:
            known = KNOWN_FILES[name]
            if name in different or known.is_seen(set(options.split())):
                assert name in different, known.why
                assert known.holds(objects[name], *different.pop(name)), (name, known.why)
        assert different == {}, told(different, pair)


@pytest.mark.parametrize("options", ["", "+te", "-g -e", "+tb +uc"])
def test_data_sets_that_are_like_the_one_before_are_judged_as_if_they_were_alone(
    start_pair: StartPair, raw_peer: Connect, options: str, is_long: bool
) -> None:
    """storescp knows nothing of the object before; of scpd nobody shall see that it does."""
    objects = {
        f"{tree.name} in {syntax}": stored(tree, syntax, f"{UID_ROOT}.4.{seed}.{place}.{number}")
        for seed in range(200 if is_long else 15)
        for place, syntax in enumerate(EVERYWHERE[:3])
        for number, tree in enumerate(series(seed))
    }
    pair = start_pair(options, [objects])
    different = compare(raw_peer, pair, objects)
    assert different == {}, told(different, pair)


class Difference(NamedTuple):
    """What scpd stores of `sent` is what storescp stores of `like`, and not what it stores of `sent`."""

    why: str
    sent: tuple[Node, ...]
    like: tuple[Node, ...]
    received: str = ILE
    like_received: str = ELE
    options: str = "+te"


def item(*nodes: Node, tag: int = 0x00283000) -> Sequence:
    return Sequence(tag, (Item(nodes),))


def differences() -> dict[str, Difference]:
    """Each deliberate difference, by what shows it."""
    found = {}
    for vr in (
        "AE",
        "CS",
        "DS",
        "IS",
        "LO",
        "LT",
        "PN",
        "SH",
        "ST",
        "UC",
        "UR",
        "UT",
        "DA",
        "TM",
        "DT",
        "AS",
    ):
        for value in (b"abc", b"ab ", b"a"):
            odd = tuple(Element(tag, vr, value) for tag in TAGS[vr][:2])  # two: a PDV is even
            for syntax in (ILE, ELE, EBE):
                found[f"{vr} {value!r} in {syntax}"] = Difference(
                    "text of odd length is padded with a space (PS3.5 6.2), not with a NUL",
                    odd,
                    padded(odd),
                    syntax,
                    syntax,
                    "",
                )
    words = (Element(0x00281201, "OW", b"abc"), item(Element(0x00283006, "OW", b"x")))
    for syntax in (ILE, ELE):
        found[f"odd OW in {syntax}"] = Difference(
            "OW of odd length gets a NUL (PS3.5 7.1), it does not stay odd",
            words,
            padded(words),
            syntax,
            syntax,
            "",
        )
    pixels = (Element(0x60003000, "OB", b"abc"), Element(0x7FE00010, "OB", b"abcde"))
    found["odd pixel data"] = Difference(
        "pixel and overlay data of odd length in OB are not swapped", pixels, padded(pixels), EBE, EBE, "+ti"
    )
    found |= {f"{name} signed": found_one for name, found_one in signed().items()}
    return found | waveforms()


SIGNED_TAGS = (0x00280106, 0x00280107, 0x00280108, 0x00280120, 0x00280121, 0x00281101, 0x00283002, 0x00221452)


def signed() -> dict[str, Difference]:
    """Elements that are US or SS by Pixel Representation (PS3.5 A.1)."""
    why = "US or SS is decided by Pixel Representation wherever it stands: behind it, or outside of the item"
    is_signed, value = us(PIXEL_REPRESENTATION, 1), b"\x00\x80\x00\x80\x10\x00"

    def both(make: Callable[[str], tuple[Node, ...]]) -> Difference:
        return Difference(why, make("US"), make("SS"))

    return {
        "behind": both(lambda vr: (Element(0x00280107, vr, value), is_signed)),
        "in front, palette": both(lambda vr: (is_signed, Element(0x00281101, vr, value))),
        "sorted before": both(lambda vr: (Element(0x00189810, vr, value), is_signed)),
        **{
            f"outside of the item, {tag:08X}": both(
                lambda vr, tag=tag: (is_signed, item(Element(tag, vr, value), tag=0x00409096))  # type: ignore[misc]
            )
            for tag in SIGNED_TAGS
        },
        "two levels outside": both(
            lambda vr: (is_signed, item(item(Element(0x00283002, vr, value)), tag=0x52009229))
        ),
        "behind the item": both(lambda vr: (item(Element(0x00283002, vr, value), tag=0x00081140), is_signed)),
        "the nearest counts": both(
            lambda vr: (
                us(PIXEL_REPRESENTATION, 0),
                item(is_signed, item(Element(0x00283002, vr, value)), tag=0x52009229),
            )
        ),
        "behind, within the item": both(
            lambda vr: (
                us(PIXEL_REPRESENTATION, 0),
                item(Element(0x00280106, vr, value), is_signed, tag=0x52009229),
            )
        ),
    }


def waveforms() -> dict[str, Difference]:
    """Waveform values are OW but for 8 bits (PS3.5 A.1)."""
    why = "waveform values are OB or OW by Waveform Bits Allocated, wherever it stands"
    bits = us(0x54001004, 16)

    def both(make: Callable[[str], tuple[Node, ...]], options: str = "+te") -> Difference:
        return Difference(why, make("OB"), make("OW"), options=options)

    def channel(vr: str) -> tuple[Node, ...]:
        limits = item(Element(0x54000110, vr, b"ab"), Element(0x54000112, vr, b"cd"), tag=0x003A0200)
        return (item(limits, bits, Element(0x54001010, "OW", b"abcd"), tag=0x54000100),)

    def beside(vr: str) -> tuple[Node, ...]:
        return (item(Element(0x54000110, vr, b"ab"), bits, tag=0x54000100),)

    return {
        "limits of 16 bits": both(channel),
        "limits of 16 bits beside them": both(beside),
        "limits of 16 bits in big endian": both(channel, "+tb"),
        "bits behind the waveform": both(
            lambda vr: (item(Element(0x54001010, vr, b"abcd"), bits, tag=0x54000100),)
        ),
    }


DIFFERENCES = differences()


@pytest.mark.parametrize("options", sorted({found.options for found in DIFFERENCES.values()}))
def test_every_listed_difference_occurs_and_is_what_it_is_said_to_be(
    start_pair: StartPair, raw_peer: Connect, options: str
) -> None:
    listed = {name: found for name, found in DIFFERENCES.items() if found.options == options}
    sent = {
        name: stored(Tree(name, found.sent), found.received, f"{UID_ROOT}.1.{number}")
        for number, (name, found) in enumerate(listed.items())
    }
    like = {
        name: stored(Tree(name, found.like), found.like_received, f"{UID_ROOT}.1.{number}")
        for number, (name, found) in enumerate(listed.items())
    }
    pair = start_pair(options, [sent, like])
    assert compare(raw_peer, pair, sent).keys() == listed.keys()
    different = compare(raw_peer, pair, sent, like)
    assert different == {}, told(different, pair)


@needs_dictionaries
@pytest.mark.parametrize("options", ["+te -uc", "+tb +uc -e"])
def test_with_the_dictionaries_of_dcmtk_no_vr_differs(
    start_pair: StartPair,
    raw_peer: Connect,
    trees: dict[str, StorableObject],
    test_files: list[dict[str, StorableObject]],
    options: str,
) -> None:
    known = KNOWN_FILES.keys() - {"chrKoreanMulti.dcm"}
    files = [{name: sent for name, sent in found.items() if name not in known} for found in test_files]
    implicit = {name: sent for name, sent in trees.items() if sent.transfer_syntax_uid == ILE}
    pair = start_pair(options, [implicit, *files], DCMDICTPATH)
    for objects in filter(None, (implicit, *files)):
        different = compare(raw_peer, pair, objects)
        assert different == {}, told(different, pair)


def test_borders_of_fragments_change_nothing(start_pair: StartPair, raw_peer: Connect) -> None:
    """storescp takes what is out of order, or there twice, and crosses a border for something else."""
    name = Element(0x00100010, "PN", b"A^B " * 20)
    sequence = Sequence(0x00081140, (Item((name, us(0x00280010, 1), name), True), Item((name,))), True)
    tree = Tree(
        "out of order", (name, sequence, name, us(0x00280010, 2), Element(0x7FE00010, "OW", bytes(400)))
    )
    sent = stored(tree, ILE, f"{UID_ROOT}.2")
    pair = start_pair("+te", [{"": sent}])
    whole = deliver(raw_peer, pair.theirs, {"": sent})[""].data_set
    assert whole is not None
    for size in (2, 6, 26, 98, 250):
        outcome = deliver(raw_peer, pair.ours, {"": sent}, fragments=size)[""]
        assert (outcome.status, outcome.data_set) == (0, whole)
    other = deliver(raw_peer, pair.theirs, {"": sent}, fragments=26)[""]
    assert other.status is None or other.data_set != whole


def test_a_deflate_stream_gets_its_byte(start_pair: StartPair, raw_peer: Connect) -> None:
    """PS3.5 A.5: one NUL behind a stream of odd length; storescp leaves it odd."""
    objects = {
        str(size): stored(Tree("", (Element(0x00104000, "LT", b"ab" * size),)), ELE, f"{UID_ROOT}.3.{size}")
        for size in range(20)
    }
    pair = start_pair("+td", [objects])
    odd = 0
    for name, theirs in deliver(raw_peer, pair.theirs, objects).items():
        ours = deliver(raw_peer, pair.ours, {name: objects[name]})[name].data_set
        assert ours is not None
        assert theirs.data_set is not None
        assert len(ours) % 2 == 0
        assert inflated(ours) == inflated(theirs.data_set)
        odd += len(theirs.data_set) % 2
    assert odd
