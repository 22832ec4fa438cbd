"""An association played on a socket pair, without a peer, before the first real one.

CPython learns: after some calls of a function its bytecode is specialized and its lookups are cached.  A forked worker
is too short-lived to learn for itself, but inherits what the master has learnt: a name that was looked up once and for
all touches one object, any other look-up a name, a dictionary and a cache besides, each on a page to be copied.  The
objects of the piece are stored in memory (tmpfs): not to have learnt the way to the disk costs an association 50 pages
more, of some 450 that it writes to.

The master plays, and once a child of its own that shows which pages these are (`process.pins`).
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from time import monotonic

from scpd.dimse.commands import encode_command
from scpd.log.complaints import Complaints
from scpd.log.muted import muted
from scpd.log.setup import Logging
from scpd.process import standby
from scpd.process.signals import Wakeup
from scpd.process.titles import Title
from scpd.store.filemeta import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from scpd.tables.transfer_syntaxes import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from scpd.ul import pdus
from scpd.ul.items import ProposedContext, UserInformation
from scpd.ul.stream import COMMAND_FRAGMENT, LAST_FRAGMENT
from scpd.worker.peer import Peer, tune
from scpd.worker.serve import serve
from scpd.worker.service import ServicePolicy, Surroundings, Verbosity
from scpd.worker.store import StorePolicy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from scpd.log.association import Association
    from scpd.worker.filing import FilingPolicy
    from scpd.worker.secure_rehearsal import Partner, Stage

# Calls after which CPython 3.11 has specialized what it is going to (PEP 659: eight to warm up, some more to settle).
_ENOUGH = 20
_PATIENCE_SECONDS = 5.0
# Memory on every Linux, and left to services whose other directories are read-only.
_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - a directory of our own is made in it, which must not be there before

_CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
_INSTANCE = b"2.25."
_TITLE = b"REHEARSAL"
_USER = UserInformation(
    max_length=16384,
    implementation_class_uid=IMPLEMENTATION_CLASS_UID,
    implementation_version_name=IMPLEMENTATION_VERSION_NAME,
)
# Some of all that an image has: texts, UIDs, numbers, a sequence, pixels.
_DATA_SET = (
    b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100"
    b"\x08\x00\x16\x00UI\x1a\x001.2.840.10008.5.1.4.1.1.2\0"
    b"\x08\x00\x18\x00UI\x06\x002.25.1"
    b"\x08\x00\x20\x00DA\x08\x0020000101"
    b"\x08\x00\x40\x11SQ\0\0\x16\0\0\0\xfe\xff\x00\xe0\x0e\0\0\0\x08\x00\x55\x11UI\x06\x002.25.2"
    b"\x10\x00\x10\x00PN\x06\x00A^B^C "
    b"\x20\x00\x0d\x00UI\x06\x002.25.3"
    b"\x20\x00\x32\x00DS\x06\x000\\0\\0 "
    b"\x28\x00\x10\x00US\x02\x00\x01\x00"
    b"\xe0\x7f\x10\x00OW\0\0\x02\0\0\0\0\0"
)


def _script(objects: int) -> tuple[bytes, ...]:
    """Encode what the peer says, in the portions in which it would arrive: request, C-STOREs, release."""
    contexts = (
        ProposedContext(1, _CT_IMAGE, (IMPLICIT_LITTLE, EXPLICIT_LITTLE)),
        ProposedContext(3, "1.2.840.10008.1.1", (IMPLICIT_LITTLE,)),
    )
    request = pdus.AssociateRequest(
        protocol_version=1,
        called_ae_title=_TITLE,
        calling_ae_title=_TITLE,
        application_context_name=pdus.APPLICATION_CONTEXT_NAME,
        contexts=contexts,
        user=_USER,
    )
    stores = map(_store, range(1, objects + 1))
    return pdus.encode_associate_request(request), *stores, pdus.encode_release_request()


def _store(number: int) -> bytes:
    """Encode the so many-th C-STORE, of less than ten."""
    instance = _INSTANCE + b"%d" % number
    command = encode_command(
        [
            (0x0002, _CT_IMAGE.encode("ascii")),
            (0x0100, b"\x01\x00"),
            (0x0110, number.to_bytes(2, "little")),
            (0x0700, b"\x00\x00"),
            (0x0800, b"\x00\x00"),
            (0x1000, instance),
        ]
    )
    data_set = _DATA_SET.replace(_INSTANCE + b"1", instance)
    store = pdus.encode_p_data(1, COMMAND_FRAGMENT | LAST_FRAGMENT, command)
    return store + pdus.encode_p_data(1, LAST_FRAGMENT, data_set)


# Most peers send one object or a series: the latter is learnt by heart, the former shows what any worker writes to.
_SERIES, _SCRIPT = _script(objects=4), _script(objects=1)


class _Unseen(Title):
    """A title that nobody sees."""

    def show(self, text: str) -> None:
        """Show nothing."""


class _Deaf(Wakeup):
    """A wakeup that hears nothing: what comes meanwhile is for the process, not for the piece that it plays.

    It is polled by a descriptor from which nothing is to be read.
    """

    def __init__(self, descriptor: int) -> None:
        self.signalled = False
        self._reader = descriptor

    def take(self) -> Iterable[int]:
        """Take nothing."""
        return ()


class _Silent(Complaints):
    """Complaints that nobody makes."""

    def __init__(self) -> None:
        """Have no memory."""

    def admit(self, kind: str, source: str, now: float) -> int | None:
        """Hold all of them back."""
        del kind, source, now
        return None


class Rehearsal:
    """The piece, as often as wanted; nothing is logged, and nothing stored is left."""

    __slots__ = ("_association", "_policy", "_stage")

    def __init__(self, policy: ServicePolicy, association: Association) -> None:
        """`association` is what the log's handlers look at."""
        self._association = association
        self._policy = policy
        self._stage: Stage | None = None
        if policy.tls is not None:
            from scpd.worker.secure_rehearsal import Stage  # which few need

            self._stage = Stage()

    def learn(self) -> None:
        """Play so often that CPython learns all that it is going to."""
        self._play(_SERIES, _ENOUGH)

    def play(self) -> None:
        """Play the whole life of a worker, and with TLS the same in secret."""
        self._play(_SCRIPT, 1)

    def _play(self, script: Iterable[bytes], times: int) -> None:
        scratch = f"{_SHARED_MEMORY}/scpd-{os.getpid()}-{os.urandom(8).hex()}"
        policy = self._offstage(scratch)
        try:
            with muted():
                for _ in range(times):
                    self._play_once(script, policy)
                    _remove_below(scratch, but_directories=True)  # every object finds its name free
                    if self._stage is not None:
                        self._play_by_tls(script, policy, self._stage)
                        _remove_below(scratch, but_directories=True)
        finally:
            self._association.end()
            _remove_below(scratch)

    def _play_once(self, script: Iterable[bytes], policy: ServicePolicy) -> None:
        _be_handed_a_connection()
        rehearse(policy, self._association, script)

    def _play_by_tls(self, script: Iterable[bytes], policy: ServicePolicy, stage: Stage) -> None:
        readable = os.eventfd(1, os.EFD_CLOEXEC)
        policy.tls = stage  # type: ignore[assignment]  # it has what a worker asks for
        try:
            _serve(stage.partner(script, readable), readable, policy, self._association)
        finally:
            policy.tls = None
            os.close(readable)

    def _offstage(self, scratch: str) -> ServicePolicy:
        """Give the same policy for a directory that is made."""
        policy, store, filing = self._policy, None, None
        with suppress(OSError):  # without memory to store in, the workers are slower by some hundredths
            os.mkdir(scratch, 0o700)
            store = policy.store and _elsewhere(policy.store, scratch)
            filing = policy.filing and _filing_in(policy.filing, scratch)
        verbosity = Verbosity(tells_study=policy.verbosity.tells_study, is_watched=False)
        return ServicePolicy(
            policy.negotiation, policy.max_pdu, policy.timeouts, store, None, verbosity, filing
        )


