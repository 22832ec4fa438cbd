"""File names, duplicates and simulated faults: the same objects to storescp and to scpd, and what is ours alone."""

from __future__ import annotations

import os
import re
import signal
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from tests.harness import wire
from tests.harness.objects import StorableObject, ct_image, data_set_bytes, file_meta, new_uid
from tests.harness.raw_peer import ECHO_CONTEXT, STORE_CONTEXT
from tests.harness.storing import (
    announce,
    complaints,
    left_over,
    log_lines,
    store,
    wait_until_idle,
    worker_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import Server, ServerFactory

CT, MR, NOBODYS = wire.CT_IMAGE_STORAGE, "1.2.840.10008.5.1.4.1.1.4", "1.2.3.4.5.6"
CLASSES = (CT, MR, NOBODYS)
# Implementation, and what we add (scpd.store.filemeta); the group length follows from them.
OURS_ALONE = {0x0000, 0x0012, 0x0013, 0x0017, 0x0018}
DUPLICATE = 0x0111


def an_object(instance: str, sop_class: str = CT, patient: str = "Doe^Jane") -> StorableObject:
    """A small object; its UIDs may be anything."""
    values = ((0x08, 0x16, b"UI", sop_class), (0x08, 0x18, b"UI", instance), (0x10, 0x10, b"PN", patient))
    data_set = b"".join(_element(*each) for each in values)
    return StorableObject(sop_class, instance, wire.EXPLICIT_LITTLE, data_set)


def _element(group: int, number: int, vr: bytes, text: str) -> bytes:
    value = text.encode("latin-1")
    value += (b" " if vr == b"PN" else b"\0") * (len(value) % 2)
    return struct.pack("<HH2sH", group, number, vr, len(value)) + value


def associated(raw_peer: Callable[..., RawPeer], server: Server, calling: str = "RAWPEER") -> RawPeer:
    """Associate for each of CLASSES, on the contexts 1, 5 and 7."""
    peer = raw_peer(server)
    storage = [(5 + 2 * number, uid, [wire.EXPLICIT_LITTLE]) for number, uid in enumerate(CLASSES[1:])]
    peer.associate(
        [
            (STORE_CONTEXT, CT, [wire.EXPLICIT_LITTLE]),
            (ECHO_CONTEXT, wire.VERIFICATION, [wire.IMPLICIT_LITTLE]),
            *storage,
        ],
        calling=calling,
    )
    return peer


CONTEXT_OF = {CT: STORE_CONTEXT, MR: 5, NOBODYS: 7}


def sent(peer: RawPeer, image: StorableObject) -> int:
    """Send an object on its class's context; give the status."""
    context = CONTEXT_OF[image.sop_class_uid]
    sop_class, instance = (
        uid.encode("latin-1") + b"\0" * (len(uid) % 2)
        for uid in (image.sop_class_uid, image.sop_instance_uid)
    )
    peer.send_command(context, wire.c_store_request(sop_class, instance))
    peer.send_data(context, image.data_set)
    return peer.receive_response().status


def told(server: Server) -> list[str]:
    """The warnings and errors of its log, without the directory."""
    return [line.replace(f"{server.inbox}/", "") for line in complaints(server)]


def exchanged(raw_peer: Callable[..., RawPeer], server: Server, objects: list[StorableObject]) -> list[int]:
    peer = associated(raw_peer, server)
    statuses = [sent(peer, image) for image in objects]
    peer.release()
    return statuses


def comparable(content: bytes) -> object:
    """File meta as far as it has to agree, and the data set."""
    meta = [(number, value) for number, value in file_meta(content).items() if number not in OURS_ALONE]
    return meta, data_set_bytes(content)


def bare(content: bytes) -> object:
    return content


# Names

ODD = [
    an_object("1.2.3"),
    an_object("1.2.3", patient="Roe^Richard"),
    an_object("1.2.3", MR),
    an_object("1.2.3", NOBODYS),
    an_object("1/2;x"),
    an_object("../../etc/passwd"),
    an_object("..", MR),
    an_object("a-b.c:d@e_f"),
    an_object("$(id)`id`'\"#*?<>|&"),
    an_object("-rf"),
    an_object("1" * 64),
]


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["+F"],
        ["-F"],
        ["-F", "+F"],
        ["-fe", ".dcm"],
        ["-fe", "dcm"],
        ["-fe", " #a'"],
        ["-uf"],
        ["+uf", "-uf", "-fe", "-x"],
        ["+B"],
        ["+B", "-F", "-fe", ".raw"],
    ],
    ids=" ".join,
)
def test_names_contents_and_warnings_are_storescps(
    scpd: ServerFactory, storescp: ServerFactory, raw_peer: Callable[..., RawPeer], options: list[str]
) -> None:
    ours, theirs = (start("--fork", "-pm", *options) for start in (scpd, storescp))
    statuses = [exchanged(raw_peer, server, ODD) for server in (ours, theirs)]
    assert statuses[0] == statuses[1] == [0] * len(ODD)
    actual, expected = ours.files(), theirs.files()
    assert list(actual) == list(expected)
    contents_of = bare if "-F" in options and "+F" not in options else comparable
    for name, content in actual.items():
        assert contents_of(content) == contents_of(expected[name])
    assert told(ours) == told(theirs)


