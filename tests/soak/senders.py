"""Clients that send what chance wants, one association after the other, and look whether all of it is there.

What a client was told is stored is compared with the file, then removed; what it was not told may be there or not.
"""

from __future__ import annotations

import re
from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tests.harness.clients import dcmsend, gdcm_was_answered, gdcmscu, pynetdicom_send, storescu
from tests.harness.deliveries import comparable
from tests.harness.objects import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    StorableObject,
    ct_image,
    data_set_bytes,
    file_meta,
    new_uid,
)
from tests.harness.raw_peer import RawPeer
from tests.harness.waiting import wait_until
from tests.harness.wire import uid

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.harness.servers import Server

_SIZES = (100, 4000, 4000, 50_000, 500_000, 500_000, 3_000_000)
_SYNTAXES = (IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED)
# Of those clients that send others as something else: what arrives is compared byte for byte.
_SYNTAXES_OF = {"gdcmscu": (EXPLICIT_LITTLE, IMPLICIT_LITTLE), "dcmsend": (EXPLICIT_LITTLE,)}
_OPTIONS = {EXPLICIT_BIG: ("-xb",), DEFLATED: ("-xd",), IMPLICIT_LITTLE: ("-xi",)}
_MOST_OBJECTS = 6
_TRANSFER_SYNTAX_UID = 0x0010
_WORD = re.compile(r"[0-9]+|/\S+|0x\w+")


class Failure(Exception):
    """An association failed; the text says how."""


class Tally:
    """What became of the associations of one sender."""

    def __init__(self) -> None:
        self.associations: Counter[str] = Counter()  # by client
        self.failures: Counter[str] = Counter()  # by client and cause
        self.stored = 0
        self.lost: list[str] = []


class Sender:
    """Sends one association after the other; what it does is decided by its seed."""

    def __init__(self, server: Server, seed: int) -> None:
        self.tally = Tally()
        self._server = server
        self._chance = Random(seed)

    def run(self, is_over: Callable[[], bool]) -> None:
        """Send until it is over; a sender that does not come so far is a fault too."""
        try:
            self._run(is_over)
        except Exception as error:  # noqa: BLE001 - a thread has nobody else to tell
            self.tally.lost.append(f"a sender: {error!r}")

    def _run(self, is_over: Callable[[], bool]) -> None:
        while not is_over():
            client = self._chance.choice(list(CLIENTS))
            self.tally.associations[client] += 1
            with TemporaryDirectory(prefix="scpd-soak-") as folder:
                images = self._images(client)
                acknowledged: list[StorableObject] = []
                try:
                    CLIENTS[client](self._server, images, Path(folder), self._chance, acknowledged)
                except (Failure, AssertionError, OSError) as error:
                    self.tally.failures[f"{client}: {_cause(error)}"] += 1
                for image in images:
                    self._look(image, client, must_be_there=image in acknowledged)

    def _images(self, client: str) -> list[StorableObject]:
        syntax = self._chance.choice(_SYNTAXES_OF.get(client, _SYNTAXES))
        study, count = new_uid(), 1 if client == "gdcmscu" else self._chance.randint(1, _MOST_OBJECTS)
        return [
            ct_image(self._chance.choice(_SIZES), transfer_syntax=syntax, study_uid=study)
            for _ in range(count)
        ]

    def _look(self, image: StorableObject, client: str, *, must_be_there: bool) -> None:
        """See that an object is whole, or was not promised; remove it."""
        found = list(self._server.inbox.glob(f"S_*/CT.{image.sop_instance_uid}"))
        is_whole = [_content(path.read_bytes()) == _content(image.file_bytes) for path in found]
        if must_be_there and is_whole != [True]:
            self.tally.lost.append(f"{client} {image.sop_instance_uid}: {is_whole}")
        elif not all(is_whole):
            self.tally.lost.append(f"{client} {image.sop_instance_uid}: visible, and not whole")
        self.tally.stored += must_be_there
        for path in found:
            path.unlink()
            with suppress(OSError):
                path.parent.rmdir()


def _content(file: bytes) -> bytes:
    """Give the data set of a file for comparison."""
    syntax = uid(file_meta(file)[_TRANSFER_SYNTAX_UID].value)
    return comparable(data_set_bytes(file), syntax)


