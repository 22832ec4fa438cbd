"""Objects on their way into the inbox: real clients, every mode, and storescp beside it for comparison.

What both programs promise is tested with both: a test of storescp that fails is a test that says something wrong.
"""

from __future__ import annotations

import shutil
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness import wire
from tests.harness.clients import (
    dcmsend,
    echoscu,
    gdcm_was_answered,
    gdcmscu,
    pynetdicom_send,
    run,
    scpctl,
    storescu,
)
from tests.harness.objects import (
    TestFile,
    ct_image,
    data_set_bytes,
    file_meta,
    in_rounds,
    pydicom_test_files,
    write_ct_images,
)
from tests.harness.ports import has_ipv6
from tests.harness.raw_peer import CONTEXTS, STORE_CONTEXT
from tests.harness.servers import REPOSITORY
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import Server, ServerFactory

    Start = Callable[..., Server]

MODES = ["--fork", "--single-process"]
SERVERS = [f"{program} {mode}" for program in ("scpd", "storescp") for mode in MODES]
# What scpd adds to the file meta information, and where two programs must differ (PS3.10 7.1).
OWN_META = {0x0000, 0x0012, 0x0013, 0x0017, 0x0018}

needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")


@pytest.fixture(params=SERVERS)
def start(request: pytest.FixtureRequest) -> Start:
    """Start scpd or storescp, in either process mode, with more options."""
    program, mode = request.param.split()
    factory = request.getfixturevalue(program)
    return lambda *options, **settings: factory(mode, *options, **settings)


@pytest.fixture(params=MODES)
def start_scpd(request: pytest.FixtureRequest, scpd: ServerFactory) -> Start:
    """Start scpd in either process mode."""
    return lambda *options, **settings: scpd(request.param, *options, **settings)


def by_storescu(server: Server, folder: Path) -> bool:
    return storescu(server, "+sd", folder).returncode == 0


def by_dcmsend(server: Server, folder: Path) -> bool:
    return dcmsend(server, "+sd", folder).returncode == 0


def by_gdcmscu(server: Server, folder: Path) -> bool:
    return all(gdcm_was_answered(gdcmscu(server, "--store", "-i", path)) for path in sorted(folder.iterdir()))


def by_pynetdicom(server: Server, folder: Path) -> bool:
    return not any(pynetdicom_send(server, sorted(folder.iterdir())))


def by_scpctl(server: Server, folder: Path) -> bool:
    return scpctl("send", server.host, server.port, folder).returncode == 0


SENDERS = [by_storescu, by_dcmsend, by_gdcmscu, by_pynetdicom, by_scpctl]
ECHOERS: list[Callable[[Server], bool]] = [
    lambda server: echoscu(server).returncode == 0,
    lambda server: gdcm_was_answered(gdcmscu(server, "--echo")),
    lambda server: scpctl("echo", server.host, server.port).returncode == 0,
]


@pytest.mark.parametrize("send", SENDERS)
def test_every_client_stores_a_series(
    start: Start, tmp_path: Path, send: Callable[[Server, Path], bool]
) -> None:
    images = write_ct_images(tmp_path / "out", 3, size=60_000)
    server = start()
    assert send(server, tmp_path / "out")
    stored = server.wait_for_files(3)
    assert set(stored) == {f"CT.{image.sop_instance_uid}" for image in images}
    for image in images:
        assert data_set_bytes(stored[f"CT.{image.sop_instance_uid}"]) == image.data_set


@pytest.mark.parametrize("echo", ECHOERS, ids=["echoscu", "gdcmscu", "scpctl"])
def test_every_client_is_echoed(start: Start, echo: Callable[[Server], bool]) -> None:
    server = start()
    assert echo(server)
    assert server.files() == {}


