"""Data sets that cannot be understood, or not wholly, and what becomes of them in storescp 3.6.7 and in scpd.

storescp ends the association where parsing fails, and says success where it leaves something out; scpd answers the
former with C000H and keeps the latter as received, with a warning.  Each is there in every encoding that can say it.
"""

from __future__ import annotations

import random
import zlib
from typing import TYPE_CHECKING, NamedTuple

from tests.harness import wire
from tests.harness.corpus import JPEG_BASELINE, SOP_CLASS_UID, SOP_INSTANCE_UID, identified, uid, us
from tests.harness.objects import StorableObject
from tests.harness.trees import (
    EXPLICIT,
    IMPLICIT,
    ITEM,
    ITEM_DELIMITATION,
    PIXEL_DATA,
    SEQUENCE_DELIMITATION,
    UNDEFINED,
    Bytes,
    Element,
    Fragments,
    Item,
    Marker,
    Sequence,
    deflated,
    encoded,
    encoding_of,
    header,
    marker,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.harness.trees import Node

ILE, ELE, EBE, DEFLATED = wire.IMPLICIT_LITTLE, wire.EXPLICIT_LITTLE, wire.EXPLICIT_BIG, wire.DEFLATED
PLAIN, EXPLICIT_ONLY = (ILE, ELE, EBE), (ELE, EBE)
NAMES = {ILE: "ILE", ELE: "ELE", EBE: "EBE", DEFLATED: "deflated", JPEG_BASELINE: "JPEG"}
UID = "1.2.826.0.1.3680043.9.9998.1"

OUT_OF_RESOURCES, MISMATCH, CANNOT_UNDERSTAND = 0xA700, 0xA900, 0xC000  # PS3.4 B.2.3
ABORTED = None
# What is in the file afterwards: the data set as received; what storescp stores of it; no file.
AS_RECEIVED, AS_STORESCP, NOTHING = "as received", "as storescp", "nothing"


class Outcome(NamedTuple):
    """A status, and what is stored."""

    status: int | None
    stored: str


REFUSED = Outcome(CANNOT_UNDERSTAND, NOTHING)
KEPT = Outcome(0, AS_RECEIVED)
STORED = Outcome(0, AS_STORESCP)


class Case(NamedTuple):
    """An object, the status of storescp, and what scpd makes of it."""

    name: str
    sent: StorableObject
    theirs: int | None
    ours: Outcome


NAME, NUMBER = Element(0x00100010, "PN", b"A^B "), us(0x00280010, 7)


def cases() -> list[Case]:
    """Give them all."""
    makers = (
        strays,
        lengths,
        contradictions,
        odd_and_worse,
        vrs,
        ends,
        alien_groups,
        pixels,
        depths,
        uids,
        streams,
        garbage,
    )
    return [case for make in makers for case in make()]


def cut_off(syntax: str, undefined: tuple[bool, bool]) -> list[tuple[StorableObject, bool]]:
    """Cut a data set with a sequence or fragments at every even place behind its UIDs; is it complete there?"""
    inner = Item((Element(0x00081150, "UI", b"1.2\0"), Element(0x00420011, "OB", b"abcd")), undefined[1])
    behind = (
        (Fragments((bytes(4), b"abcd")), Element(0xFFFCFFFC, "OB", b"ab"))
        if syntax == JPEG_BASELINE
        else (NAME,)
    )
    nodes = identified((Sequence(0x00081140, (inner,), undefined[0]), *behind), wire.CT_IMAGE_STORAGE, UID)
    encoding = encoding_of(syntax)
    whole = encoded(nodes, encoding)
    complete = {len(encoded(nodes[:count], encoding)) for count in range(2, len(nodes) + 1)}
    return [
        (StorableObject(wire.CT_IMAGE_STORAGE, UID, syntax, whole[:place]), place in complete)
        for place in range(min(complete), len(whole) + 2, 2)
    ]


def variants(
    name: str, nodes: Iterable[Node], theirs: int | None, ours: Outcome, syntaxes: Iterable[str] = PLAIN
) -> Iterator[Case]:
    """One case for each transfer syntax; the UIDs are added to the nodes."""
    for syntax in syntaxes:
        data = encoded(identified(nodes, wire.CT_IMAGE_STORAGE, UID), encoding_of(syntax))
        yield case(f"{name}, {NAMES[syntax]}", data, theirs, ours, syntax)


def case(name: str, data: bytes, theirs: int | None, ours: Outcome, syntax: str = ELE) -> Case:
    return Case(name, StorableObject(wire.CT_IMAGE_STORAGE, UID, syntax, data), theirs, ours)


def sequence(*nodes: Node, undefined: bool = False, length: int | None = None) -> Sequence:
    return Sequence(0x00081140, (Item(nodes, undefined),), undefined, length=length)


def strays() -> Iterator[Case]:
    """Item tags and delimiters where none belongs."""
    for name, stray in (
        ("item tag", Marker(ITEM)),
        ("item tag with a length", Marker(ITEM, 4)),
        ("sequence delimiter", Marker(SEQUENCE_DELIMITATION)),
    ):
        for place, nodes in (
            ("in the data set", (NAME, stray, NUMBER)),
            ("at the end", (NAME, NUMBER, stray)),
            ("in a defined item", (sequence(NAME, stray, NUMBER), NUMBER)),
            ("at the end of a defined item", (sequence(NAME, stray), NUMBER)),
            ("in an undefined item", (sequence(NAME, stray, NUMBER, undefined=True), NUMBER)),
            ("at the end of an undefined item", (sequence(NAME, stray, undefined=True), NUMBER)),
        ):
            yield from variants(f"{name} {place}", nodes, ABORTED, REFUSED)
    delimiter = Marker(ITEM_DELIMITATION)
    yield from variants("item delimiter in the data set", (NAME, delimiter, NUMBER), 0, KEPT)
    yield from variants("item delimiter at the end", (NAME, NUMBER, delimiter), 0, KEPT)
    yield from variants(
        "item delimiter within a defined item", (sequence(NAME, delimiter, NUMBER),), ABORTED, REFUSED
    )
    yield from variants(
        "two delimiters of an item", (sequence(NAME, delimiter, undefined=True),), ABORTED, REFUSED
    )
    for undefined in (False, True):
        items = (Item((NAME,)), delimiter, Item((NAME,)))
        nodes = (Sequence(0x00081140, items, undefined), NUMBER)
        yield from variants(f"item delimiter between items, undefined {undefined}", nodes, ABORTED, REFUSED)
        nodes = (Sequence(0x00081140, (NUMBER,), undefined), NAME)
        yield from variants(f"element instead of an item, undefined {undefined}", nodes, ABORTED, REFUSED)


def lengths() -> Iterator[Case]:
    """Lengths that contradict each other."""
    long = Element(0x00280010, "US", b"ab", length=6)
    yield from variants("element longer than its item", (sequence(NAME, long), NUMBER), ABORTED, REFUSED)
    yield from variants("element longer than the data set", (NAME, long), ABORTED, REFUSED)
    huge = Element(0x00420011, "OB", b"ab", length=0x7FFFFFF0)
    yield from variants("element of two gigabytes", (huge,), ABORTED, REFUSED)
    short = Sequence(0x00081140, (Item((NAME, NUMBER), length=10),))
    yield from variants("item that ends within a value", (short, NUMBER), ABORTED, REFUSED)
    yield from variants(
        "sequence over the next element", (sequence(NAME, length=32), NUMBER), ABORTED, REFUSED
    )
    yield from variants("sequence over the end", (sequence(NAME, length=400), NUMBER), ABORTED, REFUSED)
    for vr in ("OB", "UT", "OW", "UC"):
        nodes = (
            Element(0x00420011, vr, length=UNDEFINED),
            Marker(ITEM),
            Marker(SEQUENCE_DELIMITATION),
            NUMBER,
        )
        yield from variants(f"{vr} of undefined length", nodes, ABORTED, REFUSED, EXPLICIT_ONLY)
    wrong = Item((NAME,)).encode(EXPLICIT) + marker(SEQUENCE_DELIMITATION, 0, IMPLICIT)
    nodes = (Element(0x00081140, "UN", wrong, length=UNDEFINED), NUMBER)
    yield from variants("UN with explicit VR in it", nodes, ABORTED, REFUSED, EXPLICIT_ONLY)


def contradictions() -> Iterator[Case]:
    """Lengths that contradict each other, of which storescp follows the inner ones."""
    for name, nodes in (
        ("sequence of length 4", (sequence(NAME, length=4), NUMBER)),
        ("sequence shorter than its item", (sequence(NAME, length=10), NUMBER)),
        (
            "item longer than its sequence",
            (Sequence(0x00081140, (Item((NAME,), length=22),), length=20), NUMBER),
        ),
        (
            "item that ends within a header",
            (Sequence(0x00081140, (Item((NAME, NUMBER), length=16),)), NUMBER),
        ),
        ("item of length 4 at the end", (Sequence(0x00081140, (Item((NAME,)), Marker(ITEM, 4))), NUMBER)),
    ):
        yield from variants(name, nodes, 0, KEPT)


def odd_and_worse() -> Iterator[Case]:
    """What is odd first, and ends the association in storescp later on: scpd does not look further."""
    short = Sequence(0x00081140, (Item((NAME, NUMBER), length=6),))
    yield from variants("item that ends within its first header", (short, NUMBER), ABORTED, KEPT)
    implicit = Element(0x00081140, "SQ", Item((NAME,)).encode(IMPLICIT))
    yield from variants("sequence with implicit VR in it", (implicit, NUMBER), ABORTED, KEPT, (ELE,))
    yield from variants("sequence with implicit VR in it", (implicit, NUMBER), ABORTED, REFUSED, (EBE,))
    as_un = (NUMBER, Fragments((b"", b"ab"), vr="UN"))
    yield from variants("fragments as UN", as_un, ABORTED, KEPT, (ELE, JPEG_BASELINE))


def vrs() -> Iterator[Case]:
    """VR fields that storescp 3.6.7 does not get over."""
    for vr in ("na", "pi"):
        element = Element(0x00281052, vr, b"ab")
        yield from variants(f"VR {vr}", (element, NUMBER), ABORTED, REFUSED, EXPLICIT_ONLY)
        yield from variants(f"VR {vr} in an item", (sequence(element),), ABORTED, REFUSED, EXPLICIT_ONLY)
    lut = Element(0x00283010, "OB", b"abcd")
    yield from variants("sequence of tables sent as OB", (lut,), ABORTED, REFUSED, EXPLICIT_ONLY)


def ends() -> Iterator[Case]:
    """Bytes behind the last element."""
    for count in (2, 4, 6, 8, 16):
        yield from variants(f"{count} zero bytes at the end", (NUMBER, Bytes(bytes(count))), 0, KEPT)
    for count in (2, 4, 6):
        yield from variants(f"{count} other bytes at the end", (NUMBER, Bytes(b"x" * count)), 0, KEPT)
    yield from variants("8 bytes FFH at the end", (NUMBER, Bytes(b"\xff" * 8)), 0, KEPT)
    yield from variants("10 other bytes at the end", (NUMBER, Bytes(b"x" * 10)), ABORTED, REFUSED)
    yield from variants("8 zero bytes before the end", (NAME, Bytes(bytes(8)), NUMBER), 0, KEPT)


def alien_groups() -> Iterator[Case]:
    """Elements of the command set and of the file meta information (PS3.7 6.3, PS3.10 7.1)."""
    for tag in (0x00000002, 0x00020010):
        alien = Element(tag, "UI", b"1.2\0")
        yield from variants(f"element {tag:08X}", (alien, NAME), 0, KEPT)
        yield from variants(f"element {tag:08X} in an item", (sequence(alien), NAME), 0, KEPT)
    yield from variants("element FFFE0010", (NAME, Element(0xFFFE0010, "LO", b"ab")), 0, REFUSED)


def pixels() -> Iterator[Case]:
    """Pixel data that their transfer syntax cannot have, and fragments that are none."""
    fragments = (NUMBER, Fragments((b"", b"ab")))
    for syntax in (ILE, ELE, EBE):
        yield from variants("fragments uncompressed", fragments, OUT_OF_RESOURCES, REFUSED, (syntax,))
    native = (NUMBER, Element(PIXEL_DATA, "OB", b"ab"))
    yield from variants("native pixel data compressed", native, ABORTED, REFUSED, (JPEG_BASELINE,))
    empty = marker(ITEM, 0, EXPLICIT)
    end = marker(SEQUENCE_DELIMITATION, 0, EXPLICIT)
    for name, content in (
        ("no delimiter", empty + marker(ITEM, 2, EXPLICIT) + b"ab"),
        ("one of undefined length", empty + marker(ITEM, UNDEFINED, EXPLICIT) + b"ab" + end),
        ("one too long", empty + marker(ITEM, 40, EXPLICIT) + b"ab" + end),
        ("an item delimiter", empty + marker(ITEM_DELIMITATION, 0, EXPLICIT) + end),
        ("an element", empty + NUMBER.encode(EXPLICIT) + end),
    ):
        nodes = (NUMBER, Element(PIXEL_DATA, "OB", content, length=UNDEFINED))
        yield from variants(f"fragments, {name}", nodes, ABORTED, REFUSED, (JPEG_BASELINE,))


def depths() -> Iterator[Case]:
    """Sequences in sequences: 64 are as good as storescp's, more are refused."""
    for depth, ours in ((64, STORED), (65, REFUSED), (1000, REFUSED)):
        for undefined in (False, True):
            nodes = (Bytes(nested(depth, undefined), 8),)
            yield from variants(f"{depth} levels, undefined {undefined}", nodes, 0, ours, (ELE,))


def nested(depth: int, undefined: bool) -> bytes:
    """Give sequences within each other, each with one item, explicit little endian."""
    content = NUMBER.encode(EXPLICIT)
    for _ in range(depth):
        length = UNDEFINED if undefined else len(content)
        ends = [marker(tag, 0, EXPLICIT) for tag in (ITEM_DELIMITATION, SEQUENCE_DELIMITATION) if undefined]
        content = b"".join([marker(ITEM, length, EXPLICIT), content, *ends])
        length = UNDEFINED if undefined else len(content)
        content = header(0x00081140, "SQ", length, EXPLICIT) + content
    return content


def uids() -> Iterator[Case]:
    """SOP UIDs that are missing, differ from those of the command, or are hidden."""
    sop_class, instance = uid(SOP_CLASS_UID, wire.CT_IMAGE_STORAGE), uid(SOP_INSTANCE_UID, UID)
    other_class, other_instance = uid(SOP_CLASS_UID, wire.MR_IMAGE_STORAGE), uid(SOP_INSTANCE_UID, "1.2.3.4")
    mismatch = Outcome(MISMATCH, NOTHING)
    found: list[tuple[str, tuple[Node, ...], int, Outcome]] = [
        ("none", (NAME,), CANNOT_UNDERSTAND, REFUSED),
        ("no class", (instance, NAME), CANNOT_UNDERSTAND, REFUSED),
        ("no instance", (sop_class, NAME), CANNOT_UNDERSTAND, REFUSED),
        ("another class", (other_class, instance, NAME), MISMATCH, mismatch),
        ("another instance", (sop_class, other_instance, NAME), MISMATCH, mismatch),
        ("empty class", (Element(SOP_CLASS_UID, "UI"), instance), MISMATCH, mismatch),
        ("empty instance", (sop_class, Element(SOP_INSTANCE_UID, "UI"), NAME), MISMATCH, mismatch),
        (
            "two instances",
            (sop_class, Element(SOP_INSTANCE_UID, "UI", UID.encode() + b"\\1.2")),
            MISMATCH,
            mismatch,
        ),
        ("the second is right", (sop_class, other_instance, instance, NAME), MISMATCH, mismatch),
        ("the first is right", (sop_class, instance, other_instance, NAME), 0, STORED),
        ("in an item", (sequence(sop_class, instance), NAME), 0, STORED),
        ("others in an item", (sequence(other_class, other_instance), NAME), MISMATCH, mismatch),
        ("at the end", (NAME, NUMBER, sop_class, instance), 0, STORED),
        ("with spaces", (sop_class, Element(SOP_INSTANCE_UID, "UI", b" " + UID.encode() + b" ")), 0, STORED),
    ]
    for name, nodes, theirs, ours in found:
        for syntax in PLAIN:
            yield case(
                f"UIDs: {name}, {NAMES[syntax]}", encoded(nodes, encoding_of(syntax)), theirs, ours, syntax
            )
    for vr, theirs, ours in (
        ("UN", CANNOT_UNDERSTAND, STORED),  # any element may be UN (PS3.5 6.2.2)
        ("LO", 0, STORED),
        ("UT", 0, STORED),
        ("OB", CANNOT_UNDERSTAND, REFUSED),
        ("US", CANNOT_UNDERSTAND, REFUSED),
    ):
        hidden = (
            Element(SOP_CLASS_UID, vr, sop_class.value),
            Element(SOP_INSTANCE_UID, vr, instance.value),
            NAME,
        )
        yield case(f"UIDs as {vr}", encoded(hidden, EXPLICIT), theirs, ours)


def streams() -> Iterator[Case]:
    """Deflate streams."""
    large = Element(PIXEL_DATA, "OW", random.Random(2).randbytes(3000))
    good = encoded(identified((NAME, NUMBER, large), wire.CT_IMAGE_STORAGE, UID), EXPLICIT)
    stream = deflated(good)
    half = len(stream) // 4 * 2
    with_header = zlib.compress(good)
    for name, data, theirs, ours in (
        ("cut in the middle", stream[:half], 0, KEPT),
        ("cut by 4 bytes", stream[:-4], 0, KEPT),
        ("with a header", with_header + b"\0" * (len(with_header) % 2), ABORTED, REFUSED),
        ("not deflated", good, ABORTED, REFUSED),
        ("of a value cut off", deflated(good[:-10]), ABORTED, REFUSED),
        ("of bytes behind the end", deflated(good + b"ab"), 0, KEPT),
        ("of nothing", deflated(b""), CANNOT_UNDERSTAND, REFUSED),
        ("empty", b"", OUT_OF_RESOURCES, REFUSED),
    ):
        yield case(f"deflate stream {name}", data, theirs, ours, DEFLATED)


def garbage() -> Iterator[Case]:
    """What is no data set at all, or one in another encoding."""
    for syntax in (ILE, ELE, EBE, JPEG_BASELINE):
        yield case(f"empty, {NAMES[syntax]}", b"", OUT_OF_RESOURCES, REFUSED, syntax)
    for syntax in PLAIN:
        yield case(f"garbage, {NAMES[syntax]}", b"garbage " * 8, ABORTED, REFUSED, syntax)
    for actual, said in ((ILE, ELE), (ELE, ILE), (ELE, EBE), (EBE, ELE), (EBE, ILE), (ILE, EBE)):
        data = encoded(identified((NAME, NUMBER), wire.CT_IMAGE_STORAGE, UID), encoding_of(actual))
        yield case(f"{NAMES[actual]} sent as {NAMES[said]}", data, ABORTED, REFUSED, said)