def _cause(error: BaseException) -> str:
    return _WORD.sub("#", str(error)).strip()[:120] or type(error).__name__


def _files(images: list[StorableObject], folder: Path) -> list[Path]:
    return [image.write(folder / f"{number}.dcm") for number, image in enumerate(images)]


def _said(stderr: str) -> str:
    """Give what a client of DCMTK says first of what went wrong."""
    return next((line for line in stderr.splitlines() if line[:2] in {"E:", "F:"}), "no reason given")


def _storescu(
    server: Server,
    images: list[StorableObject],
    folder: Path,
    chance: Random,
    acknowledged: list[StorableObject],
) -> None:
    options = _OPTIONS.get(images[0].transfer_syntax_uid, ())
    sent = storescu(
        server, *options, "-pdu", chance.choice(("4096", "16384", "131072")), *_files(images, folder)
    )
    if sent.returncode != 0:
        raise Failure(_said(sent.stderr))
    acknowledged += images


def _dcmsend(
    server: Server,
    images: list[StorableObject],
    folder: Path,
    chance: Random,
    acknowledged: list[StorableObject],
) -> None:
    sent = dcmsend(server, *_files(images, folder))
    if sent.returncode != 0:
        raise Failure(_said(sent.stderr))
    acknowledged += images


def _pynetdicom(
    server: Server,
    images: list[StorableObject],
    folder: Path,
    chance: Random,
    acknowledged: list[StorableObject],
) -> None:
    try:
        statuses = pynetdicom_send(server, _files(images, folder))
    except RuntimeError as error:  # there is no association any more
        raise Failure(str(error)) from None
    acknowledged += [image for image, status in zip(images, statuses, strict=True) if status == 0]
    if any(statuses):
        raise Failure(f"status {max(statuses):04X}H" if max(statuses) > 0 else "no response")


def _gdcmscu(
    server: Server,
    images: list[StorableObject],
    folder: Path,
    chance: Random,
    acknowledged: list[StorableObject],
) -> None:
    (path,) = _files(images, folder)
    if not gdcm_was_answered(gdcmscu(server, "--store", "-i", path)):
        raise Failure("no response")
    acknowledged += images


def _raw(
    server: Server,
    images: list[StorableObject],
    folder: Path,
    chance: Random,
    acknowledged: list[StorableObject],
) -> None:
    """Fragments of any size; one of ten leaves in the middle, which is no failure."""
    with RawPeer(server.port, timeout=30.0) as peer:
        peer.associate([(1, images[0].sop_class_uid, [images[0].transfer_syntax_uid])], calling="RAW")
        for number, image in enumerate(images):
            if chance.random() < 0.1:
                peer.send_data(1, image.data_set[:1000], is_last=False)
                peer.reset()
                return
            fragments = [chance.randrange(0, 9000, 2) for _ in range(5)]
            arguments = (image.sop_class_uid, image.sop_instance_uid, image.data_set)
            status = peer.store(*arguments, context_id=1, message_id=number + 1, fragments=fragments)
            if status != 0:
                raise Failure(f"status {status:04X}H")
            acknowledged.append(image)
        peer.release()


CLIENTS: dict[str, Callable[[Server, list[StorableObject], Path, Random, list[StorableObject]], None]] = {
    "storescu": _storescu,
    "dcmsend": _dcmsend,
    "pynetdicom": _pynetdicom,
    "gdcmscu": _gdcmscu,
    "raw": _raw,
}


def wait_until_nothing_is_left(server: Server, seconds: float) -> list[str]:
    """Wait until no temporary file and no study under way is left; give what is left then."""

    def left() -> list[str]:
        state = server.inbox / ".scpd"
        parts = ("tmp", "open", "sealed", "running")
        return sorted(
            str(path.relative_to(state))
            for part in parts
            for path in (state / part).glob("*")
            if path.name not in {"lock", "dead"} and not _is_ready(path, server)
        )

    with suppress(AssertionError):
        wait_until(lambda: not left(), seconds)
    return left()


def _is_ready(path: Path, server: Server) -> bool:
    """Tell whether it is what a worker that stands by has made ready."""
    return path.parent.name == "tmp" and path.name.split(".")[0] in map(str, server.workers())