@pytest.mark.parametrize(
    "encoding", [wire.IMPLICIT_LITTLE, wire.EXPLICIT_LITTLE, wire.EXPLICIT_BIG, wire.DEFLATED]
)
def test_stored_files_are_read_by_pydicom(start_scpd: Start, tmp_path: Path, encoding: str) -> None:
    import pydicom

    image = ct_image(20_000, transfer_syntax=encoding)
    server = start_scpd({wire.DEFLATED: "+xa", wire.EXPLICIT_BIG: "+xb"}.get(encoding, "+x="))
    sent = pydicom.dcmread(image.write(tmp_path / "image.dcm"))
    assert scpctl("send", server.host, server.port, tmp_path / "image.dcm").returncode == 0
    (name,) = server.files()
    stored = pydicom.dcmread(server.inbox / name)
    assert stored == sent
    assert stored.file_meta.TransferSyntaxUID == encoding


# Byte for byte, with pydicom's files


def clear(server: Server) -> dict[str, bytes]:
    """Take the stored files out of the inbox."""
    files = server.files()
    for name in files:
        (server.inbox / name).unlink()
    return files


def in_folder(files: list[TestFile], folder: Path) -> Path:
    """Copy files into a folder of their own, under names that sort like their number."""
    folder.mkdir()
    for number, file in enumerate(files):
        shutil.copy(file.path, folder / f"{number:04}.dcm")
    return folder


def sent(server: Server, files: list[TestFile]) -> dict[str, bytes]:
    """Send files of different SOP Instance UIDs; give what is stored of each, by the UID."""
    result = scpctl("send", server.host, server.port, *(file.path for file in files))
    assert result.returncode == 0, result.stderr
    stored = clear(server)
    assert len(stored) == len(files)
    return {name.partition(".")[2]: content for name, content in stored.items()}


@pytest.mark.parametrize("program", ["scpd", "storescp"])
def test_data_sets_of_every_kind_are_stored_bit_by_bit_as_they_came(
    request: pytest.FixtureRequest, program: str
) -> None:
    server = request.getfixturevalue(program)("+xa", "--fork", "+B")
    for files in in_rounds(pydicom_test_files()):
        stored = sent(server, files)
        for file in files:
            content = stored[file.object.sop_instance_uid]
            assert data_set_bytes(content) == file.object.data_set, file.path
            assert wire.uid(file_meta(content)[0x0010].value) == file.object.transfer_syntax_uid


# Those that storescp does not store: for a value that is cut off, and for UIDs whose VR is UN.
MISFITS = {"MR_truncated.dcm", "rtdose_rle.dcm", "rtdose_rle_1frame.dcm"}


def inflated(content: bytes) -> bytes:
    """Give a file's data set, inflated if its transfer syntax says that it is deflated."""
    data_set = data_set_bytes(content)
    if wire.uid(file_meta(content)[0x0010].value) == wire.DEFLATED:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data_set)
    return data_set


@pytest.mark.parametrize("options", [["--fork"], []], ids=["fork", "single"])
def test_data_sets_of_every_kind_are_stored_as_storescp_stores_them(
    scpd: ServerFactory, storescp: ServerFactory, options: list[str]
) -> None:
    ours, theirs = scpd("+xa", *options), storescp("+xa", *options)
    for files in in_rounds([file for file in pydicom_test_files() if file.path.name not in MISFITS]):
        stored, expected = sent(ours, files), sent(theirs, files)
        for file in files:
            content, other = stored[file.object.sop_instance_uid], expected[file.object.sop_instance_uid]
            assert inflated(content) == inflated(other), file.path
            assert wire.uid(file_meta(content)[0x0010].value) == file.object.transfer_syntax_uid


