"""TLS on an accepted socket, with the calls that `ul.connection` makes of a socket.

OpenSSL does TLS in memory; the socket stays ours.  So a receiving call may look or wait a moment as it likes, a poll of
the descriptor tells what it tells of a socket, and what came before the handshake can be looked at.  A call of OpenSSL
gives one record, 16 kB at most: here all that has come is gathered before anybody gets it, and is given at once.

`recv_into` keeps nothing back but for want of room: when it has raised `BlockingIOError`, only new bytes from the
socket can bring something, and a poll will see them.  Records that are no data (alerts, TLS 1.3's tickets and key
updates) are dealt with on the way.  What OpenSSL has to say to them goes out with what is sent next, or when there is
nothing to give; TLS 1.3's tickets so go with our first answer, and wake no peer who does not wait for them.

Raises `OSError`; that of a broken TLS connection has no `errno`, but a text.
"""

from __future__ import annotations

import mmap
from contextlib import suppress
from socket import MSG_DONTWAIT
from time import monotonic

from OpenSSL import SSL
from OpenSSL._util import ffi, lib

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from OpenSSL.crypto import X509

# As much of the socket's at a time as is worth a write.
_PIECE = 1 << 18
_PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
_WHERE = ffi.new("char **")  # what lies in memory, which we do not look at
_OF_TLS = "SSL routines"  # a library of OpenSSL's
_AT_ONCE = int(MSG_DONTWAIT)  # an enumeration's member makes another one for each operation
# So long a receiving call goes on with bytes that drip and do not yet make a record: as long as it may block for none.
_A_MOMENT = 0.05


def begin(context: SSL.Context) -> SSL.Connection:
    """Make ready what a channel needs, as far as that goes without a peer: half of the work before its first word."""
    connection = SSL.Connection(context, None)
    connection.set_accept_state()
    with suppress(SSL.WantReadError):
        connection.do_handshake()
    return connection


