"""What reaches the kernel, in which order, and what happens when it says no (strace(1), fault injection)."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from tests.harness.objects import ct_image, data_set_bytes
from tests.harness.storing import (
    assert_holds,
    complaints,
    finish,
    send_half,
    standing_by,
    store,
    temporaries,
    wait_for_temporaries,
    worker_of,
)
from tests.harness.wrapped import attached, require_strace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.harness.objects import StorableObject
    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import Server, ServerFactory
    from tests.harness.wrapped import Call, TracedFactory

STEPS = "trace=writev,fsync,fdatasync,sync_file_range,/^rename,/^link,sendto,sendmsg,write,close"
OUT_OF_RESOURCES = 0xA700
TEMPORARY = "/.scpd/tmp/"
LARGE = 2_500_000  # more than is written at once


def associated(raw_peer: Callable[..., RawPeer], server: Server) -> tuple[RawPeer, int]:
    """Associate; gives the worker too.

    It is one that stood by before we came: what it does from its first call on is the same each time.
    """
    server.wait_for(lambda: standing_by(server))
    peer = raw_peer(server)
    peer.associate(calling="TRACED")
    return peer, worker_of(server, "TRACED")


def steps(calls: list[Call], inbox: Path) -> list[str]:
    """Name what was done with the object, from its first write to the answer, repetitions as one."""
    names: list[str] = []
    for call in calls:
        name = _step(call, str(inbox))
        if name and (names or name == "write") and names[-1:] != [name]:
            names.append(name)
    return names


def _step(call: Call, inbox: str) -> str:
    if call.name in {"sendto", "sendmsg"}:
        return "answer"
    if call.name.startswith("rename"):
        return "rename"
    kind = {"writev": "write", "fsync": "flush", "fdatasync": "flush"}.get(call.name, "")
    if kind and TEMPORARY in call.line:
        return f"{kind} file" if kind == "flush" else kind
    return f"{kind} directory" if kind and f"<{inbox}>" in call.line else ""


FLUSHED = ["write", "flush file", "rename", "flush directory", "answer"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [([], FLUSHED), (["+B"], FLUSHED), (["--no-fsync"], ["write", "rename", "answer"])],
    ids=["default", "bit-preserving", "no-fsync"],
)
def test_success_is_told_only_after_file_and_directory_are_flushed(
    traced: Callable[..., TracedFactory],
    raw_peer: Callable[..., RawPeer],
    options: list[str],
    expected: list[str],
) -> None:
    run, image = traced(STEPS), ct_image(600_000)
    server = run.factory("--fork", *options)
    peer, worker = associated(raw_peer, server)
    assert store(peer, image).status == 0
    assert store(peer, image).status == 0
    peer.release()
    server.wait_for(lambda: steps(run.calls(worker), server.inbox).count("answer") >= 2)
    found = steps(run.calls(worker), server.inbox)
    assert found[: 2 * len(expected)] == expected * 2
    assert_holds(server, image)


# Where the kernel fails, and what the peer is told.
FAILURES = [
    ("writev:error=EIO:when=1", "Input/output error"),
    ("writev:error=EIO:when=2", "Input/output error"),
    ("writev:error=ENOSPC:when=2", "No space left on device"),
    ("writev:error=EDQUOT:when=1", "Disk quota exceeded"),
    ("fsync:error=EIO:when=1", "Input/output error"),
    ("fsync:error=ENOSPC:when=1", "No space left on device"),
    # The first refuses a taken name, the second replaces what has it.
    ("renameat2:error=EIO:when=1", "Input/output error"),
    ("renameat2:error=ENOSPC:when=1", "No space left on device"),
    ("renameat:error=EIO:when=1", "Input/output error"),
    ("renameat:error=ENOSPC:when=1", "No space left on device"),
]


def prepared(server: Server, image: StorableObject) -> bytes:
    """Put a file into the inbox under the object's name, as an earlier transfer would have; give its content."""
    content = b"the earlier object"
    (server.inbox / f"CT.{image.sop_instance_uid}").write_bytes(content)
    return content


def assert_refused_and_forgotten(
    run: TracedFactory, server: Server, raw_peer: Callable[..., RawPeer], reason: str
) -> list[Call]:
    """Store once in vain and once with success; gives the worker's calls."""
    image = ct_image(LARGE)
    earlier = prepared(server, image)
    peer, worker = associated(raw_peer, server)
    response = store(peer, image)
    assert (response.status, response.comment) == (OUT_OF_RESOURCES, f"cannot write: {reason}")
    assert list(server.files().values()) == [earlier]
    assert temporaries(server) == []
    server.wait_for(lambda: reason in server.stderr, what="a line in the log")
    (error,) = [line for line in complaints(server) if line.startswith("E: Store SCP Failed: ")]
    assert reason in error
    assert store(peer, image).status == 0
    assert_holds(server, image)
    peer.release()
    server.wait_for(run.injected, what="an injected failure in the trace")
    return run.calls(worker)


@pytest.mark.parametrize(("injection", "reason"), FAILURES, ids=[row[0] for row in FAILURES])
def test_a_failing_call_refuses_the_object_and_leaves_nothing_of_it(
    traced: Callable[..., TracedFactory], raw_peer: Callable[..., RawPeer], injection: str, reason: str
) -> None:
    run = traced(STEPS, f"inject={injection}")
    server = run.factory("--fork")
    calls = assert_refused_and_forgotten(run, server, raw_peer, reason)
    assert len([call for call in calls if call.was_injected]) == 1