@pytest.mark.parametrize("client", [dcmsend, storescu])
@pytest.mark.parametrize("options", [[], ["+B"]], ids=["default", "bit-preserving"])
def test_names_and_meta_information_are_those_of_storescp(
    scpd: ServerFactory,
    storescp: ServerFactory,
    tmp_path: Path,
    client: Callable[..., Any],
    options: list[str],
) -> None:
    """And the data sets too, when both programs leave them alone."""
    ours, theirs = scpd("--fork", "+xa", *options), storescp("--fork", "+xa", *options)
    compared = 0
    for number, files in enumerate(in_rounds(pydicom_test_files())):
        folder = in_folder(files, tmp_path / f"round-{number}")
        # storescu must be told which compressed syntaxes to propose; what is refused is refused by both.
        words = ["-nh", "-aet", "CALLER", "-aec", "CALLED", "+sd", folder]
        codes = [client(server, *words).returncode for server in (ours, theirs)]
        assert codes[0] == codes[1]
        # Where the UIDs of a data set have the VR UN, DCMTK's clients announce the class "31": scpd answers 0122H.
        expected = {name: file for name, file in clear(theirs).items() if name != "UNKNOWN.31"}
        actual = clear(ours)
        assert set(actual) == set(expected)
        compared += len(actual)
        for name, content in actual.items():
            assert_same_meta(file_meta(content), file_meta(expected[name]))
            if options:
                assert data_set_bytes(content) == data_set_bytes(expected[name]), name
    assert compared > 70


def assert_same_meta(actual: dict[int, Any], expected: dict[int, Any]) -> None:
    assert {key: value for key, value in actual.items() if key not in OWN_META} == {
        key: value for key, value in expected.items() if key not in OWN_META
    }
    assert set(actual) == set(expected) | {0x0017, 0x0018}
    assert list(actual) == sorted(actual)
    assert actual[0x0017] == (b"AE", b"CALLER")
    assert actual[0x0018] == (b"AE", b"CALLED")


@pytest.mark.parametrize(
    "start_options", [["-fe", ".dcm"], ["-F"], ["+F"], ["-F", "-fe", ".raw", "+B"], ["-uf"]]
)
def test_options_for_files_do_what_they_do_in_storescp(
    scpd: ServerFactory, storescp: ServerFactory, tmp_path: Path, start_options: list[str]
) -> None:
    write_ct_images(tmp_path / "out", 2)
    ours, theirs = scpd(*start_options), storescp(*start_options)
    assert by_storescu(ours, tmp_path / "out")
    assert by_storescu(theirs, tmp_path / "out")
    actual, expected = ours.files(), theirs.files()
    assert set(actual) == set(expected)
    for name, content in actual.items():
        if "-F" in start_options:
            assert content == expected[name]
        else:
            assert data_set_bytes(content) == data_set_bytes(expected[name])


def test_unique_names_keep_every_transfer_of_an_instance(start: Start, tmp_path: Path) -> None:
    image = ct_image()
    path = image.write(tmp_path / "image.dcm")
    server = start("+uf", "-fe", ".dcm")
    assert storescu(server, path, path, path).returncode == 0
    stored = server.files()
    assert len(stored) == 3
    for name, content in stored.items():
        assert name.startswith("CT.X.")
        assert name.endswith(".dcm")
        assert data_set_bytes(content) == image.data_set


def test_ignore_answers_and_stores_nothing(start: Start, tmp_path: Path) -> None:
    write_ct_images(tmp_path / "out", 2)
    server = start("--ignore")
    assert by_storescu(server, tmp_path / "out")
    assert server.files() == {}


def test_a_second_transfer_of_an_instance_replaces_the_first(
    start: Start, raw_peer: Callable[..., RawPeer]
) -> None:
    long, short = ct_image(50_000), ct_image(500)
    server = start()
    for data_set in (long.data_set, retold(short.data_set, short.sop_instance_uid, long.sop_instance_uid)):
        peer = raw_peer(server)
        peer.associate()
        assert peer.store(long.sop_class_uid, long.sop_instance_uid, data_set) == 0
        peer.release()
        (content,) = server.files().values()
        assert data_set_bytes(content) == data_set


def retold(data_set: bytes, old_uid: str, new_uid: str) -> bytes:
    """Give the data set another SOP Instance UID, of the same length when padded."""
    old, new = (uid.encode().ljust(64, b"\0")[: len(uid) + len(uid) % 2] for uid in (old_uid, new_uid))
    return data_set.replace(len(old).to_bytes(2, "little") + old, len(new).to_bytes(2, "little") + new)


