"""libwrap itself, asked in a child process: what fails in it sticks to the process, and some tables crash it.

One child answers many questions; a question that ends it is asked once more of a new one, and is then answered None.
As a program this module is the child: a line of JSON for each question and each answer.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Self

import pytest

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

LIBRARY = "libwrap.so.0"
MARK = "SCPD_RULE"  # a rule with the option `setenv SCPD_RULE x` tells in this way that it was the one
_DAEMON, _USER, _CLIENT_NAME, _CLIENT_ADDRESS, _SERVER_NAME, _SERVER_ADDRESS, _SERVER_SIN = (
    2,
    3,
    4,
    5,
    7,
    8,
    9,
)
_ROOM_FOR_A_REQUEST = 8192


class Libwrap:
    """Ask `verdict(...)`; end it as a context."""

    def __init__(self, folder: Path) -> None:
        try:
            ctypes.CDLL(LIBRARY)
        except OSError:
            pytest.skip(f"{LIBRARY} is not installed (Debian: libwrap0)")
        self._folder = folder
        self._child: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def verdict(self, **question: Any) -> tuple[str, str] | None:
        """Give granted or denied, and the mark of the rule that decided; None if libwrap did not survive it.

        The question has `allow` and `deny`, paths, and what `access_tables.Case` holds of client and service.
        """
        for _ in range(2):
            answer = self._ask(question)
            if answer:
                return tuple(json.loads(answer))
            self._end()
        return None

    def _ask(self, question: dict[str, Any]) -> str:
        if self._child is None:
            self._child = subprocess.Popen(
                [sys.executable, __file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=self._folder,
            )
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write(json.dumps(question) + "\n")
        self._child.stdin.flush()
        return self._child.stdout.readline()

    def _end(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None


class _InternetAddress(ctypes.Structure):
    """A sockaddr_in, for the port of the server."""

    _fields_ = (
        ("family", ctypes.c_uint16),
        ("port", ctypes.c_uint16),
        ("address", ctypes.c_uint32),
        ("padding", ctypes.c_uint8 * 128),
    )


def _answer(library: ctypes.CDLL, question: dict[str, Any]) -> tuple[str, str]:
    tables = [
        ctypes.c_char_p.in_dll(library, "hosts_allow_table"),
        ctypes.c_char_p.in_dll(library, "hosts_deny_table"),
    ]
    tables[0].value, tables[1].value = os.fsencode(question["allow"]), os.fsencode(question["deny"])
    os.unsetenv(MARK)  # what C code has set is not in os.environ
    fields: list[object] = []
    for key, name in (
        (_DAEMON, "daemon"),
        (_USER, "user"),
        (_CLIENT_NAME, "client_name"),
        (_CLIENT_ADDRESS, "client_address"),
        (_SERVER_NAME, "server_name"),
        (_SERVER_ADDRESS, "server_address"),
    ):
        fields += [ctypes.c_int(key), ctypes.c_char_p(question[name].encode())]
    if question["server_port"]:
        port = ctypes.c_uint16.from_buffer_copy(question["server_port"].to_bytes(2, "big"))
        place = _InternetAddress(family=2, port=port)
        fields += [ctypes.c_int(_SERVER_SIN), ctypes.byref(place)]
    request = ctypes.create_string_buffer(_ROOM_FOR_A_REQUEST)
    library.request_init(request, *fields, ctypes.c_int(0))
    said = "granted" if library.hosts_access(request) else "denied"
    getenv = ctypes.CDLL(None).getenv
    getenv.restype = ctypes.c_char_p
    return said, (getenv(MARK.encode()) or b"").decode()


def main() -> None:
    library = ctypes.CDLL(LIBRARY)
    for line in sys.stdin:
        print(json.dumps(_answer(library, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