@pytest.mark.parametrize(
    ("injections", "calls"),
    [
        (["renameat2:error=EINVAL"], ["renameat2", "linkat"]),
        (["renameat2:error=ENOSYS", "linkat:error=EPERM"], ["renameat2", "linkat", "renameat"]),
    ],
    ids=["no renameat2", "nor links"],
)
def test_a_file_system_that_cannot_refuse_a_taken_name_in_a_rename_stores_all_the_same(
    traced: Callable[..., TracedFactory],
    raw_peer: Callable[..., RawPeer],
    injections: list[str],
    calls: list[str],
) -> None:
    run, image = traced(STEPS, *(f"inject={injection}" for injection in injections)), ct_image(1000)
    server = run.factory("--fork")
    peer, worker = associated(raw_peer, server)
    assert store(peer, image).status == 0
    assert_holds(server, image)
    peer.release()
    server.wait_for(lambda: steps(run.calls(worker), server.inbox).count("answer") >= 1)
    names = [call.name for call in run.calls(worker) if call.name.startswith(("rename", "link"))]
    assert names == calls


def test_a_failed_flush_is_never_tried_again_on_the_same_file(
    traced: Callable[..., TracedFactory], raw_peer: Callable[..., RawPeer]
) -> None:
    run = traced(STEPS, "inject=fsync:error=EIO:when=1")
    server = run.factory("--fork")
    calls = assert_refused_and_forgotten(run, server, raw_peer, "Input/output error")
    flushes = [call for call in calls if call.name == "fsync" and TEMPORARY in call.line]
    files = [call.line.partition("<")[2].partition(">")[0] for call in flushes]
    assert flushes[0].was_injected
    assert len(files) == len(set(files)) == 2


@pytest.fixture
def without_device() -> Iterator[Path]:
    """A directory on a file system that has no device, as network file systems have none."""
    with TemporaryDirectory(dir="/dev/shm", prefix="scpd-test-") as name:
        if os.major(os.stat(name).st_dev):
            pytest.skip("/dev/shm has a device")
        yield Path(name)


def test_an_error_of_close_refuses_the_object(
    without_device: Path, scpd: ServerFactory, raw_peer: Callable[..., RawPeer], tmp_path: Path
) -> None:
    """Network file systems report there what they could not write (close(2))."""
    require_strace()
    server, image = scpd("--fork", inbox=without_device), ct_image(600_000)
    earlier = prepared(server, image)
    peer, worker = associated(raw_peer, server)
    send_half(peer, image)
    wait_for_temporaries(server, 1)
    with attached(worker, tmp_path / "trace", "trace=close", "inject=close:error=EIO:when=1") as calls:
        response = finish(peer, image)
        (injected,) = [call for call in calls() if call.was_injected]
    assert TEMPORARY in injected.line
    assert (response.status, response.comment) == (OUT_OF_RESOURCES, "cannot write: Input/output error")
    assert list(server.files().values()) == [earlier]
    assert temporaries(server) == []
    assert store(peer, image).status == 0
    assert_holds(server, image)


def test_a_file_system_without_locks_refuses_the_object(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], tmp_path: Path
) -> None:
    """Nobody could ever tell what a dead worker left there."""
    require_strace()
    server, image = scpd("--fork"), ct_image(1000)
    earlier = prepared(server, image)
    peer, worker = associated(raw_peer, server)
    with attached(worker, tmp_path / "trace", "trace=fcntl", "inject=fcntl:error=ENOLCK:when=1") as calls:
        response = store(peer, image)
        (injected,) = [call for call in calls() if call.was_injected]
    assert "F_OFD_SETLK" in injected.line
    assert (response.status, response.comment) == (OUT_OF_RESOURCES, "cannot write: No locks available")
    assert list(server.files().values()) == [earlier]
    assert temporaries(server) == []
    assert store(peer, image).status == 0
    assert_holds(server, image)


def test_an_object_whose_directory_was_not_flushed_stays_whole_and_is_not_acknowledged(
    traced: Callable[..., TracedFactory], raw_peer: Callable[..., RawPeer]
) -> None:
    run, image = traced(STEPS, "inject=fsync:error=EIO:when=2"), ct_image(600_000)
    server = run.factory("--fork")
    peer, worker = associated(raw_peer, server)
    response = store(peer, image)
    assert response.status == OUT_OF_RESOURCES
    assert "directory not flushed" in response.comment
    assert_holds(server, image)
    server.wait_for(lambda: complaints(server), what="a line in the log")
    (line,) = complaints(server)
    assert line.startswith("E: ")
    assert f"CT.{image.sop_instance_uid} is stored" in line
    assert store(peer, image).status == 0
    peer.release()
    server.wait_for(run.injected)
    (injected,) = [call for call in run.calls(worker) if call.was_injected]
    assert f"<{server.inbox}>" in injected.line


@pytest.mark.parametrize(
    "step", ["writev:signal=KILL:when=2", "fsync:signal=KILL:when=1", "/^rename:signal=KILL"]
)
def test_a_worker_killed_at_any_step_leaves_the_object_whole_or_absent(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], tmp_path: Path, step: str
) -> None:
    require_strace()
    server, image = scpd("--fork"), ct_image(LARGE)
    peer, worker = associated(raw_peer, server)
    with (
        attached(worker, tmp_path / "trace", STEPS, f"inject={step}"),
        pytest.raises(AssertionError, match="no response"),
    ):
        store(peer, image)
    server.wait_for_log("was killed by signal 9")
    wait_for_temporaries(server, 0)
    for content in server.files().values():
        assert data_set_bytes(content) == image.data_set
    assert len([line for line in complaints(server) if "was killed by signal 9" in line]) == 1
