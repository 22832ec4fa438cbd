"""scpd as systemd starts it: it serves the sockets that it is given, and tells how it is."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from scpd.master.standbys import MOST
from tests.harness import restricted
from tests.harness.activated import SCPD, Activator, NotifySocket, started_with
from tests.harness.clients import run
from tests.harness.objects import ct_image, write_ct_images
from tests.harness.processes import children_of, command_line
from tests.harness.programs import real_program
from tests.harness.raw_peer import CONTEXTS
from tests.harness.servers import REPOSITORY, without_root_warning
from tests.harness.storing import assert_holds, standing_by, store
from tests.harness.waiting import wait_until
from tests.harness.wire import ASSOCIATE_AC, associate_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.harness.activated import Place
    from tests.harness.objects import StorableObject
    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import ServerFactory


@pytest.fixture
def activated(
    tmp_path: Path, _no_child_is_left_behind: None, _raw_peers: list[RawPeer]
) -> Iterator[Activator]:
    """`activated(*options, names=, prefix=, env=)` starts the program under test at the first connection."""
    activator = Activator(tmp_path)
    yield activator
    for peer in _raw_peers:
        peer.close()
    activator.finish()


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NotifySocket]:
    """What listens to READY and the like, at either kind of address."""
    path = str(tmp_path / "notify")
    listening = NotifySocket(path if request.param == "path" else f"@scpd-test-{os.getpid()}")
    yield listening
    listening.close()


def send(folder: Path, place: Place, count: int) -> list[StorableObject]:
    """Send so many images by storescu."""
    source = folder / f"source-{place.port}"
    source.mkdir()
    images = write_ct_images(source, count)
    words = [real_program("storescu"), place.host, str(place.port), "+sd", str(source)]
    result = run(words, env={"TCP_NODELAY": "1"})
    assert result.returncode == 0, result.stderr
    return images


def test_the_first_connection_starts_it_and_is_served(activated: Activator, tmp_path: Path) -> None:
    ((server, place),) = activated("--fork", "-v")
    assert "scpd" not in server.stderr.replace(" -m scpd", "")
    images = send(tmp_path, place, 3)
    assert_holds(server, *images)
    assert server.stop() == 0
    assert "ended" in server.stderr


def test_all_sockets_are_served_and_shown(
    activated: Activator, tmp_path: Path, raw_peer: Callable[..., RawPeer]
) -> None:
    (server, one), (_, other) = activated("--fork", names=("dicom", "research"))
    images = [*send(tmp_path, one, 2), *send(tmp_path, other, 2)]
    assert_holds(server, *images)
    title = f"scpd: master, 0 associations on {one.port} and {other.port}"
    server.wait_for(lambda: command_line(server.pid) == title, what=title)


def test_nothing_of_it_is_in_the_environment_of_commands(activated: Activator, tmp_path: Path) -> None:
    manager = NotifySocket(str(tmp_path / "notify"))
    ((server, place),) = activated(
        "--fork",
        "-xcr",
        f"env > {tmp_path}/env.new && mv {tmp_path}/env.new {tmp_path}/env",
        env={"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "30000000"},
    )
    send(tmp_path, place, 1)
    server.wait_for((tmp_path / "env").exists, what="the command's environment")
    names = {line.partition("=")[0] for line in (tmp_path / "env").read_text().splitlines()}
    assert "SCPD_FILE" in names
    assert [name for name in names if name.startswith(("LISTEN_", "NOTIFY_", "WATCHDOG_"))] == []
    manager.close()


def test_a_port_beside_other_sockets_has_no_effect_and_is_told(activated: Activator, tmp_path: Path) -> None:
    ((server, place),) = activated("--bind", "127.0.0.9", "4711")
    assert_holds(server, *send(tmp_path, place, 1))
    assert f"W: port 4711 has no effect: the service manager listens on {place.port}\n" in server.stderr
    assert "W: --bind has no effect: the service manager listens\n" in server.stderr


def test_a_socket_that_does_not_do_is_a_start_that_fails_in_one_line(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as right,
        socket.socket(socket.AF_UNIX) as wrong,
        started_with((right, wrong), "dicom:odd", "-od", str(tmp_path)) as process,
    ):
        said = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert said == (
        "F: socket 4 (odd) that the service manager has handed over is no listening TCP socket: its family is "
        "AF_UNIX\n"
    )


def test_sockets_of_another_process_are_not_touched_and_the_port_is_missed(tmp_path: Path) -> None:
    ended = run(
        [*SCPD, "-od", str(tmp_path)],
        env={"PYTHONPATH": str(REPOSITORY), "LISTEN_PID": "1", "LISTEN_FDS": "1"},
    )
    assert ended.returncode == 1
    assert ended.stderr.endswith("error: Missing parameter port\n")


def test_who_connects_while_it_is_restarted_waits(tmp_path: Path, raw_peer: Callable[..., RawPeer]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        words = ((listener,), "dicom", "--fork", "-od", str(tmp_path))
        with started_with(*words) as first:
            peer = raw_peer(port)
            peer.associate()
            peer.release()
            first.terminate()
            assert first.wait(60) == 0
        early = raw_peer(port)
        early.send(associate_request(list(CONTEXTS)))
        with started_with(*words) as second:
            answer = early.receive()
            assert answer is not None
            assert answer.type == ASSOCIATE_AC
            early.release()
            second.terminate()
            assert second.wait(60) == 0


def test_the_port_that_it_is_handed_anyway_is_no_news(
    tmp_path: Path, raw_peer: Callable[..., RawPeer]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with started_with((listener,), "dicom", "--fork", "-od", str(tmp_path), str(port)) as process:
            peer = raw_peer(port)
            peer.associate()
            peer.release()
            process.terminate()
            assert without_root_warning(process.communicate(timeout=60)[1]) == ""


class TestNotification:
    """What the service manager hears."""

    def test_it_is_ready_when_it_accepts_and_tells_figures_and_the_end(
        self, scpd: ServerFactory, manager: NotifySocket, raw_peer: Callable[..., RawPeer]
    ) -> None:
        server = scpd("--fork", env={"NOTIFY_SOCKET": manager.address})
        manager.wait_for("READY=1")
        assert manager.heard() == ["READY=1", f"STATUS=0 associations on {server.port}"]
        peer = raw_peer(server)
        peer.associate()
        manager.wait_for(f"STATUS=1 association on {server.port}")
        server.signal(signal.SIGTERM)
        manager.wait_for("STOPPING=1")
        manager.wait_for(f"STATUS=draining, 1 association on {server.port}")
        assert store(peer, ct_image()).status == 0
        peer.release()
        assert server.wait() == 0
        assert manager.heard().count("READY=1") == manager.heard().count("STOPPING=1") == 1
        assert "WATCHDOG=1" not in manager.heard()

    def test_a_sign_of_life_comes_in_time_while_nothing_happens_and_while_it_ends(
        self, scpd: ServerFactory, manager: NotifySocket, raw_peer: Callable[..., RawPeer]
    ) -> None:
        server = scpd("--fork", env={"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "200000"})
        wait_until(lambda: manager.heard().count("WATCHDOG=1") >= 3, what="three signs of life")
        peer = raw_peer(server)
        peer.associate()
        server.signal(signal.SIGTERM)
        manager.wait_for("STOPPING=1")
        count = manager.heard().count("WATCHDOG=1")
        wait_until(lambda: manager.heard().count("WATCHDOG=1") >= count + 3, what="three more")
        peer.release()

    def test_a_master_that_is_stopped_gives_none(self, scpd: ServerFactory, manager: NotifySocket) -> None:
        server = scpd("--fork", env={"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "20000"})
        wait_until(lambda: "WATCHDOG=1" in manager.heard(), what="a sign of life")
        server.signal(signal.SIGSTOP)
        wait_until(lambda: _state(server.pid) == "T", what="a stopped master")
        count = manager.heard().count("WATCHDOG=1")
        with pytest.raises(AssertionError):
            wait_until(lambda: manager.heard().count("WATCHDOG=1") > count, timeout=0.2)
        server.signal(signal.SIGCONT)
        wait_until(lambda: manager.heard().count("WATCHDOG=1") > count, what="the next one")

    def test_an_end_is_told_even_if_all_that_waited_has_gone_by_then(
        self, scpd: ServerFactory, manager: NotifySocket
    ) -> None:
        server = scpd("--fork", env={"NOTIFY_SOCKET": manager.address})
        wait_until(lambda: len(standing_by(server)) == MOST, what="all that stand by")
        server.signal(signal.SIGSTOP)
        wait_until(lambda: _state(server.pid) == "T", what="a stopped master")
        for child in children_of(server.pid):
            os.kill(child.pid, signal.SIGKILL)
        wait_until(
            lambda: not any(child.is_running for child in children_of(server.pid)), what="their deaths"
        )
        server.signal(signal.SIGTERM)
        server.signal(signal.SIGCONT)  # and it hears of both at once
        assert server.wait() == 0
        assert manager.heard().count("STOPPING=1") == 1

    def test_a_start_that_fails_is_never_ready(self, tmp_path: Path, manager: NotifySocket) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            ended = run(
                [*SCPD, "-od", str(tmp_path), "--bind", "127.0.0.1", port],
                env={"PYTHONPATH": str(REPOSITORY), "NOTIFY_SOCKET": manager.address},
            )
        assert ended.returncode == 1
        assert manager.heard() == []

    @pytest.mark.parametrize("address", ["/nowhere/notify", "@nobody", "/" + "x" * 200, "vsock:2:1"])
    def test_nobody_who_listens_holds_it_up(
        self, scpd: ServerFactory, raw_peer: Callable[..., RawPeer], address: str
    ) -> None:
        server = scpd("--fork", env={"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "100000"})
        peer = raw_peer(server)
        peer.associate()
        assert store(peer, ct_image()).status == 0
        peer.release()
        assert server.stop() == 0


def _state(pid: int) -> str:
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return file.read().rpartition(")")[2].split()[0]


def test_in_a_network_of_its_own_with_nothing_to_write_but_its_directory_it_receives(
    activated: Activator, tmp_path: Path
) -> None:
    if not restricted.is_possible():
        pytest.skip("needs root that may make namespaces, on x86_64 or aarch64")
    inbox = tmp_path / "inbox"
    prefix = (sys.executable, "-m", "tests.harness.restricted", str(inbox))
    manager = NotifySocket(str(tmp_path / "notify"))
    ((server, place),) = activated(
        "--fork", "-v", "-su", "study", prefix=prefix, env={"NOTIFY_SOCKET": manager.address}
    )
    images = send(tmp_path, place, 3)
    (study,) = (path for path in inbox.iterdir() if path.name.startswith("study_"))
    assert sorted(path.name for path in study.iterdir()) == sorted(
        f"CT.{each.sop_instance_uid}" for each in images
    )
    manager.wait_for("READY=1")
    with open(f"/proc/{server.pid}/net/dev", encoding="ascii") as file:
        assert re.findall(r"^ *(\S+):", file.read(), re.MULTILINE) == ["lo"]
    assert server.stop() == 0
    manager.wait_for("STOPPING=1")
    manager.close()


def test_the_restrictions_are_ones(tmp_path: Path) -> None:
    if not restricted.is_possible():
        pytest.skip("needs root that may make namespaces, on x86_64 or aarch64")
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    code = (
        "import socket, sys\n"
        "def fails(step, *words):\n"
        "    try: step(*words)\n"
        "    except OSError as error: return error.strerror\n"
        "print(fails(socket.socket, socket.AF_INET), fails(socket.socket, socket.AF_UNIX), sep='|')\n"
        "print(fails(open, sys.argv[1] + '/beside', 'w'), fails(open, sys.argv[1] + '/inbox/a', 'w'), sep='|')\n"
    )
    words = [sys.executable, "-m", "tests.harness.restricted", str(inbox)]
    ended = run([*words, sys.executable, "-c", code, str(tmp_path)], env={"PYTHONPATH": str(REPOSITORY)})
    assert ended.stdout == ("Address family not supported by protocol|None\nRead-only file system|None\n"), (
        ended.stderr
    )
