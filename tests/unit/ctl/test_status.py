"""scpctl status, ready, reload, reopen and drain, against a daemon that answers by script."""

from __future__ import annotations

import json
import os
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from scpd.ctl import status as status_module
from scpd.ctl.main import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FACTS: dict[str, Any] = {
    "version": "1.2",
    "pid": 77,
    "state": "serving",
    "since": 1_700_000_000.0,
    "time": 1_700_000_090.0,
    "listeners": ["0.0.0.0:104", "[::1]:104"],
    "most_associations": 50,
    "workers": [],
    "standing_by": 2,
    "waiting": {"silent": 3, "ready": 1},
    "totals": {
        "bytes": 12_500_000,
        "associations": {"released": 120, "not_dicom": 3},
        "objects": {"0000": 1234, "A700": 2, "C000": 1},
        "rejections": {"1/1/7": 3, "9/9/9": 1},
        "aborts": {"2/5": 1},
        "unanswered": {"no_room": 4},
        "died": {"worker SIGKILL": 1},
    },
    "keeper": {"pid": 78, "silence": 0.4, "wanted": True, "alive": True},
    "reload": {"ok": False, "time": 1_700_000_050.0, "lines": ["scpd.conf: line 3: no"]},
    "space": [
        {"directory": "/srv", "free": 120_000_000_000, "total": 500_000_000_000},
        {"directory": "/gone", "error": "No such file or directory"},
    ],
    "certificate_expires": None,
    "lock_directory": "/srv/.scpd",
    "studies": {"open": 3, "completing": 1},
    "jobs": {"queued": 4, "running": 1, "failed": 0},
}
WORKER = {
    "pid": 80,
    "peer": "192.0.2.1:4711",
    "name": "ct1",
    "calling_aet": "CT_1",
    "called_aet": "STORE",
    "phase": "storing",
    "objects": 7,
    "refused": 2,
    "bytes": 1_500_000,
    "seconds": 130.2,
    "idle": 0.1,
}


class Daemon:
    """Answers one request at `path`, and notes it."""

    def __init__(self, path: Path, answer: bytes, *, speaks_first: bool = False) -> None:
        self.heard = b""
        self._answer = answer
        self._speaks_first = speaks_first
        self._sock = socket.socket(socket.AF_UNIX)
        self._sock.bind(str(path))
        self._sock.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        # Who only looks whether somebody listens says nothing.
        while not self.heard:
            connection, _ = self._sock.accept()
            with connection:
                if self._speaks_first:
                    connection.sendall(self._answer)
                    self.heard = b"nothing"
                    return
                self.heard = connection.recv(99)
                with suppress(BrokenPipeError):  # told to end
                    connection.sendall(self._answer if self.heard else b"")

    def end(self) -> None:
        self._sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._sock.close()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    made: list[Daemon] = []

    def make(answer: Any, name: str = "control-104.sock", **options: bool) -> Daemon:
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        made.append(Daemon(tmp_path / name, data, **options))
        return made[-1]

    yield make
    for each in made:
        if not each.heard:
            with socket.socket(socket.AF_UNIX) as last:
                last.connect(each._sock.getsockname())
                last.sendall(b"end")
        each.end()