# Associations, side by side and in parallel


def test_many_parallel_associations_lose_nothing(start: Start, tmp_path: Path) -> None:
    folders = [tmp_path / f"out-{number}" for number in range(12)]
    images = [image for folder in folders for image in write_ct_images(folder, 4, size=30_000)]
    server = start()
    with ThreadPoolExecutor(len(folders)) as pool:
        assert all(pool.map(lambda folder: by_storescu(server, folder), folders))
    stored = server.files()
    assert len(stored) == len(images)
    for image in images:
        assert data_set_bytes(stored[f"CT.{image.sop_instance_uid}"]) == image.data_set
    server.wait_for(lambda: not server.workers(), what="the end of all workers")


@pytest.mark.parametrize("program", ["scpd", "storescp"])
def test_associations_are_served_at_the_same_time_with_fork(
    request: pytest.FixtureRequest, program: str, raw_peer: Callable[..., RawPeer]
) -> None:
    server = request.getfixturevalue(program)("--fork")
    peers = [raw_peer(server) for _ in range(10)]
    for peer in peers:
        peer.associate()
    assert len(server.workers()) >= 10
    for peer in reversed(peers):
        image = ct_image()
        assert peer.store(image.sop_class_uid, image.sop_instance_uid, image.data_set) == 0
        assert peer.echo() == 0
        peer.release()
    assert len(server.files()) == 10


@pytest.mark.parametrize("program", ["scpd", "storescp"])
def test_associations_wait_for_each_other_in_a_single_process(
    request: pytest.FixtureRequest, program: str, raw_peer: Callable[..., RawPeer]
) -> None:
    server = request.getfixturevalue(program)("--single-process")
    first, second = raw_peer(server), raw_peer(server)
    first.associate()
    second.send(wire.associate_request(CONTEXTS))
    with pytest.raises(TimeoutError):
        second.receive(timeout=0.3)
    assert first.echo() == 0
    first.release()
    answer = second.receive()
    assert answer is not None
    assert answer.type == wire.ASSOCIATE_AC


