"""The N-th call of each kind fails while objects are stored, for every N and every reason (strace(1), fault injection).

Whatever fails, and whenever: success is told of a whole and recorded object only, else the status is A700H; nothing
stays behind, a flush that failed is not tried again, and the next association is served.
"""

from __future__ import annotations

import shutil
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.harness.objects import data_set_bytes
from tests.harness.storing import left_over, standing_by, store, worker_of
from tests.harness.studies import series, wait_until_all_has_ended
from tests.harness.wrapped import attached, require_strace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.harness.objects import StorableObject
    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import Server, ServerFactory
    from tests.harness.wrapped import Call

OUT_OF_RESOURCES = 0xA700
SECONDS = 60.0
# The third object is larger, and the fourth smaller, than what is reserved for it (`store.sink`).
PIXEL_BYTES, FEWER_PIXEL_BYTES = 150_000, 70_000
ERRORS = ("ENOSPC", "EDQUOT", "EIO", "EMFILE", "EINTR")
CALLS = (
    "openat",
    "write",
    "writev",
    "fsync",
    "fdatasync",
    "renameat",
    "renameat2",
    "linkat",
    "close",
    "mkdirat",
    "ftruncate",
    "fallocate",
)
# What makes a call happen that does not by itself.
FIRST_FAILS = {"linkat": ["inject=renameat2:error=EINVAL"]}
# None of these may fail without a word; what is interrupted is called again (PEP 475), or refused too.
NEEDED = {"writev", "fsync", "fdatasync", "renameat2", "linkat"}
FLUSHES = {"fsync", "fdatasync"}
FILES = ("/.scpd/tmp/", "/.scpd/journals/")  # what is not a directory
# Of the first, and then of one in so many, the test shows the failure, where it does not show all.
FIRST, STRIDE = 3, 4
MOST_CALLS = 200


class Mode(NamedTuple):
    """How the server stores, whether that is recorded, and what calls are made for it."""

    options: tuple[str, ...]
    is_recorded: bool
    calls: tuple[str, ...]


MODES = {
    "default": Mode((), False, tuple(call for call in CALLS if call not in {"write", "fdatasync"})),
    "studies": Mode(("-ss", "X", "-tos", "1"), True, CALLS),
}


class Trial:
    """One association during which a call fails; what was stored, with which status."""

    def __init__(self, server: Server, raw_peer: Callable[..., RawPeer], title: str, trace: Path) -> None:
        self._server = server
        self._raw_peer = raw_peer
        self._title = title
        self._trace = trace
        self.answers: list[tuple[StorableObject, int]] = []
        self.calls: list[Call] = []

    def run(self, objects: list[StorableObject], expressions: list[str]) -> None:
        """Let a worker that has done nothing yet store these objects."""
        self._server.wait_for(lambda: standing_by(self._server))
        peer = self._raw_peer(self._server)
        peer.associate(calling=self._title)
        worker = worker_of(self._server, self._title)
        with attached(worker, self._trace, f"trace={','.join(CALLS)}", *expressions) as calls:
            for each in objects:
                self.answers.append((each, store(peer, each).status))
            peer.release()
            self._server.wait_for(lambda: worker not in self._server.workers(), what="the end of the worker")
            self.calls = calls()

    def injected(self, name: str) -> list[Call]:
        """Give the calls that were made to fail."""
        return [call for call in self.calls if call.was_injected and call.name == name]


def path_of(server: Server, image: StorableObject) -> Path | None:
    """Find the object's file, in the output directory or in one of a study."""
    name = f"CT.{image.sop_instance_uid}"
    return next(
        (path for path in (server.inbox / name, *server.inbox.glob(f"X_*/{name}")) if path.exists()), None
    )


def assert_kept_its_word(server: Server, trial: Trial) -> None:
    """Fail unless what is acknowledged is there, and whole, and what is there is whole."""
    for image, status in trial.answers:
        assert status in {0, OUT_OF_RESOURCES}, server.stderr
        path = path_of(server, image)
        assert path is not None or status != 0, server.stderr
        if path is not None:
            assert data_set_bytes(path) == image.data_set


def assert_no_flush_was_repeated(trial: Trial) -> None:
    """Fail if a file is flushed again whose flush has failed: the kernel may have dropped what it could not write.

    A flush that was interrupted (EINTR) has not failed.  A directory is flushed again for the next entry in it.
    """
    failed: set[str] = set()
    for call in trial.calls:
        if call.name not in FLUSHES:
            continue
        file = call.line.partition("<")[2].partition(">")[0]
        assert file not in failed, call.line
        if call.was_injected and "EINTR" not in call.line and any(part in file for part in FILES):
            failed.add(file)


