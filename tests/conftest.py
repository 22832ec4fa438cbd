"""What every test may use: --long, servers that end with the test, and a look for processes left behind."""

from __future__ import annotations

import compileall
import os
import resource
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import hypothesis
import pytest

from tests.harness.ports import ReservedPort
from tests.harness.processes import become_subreaper, children_of, end_children
from tests.harness.raw_peer import RawPeer
from tests.harness.servers import REPOSITORY, ServerFactory, scpd_factory, storescp_factory
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.harness.certificates import Infrastructure
    from tests.harness.processes import Process

# All that scpd or a test changes but SIGALRM, which is pytest-timeout's; each costs a microsecond for each test.
HANDLED = (
    *(signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR1, signal.SIGUSR2),
    *(signal.SIGPIPE, signal.SIGXFSZ, signal.SIGRTMIN),
)

MOMENT_SECONDS = 5.0


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the tests marked long too, at full size")


def pytest_configure(config: pytest.Config) -> None:
    become_subreaper()
    # A shell's background job, or nohup(1), was started deaf to these, and all that it starts would be.
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, handler)
    # The machine may be busy with other tests; that is no failure.
    hypothesis.settings.register_profile("scpd", deadline=None)
    hypothesis.settings.load_profile("scpd")
    # A client that aborts (GDCM's does) shall not leave its memory in the checkout.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    # Once, before there are workers: where Python keeps nothing that it has compiled (PYTHONDONTWRITEBYTECODE), each
    # of 1400 starts of scpd would compile it anew, which doubles what a start costs.
    if not hasattr(config, "workerinput"):
        compileall.compile_dir(REPOSITORY / "scpd", quiet=2)
    # What pytest makes of the tests is kept, too: to make it anew takes each worker 8 s of processor time.
    sys.dont_write_bytecode = False


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long"):
        return
    skip = pytest.mark.skip(reason="only with --long")
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(skip)


@pytest.fixture
def is_long(request: pytest.FixtureRequest) -> bool:
    """True when the tests run at full size."""
    return bool(request.config.getoption("--long"))


@pytest.fixture(autouse=True)
def _no_child_is_left_behind() -> Iterator[None]:
    """Fail a test after which this process has a child that it had not before; orphans become our children.

    One that was told to go, or whose work is done, may take a moment.
    """
    before = {child.pid for child in children_of(os.getpid())}
    yield
    with suppress(AssertionError):
        wait_until(lambda: not any(child.is_running for child in _others(before)), MOMENT_SECONDS)
    left = end_children(before)
    if left:
        pytest.fail(
            f"the test left child processes behind: {[f'{child.pid} {child.name}' for child in left]}"
        )


def _others(spared: set[int]) -> list[Process]:
    return [child for child in children_of(os.getpid()) if child.pid not in spared]


@pytest.fixture(autouse=True)
def _signals_are_as_they_were() -> Iterator[None]:
    """Fail a test after which this process, and so what the next tests fork, hears signals in another way."""
    before = _signal_state()
    yield
    after, descriptor = _signal_state(), signal.set_wakeup_fd(-1)
    if after != before or descriptor != -1:
        mask, handlers = before
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in zip(HANDLED, handlers, strict=True):
            signal.signal(number, handler)
        pytest.fail(f"the test left signals behind: {before} were {after}, wakeup descriptor {descriptor}")


def _signal_state() -> tuple[set[int], list[object]]:
    return signal.pthread_sigmask(signal.SIG_BLOCK, ()), [signal.getsignal(number) for number in HANDLED]


@pytest.fixture
def reserved_port() -> Iterator[ReservedPort]:
    """A port number that nobody else of this test run uses."""
    port = ReservedPort()
    yield port
    port.release()


@pytest.fixture
def _raw_peers() -> Iterator[list[RawPeer]]:
    """Every connection that the test opened; servers close them before they end, or they would wait for them."""
    peers: list[RawPeer] = []
    yield peers
    _close(peers)


def _close(peers: list[RawPeer]) -> None:
    for peer in peers:
        peer.close()


@pytest.fixture
def scpd(
    tmp_path: Path, _no_child_is_left_behind: None, _raw_peers: list[RawPeer]
) -> Iterator[ServerFactory]:
    """`scpd(*options, env=, cwd=, inbox=, host=)` starts the program under test."""
    factory = scpd_factory(tmp_path)
    yield factory
    _close(_raw_peers)
    factory.finish()


@pytest.fixture
def storescp(
    tmp_path: Path, _no_child_is_left_behind: None, _raw_peers: list[RawPeer]
) -> Iterator[ServerFactory]:
    """`storescp(*options, ...)` starts DCMTK's program, with the same interface."""
    factory = storescp_factory(tmp_path)
    yield factory
    _close(_raw_peers)
    factory.finish()


@pytest.fixture
def raw_peer(_raw_peers: list[RawPeer]) -> Callable[..., RawPeer]:
    """`raw_peer(server_or_port, ...)` connects; every connection is closed when the test ends."""

    def connect(server: object, **options: object) -> RawPeer:
        port = getattr(server, "port", server)
        options.setdefault("host", getattr(server, "host", "127.0.0.1"))
        options.setdefault("source", getattr(server, "source", ""))
        try:
            _raw_peers.append(RawPeer(port, **options))  # type: ignore[arg-type]
        except OSError as error:
            error.add_note(getattr(server, "last_words", ""))
            raise
        return _raw_peers[-1]

    return connect


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Infrastructure:
    """Authorities, certificates and revocation lists, made as they are asked for (`tests.harness.certificates`)."""
    from tests.harness.certificates import Infrastructure  # few tests need TLS

    return Infrastructure(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def server_words(certificates: Infrastructure) -> list[str]:
    """The options of an ordinary server with TLS, without a port."""
    return ["+tls", certificates.server.key, certificates.server.crt, "+cf", certificates.ca.crt]