class Channel:
    """Our end of a TLS connection; `findings` are what callbacks of its context have against the peer."""

    __slots__ = (
        "_arrived",
        "_failure",
        "_is_at_end",
        "_is_open",
        "_is_refused",
        "_sealed",
        "_sealed_from",
        "_sock",
        "_tls",
        "findings",
    )

    def __init__(self, sock: socket.socket, connection: SSL.Connection) -> None:
        """`connection` is what `begin` has given."""
        self._sock = sock
        self._tls = connection
        self.findings: list[str] = []
        self._tls.set_app_data(self.findings)
        self._arrived = memoryview(mmap.mmap(-1, _PIECE, _PRIVATE))
        self._sealed = b""  # what OpenSSL has made and the socket not yet taken,
        self._sealed_from = b""  # and the data of ours that is in it
        self._is_refused = False  # the peer: the handshake has failed
        self._is_open = False  # the handshake is done, and we have not closed
        self._is_at_end = False  # the peer has closed, or TLS is broken
        self._failure: OSError | None = None  # what it is broken by, to be raised behind all that came before

    def fileno(self) -> int:
        """Give the socket's descriptor."""
        return self._sock.fileno()

    def settimeout(self, seconds: float | None) -> None:
        """Set the socket's."""
        self._sock.settimeout(seconds)

    def setsockopt(self, level: int, option: int, value: int | bytes) -> None:
        """Set the socket's."""
        self._sock.setsockopt(level, option, value)

    # The handshake.

    def arrive(self) -> bytes | None:
        """Give what has come for the handshake, nothing at the end; `None` if there is nothing yet."""
        if self._sealed:
            self._send_out()
        try:
            count = self._sock.recv_into(self._arrived, 0, _AT_ONCE)
        except BlockingIOError:
            return None
        return bytes(self._arrived[:count])

    def shake(self, came: bytes) -> bool:
        """Go on with the handshake, tell whether it is done; raises `SSL.Error`, having sent an alert.

        What a callback raises comes out of here as well.
        """
        self._tls.bio_write(came)
        try:
            self._tls.do_handshake()
        except SSL.WantReadError:
            return False
        except BaseException:
            self._is_refused = True
            raise
        else:
            self._is_open = True
            return True
        finally:
            if not self._is_open or self._tls.get_protocol_version() != SSL.TLS1_3_VERSION:
                self._send_out()  # else it is tickets, and nobody waits for them

    def has_unsent(self) -> bool:
        """Tell whether the socket has not yet taken all; `arrive` sends more of it."""
        return bool(self._sealed)

    # What has come about.

    def peer_certificate(self) -> X509 | None:
        """Give the peer's certificate; that of a session that goes on is the one of its begin."""
        return self._tls.get_peer_certificate()

    def version(self) -> str:
        """Name the protocol, such as TLSv1.3."""
        return self._tls.get_protocol_version_name()

    def suite(self) -> str:
        """Name the cipher suite as OpenSSL does."""
        return self._tls.get_cipher_name() or "?"

    def is_resumed(self) -> bool:
        """Tell whether a session went on, for which pyOpenSSL has no method, but what its methods call."""
        return bool(lib.SSL_session_reused(self._tls._ssl))  # noqa: SLF001 - as said

    # The calls of a socket.

    def recv_into(self, room: memoryview, nbytes: int = 0, flags: int = 0) -> int:
        """Receive data, at once with MSG_DONTWAIT, else within the socket's own limit; 0 at the end.

        After a handshake that failed it is as many bytes of no use as have come.
        """
        del nbytes
        if self._is_refused:
            return min(self._sock.recv_into(self._arrived, 0, flags), len(room))
        until, came = monotonic() + _A_MOMENT, False
        try:
            while not (count := self._opened(room)):
                if self._failure is not None:
                    raise self._failure
                if self._is_at_end:
                    return 0
                if came and monotonic() > until:
                    raise BlockingIOError  # noqa: TRY301 - as the socket does
                arrived = self._sock.recv_into(self._arrived, 0, flags)
                if not arrived:
                    self._is_at_end = True
                    return 0
                came = True
                self._tls.bio_write(self._arrived[:arrived])
        except BlockingIOError:
            if came or not flags & _AT_ONCE:
                self._send_out()
            raise
        return count

    def _opened(self, room: memoryview) -> int:
        """Fill the room with what can be read of what has come; count it."""
        if self._failure is not None:
            return 0
        # What pyOpenSSL's recv_into does, without a buffer of its own and a copy for each record: a tenth of the time
        # that it takes to receive an image (`python -m bench --only tls`).
        count, size, got, read, tls = 0, len(room), 1, lib.SSL_read, self._tls._ssl  # noqa: SLF001 - as said
        with ffi.from_buffer(room) as start:
            while count < size and (got := read(tls, start + count, size - count)) > 0:
                count += got
        if got <= 0:
            self._see_why(got)
        return count

    def _see_why(self, got: int) -> None:
        """See why there is nothing more to read: there is nothing yet, the peer has closed, TLS is broken."""
        tls = self._tls
        if lib.SSL_get_error(tls._ssl, got) == lib.SSL_ERROR_WANT_READ:  # noqa: SLF001 - as said
            return
        try:
            tls._raise_ssl_error(tls._ssl, got)  # noqa: SLF001 - the rest of what recv_into does
        except SSL.ZeroReturnError:
            self._is_at_end = True
        except SSL.Error as error:
            self._is_open, self._is_at_end = False, True
            self._failure = OSError(f"TLS: {reason(error)}")
            self._send_out()  # the alert

    def send(self, data: bytes, flags: int = 0) -> int:
        """Send all of it; after `BlockingIOError` the call must be repeated with the same object, or it is lost."""
        if data is not self._sealed_from:
            self._seal(data)
            self._sealed_from = data
        while self._sealed:
            self._sealed = self._sealed[self._sock.send(self._sealed, flags) :]
        self._sealed_from = b""
        return len(data)

    def _seal(self, data: bytes) -> None:
        try:
            while data:  # a record for each call
                data = data[self._tls.send(data) :]
        except SSL.Error as error:
            raise OSError(f"TLS: {reason(error)}") from None
        self._take_sealed()

    def shutdown(self, how: int) -> None:
        """Send close_notify, then close our direction."""
        self._say_goodbye()
        self._sock.shutdown(how)

    def close(self) -> None:
        """Close, with a close_notify if it was not sent yet: else some clients think their session worthless."""
        self._say_goodbye()
        self._sock.close()

    def _say_goodbye(self) -> None:
        if self._is_open:
            self._is_open = False
            with suppress(SSL.Error):
                self._tls.shutdown()
            self._send_out()

    def _send_out(self) -> None:
        """Send what OpenSSL has to say, as far as the socket takes it now; what breaks is seen by the next call."""
        self._take_sealed()
        with suppress(OSError):
            while self._sealed:
                self._sealed = self._sealed[self._sock.send(self._sealed, _AT_ONCE) :]

    def _take_sealed(self) -> None:
        # To ask pyOpenSSL when there is nothing costs an exception.
        size = lib.BIO_get_mem_data(self._tls._from_ssl, _WHERE)  # noqa: SLF001 - as said
        if size:
            self._sealed += self._tls.bio_read(size)


def reason(error: SSL.Error) -> str:
    """Give OpenSSL's words for what went wrong: of TLS itself, if there are, else of all that it names."""
    queue = error.args[0] if error.args else ()
    if not isinstance(queue, list | tuple):
        return str(error)
    words = [str(entry[-1]) for entry in queue]
    return (
        next((str(entry[-1]) for entry in queue if entry[0] == _OF_TLS), ", ".join(words))
        or "no reason given"
    )