def reasons(number: int, *, is_long: bool) -> list[str]:
    """Give the reasons for which the N-th call fails: all, or one for each of the first and for some of the others."""
    if is_long:
        return list(ERRORS)
    return [ERRORS[number % len(ERRORS)]] if number <= FIRST or number % STRIDE == 0 else []


class Campaign:
    """All trials of one kind of call with one server."""

    def __init__(
        self, server: Server, raw_peer: Callable[..., RawPeer], folder: Path, name: str, *, is_long: bool
    ) -> None:
        self._server = server
        self._raw_peer = raw_peer
        self._folder = folder
        self._name = name
        self._is_long = is_long
        self.acknowledged: list[StorableObject] = []
        self.statuses: Counter[int] = Counter()
        self.failures = 0

    def run(self) -> None:
        """Let the first call fail, the second and so on, until there is none."""
        for number in range(1, self._count() + 1):
            for error in reasons(number, is_long=self._is_long):
                self._try(number, error)

    def _count(self) -> int:
        """Give how many such calls there are when none fails."""
        trial = self._trial("count")
        trial.run(self._objects(), FIRST_FAILS.get(self._name, []))
        assert_kept_its_word(self._server, trial)
        self.acknowledged += [image for image, status in trial.answers if status == 0]
        count = len([call for call in trial.calls if call.name == self._name])
        assert 0 < count < MOST_CALLS
        return count

    def _try(self, number: int, error: str) -> None:
        trial = self._trial(f"{error}{number}")
        injection = f"inject={self._name}:error={error}:when={number}"
        trial.run(self._objects(), [*FIRST_FAILS.get(self._name, []), injection])
        self.failures += len(trial.injected(self._name))
        assert_kept_its_word(self._server, trial)
        assert_no_flush_was_repeated(trial)
        if self._name in NEEDED and error != "EINTR" and trial.injected(self._name):
            assert OUT_OF_RESOURCES in {status for _, status in trial.answers}
        assert left_over(self._server) == [], trial.injected(self._name)
        self.acknowledged += [image for image, status in trial.answers if status == 0]
        self.statuses.update(status for _, status in trial.answers)
        self._assert_serves_the_next(trial)

    def _assert_serves_the_next(self, trial: Trial) -> None:
        """Send what was refused again: nothing that was left behind prevents it.

        What was acknowledged is not sent again, so that its own record has to do.
        """
        peer = self._raw_peer(self._server)
        peer.associate(calling="NEXT")
        for image in [each for each, status in trial.answers if status != 0] or series(1):
            assert store(peer, image).status == 0, self._server.stderr
            self.acknowledged.append(image)
        peer.release()

    def _trial(self, title: str) -> Trial:
        # Made anew each time, since to make it may fail too; its workers have ended, and others have not begun.
        shutil.rmtree(self._server.inbox / ".scpd/tmp", ignore_errors=True)
        return Trial(self._server, self._raw_peer, title.upper(), self._folder / f"trace-{title}")

    @staticmethod
    def _objects() -> list[StorableObject]:
        """Two of one study, so that the second finds all open; two of another; the first one again."""
        one, two = series(2, pixel_bytes=PIXEL_BYTES), series(2, pixel_bytes=FEWER_PIXEL_BYTES)
        return [*one, *two, one[0]]


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("mode", "name"),
    [pytest.param(mode, name, id=f"{name}-{title}") for title, mode in MODES.items() for name in mode.calls],
)
def test_whatever_call_fails_success_is_told_of_whole_and_recorded_objects_only(
    scpd: ServerFactory,
    raw_peer: Callable[..., RawPeer],
    tmp_path: Path,
    is_long: bool,
    name: str,
    mode: Mode,
) -> None:
    require_strace()
    notes = tmp_path / "notes"
    options = list(mode.options)
    if mode.is_recorded:
        options += ["-xcr", f'echo "#f" >>{notes}']
    server = scpd("--fork", *options)
    campaign = Campaign(server, raw_peer, tmp_path, name, is_long=is_long)
    campaign.run()
    print(f"{name}: {campaign.failures} failures, {dict(campaign.statuses)}")
    if mode.is_recorded:
        wait_until_all_has_ended(server)
        ran = set(notes.read_text().split())
        assert {f"CT.{image.sop_instance_uid}" for image in campaign.acknowledged} <= ran
    assert "Traceback" not in server.stderr, server.stderr
