"""How each client brings the objects of one association: real programs, pynetdicom, and a raw peer.

Each is a generator of what was acknowledged; an association that fails ends it by an `AssertionError` or `OSError`,
whose text says how.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tests.harness.clients import dcmsend, gdcm_was_answered, gdcmscu, pynetdicom_send, storescu
from tests.harness.objects import DEFLATED, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, StorableObject
from tests.harness.raw_peer import STORE_CONTEXT
from tests.harness.storing import send_half

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from random import Random

    from tests.soak.daemons import Door

PROGRAMS = ("storescu", "dcmsend", "gdcmscu")
_SYNTAXES = (IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED)
_PROPOSING = {EXPLICIT_BIG: ("-xb",), DEFLATED: ("-xd",), IMPLICIT_LITTLE: ("-xi",)}
_PDU_LENGTHS = ("4096", "16384", "131072")
_LEAVES = 0.1  # in the middle of an object
_MOST_OBJECTS = 6


class Delivery(NamedTuple):
    """What one association is to bring: objects of one transfer syntax, and a folder to write them into."""

    images: list[StorableObject]
    folder: Path
    chance: Random

    @property
    def syntax(self) -> str:
        """The transfer syntax of them all."""
        return self.images[0].transfer_syntax_uid

    def files(self) -> list[Path]:
        """Write each to a file."""
        return [image.write(self.folder / f"{number}.dcm") for number, image in enumerate(self.images)]


class Client(NamedTuple):
    """A way to send, and what of.

    Of what it sends as something else there is nothing in `syntaxes`: what arrives is compared byte for byte.
    """

    send: Callable[[Door, Delivery], Iterator[StorableObject]]
    syntaxes: tuple[str, ...] = _SYNTAXES
    most_objects: int = _MOST_OBJECTS
    knows_tls: bool = True


def _storescu(door: Door, delivery: Delivery) -> Iterator[StorableObject]:
    options = (*door.dcmtk_options, *_PROPOSING.get(delivery.syntax, ()))
    length = delivery.chance.choice(_PDU_LENGTHS)
    _assert_content(storescu(door.server, *options, "-pdu", length, *delivery.files()))
    yield from delivery.images


def _dcmsend(door: Door, delivery: Delivery) -> Iterator[StorableObject]:
    _assert_content(dcmsend(door.server, *delivery.files()))
    yield from delivery.images


def _assert_content(client: subprocess.CompletedProcess[str]) -> None:
    """Fail with what a client of DCMTK says first of what went wrong."""
    said = (line for line in client.stderr.splitlines() if line[:2] in {"E:", "F:"})
    assert client.returncode == 0, next(said, "no reason given")


def _pynetdicom(door: Door, delivery: Delivery) -> Iterator[StorableObject]:
    try:
        statuses = pynetdicom_send(door.server, delivery.files(), tls_args=door.tls_args)
    except RuntimeError as error:  # there is no association any more
        raise AssertionError(str(error)) from None
    yield from (image for image, status in zip(delivery.images, statuses, strict=True) if status == 0)
    _assert_success(max(statuses, key=abs))


def _gdcmscu(door: Door, delivery: Delivery) -> Iterator[StorableObject]:
    (path,) = delivery.files()
    assert gdcm_was_answered(gdcmscu(door.server, "--store", "-i", path)), "no response"
    yield from delivery.images


def _raw(door: Door, delivery: Delivery) -> Iterator[StorableObject]:
    """Fragments of any size; now and then it leaves in the middle, which is no failure."""
    chance = delivery.chance
    with door.connect() as peer:
        peer.associate([(STORE_CONTEXT, delivery.images[0].sop_class_uid, [delivery.syntax])], calling="RAW")
        door.keep_session(peer)
        for number, image in enumerate(delivery.images, 1):
            if chance.random() < _LEAVES:
                send_half(peer, image)
                peer.reset()
                return
            fragments = [chance.randrange(0, 9000, 2) for _ in range(5)]
            sent = image.sop_class_uid, image.sop_instance_uid, image.data_set
            _assert_success(peer.store(*sent, message_id=number, fragments=fragments))
            yield image
        peer.release()


def _assert_success(status: int) -> None:
    assert status >= 0, "no response"
    assert status == 0, f"status {status:04X}H"


CLIENTS = {
    "storescu": Client(_storescu),
    "dcmsend": Client(_dcmsend, (EXPLICIT_LITTLE,), knows_tls=False),
    "pynetdicom": Client(_pynetdicom),
    "gdcmscu": Client(_gdcmscu, (EXPLICIT_LITTLE, IMPLICIT_LITTLE), most_objects=1, knows_tls=False),
    "raw": Client(_raw),
}