def test_bytes_beyond_ascii_are_sanitised_and_shown_as_question_marks(
    scpd: ServerFactory, storescp: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    """storescp writes them into its log as they came."""
    objects = [an_object("1.2\xe4"), an_object("1\x01\x1b[2J"), an_object("\x7f\xff")]
    ours, theirs = (start("--fork") for start in (scpd, storescp))
    for server in (ours, theirs):
        assert exchanged(raw_peer, server, objects) == [0] * 3
    assert list(ours.files()) == list(theirs.files())
    assert told(ours) == [
        f'W: Sanitized unusual characters in SOP Instance UID, converted from "{before}" to "{after}".'
        for before, after in (("1.2?", "1.2_"), ("1??[2J", "1___2J"), ("??", "__"))
    ]
    assert len(told(theirs)) == 3


@pytest.mark.parametrize("options", [[], ["-up"], ["+B"], ["+B", "-up"]], ids=" ".join)
def test_spaces_in_uids_are_no_matter_with_and_without_uid_padding(
    scpd: ServerFactory, storescp: ServerFactory, raw_peer: Callable[..., RawPeer], options: list[str]
) -> None:
    ours, theirs = (start("--fork", *options) for start in (scpd, storescp))
    for server in (ours, theirs):
        peer = associated(raw_peer, server)
        for in_command, in_data_set in (("1.2.3 ", "1.2.3"), ("1.2.4", "1.2.4 "), (" 1.2.5 ", "1.2.5")):
            data_set = an_object(in_data_set).data_set
            assert sent(peer, StorableObject(CT, in_command, wire.EXPLICIT_LITTLE, data_set)) == 0
        peer.release()
    assert list(ours.files()) == list(theirs.files()) == ["CT.1.2.3", "CT.1.2.4", "CT.1.2.5"]


UNIQUE = re.compile(r"(CT|MR|UNKNOWN)\.X\.[0-9.]+")
TIMED = re.compile(r"([0-9]{17})(_[0-9]{4})?\.(CT|MR|UNKNOWN)")
EXTENSIONS = [[], ["-fe", ".dcm"], ["-fe", "dcm"]]


@pytest.mark.parametrize("extension", EXTENSIONS, ids=" ".join)
@pytest.mark.parametrize(
    ("options", "shape"),
    [(["+uf"], UNIQUE), (["-uf", "+uf"], UNIQUE), (["-tn"], TIMED), (["+uf", "-uf", "-tn"], TIMED)],
    ids=["+uf", "-uf +uf", "-tn", "+uf -uf -tn"],
)
def test_made_names_have_storescps_shape(
    scpd: ServerFactory,
    storescp: ServerFactory,
    raw_peer: Callable[..., RawPeer],
    options: list[str],
    shape: re.Pattern[str],
    extension: list[str],
) -> None:
    objects = [*ODD[:2], *ODD[4:7]]  # some of them storescp would overwrite by -tn
    for start in (scpd, storescp):
        server = start("--fork", *options, *extension)
        before = local_milliseconds()
        assert exchanged(raw_peer, server, objects) == [0] * len(objects)
        after = local_milliseconds()
        names = list(server.files())
        suffix = extension[-1] if extension else ""
        assert all(name.endswith(suffix) for name in names)
        found = [shape.fullmatch(name.removesuffix(suffix)) for name in names]
        assert all(found), names
        assert shape is UNIQUE or all(before <= match[1] <= after for match in found if match)
        assert told(server) == []
        if start is scpd:
            contents = sorted(map(data_set_bytes, server.files().values()))
            assert contents == sorted(image.data_set for image in objects)


def local_milliseconds() -> str:
    now = time.time()
    return time.strftime("%Y%m%d%H%M%S", time.localtime(now)) + f"{int(now * 1000) % 1000:03}"


def at_once(peers: list[RawPeer], work: Callable[[int, RawPeer], list[int]]) -> list[list[int]]:
    """Let each of the peers do its work, all at the same time."""
    with ThreadPoolExecutor(len(peers)) as pool:
        return list(pool.map(work, range(len(peers)), peers))


@pytest.mark.parametrize("options", [[], ["+B", "--duplicates", "refuse"]], ids=["default", "raw refuse"])
def test_time_names_are_unique_whoever_stores_at_the_same_moment(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], options: list[str]
) -> None:
    """In storescp 200 objects left 78 files."""
    server = scpd("--fork", "--no-fsync", "-tn", *options)
    peers = [associated(raw_peer, server) for _ in range(4)]
    objects = [[an_object(new_uid(), (CT, MR)[number % 2]) for number in range(50)] for _ in peers]

    statuses = at_once(peers, lambda number, peer: [sent(peer, image) for image in objects[number]])

    assert statuses == [[0] * 50] * 4
    files = server.files()
    assert len(files) == 200
    assert all(TIMED.fullmatch(name) for name in files)
    assert {name.rpartition(".")[2] for name in files} == {"CT", "MR"}
    assert sorted(map(data_set_bytes, files.values())) == sorted(
        image.data_set for each in objects for image in each
    )
    assert told(server) == []


