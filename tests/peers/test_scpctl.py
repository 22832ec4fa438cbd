"""scpctl against real servers, and against peers that reject, abort, vanish or say nothing."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import termios
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.harness import wire
from tests.harness.clients import run, scpctl
from tests.harness.objects import (
    StorableObject,
    ct_image,
    data_set_bytes,
    new_uid,
    pydicom_test_files,
    write_ct_images,
)
from tests.harness.programs import real_program
from tests.harness.scripted import ScriptedServer, accept_all, answer_with, read_message, read_pdu
from tests.harness.servers import REPOSITORY
from tests.harness.waiting import is_readable, wait_until

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from tests.harness.ports import ReservedPort
    from tests.harness.servers import ServerFactory

SILENT = "--timeout", "0.5"


def reject(result: int, source: int, reason: int) -> Callable[[socket.socket], None]:
    def script(connection: socket.socket) -> None:
        read_pdu(connection)
        connection.sendall(wire.pdu(wire.ASSOCIATE_RJ, bytes([0, result, source, reason])))
        read_pdu(connection)

    return script


def abort_the_association(connection: socket.socket) -> None:
    read_pdu(connection)
    connection.sendall(wire.abort(2, 1))


def close_at_once(connection: socket.socket) -> None:
    read_pdu(connection)


def say_nothing(connection: socket.socket) -> None:
    while read_pdu(connection):
        pass


def say_half_a_pdu(connection: socket.socket) -> None:
    read_pdu(connection)
    connection.sendall(wire.pdu(wire.ASSOCIATE_AC, b"", length=1000))
    read_pdu(connection)


def accept_and_say_nothing(connection: socket.socket) -> None:
    accept_all(connection)
    say_nothing(connection)


def accept_and_abort(connection: socket.socket) -> None:
    accept_all(connection)
    read_message(connection)
    connection.sendall(wire.abort(0, 0))


def accept_and_close(connection: socket.socket) -> None:
    accept_all(connection)
    read_message(connection)


def answering(status: int, comment: str = "") -> Callable[[socket.socket], None]:
    def script(connection: socket.socket) -> None:
        accept_all(connection)
        while message := read_message(connection):
            answer_with(connection, message[0], message[1], status, comment)
        connection.sendall(wire.release_response())

    return script


FAILURES = [
    (reject(1, 1, 7), "rejected the association permanently: called AE title not recognized"),
    (reject(1, 1, 3), "rejected the association permanently: calling AE title not recognized"),
    (reject(2, 3, 2), "rejected the association for now: local limit exceeded"),
    (reject(1, 2, 2), "rejected the association permanently: protocol version not supported"),
    (reject(2, 3, 9), "rejected the association for now: source 3, reason 9"),
    (abort_the_association, "aborted the association: by its service provider, unrecognized PDU"),
    (close_at_once, "closed the connection"),
    (say_nothing, "did not answer within 0.5 s (timed out)"),
    (say_half_a_pdu, "did not answer within 0.5 s (timed out)"),
    (accept_and_say_nothing, "did not answer within 0.5 s (timed out)"),
    (accept_and_abort, "aborted the association: by its service user"),
    (accept_and_close, "closed the connection"),
]


@pytest.mark.parametrize(("script", "reason"), FAILURES)
def test_an_echo_that_fails_says_why_in_one_line(
    script: Callable[[socket.socket], None], reason: str
) -> None:
    with ScriptedServer(script) as server:
        result = scpctl("echo", "127.0.0.1", server.port, *SILENT)
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr == f"scpctl: 127.0.0.1:{server.port} {reason}\n"


@pytest.mark.parametrize(("script", "reason"), FAILURES)
def test_a_send_that_fails_says_why_for_each_file(
    tmp_path: Path, script: Callable[[socket.socket], None], reason: str
) -> None:
    write_ct_images(tmp_path, 3)
    with ScriptedServer(script) as server:
        result = scpctl("send", "127.0.0.1", server.port, tmp_path, *SILENT)
        assert result.returncode == 1
        expected = [
            f"scpctl: {path}: 127.0.0.1:{server.port} {reason}" for path in sorted(tmp_path.iterdir())
        ]
        assert result.stderr.splitlines() == expected
        assert result.stdout == "0 stored, 3 failed, 0 not sent\n"


def test_a_refused_connection_is_one_line(reserved_port: ReservedPort) -> None:
    result = scpctl("echo", "127.0.0.1", reserved_port.number)
    expected = f"scpctl: cannot connect to 127.0.0.1:{reserved_port.number}: Connection refused\n"
    assert (result.returncode, result.stderr) == (1, expected)


def test_an_echo_is_answered_by_exit_code(storescp: ServerFactory) -> None:
    server = storescp()
    result = scpctl("echo", server.host, server.port)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_an_echo_with_another_status_is_a_failure() -> None:
    with ScriptedServer(answering(0x0122)) as server:
        result = scpctl("echo", "127.0.0.1", server.port)
        assert result.returncode == 1
        assert "status 0122H" in result.stderr


def test_titles_are_sent_as_given(storescp: ServerFactory, tmp_path: Path) -> None:
    write_ct_images(tmp_path / "out", 1)
    server = storescp("-v", "+v")
    result = scpctl("send", server.host, server.port, tmp_path / "out", "-aet", "ME", "-aec", "YOU")
    assert result.returncode == 0
    log = server.stderr
    assert "Calling Application Name:    ME\n" in log
    assert "Called Application Name:     YOU\n" in log


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["echo"],
        ["echo", "127.0.0.1", "0"],
        ["echo", "127.0.0.1", "65536"],
        ["echo", "127.0.0.1", "x"],
        ["send", "127.0.0.1", "11112"],
        ["echo", "127.0.0.1", "11112", "-aet", "LONGER THAN 16 CHARACTERS"],
        ["echo", "127.0.0.1", "11112", "-aec", " "],
        ["echo", "127.0.0.1", "11112", "-aec", "A\\B"],
        ["echo", "127.0.0.1", "11112", "--timeout", "0"],
        ["echo", "127.0.0.1", "11112", "--timeout", "nan"],
    ],
)
def test_a_wrong_command_line_is_usage(words: list[str]) -> None:
    result = scpctl(*words)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


def test_files_of_every_encoding_arrive_as_they_are(storescp: ServerFactory, tmp_path: Path) -> None:
    server = storescp("+xa", "+B", "--fork")
    files = {file.object.sop_instance_uid: file for file in pydicom_test_files()}
    assert len({file.object.transfer_syntax_uid for file in files.values()}) >= 10
    result = scpctl("send", server.host, server.port, *(file.path for file in files.values()))
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"{len(files)} stored, 0 failed, 0 not sent\n"
    stored = server.files()
    assert len(stored) == len(files)
    for name, content in stored.items():
        assert data_set_bytes(content) == files[name.partition(".")[2]].object.data_set, name


def test_more_contexts_than_an_association_has_are_spread_over_several(tmp_path: Path) -> None:
    proposed: list[int] = []

    def script(connection: socket.socket) -> None:
        accept_all(connection)
        proposed.append(0)
        while message := read_message(connection):
            proposed[-1] += 1
            answer_with(connection, message[0], message[1], 0)
        connection.sendall(wire.release_response())

    for number in range(300):
        image = StorableObject(f"1.2.3.{number % 150}", new_uid(), wire.EXPLICIT_LITTLE, ct_image(2).data_set)
        image.write(tmp_path / f"{number:03}")
    with ScriptedServer(script) as server:
        result = scpctl("send", "127.0.0.1", server.port, tmp_path)
        assert result.stdout == "300 stored, 0 failed, 0 not sent\n", result.stderr
    assert proposed == [256, 44]


@pytest.mark.parametrize("status", [0xB000, 0xB006, 0xB007])
def test_a_warning_counts_as_stored_and_is_shown(tmp_path: Path, status: int) -> None:
    write_ct_images(tmp_path, 2)
    with ScriptedServer(answering(status, "changed it")) as server:
        result = scpctl("send", "127.0.0.1", server.port, tmp_path)
    assert result.returncode == 0
    assert result.stdout == "2 stored (2 with a warning), 0 failed, 0 not sent\n"
    assert result.stderr.count(f"stored with a warning, status {status:04X}H") == 2
    assert result.stderr.count("changed it") == 2


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0xA700, "out of resources"),
        (0xA701, "out of resources"),
        (0xA900, "does not match"),
        (0xC123, "cannot understand"),
        (0x0122, "SOP class not supported"),
        (0x0110, ""),
    ],
)
def test_a_failure_status_fails_the_file_and_not_the_association(
    tmp_path: Path, status: int, words: str
) -> None:
    write_ct_images(tmp_path, 2)
    with ScriptedServer(answering(status, "no room")) as server:
        result = scpctl("send", "127.0.0.1", server.port, tmp_path)
        assert server.connections == 1
    assert result.returncode == 1
    assert result.stdout == "0 stored, 2 failed, 0 not sent\n"
    assert result.stderr.count(f"status {status:04X}H") == 2
    assert words in result.stderr
    assert "no room" in result.stderr


def test_what_the_peer_does_not_accept_fails_and_the_rest_is_stored(
    storescp: ServerFactory, tmp_path: Path
) -> None:
    write_ct_images(tmp_path / "out", 1)
    StorableObject("1.2.3.4", new_uid(), wire.EXPLICIT_LITTLE, ct_image(2).data_set).write(
        tmp_path / "out" / "private"
    )
    server = storescp()
    result = scpctl("send", server.host, server.port, tmp_path / "out")
    assert result.returncode == 1
    assert result.stdout == "1 stored, 1 failed, 0 not sent\n"
    assert (
        "private: 1.2.3.4 in Explicit VR Little Endian not accepted: abstract syntax not supported"
        in result.stderr
    )


def test_an_association_that_breaks_costs_one_file(tmp_path: Path) -> None:
    images = write_ct_images(tmp_path, 5)

    def script(connection: socket.socket) -> None:
        accept_all(connection)
        while message := read_message(connection):
            if wire.uid(message[1][wire.AFFECTED_SOP_INSTANCE_UID]) == images[2].sop_instance_uid:
                connection.sendall(wire.abort())
                return
            answer_with(connection, message[0], message[1], 0)
        connection.sendall(wire.release_response())

    with ScriptedServer(script) as server:
        result = scpctl("send", "127.0.0.1", server.port, tmp_path)
        assert server.connections == 2
    assert result.stdout == "4 stored, 1 failed, 0 not sent\n"
    assert "0003.dcm: " in result.stderr


def test_other_files_of_a_folder_are_named_and_do_no_harm(storescp: ServerFactory, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    write_ct_images(folder / "deep" / "deeper", 2)
    (folder / "README").write_text("no image")
    (folder / "empty").touch()
    os.mkfifo(folder / "pipe")
    (folder / "torn").write_bytes(bytes(128) + b"DICM\2\0\0\0UL\4\0")
    StorableObject("1.2.840.10008.1.3.10", new_uid(), wire.EXPLICIT_LITTLE, b"").write(folder / "DICOMDIR")
    server = storescp()
    result = scpctl("send", server.host, server.port, folder)
    assert result.returncode == 0, result.stderr
    assert result.stdout == "2 stored, 0 failed, 5 not sent\n"
    reasons = [
        "DICOMDIR: a DICOMDIR is not sent",
        "README: not a DICOM file",
        "empty: not a DICOM file",
        "pipe: not a regular file",
        "torn: file meta information",
    ]
    for line, reason in zip(result.stderr.splitlines(), reasons, strict=True):
        assert line.startswith(f"scpctl: {folder}/{reason}")


@pytest.mark.parametrize("name", ["missing", "text"])
def test_a_file_that_was_named_and_cannot_be_sent_is_a_failure(
    storescp: ServerFactory, tmp_path: Path, name: str
) -> None:
    (image,) = write_ct_images(tmp_path / "out", 1)
    (tmp_path / "text").write_text("no image")
    server = storescp()
    result = scpctl("send", server.host, server.port, tmp_path / "out", tmp_path / name)
    assert result.returncode == 1
    assert result.stdout == "1 stored, 0 failed, 1 not sent\n"
    assert list(server.files()) == [f"CT.{image.sop_instance_uid}"]


def test_nothing_to_send_is_a_failure(storescp: ServerFactory, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    server = storescp()
    result = scpctl("send", server.host, server.port, tmp_path / "nothing")
    assert (result.returncode, result.stdout) == (1, "0 stored, 0 failed, 0 not sent\n")


def test_an_odd_deflated_stream_gets_its_nul(storescp: ServerFactory, tmp_path: Path) -> None:
    image = next(
        image
        for image in (ct_image(2000, transfer_syntax=wire.DEFLATED) for _ in range(100))
        if image.data_set.endswith(b"\0")
    )
    torn = StorableObject(*(image.sop_class_uid, image.sop_instance_uid, wire.DEFLATED), image.data_set[:-1])
    server = storescp("+xd", "+B")
    result = scpctl("send", server.host, server.port, torn.write(tmp_path / "odd.dcm"))
    assert result.returncode == 0, result.stderr
    (content,) = server.files().values()
    assert data_set_bytes(content) == image.data_set


@pytest.mark.parametrize(
    ("size", "pdus_at_once", "receive_buffer"),
    [(30_000_000, 120, None), (1_000_000, 4, 4096)],
    ids=["more than is queued", "all of it queued"],
)
def test_a_slow_transfer_is_no_silence(
    tmp_path: Path, size: int, pdus_at_once: int, receive_buffer: int | None
) -> None:
    ct_image(size).write(tmp_path / "large.dcm")
    pdus = 0

    def dawdle() -> None:
        nonlocal pdus
        pdus += 1
        if pdus % pdus_at_once == 0:
            select.select([], [], [], 0.1)

    def script(connection: socket.socket) -> None:
        accept_all(connection)
        message = read_message(connection, before_each_pdu=dawdle)
        assert message
        answer_with(connection, message[0], message[1], 0)
        read_pdu(connection)
        connection.sendall(wire.release_response())

    with ScriptedServer(script, receive_buffer) as server:
        started = time.monotonic()
        result = scpctl("send", "127.0.0.1", server.port, tmp_path / "large.dcm", *SILENT)
        assert time.monotonic() - started > 1.0
    assert result.stdout == "1 stored, 0 failed, 0 not sent\n", result.stderr


def test_a_peer_that_no_longer_reads_is_given_up(tmp_path: Path) -> None:
    ct_image(30_000_000).write(tmp_path / "large.dcm")
    ended = threading.Event()

    def script(connection: socket.socket) -> None:
        accept_all(connection)
        ended.wait(20)

    with ScriptedServer(script) as server:
        result = scpctl("send", "127.0.0.1", server.port, tmp_path / "large.dcm", *SILENT)
        ended.set()
    assert result.returncode == 1
    assert "did not answer within 0.5 s" in result.stderr


@pytest.mark.parametrize("command", ["echo", "send"])
def test_an_interrupt_ends_it_with_130_and_without_a_traceback(tmp_path: Path, command: str) -> None:
    image = ct_image().write(tmp_path / "image.dcm")
    with ScriptedServer(accept_and_say_nothing) as server:
        words = [sys.executable, "-m", "scpd.ctl.main", command, "127.0.0.1", str(server.port)]
        words += [str(image)] if command == "send" else []
        client = subprocess.Popen(
            words, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}
        )
        wait_until(lambda: server.connections)
        client.send_signal(signal.SIGINT)
        _, said = client.communicate(timeout=60)
    assert client.returncode == 130
    assert "Traceback" not in said


def test_a_terminal_gets_a_progress_bar(storescp: ServerFactory, tmp_path: Path) -> None:
    write_ct_images(tmp_path / "out", 3)
    server = storescp()
    words = [
        sys.executable,
        "-m",
        "scpd.ctl.main",
        "send",
        server.host,
        str(server.port),
        str(tmp_path / "out"),
    ]
    master, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    try:
        result = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=terminal,
            timeout=60,
            check=False,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        )
        assert is_readable(master, 30.0)
        shown = os.read(master, 65536)
    finally:
        os.close(master)
        os.close(terminal)
    assert result.returncode == 0
    assert b"/3" in shown


def test_it_sends_what_dcmdump_reads(storescp: ServerFactory, tmp_path: Path) -> None:
    image = ct_image(300_000)
    server = storescp("+B")
    assert scpctl("send", server.host, server.port, image.write(tmp_path / "image.dcm")).returncode == 0
    (name,) = server.files()
    result = run([real_program("dcmdump"), str(server.inbox / name)])
    assert (result.returncode, result.stderr) == (0, "")