def test_no_more_associations_than_allowed_are_served(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork", "--max-associations", "2")
    first, second, third = raw_peer(server), raw_peer(server), raw_peer(server)
    first.associate()
    second.associate()
    third.send(wire.associate_request(CONTEXTS))
    with pytest.raises(TimeoutError):
        third.receive(timeout=0.3)
    second.release()
    answer = third.receive()
    assert answer is not None
    assert answer.type == wire.ASSOCIATE_AC


def test_two_senders_of_one_instance_leave_one_whole_file(
    start_scpd: Start, raw_peer: Callable[..., RawPeer]
) -> None:
    first = ct_image(400_000)
    other = ct_image(300_000, sop_instance_uid=first.sop_instance_uid)
    server = start_scpd()
    with ThreadPoolExecutor(2) as pool:
        statuses = list(pool.map(lambda image: store_ten_times(raw_peer(server), image), (first, other)))
    assert statuses == [[0] * 10, [0] * 10]
    (content,) = server.files().values()
    assert data_set_bytes(content) in {first.data_set, other.data_set}


def store_ten_times(peer: RawPeer, image: Any) -> list[int]:
    peer.associate()
    statuses = [
        peer.store(image.sop_class_uid, image.sop_instance_uid, image.data_set, message_id=number)
        for number in range(1, 11)
    ]
    peer.release()
    return statuses


def test_nothing_is_visible_before_an_object_is_complete(
    start_scpd: Start, raw_peer: Callable[..., RawPeer]
) -> None:
    image = ct_image(3_000_000)
    server = start_scpd()
    peer = raw_peer(server)
    peer.associate()
    peer.send_command(STORE_CONTEXT, wire.c_store_request(image.sop_class_uid, image.sop_instance_uid))
    peer.send_data(STORE_CONTEXT, image.data_set[:-2], is_last=False)
    temporary = server.inbox / ".scpd" / "tmp"
    wait_until(
        lambda: temporary.is_dir() and any(path.stat().st_size > 1_000_000 for path in temporary.iterdir())
    )
    assert server.files() == {}
    peer.send_data(STORE_CONTEXT, image.data_set[-2:])
    assert peer.receive_response().status == 0
    assert list(server.files()) == [f"CT.{image.sop_instance_uid}"]
    assert [path.name for path in temporary.iterdir()] == ["lock"]


@pytest.mark.parametrize("size", [4096, 16384, 131072])
def test_any_pdu_size_works_in_both_directions(start: Start, tmp_path: Path, size: int) -> None:
    images = write_ct_images(tmp_path / "out", 2, size=300_000)
    server = start("-pdu", str(size))
    assert storescu(server, "-pdu", str(size), "+sd", tmp_path / "out").returncode == 0
    stored = server.files()
    assert [data_set_bytes(stored[f"CT.{image.sop_instance_uid}"]) for image in images] == [
        image.data_set for image in images
    ]


@pytest.mark.parametrize(
    "fragments",
    [[2] * 50, [2, 4, 6, 8, 10, 1000, 2, 16000], [16368, 2], [0, 0, 2, 0]],
    ids=["tiny", "mixed", "just too long", "empty"],
)
def test_fragments_of_any_size_make_the_same_object(
    start: Start, raw_peer: Callable[..., RawPeer], fragments: list[int]
) -> None:
    image = ct_image(40_000)
    server = start()
    peer = raw_peer(server)
    peer.associate()
    status = peer.store(image.sop_class_uid, image.sop_instance_uid, image.data_set, fragments=fragments)
    assert status == 0
    (content,) = server.files().values()
    assert data_set_bytes(content) == image.data_set


def test_many_pdvs_in_one_pdu_make_the_same_object(
    start_scpd: Start, raw_peer: Callable[..., RawPeer]
) -> None:
    """Three of unequal length crash storescp 3.6.7, or spoil its file."""
    image = ct_image(9000)
    data = image.data_set
    server = start_scpd()
    peer = raw_peer(server)
    peer.associate()
    pieces = [data[:100], data[100:102], data[102:5000], data[5000:]]
    controls = [wire.DATA, wire.DATA, wire.DATA, wire.LAST]
    pdvs = [wire.pdv(STORE_CONTEXT, control, piece) for control, piece in zip(controls, pieces, strict=True)]
    command = wire.c_store_request(image.sop_class_uid, image.sop_instance_uid)
    peer.send(wire.p_data(wire.pdv(STORE_CONTEXT, wire.COMMAND | wire.LAST, command), *pdvs))
    assert peer.receive_response().status == 0
    (content,) = server.files().values()
    assert data_set_bytes(content) == data


def test_the_next_request_may_come_before_the_answer(start: Start, raw_peer: Callable[..., RawPeer]) -> None:
    images = [ct_image(20_000) for _ in range(5)]
    server = start()
    peer = raw_peer(server)
    peer.associate()
    for number, image in enumerate(images, 1):
        command = wire.c_store_request(image.sop_class_uid, image.sop_instance_uid, number)
        peer.send_command(STORE_CONTEXT, command)
        peer.send_data(STORE_CONTEXT, image.data_set)
    responses = [peer.receive_response() for _ in images]
    assert [(response.message_id, response.status) for response in responses] == [(n, 0) for n in range(1, 6)]
    assert len(server.files()) == 5


def test_a_message_that_arrives_byte_by_byte_is_a_message(
    start_scpd: Start, raw_peer: Callable[..., RawPeer]
) -> None:
    image = ct_image(600)
    server = start_scpd()
    peer = raw_peer(server)
    peer.send(wire.associate_request(CONTEXTS), chunk=1)
    answer = peer.receive()
    assert answer is not None
    assert answer.type == wire.ASSOCIATE_AC
    command = wire.c_store_request(image.sop_class_uid, image.sop_instance_uid)
    peer.send(wire.p_data(wire.pdv(STORE_CONTEXT, wire.COMMAND | wire.LAST, command)), chunk=1)
    peer.send(wire.p_data(wire.pdv(STORE_CONTEXT, wire.LAST, image.data_set)), chunk=1)
    assert peer.receive_response().status == 0
    (content,) = server.files().values()
    assert data_set_bytes(content) == image.data_set


# Negotiation beside storescp

PROPOSALS: list[Any] = [
    (1, wire.CT_IMAGE_STORAGE, [wire.IMPLICIT_LITTLE]),
    (3, wire.CT_IMAGE_STORAGE, [wire.IMPLICIT_LITTLE, wire.EXPLICIT_LITTLE, wire.EXPLICIT_BIG]),
    (5, wire.MR_IMAGE_STORAGE, ["1.2.840.10008.1.2.4.50", wire.EXPLICIT_LITTLE]),
    (7, wire.MR_IMAGE_STORAGE, ["1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.90"]),
    (9, wire.VERIFICATION, [wire.EXPLICIT_BIG, wire.IMPLICIT_LITTLE]),
    (11, "1.2.840.10008.5.1.4.1.2.2.1", [wire.IMPLICIT_LITTLE]),
    (13, "1.2.3.4.5", [wire.EXPLICIT_LITTLE]),
    (15, wire.CT_IMAGE_STORAGE, ["1.2.3.4"]),
    (17, wire.CT_IMAGE_STORAGE, [wire.DEFLATED, "1.2.840.10008.1.2.5"]),
    (4, wire.CT_IMAGE_STORAGE, [wire.EXPLICIT_LITTLE]),
]


@pytest.mark.parametrize(
    "options", [[], ["+x="], ["+xe"], ["+xb"], ["+xi"], ["+xa"], ["-pm"], ["-pm", "+xa"], ["+xa", "+xi"]]
)
def test_contexts_are_negotiated_as_by_storescp(
    scpd: ServerFactory, storescp: ServerFactory, raw_peer: Callable[..., RawPeer], options: list[str]
) -> None:
    answers = [raw_peer(factory(*options)).associate(PROPOSALS) for factory in (scpd, storescp)]
    assert answers[0].contexts == answers[1].contexts
    assert list(answers[0].contexts) == [context[0] for context in PROPOSALS]


@pytest.mark.parametrize("options", [[], ["-pdu", "32768", "-aet", "HERE"]])
def test_the_acceptance_says_what_that_of_storescp_says(
    scpd: ServerFactory, storescp: ServerFactory, raw_peer: Callable[..., RawPeer], options: list[str]
) -> None:
    ours, theirs = (
        raw_peer(factory(*options)).associate(called=" LEADING", calling="in ner")
        for factory in (scpd, storescp)
    )
    assert (ours.called, ours.calling) == (theirs.called, theirs.calling)
    assert ours.maximum_length == theirs.maximum_length
    assert [kind for kind, _ in ours.user_items] == [kind for kind, _ in theirs.user_items]
    assert [kind for kind, _ in ours.items] == [kind for kind, _ in theirs.items]


@pytest.mark.parametrize(
    "fields", [{"application_context": "1.2.3"}, {"application_context": None}, {"protocol_version": 2}]
)
def test_requests_are_rejected_as_by_storescp(
    scpd: ServerFactory, storescp: ServerFactory, raw_peer: Callable[..., RawPeer], fields: dict[str, Any]
) -> None:
    ours, theirs = (raw_peer(factory()).request_association(**fields) for factory in (scpd, storescp))
    assert ours == theirs
    assert ours is not None
    assert ours.type == wire.ASSOCIATE_RJ


# Addresses


@needs_ipv6
@pytest.mark.parametrize(
    ("options", "reachable"),
    [
        ([], ["127.0.0.1"]),
        (["-i4"], ["127.0.0.1"]),
        (["-i6"], ["::1"]),
        (["-i0"], ["127.0.0.1", "::1"]),
        (["--bind", "127.0.0.1"], ["127.0.0.1"]),
        (["--bind", "::1"], ["::1"]),
        (["--bind", "127.0.0.1", "--bind", "::1"], ["127.0.0.1", "::1"]),
        (["--bind", "127.0.0.2"], ["127.0.0.2"]),
    ],
    ids=" ".join,
)
def test_exactly_the_addresses_asked_for_are_served(
    start_scpd: Start, raw_peer: Callable[..., RawPeer], options: list[str], reachable: list[str]
) -> None:
    server = start_scpd(*options)
    for host in ("127.0.0.1", "127.0.0.2", "::1"):
        if host in reachable or (
            host == "127.0.0.2" and "127.0.0.1" in reachable and "--bind" not in options
        ):
            image = ct_image()
            peer = raw_peer(server, host=host)
            peer.associate()
            assert peer.store(image.sop_class_uid, image.sop_instance_uid, image.data_set) == 0
            peer.release()
        else:
            with pytest.raises(ConnectionRefusedError):
                raw_peer(server, host=host)


@needs_ipv6
@pytest.mark.parametrize("send", [by_pynetdicom, by_scpctl])
def test_clients_store_by_ipv6(
    start_scpd: Start, tmp_path: Path, send: Callable[[Server, Path], bool]
) -> None:
    write_ct_images(tmp_path / "out", 2)
    server = start_scpd("-i6", host="::1")
    assert send(server, tmp_path / "out")
    assert len(server.files()) == 2


# Start and end


def test_a_released_association_is_closed_at_once(
    start_scpd: Start, raw_peer: Callable[..., RawPeer]
) -> None:
    """storescp leaves that to its peer, for up to 180 s."""
    peer = raw_peer(start_scpd())
    peer.associate()
    peer.send(wire.release_request())
    assert [pdu.type for pdu in peer.receive_until_closed(timeout=2)] == [wire.RELEASE_RP]


def test_an_idle_server_ends_at_once_and_well(start_scpd: Start) -> None:
    assert start_scpd().stop(timeout=3) == 0


def test_a_running_association_may_finish_when_the_server_is_told_to_end(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    image = ct_image(60_000)
    server = scpd("--fork")
    peer = raw_peer(server)
    peer.associate()
    peer.send_command(STORE_CONTEXT, wire.c_store_request(image.sop_class_uid, image.sop_instance_uid))
    server.signal(15)
    server.wait_for(lambda: refuses(server, raw_peer), what="a closed listener")
    peer.send_data(STORE_CONTEXT, image.data_set)
    assert peer.receive_response().status == 0
    peer.release()
    assert server.wait() == 0
    assert list(server.files()) == [f"CT.{image.sop_instance_uid}"]


def refuses(server: Server, raw_peer: Callable[..., RawPeer]) -> bool:
    try:
        raw_peer(server).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.parametrize(
    "options",
    [["--nonsense"], ["-pdu", "1"], ["-pdu", "x"], ["-od", "/nonexistent/inbox"], ["-od", "/etc/passwd"]],
)
def test_a_start_that_fails_is_told_in_the_words_of_storescp(
    scpd: ServerFactory, storescp: ServerFactory, options: list[str]
) -> None:
    last_lines = []
    for factory in (scpd, storescp):
        with pytest.raises(AssertionError, match="ended with 1: ") as failure:
            factory(*options)
        said = str(failure.value).partition("ended with 1: ")[2]
        last_lines.append(said.strip().splitlines()[-1])
    # Ours may name what it is about.
    assert last_lines[0].startswith(last_lines[1])


def test_a_port_that_is_taken_is_one_clear_line(scpd: ServerFactory, tmp_path: Path) -> None:
    server = scpd()
    second = run(
        [sys.executable, "-m", "scpd", "-od", str(tmp_path), str(server.port)],
        env={"PYTHONPATH": str(REPOSITORY)},
    )
    assert second.returncode == 1
    (line,) = second.stderr.splitlines()
    assert "Address already in use" in line
    assert echoscu(server).returncode == 0
