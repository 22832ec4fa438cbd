"""Many objects to one server, and what became of each: for comparing two servers object by object.

Each object goes in as few PDVs as the server's maximum length allows, one to a PDU (storescp 3.6.7 crashes on more, and
takes an element out of order that crosses a border between two for something else).  A server that aborts gets a new
association for the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tests.harness import wire
from tests.harness.objects import StorableObject, data_set_bytes
from tests.harness.trees import inflated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import Server

    Connect = Callable[..., RawPeer]

LARGEST_PDU = "131072"
MOST_CONTEXTS = 128
CALLING_AE_TITLE = "CORPUS"


class Outcome(NamedTuple):
    """What a server answered and what file it left: a status of None is an A-ABORT, no content is no file."""

    status: int | None
    content: bytes | None

    @property
    def data_set(self) -> bytes | None:
        """The stored data set, as it stands in the file."""
        return None if self.content is None else data_set_bytes(self.content)


def deliver(
    connect: Connect, server: Server, objects: Mapping[str, StorableObject], fragments: int | None = None
) -> dict[str, Outcome]:
    """Send objects, each with a SOP Instance UID of its own, give what became of each; the inbox is empty then.

    `fragments` is the length of each, if not the largest.
    """
    uids = [sent.sop_instance_uid for sent in objects.values()]
    assert len(uids) == len(set(uids))
    statuses = dict(send_each(connect, server, objects, fragments))
    files = take_files(server)
    return {name: Outcome(statuses[name], files.get(sent.sop_instance_uid)) for name, sent in objects.items()}


def send_each(
    connect: Connect, server: Server, objects: Mapping[str, StorableObject], fragments: int | None = None
) -> Iterator[tuple[str, int | None]]:
    """Send one object after the other; the name and status of each before the next one is sent."""
    kinds = sorted({(sent.sop_class_uid, sent.transfer_syntax_uid) for sent in objects.values()})
    assert len(kinds) <= MOST_CONTEXTS
    context_ids = {kind: number for number, kind in zip(range(1, 256, 2), kinds, strict=False)}
    peer = _associate(connect, server, context_ids)
    for name, sent in objects.items():
        context_id = context_ids[sent.sop_class_uid, sent.transfer_syntax_uid]
        try:
            yield name, _store(peer, sent, context_id, fragments)
        except AssertionError:  # an A-ABORT, or the end of the connection
            peer.close()
            yield name, None
            peer = _associate(connect, server, context_ids)
    peer.release()


def take_files(server: Server) -> dict[str, bytes]:
    """Give the content of each file in the inbox by the UID in its name, and remove them."""
    contents = {}
    for name, content in server.files().items():
        contents[name.partition(".")[2]] = content
        (server.inbox / name).unlink()
    return contents


def profile(folder: Path, objects: Sequence[StorableObject]) -> tuple[str, ...]:
    """Write association profiles (-xf) that accept these objects, each in its own transfer syntax; the options for it.

    No other option lets storescp accept a compressed or deflated data set that it is to write in another encoding.
    """
    syntaxes = sorted({sent.transfer_syntax_uid for sent in objects})
    classes = sorted({sent.sop_class_uid for sent in objects})
    lines = ["[[TransferSyntaxes]]", "[All]"]
    lines += [f"TransferSyntax{number} = {uid}" for number, uid in enumerate(syntaxes, 1)]
    lines += ["[[PresentationContexts]]", "[Storage]"]
    lines += [f"PresentationContext{number} = {uid}\\All" for number, uid in enumerate(classes, 1)]
    lines += ["[[Profiles]]", "[Corpus]", "PresentationContexts = Storage", ""]
    path = folder / "profiles.cfg"
    path.write_text("\n".join(lines))
    return ("-xf", str(path), "Corpus")


def comparable(data_set: bytes, transfer_syntax: str) -> bytes:
    """Give a data set for comparison: what is in a deflate stream does not depend on who deflated it."""
    return inflated(data_set) if transfer_syntax == wire.DEFLATED else data_set


def _store(peer: RawPeer, sent: StorableObject, context_id: int, fragments: int | None) -> int:
    lengths = [fragments] * (len(sent.data_set) // fragments) if fragments else None
    return peer.store(
        sent.sop_class_uid, sent.sop_instance_uid, sent.data_set, context_id=context_id, fragments=lengths
    )


def _associate(connect: Connect, server: Server, context_ids: dict[tuple[str, str], int]) -> RawPeer:
    peer = connect(server)
    contexts = [(number, sop_class, [syntax]) for (sop_class, syntax), number in context_ids.items()]
    accepted = peer.associate(contexts, calling=CALLING_AE_TITLE)
    refused = [number for number, result in accepted.contexts.items() if result.result]
    assert not refused, [kind for kind, number in context_ids.items() if number in refused]
    return peer
