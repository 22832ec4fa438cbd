"""Where the password of the private key comes from: the terminal, the command line, a file, or nowhere.

Asked for is on the controlling terminal only, never on standard input: that may be a peer's socket (inetd), or nobody
(a service).  A systemd credential is a file like any other: $CREDENTIALS_DIRECTORY/NAME.

Raises `StartError`.
"""

from __future__ import annotations

import os

from scpd.errors import StartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scpd.tls.files import Files

_PROMPT = "Enter PEM pass phrase:"  # OpenSSL's
_TERMINAL = "/dev/tty"


class Password:
    """The password, if it is `given`, or the `file` whose first line it is; else it is asked for."""

    __slots__ = ("file", "given")

    def __init__(self, given: str | None = None, file: str | None = None) -> None:
        self.given = given
        self.file = file

    def look_up(self, key: str, files: Files, *, may_ask: bool) -> bytes | None:
        """Give the password of a key; `None` if only somebody at the terminal knows it, and may not be asked now."""
        if self.file is not None:
            return _first_line(files.content(self.file))
        if self.given is not None:
            return os.fsencode(self.given)
        return ask(key) if may_ask else None


def _first_line(content: bytes) -> bytes:
    return content.partition(b"\n")[0].removesuffix(b"\r")


def has_terminal() -> bool:
    """Tell whether there is somebody to ask."""
    try:
        os.close(os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def ask(key: str) -> bytes:
    """Ask on the terminal for the password of a key, without echo."""
    if not has_terminal():
        raise StartError(
            f"private key {key} is encrypted, and there is no terminal to ask for its password: give --passwd-file"
        )
    from getpass import getpass  # few keys are encrypted

    try:
        return os.fsencode(getpass(_PROMPT))
    except (EOFError, KeyboardInterrupt, OSError):
        raise StartError(f"private key {key} is encrypted, and nobody has told its password") from None