# Duplicates


def test_a_taken_name_is_dealt_with_as_told(scpd: ServerFactory, raw_peer: Callable[..., RawPeer]) -> None:
    first, second = an_object("1.2.3"), an_object("1.2.3", patient="Roe^Richard")
    said = "DICOM file already exists"
    expected: dict[str, tuple[list[int], dict[str, StorableObject], list[str]]] = {
        "replace": ([0, 0, 0], {"": second}, [f"W: {said}, overwriting: CT.1.2.3"] * 2),
        "keep": (
            [0, 0, 0],
            {"": first, ".1": second},
            [
                f"W: {said}, keeping the equal one: CT.1.2.3",
                f"W: {said}, storing beside it: CT.1.2.3.1",
            ],
        ),
        "both": (
            [0, 0, 0],
            {"": first, ".1": first, ".2": second},
            [f"W: {said}, storing beside it: CT.1.2.3.{number}" for number in (1, 2)],
        ),
        "refuse": ([0, DUPLICATE, DUPLICATE], {"": first}, [f"E: Store SCP Failed: {said}: CT.1.2.3"]),
    }
    for policy, (statuses, files, lines) in expected.items():
        server = scpd("--fork", "--duplicates", policy)
        assert exchanged(raw_peer, server, [first, first, second]) == statuses
        stored = {name: data_set_bytes(content) for name, content in server.files().items()}
        assert stored == {f"CT.1.2.3{end}": image.data_set for end, image in files.items()}
        assert [line.partition(" (")[0] for line in told(server)] == lines
        assert left_over(server) == []


@pytest.mark.parametrize("policy", ["replace", "keep", "both", "refuse"])
def test_senders_of_one_instance_at_the_same_moment_get_what_the_policy_promises(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], policy: str
) -> None:
    server = scpd("--fork", "--no-fsync", "--duplicates", policy)
    peers = [associated(raw_peer, server, f"SENDER{number}") for number in range(4)]
    uids, versions = [f"1.2.{number}.4" for number in range(25)], ("Doe^Jane", "Roe^Richard")

    def work(number: int, peer: RawPeer) -> list[int]:
        return [sent(peer, an_object(uid, patient=versions[number % 2])) for uid in uids]

    statuses = at_once(peers, work)

    files = {name: data_set_bytes(content) for name, content in server.files().items()}
    successes = [each.count(0) for each in zip(*statuses, strict=True)]
    for uid, stored in zip(uids, successes, strict=True):
        mine = [content for name, content in files.items() if name.startswith(f"CT.{uid}")]
        whole = {an_object(uid, patient=version).data_set for version in versions}
        assert set(mine) <= whole
        assert len(mine) == {"replace": 1, "keep": 2, "both": 4, "refuse": 1}[policy]
        assert policy != "keep" or set(mine) == whole
        assert stored == (1 if policy == "refuse" else 4)
    assert {status for each in statuses for status in each} <= {0, DUPLICATE}
    assert left_over(server) == []


