"""The load generator: senders as processes, everything encoded before the clock starts.

A sender works as real storage clients do: one request, then its response, then the next. What it does between
two system calls is next to nothing, so that the server is what is measured. Every status is checked; anything
but success raises `LoadError` in the caller.
"""

from __future__ import annotations

import gc
import multiprocessing
import socket
import ssl
import struct
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from bench import wire
from bench.images import Image, instance_uid
from bench.wire import LoadError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from bench.security import Security

    Address = tuple[str, int]

PATIENCE_SECONDS = 60
BUFFERS_PER_CALL = 64  # well below IOV_MAX (1024)
ONE_BUFFER = 1 << 16  # up to this size, joining beforehand is cheaper than gathering
UNLIMITED_PDU = 131072  # what we send to a server that announces no limit
# The congestion control that every Linux has, and that holds nothing back by a timer.  Where the machine's own is BBR,
# it would pace the senders on loopback too, which costs both sides, and measures BBR's idea of the server.
UNPACED = b"reno"
_fork = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class Request:
    """One C-STORE, encoded: all its PDUs as batches of buffers with their length, a system call for each batch.

    `success` is what the response must contain, `data_bytes` the length of the data set.
    """

    batches: tuple[tuple[tuple[bytes, ...], int], ...]
    success: tuple[bytes, bytes]
    data_bytes: int


@dataclass(frozen=True)
class Plan:
    """What one sender does: associations one after the other, each with its requests."""

    associate_rq: bytes
    associations: tuple[tuple[Request, ...], ...]

    @property
    def requests(self) -> Iterable[Request]:
        """All requests of all associations."""
        return (request for association in self.associations for request in association)


@dataclass(frozen=True)
class Result:
    """What was sent, and how long it took from the first connect to the last release."""

    objects: int
    data_bytes: int
    seconds: float

    @property
    def objects_per_second(self) -> float:
        """Objects answered with success, per second."""
        return self.objects / self.seconds

    @property
    def megabytes_per_second(self) -> float:
        """Data set bytes / 10^6, per second."""
        return self.data_bytes / self.seconds / 1e6


def plan(image: Image, associations: int, objects: int, first: int, max_length: int) -> Plan:
    """Encode `associations` of `objects` each, numbered from `first`, in PDUs up to `max_length`."""
    numbers = range(first, first + associations * objects)
    requests = [_request(image, number, max_length) for number in numbers]
    grouped = tuple(tuple(requests[i : i + objects]) for i in range(0, len(requests), objects))
    return Plan(wire.associate_rq(image.sop_class_uid), grouped)


def _request(image: Image, number: int, max_length: int) -> Request:
    message_id, header = number % 65535 + 1, image.header(number)
    head, *tail = wire.data_pdus(header, image.pixel_bytes, image.pixels, max_length)
    command = wire.store_rq(message_id, image.sop_class_uid, instance_uid(number))
    batches = _batches((command + head, *tail))
    return Request(batches, wire.success_elements(message_id), len(header) + image.pixel_bytes)


def _batches(buffers: tuple[bytes, ...]) -> tuple[tuple[tuple[bytes, ...], int], ...]:
    size = sum(map(len, buffers))
    if size <= ONE_BUFFER:
        return (((b"".join(buffers),), size),)
    parts = (buffers[i : i + BUFFERS_PER_CALL] for i in range(0, len(buffers), BUFFERS_PER_CALL))
    return tuple((part, sum(map(len, part))) for part in parts)


def probe(address: Address, image: Image, security: Security | None = None) -> int:
    """Ask for the max PDU length that the server announces; raises LoadError or OSError."""
    with _connect(address, security) as peer:
        peer.sendall(wire.associate_rq(image.sop_class_uid))
        pdu = _read_pdu(peer, wire.A_ASSOCIATE_AC)
        _release(peer)
    return min(wire.accepted_max_length(pdu[6:]) or UNLIMITED_PDU, UNLIMITED_PDU)


def run(
    address: Address,
    plans: Iterable[Plan],
    *,
    send: Callable[[Address, Plan], None] | None = None,
    beside: Plan | None = None,
    meanwhile: Callable[[], None] | None = None,
    security: Security | None = None,
) -> Result:
    """Send all plans at once, each from a process of its own, by TLS if `security` is given.

    `beside` is a second sender whose associations start one per second while the others work; not counted.
    `meanwhile` is called over and over by this process while it waits. Raises LoadError.
    """
    plans = list(plans)
    senders = [_Sender(address, each, send or partial(store, security=security)) for each in plans]
    background = _Sender(address, beside, _store_every_second) if beside else None
    everybody = [*senders, *([background] if background else [])]
    try:
        for sender in everybody:
            sender.answer()
        for sender in reversed(everybody):
            sender.pipe.send("go")
        times = [sender.answer(meanwhile) for sender in senders]
        if background:
            background.pipe.send("stop")
            background.answer()
    finally:
        for sender in everybody:
            sender.end()
    requests = [request for each in plans for request in each.requests]
    seconds = max(end for _, end in times) - min(start for start, _ in times)
    return Result(len(requests), sum(request.data_bytes for request in requests), seconds)