def rehearse(policy: ServicePolicy, association: Association, script: Iterable[bytes] = _SCRIPT) -> int:
    """Play one association from request to release, and store its objects as the policy says.

    Gives its exit code.
    """
    # A socket that keeps messages apart: each portion arrives by itself.
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        for portion in script:
            ours.send(portion)
        ours.shutdown(socket.SHUT_WR)
        return _serve(theirs, theirs.fileno(), policy, association)


def _serve(
    sock: socket.socket | Partner, descriptor: int, policy: ServicePolicy, association: Association
) -> int:
    around = Surroundings(_Unseen(""), _Deaf(descriptor), Logging(association, _Silent(), []))
    deadline = monotonic() + _PATIENCE_SECONDS
    return serve(sock, Peer(("rehearsal", 0)), policy, around, deadline)  # type: ignore[arg-type]  # as above


def _be_handed_a_connection() -> None:
    """Be one who stands by, unless the service manager allows no such socket: then workers are slower, too."""
    try:
        sock = socket.socket()
    except OSError:
        return
    ours, theirs = standby.channel()
    with ours, sock:
        standby.assign(ours, standby.Assignment(sock, ("", 0), 0.0))
        work = standby.await_assignment(theirs, _Deaf(ours.fileno()))
        assert work is not None  # noqa: S101 - it was assigned before
        with work.sock:
            tune(work.sock, {})


def _elsewhere(policy: StorePolicy, directory: str) -> StorePolicy:
    """Give the same policy for another directory, which need not survive a power cut."""
    options = {name: getattr(policy, name) for name in StorePolicy.__slots__}
    return StorePolicy(**{**options, "output_directory": directory, "fsync": False})


def _filing_in(policy: FilingPolicy, directory: str) -> FilingPolicy:
    """Give the same policy for another directory, with a lock directory in it, and no keeper to wait for."""
    tracker = policy.tracker
    if tracker is not None:
        from scpd.lockdir import layout  # who records has it already

        options = {name: getattr(tracker, name) for name in tracker.__slots__}
        path = f"{directory}/lock"
        layout.make(path)
        tracker = type(tracker)(**{**options, "lock_directory": path, "waits": "", "fsync": False})
    return type(policy)(policy.sorting, tracker, directory)


def _remove_below(directory: str, *, but_directories: bool = False) -> None:
    """Remove a directory with all that is in it, or only the files in it; what is gone already is fine."""
    for path, _, names in os.walk(directory, topdown=False):
        with suppress(OSError):
            for name in names:
                os.unlink(f"{path}/{name}")
            if not but_directories:
                os.rmdir(path)