# Simulated faults


def transcript(raw_peer: Callable[..., RawPeer], server: Server, image: StorableObject) -> list[object]:
    """What is answered to a C-ECHO, an object in three fragments, and a C-ECHO."""
    peer = raw_peer(server)
    peer.associate()
    answers: list[object] = [peer.echo()]
    announce(peer, image)
    peer.send_data(STORE_CONTEXT, image.data_set, [100, 100])
    answers.append(_answer(peer))
    if answers[-1] == 0:
        answers.append(peer.echo())
    peer.close()
    server.wait_for(lambda: "Association" in server.stderr.splitlines()[-1] or complaints(server))
    return answers


def _answer(peer: RawPeer) -> object:
    pdu = peer.receive()
    assert pdu is not None
    if pdu.type == wire.ABORT:
        return f"A-ABORT {pdu.body[2]}/{pdu.body[3]}"
    return wire.number(wire.parse_command(wire.parse_pdvs(pdu.body)[0].data)[wire.STATUS])


INITIATED = "I: ABORT initiated (due to command line options)"


@pytest.mark.parametrize("mode", [[], ["+B"], ["--ignore"]], ids=["default", "raw", "ignore"])
@pytest.mark.parametrize(
    "options",
    [[], ["--abort-after"], ["--abort-during"], ["--abort-during", "--abort-after"]],
    ids=["none", "after", "during", "both"],
)
def test_simulated_aborts_are_storescps(
    scpd: ServerFactory,
    storescp: ServerFactory,
    raw_peer: Callable[..., RawPeer],
    options: list[str],
    mode: list[str],
) -> None:
    image, found = ct_image(500), []
    for start in (scpd, storescp):
        server = start("--fork", "-v", *options, *mode)
        answers = transcript(raw_peer, server, image)
        if start is scpd:
            wait_until_idle(server)
        lines = [line for line in log_lines(server) if line == INITIATED]
        has_failed = any(line.startswith("E: Store SCP Failed") for line in log_lines(server))
        found.append((answers, lines, has_failed, sorted(server.files())))
    assert found[0] == found[1]
    assert found[0][0] == [0, *(["A-ABORT 0/0"] if options else [0, 0])]


def test_a_simulated_abort_does_not_wait_for_the_second_fragment(
    scpd: ServerFactory, storescp: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    image = ct_image(500)
    for start in (scpd, storescp):
        peer = raw_peer(start("--fork", "--abort-during"))
        peer.associate()
        announce(peer, image)
        peer.send_data(STORE_CONTEXT, image.data_set[:100], is_last=False)
        assert _answer(peer) == "A-ABORT 0/0"


def test_simulated_pauses_last_as_long_as_storescps(
    scpd: ServerFactory, storescp: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    """One fragment: three seconds of pauses within, one before the next request is answered."""
    options = ("--fork", "-v", "--sleep-during", "1", "--sleep-after", "1")
    servers = [scpd(*options), storescp(*options)]
    peers = [raw_peer(server) for server in servers]
    image = ct_image(500)

    def work(_: int, peer: RawPeer) -> list[int]:
        peer.associate()
        marks = [time.monotonic()]
        for answer in (peer.echo, lambda: store(peer, image).status, peer.echo):
            assert answer() == 0
            marks.append(time.monotonic())
        return [int(end - begin + 0.05) for begin, end in pairwise(marks)]

    for seconds in at_once(peers, work):
        assert seconds[0] == 0
        assert 3 <= seconds[1] <= 4
        assert 1 <= seconds[2] <= 2
    assert [list(server.files()) for server in servers] == [[f"CT.{image.sop_instance_uid}"]] * 2


@pytest.mark.parametrize("option", ["--sleep-during", "--sleep-after"])
def test_a_simulated_pause_ends_when_its_worker_is_told_to_end(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], option: str
) -> None:
    server, image = scpd("--fork", option, "100000"), ct_image(500)
    peer = raw_peer(server)
    peer.associate(calling="SLEEPER")
    worker = worker_of(server, "SLEEPER")
    announce(peer, image)
    peer.send_data(STORE_CONTEXT, image.data_set)
    if option == "--sleep-after":
        assert _answer(peer) == 0
    another = raw_peer(server)
    another.associate()
    assert another.echo() == 0
    another.release()
    os.kill(worker, signal.SIGTERM)
    assert _answer(peer) == "A-ABORT 0/0"
    assert len(server.files()) == (option == "--sleep-after")