class _Sender:
    """A process that waits for its "go", works, and reports when it began and ended."""

    def __init__(self, address: Address, plan: Plan, work: Callable[..., None]) -> None:
        self.pipe, theirs = _fork.Pipe()
        self._process: BaseProcess = _fork.Process(target=_sender, args=(theirs, work, address, plan))
        self._process.start()
        theirs.close()

    def answer(self, meanwhile: Callable[[], None] | None = None) -> tuple[float, float]:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.pipe.poll(0.001 if meanwhile else PATIENCE_SECONDS):
            if time.monotonic() > deadline:
                raise LoadError("a sender did not finish in time")
            if meanwhile:
                meanwhile()
        try:
            answer = self.pipe.recv()
        except EOFError:
            raise LoadError("a sender died") from None
        if isinstance(answer, str):
            raise LoadError(answer)
        start, end = answer
        return start, end

    def end(self) -> None:
        self._process.terminate()
        self._process.join()
        self.pipe.close()


def _sender(pipe: Connection, work: Callable[..., None], address: Address, plan: Plan) -> None:
    gc.disable()
    pipe.send((0.0, 0.0))
    pipe.recv()
    arguments = (address, plan, pipe) if work is _store_every_second else (address, plan)
    try:
        start = time.perf_counter()
        work(*arguments)
        pipe.send((start, time.perf_counter()))
    except BlockingIOError:
        pipe.send(f"no progress for {PATIENCE_SECONDS} s")
    except (OSError, LoadError) as problem:
        pipe.send(str(problem))


def store(address: Address, plan: Plan, security: Security | None = None) -> None:
    """Open the plan's associations one after the other and store all of their objects."""
    for association in plan.associations:
        _associate_and_store(address, plan.associate_rq, association, security)


def stream(address: Address, plan: Plan) -> None:
    """Send the bytes of all requests through one connection, no protocol, until the receiver has them all."""
    with _connect(address) as peer:
        for request in plan.requests:
            _send(peer, request)
        peer.shutdown(socket.SHUT_WR)
        if peer.recv(1):
            raise LoadError("the bare receiver said something")


def _store_every_second(address: Address, plan: Plan, pipe: Connection) -> None:
    due = time.monotonic()
    for association in plan.associations:
        _associate_and_store(address, plan.associate_rq, association)
        due += 1
        if pipe.poll(max(0.0, due - time.monotonic())):
            return


def _associate_and_store(
    address: Address, associate_rq: bytes, requests: tuple[Request, ...], security: Security | None = None
) -> None:
    with _connect(address, security) as peer:
        peer.sendall(associate_rq)
        wire.accepted_max_length(_read_pdu(peer, wire.A_ASSOCIATE_AC)[6:])
        for request in requests:
            _send(peer, request)
            response = _read_pdu(peer, wire.P_DATA_TF)
            message_id, status = request.success
            if status not in response or message_id not in response:
                raise LoadError(wire.describe_response(response))
        if security is not None:
            security.keep(peer)
        _release(peer)


def _connect(address: Address, security: Security | None = None) -> socket.socket:
    peer = socket.socket(socket.AF_INET)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, UNPACED)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # Not settimeout(): the socket stays blocking, and a send is one system call however long it takes.
    patience = struct.pack("ll", PATIENCE_SECONDS, 0)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, patience)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, patience)
    peer.connect(address)
    return peer if security is None else security.connect(peer)


def _send(peer: socket.socket, request: Request) -> None:
    for buffers, size in request.batches:
        if isinstance(peer, ssl.SSLSocket):  # which gathers nothing
            peer.sendall(buffers[0] if len(buffers) == 1 else b"".join(buffers))
            continue
        sent = peer.sendmsg(buffers)
        if sent != size:
            peer.sendall(b"".join(buffers)[sent:])


def _release(peer: socket.socket) -> None:
    peer.sendall(wire.RELEASE_RQ)
    _read_pdu(peer, wire.A_RELEASE_RP)
    # The server may have closed already.
    with suppress(OSError):
        peer.shutdown(socket.SHUT_RDWR)


def _read_pdu(peer: socket.socket, expected: int) -> bytes:
    data = peer.recv(65536)
    while len(data) < 6 or len(data) < 6 + int.from_bytes(data[2:6], "big"):
        more = peer.recv(65536)
        if not more:
            raise LoadError("the server closed the connection")
        data += more
    if data[0] != expected:
        came, wanted = (wire.PDU_NAMES.get(kind, f"PDU {kind}") for kind in (data[0], expected))
        raise LoadError(f"{came} instead of {wanted}")
    return data