def failure(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one line with which a command fails."""
    assert main([*words]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert said.err.startswith("scpctl: ")
    return said.err.removeprefix("scpctl: ").rstrip("\n")


def test_the_status_is_a_few_lines(
    daemon: Callable[..., Daemon],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(status_module, "_local", lambda seconds: f"@{seconds:.0f}")
    asked = daemon(FACTS)
    assert main(["status", "--lock-directory", str(tmp_path)]) == 0
    assert asked.heard == b"status\n"
    assert (
        capsys.readouterr().out
        == """\
scpd          1.2, pid 77, serving on 0.0.0.0:104, [::1]:104
since         @1700000000 (90 s)
now           0 of 50 associations; connections: 1 waiting, 3 silent; 2 workers standing by
associations  120 released, 3 not dicom
objects       1234 stored, 12.5 MB received
refused       2 A700, 1 C000
rejected      3 called AE title not recognized (1/1/7), 1 otherwise (9/9/9)
aborts        1 2/5
unanswered    4 no room
died          1 worker SIGKILL
studies       3 open, 1 completing
jobs          4 queued, 1 running, 0 failed
space         /srv: 120.0 GB of 500.0 GB free
space         /gone: No such file or directory
keeper        pid 78, alive, last sign of life 0.4 s ago
reload        @1700000050 failed, all is as before; scpd.conf: line 3: no
"""
    )


def test_workers_are_a_table(
    daemon: Callable[..., Daemon], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = {
        **WORKER,
        "pid": 81,
        "name": "",
        "calling_aet": "",
        "called_aet": "",
        "seconds": None,
        "idle": None,
    }
    daemon({**FACTS, "workers": [WORKER, begun]})
    assert main(["status", "--socket", f"{tmp_path}/control-104.sock"]) == 0
    assert (
        capsys.readouterr().out.partition("\n\n")[2]
        == """\
PID  PEER            HOST  CALLING  CALLED  PHASE    OBJECTS  REFUSED  MB   TIME   SILENT
80   192.0.2.1:4711  ct1   CT_1     STORE   storing  7        2        1.5  2 min  0 s
81   192.0.2.1:4711  -     -        -       storing  7        2        1.5  -      -
"""
    )


def test_a_daemon_of_which_there_is_little_to_say_has_few_lines(
    daemon: Callable[..., Daemon], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    none = {name: {} for name in ("associations", "objects", "rejections", "aborts", "unanswered", "died")}
    little = {"studies": None, "jobs": None, "reload": None, "space": [], "most_associations": None}
    keeper = {"pid": None, "silence": None, "wanted": False, "alive": False}
    daemon({**FACTS, **little, "totals": {"bytes": 0, **none}, "keeper": keeper})
    assert main(["status", "--lock-directory", str(tmp_path)]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert names == ["scpd", "since", "now", "associations", "objects"]


@pytest.mark.parametrize(
    ("keeper", "text"),
    [
        ({"pid": None, "silence": None, "alive": True}, "another process"),
        ({"pid": None, "silence": None, "alive": False}, "none"),
        (
            {"pid": 5, "silence": 61.0, "alive": False},
            "pid 5, not at work (yet), last sign of life 61.0 s ago",
        ),
    ],
)
def test_the_keeper_is_told_as_it_is(
    daemon: Callable[..., Daemon],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    keeper: dict[str, Any],
    text: str,
) -> None:
    daemon({**FACTS, "keeper": {**keeper, "wanted": True}})
    assert main(["status", "--lock-directory", str(tmp_path)]) == 0
    assert f"\nkeeper        {text}\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("verdict", "text"),
    [
        (
            {"ok": True, "lines": ["upgraded from version 1 to version 2"]},
            "upgraded from version 1 to version 2",
        ),
        ({"ok": False, "lines": ["a: b", "c"]}, "failed, all is as before; a: b; c"),
    ],
)
def test_the_last_reload_is_told_as_it_ended(
    daemon: Callable[..., Daemon],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    verdict: dict[str, Any],
    text: str,
) -> None:
    daemon({**FACTS, "reload": verdict})
    assert main(["status", "--lock-directory", str(tmp_path)]) == 0
    assert f"\nreload        {text}\n" in capsys.readouterr().out


def test_for_programs_there_is_all_of_it(
    daemon: Callable[..., Daemon], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon(FACTS)
    (tmp_path / ".scpd").symlink_to(tmp_path)
    assert main(["status", "--json", "-od", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out) == FACTS


@pytest.mark.parametrize(
    ("expires", "text"),
    [
        (1_700_000_090.0 + 86400 * 30, "expires on @1702592090 (in 30 d)"),
        (1_700_000_090.0, "has expired on @1700000090"),
        (1_600_000_000.0, "has expired on @1600000000"),
    ],
)
def test_with_tls_it_tells_how_long_the_certificate_is_good(
    daemon: Callable[..., Daemon],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    expires: float,
    text: str,
) -> None:
    monkeypatch.setattr(status_module, "_local", lambda seconds: f"@{seconds:.0f}")
    daemon({**FACTS, "certificate_expires": expires})
    assert main(["status", "--lock-directory", str(tmp_path)]) == 0
    assert f"\ncertificate   {text}\n" in capsys.readouterr().out


def test_nothing_that_came_from_a_network_reaches_the_terminal_as_it_is(
    daemon: Callable[..., Daemon], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = "\x1b[2J\n\x9b"
    daemon({**FACTS, "workers": [{**WORKER, "calling_aet": evil, "name": evil}], "listeners": [evil]})
    assert main(["status", "--lock-directory", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert all(character.isprintable() or character == "\n" for character in said)


@pytest.mark.parametrize(
    ("answer", "code", "text"),
    [
        ({"ready": True, "why": []}, 0, ""),
        (
            {"ready": False, "why": ["cannot write to /srv: No space left on device", "there is no keeper"]},
            1,
            "scpctl: not ready: cannot write to /srv: No space left on device; there is no keeper\n",
        ),
        ({"ready": False, "why": ["a\x1b[2J"]}, 1, "scpctl: not ready: a\\x1b[2J\n"),
    ],
)
def test_ready_is_an_exit_code_and_a_line_of_why_not(
    daemon: Callable[..., Daemon],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    answer: dict[str, Any],
    code: int,
    text: str,
) -> None:
    daemon(answer)
    assert main(["ready", "--lock-directory", str(tmp_path)]) == code
    assert capsys.readouterr() == ("", text)


@pytest.mark.parametrize(
    ("word", "answer", "code", "said"),
    [
        ("drain", {"ok": True, "associations": 3}, 0, ("draining, 3 associations left\n", "")),
        ("drain", {"ok": True, "associations": 1}, 0, ("draining, 1 association left\n", "")),
        ("reopen", {"ok": True}, 0, ("", "")),
        ("reopen", {"ok": False, "lines": ["no \x1b"]}, 1, ("", "scpctl: no \\x1b\n")),
        ("reload", {"ok": True, "lines": []}, 0, ("", "")),
        ("reload", {"ok": False, "lines": ["a: b", "c"]}, 1, ("", "scpctl: a: b\nscpctl: c\n")),
    ],
)
def test_orders_have_their_answers(  # noqa: PLR0917 - a row of the table
    daemon: Callable[..., Daemon],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    word: str,
    answer: dict[str, Any],
    code: int,
    said: tuple[str, str],
) -> None:
    asked = daemon(answer)
    assert main([word, "--lock-directory", str(tmp_path)]) == code
    assert asked.heard == f"{word}\n".encode()
    assert capsys.readouterr() == said


@pytest.mark.parametrize("answer", [b"", b"[1]", b"{", b"\xff\n", b"null"])
def test_what_is_no_answer_is_one_line(
    daemon: Callable[..., Daemon], tmp_path: Path, capsys: pytest.CaptureFixture[str], answer: bytes
) -> None:
    daemon(answer)
    path = f"{tmp_path}/control-104.sock"
    assert failure(capsys, "status", "--socket", path) == f"no answer from the daemon at {path}"


def test_what_the_daemon_cannot_do_is_one_line(
    daemon: Callable[..., Daemon], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon({"error": "only root\n\x1b may ask"}, speaks_first=True)
    path = f"{tmp_path}/control-104.sock"
    assert (
        failure(capsys, "drain", "--socket", path)
        == f"the daemon at {path} says: only root\\x0a\\x1b may ask"
    )


def test_with_the_daemon_stopped_it_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "control-104.sock"
    for _ in range(2):
        assert failure(capsys, "status", "--socket", str(path)) == f"no daemon listens at {path}"
        assert (
            failure(capsys, "ready", "--lock-directory", str(tmp_path)) == f"no daemon listens in {tmp_path}"
        )
        with socket.socket(socket.AF_UNIX) as dead:
            if not path.exists():
                dead.bind(str(path))


def test_where_there_is_no_directory_it_says_what_to_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = failure(capsys, "status", "-od", str(tmp_path))
    assert line.startswith(f"no daemon listens in {tmp_path}/.scpd, which is no directory: ")


def test_of_several_daemons_it_names_the_sockets(
    daemon: Callable[..., Daemon], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon(FACTS)
    daemon(FACTS, "control-11112.sock")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "control-1.sock"))
    there = ", ".join(f"{tmp_path}/control-{port}.sock (pid {os.getpid()})" for port in (104, 11112))
    assert failure(capsys, "status", "--lock-directory", str(tmp_path)) == (
        f"several daemons listen in {tmp_path}, say which by --port, --pidfile or --socket: {there}"
    )
    assert failure(capsys, "status", "--lock-directory", str(tmp_path), "--port", "1") == (
        f"no daemon with port 1 listens in {tmp_path}, but {there}"
    )


@pytest.mark.parametrize("name", ["control-104.sock", "control-104-2.sock"])
def test_of_several_daemons_a_port_says_which(
    daemon: Callable[..., Daemon], tmp_path: Path, name: str
) -> None:
    meant = daemon({"ready": True}, name)
    for other in ("control-1041.sock", "control-10.sock", "control-4.sock"):
        daemon({"ready": False}, other)
    assert main(["ready", "--lock-directory", str(tmp_path), "--port", "104"]) == 0
    assert meant.heard


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "cannot read {}: No such file or directory"),
        ("", "{} has no process id"),
        ("x\n", "{} has no process id"),
        ("1\n", "no daemon with process id 1 listens at that socket, but {socket} (pid {ours})"),
    ],
)
def test_what_a_pid_file_lacks_is_one_line(
    daemon: Callable[..., Daemon],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    content: str | None,
    text: str,
) -> None:
    daemon({"ready": True})
    path, socket_path = tmp_path / "pid", tmp_path / "control-104.sock"
    if content is not None:
        path.write_text(content, encoding="ascii")
    said = failure(capsys, "ready", "--socket", str(socket_path), "--pidfile", str(path))
    assert said == text.format(path, socket=socket_path, ours=os.getpid())


def test_without_a_word_it_is_the_only_one_in_the_runtime_directory(
    daemon: Callable[..., Daemon],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # As it is told to what a unit runs: there may be another unit, with a directory of its own.
    monkeypatch.setenv("RUNTIME_DIRECTORY", f"{tmp_path}:/nowhere")
    daemon({"ready": True}, "104.sock")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "11112.sock"))
    assert main(["ready"]) == 0


def test_a_daemon_may_be_deep_below(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    before = os.getcwd()
    os.chdir(deep)  # from here its path is short
    try:
        sock = socket.socket(socket.AF_UNIX)
        sock.bind("control-104.sock")
        sock.listen()
    finally:
        os.chdir(before)
    thread = threading.Thread(target=lambda: [_ready(sock.accept()[0]) for _ in range(2)])
    thread.start()
    assert main(["ready", "--lock-directory", str(deep)]) == 0
    thread.join(10)
    sock.close()


def _ready(connection: socket.socket) -> None:
    with connection:
        if connection.recv(99):
            connection.sendall(b'{"ready": true}')
