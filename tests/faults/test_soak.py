"""Daemons under mixed load, reloaded and killed at: nothing that was acknowledged is lost, nothing grows.

`make soak` does it for half an hour, or for as long as one likes.
"""

from __future__ import annotations

import re
from collections import Counter
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.harness.certificates import Infrastructure
from tests.harness.objects import ct_image
from tests.harness.raw_peer import CONTEXTS, RawPeer
from tests.harness.servers import REPOSITORY
from tests.harness.storing import assert_serves
from tests.soak.__main__ import text
from tests.soak.clients import CLIENTS
from tests.soak.daemons import Daemon, Door, Keys
from tests.soak.nuisance import ROLES, Nuisance
from tests.soak.run import MOST_DESCRIPTORS, MOST_MEMORY_KB, Account, Report, soak
from tests.soak.samples import Growth, Sample, growth
from tests.soak.senders import Sender, Tally

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.harness.servers import Server, ServerFactory

SHORT_SECONDS, LONG_SECONDS = 20.0, 600.0
SEED = 2  # by which the first associations go to both daemons
FLAT = [Sample(1000, 10)] * 40


@pytest.fixture
def renewable(tmp_path: Path) -> Infrastructure:
    """Certificates that no other test uses."""
    folder = tmp_path / "certificates"
    folder.mkdir()
    return Infrastructure(folder)


@pytest.mark.timeout(LONG_SECONDS + 300)
def test_nothing_is_lost_and_nothing_grows(
    scpd: ServerFactory, renewable: Infrastructure, is_long: bool
) -> None:
    seed = Random().randrange(1 << 32)
    seconds, reload_seconds = (LONG_SECONDS, 60.0) if is_long else (SHORT_SECONDS, 6.0)
    report = soak(scpd, renewable, seconds, reload_seconds, seed)
    assert report.faults() == [], f"seed {seed}\n{text(report)}"
    assert report.total().stored > 20, text(report)
    for account in report.accounts.values():
        assert account.reloads >= 1, text(report)
    plain, secure = report.accounts["plain"], report.accounts["TLS"]
    assert secure.renewals >= 1
    by_tls = {name for name, client in CLIENTS.items() if client.knows_tls}
    assert (set(plain.tally.associations), set(secure.tally.associations)) == (set(CLIENTS), by_tls)


# That it can fail: daemons that are broken


LOSES = """
from scpd.store.sink import Incoming

def lose(self, name):
    self.flush()
    self._output.remove_temporary(self._name)
    self._renamed(name)

Incoming.publish = Incoming.replace = lose
"""
ALTERS = """
import os
from scpd.store.sink import Incoming

flush = Incoming.flush

def alter(self):
    os.pwrite(self._descriptor, b"is altered", self.size - 10)
    flush(self)

Incoming.flush = alter
"""
REFUSES = """
from scpd.store.sink import Incoming

def fail(self):
    raise OSError(5, "on purpose")

Incoming.flush = fail
"""
LEAKS = """
import os

fork, kept = os.fork, []

def leak():
    kept.append((os.open("/dev/null", os.O_RDONLY), b"x" * 500_000))
    return fork()

os.fork = leak
"""
HANDS_ON = """
import os

os.set_inheritable(os.open("/dev/null", os.O_RDONLY), True)
"""


@pytest.fixture
def broken(scpd: ServerFactory, tmp_path: Path) -> Callable[[str], Callable[..., Server]]:
    """Break the program by what Python runs before it."""

    def break_it(by: str) -> Callable[..., Server]:
        folder = tmp_path / "broken"
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(by, encoding="utf-8")
        environment = {"PYTHONPATH": f"{folder}:{REPOSITORY}"}
        return lambda *options, **more: scpd(*options, env=environment, **more)

    return break_it


def is_told(report: Report, fault: str) -> bool:
    return any(re.match(fault, each) for each in report.faults())


@pytest.mark.parametrize(
    ("by", "fault"),
    [
        pytest.param(LOSES, r"lost: \w+, NAME: .*\[\]", id="loses"),
        pytest.param(ALTERS, r"lost: \w+, NAME: .*\[False\]", id="alters"),
        pytest.param(REFUSES, "NAME: more associations have failed", id="refuses"),
    ],
)
def test_what_a_daemon_does_to_objects_is_noticed(
    broken: Callable[[str], ServerFactory], renewable: Infrastructure, by: str, fault: str
) -> None:
    report = soak(broken(by), renewable, 3.0, 60.0, SEED)
    for name in report.accounts:
        assert is_told(report, fault.replace("NAME", name)), text(report)


def test_what_is_handed_on_for_nothing_is_noticed(
    broken: Callable[[str], ServerFactory], renewable: Infrastructure
) -> None:
    report = soak(broken(HANDS_ON), renewable, 3.0, 1.0, SEED)
    assert is_told(report, "TLS: the master has kept [1-9]"), text(report)


def grown(server: Server, raw_peer: Callable[..., RawPeer], turns: int) -> dict[str, Growth]:
    """Look at a daemon between associations; give by how much master and keeper have grown."""
    nuisance = Nuisance(Daemon("plain", server), Random(SEED), 60.0, looks_at=0.0)
    server.wait_for(nuisance.keepers, what="a keeper")
    for _ in range(turns):
        assert_serves(server, raw_peer)
        nuisance.turn(0.0)  # when nothing but that is due
    return {role: growth(nuisance.samples[role]) for role in ROLES}


def test_what_leaks_is_noticed(
    broken: Callable[[str], ServerFactory], raw_peer: Callable[..., RawPeer]
) -> None:
    found = grown(broken(LEAKS)("--fork", "-xcr", "true"), raw_peer, 60)
    for role in ROLES:
        assert found[role].memory > MOST_MEMORY_KB[role], found
        assert found[role].descriptors > MOST_DESCRIPTORS, found


def test_a_daemon_that_is_whole_does_not_grow(scpd: ServerFactory, raw_peer: Callable[..., RawPeer]) -> None:
    found = grown(scpd("--fork", "-xcr", "true"), raw_peer, 60)
    for role in ROLES:
        assert found[role].memory <= MOST_MEMORY_KB[role], found
        assert found[role].descriptors <= MOST_DESCRIPTORS, found


# Reports


def account(**changes: object) -> Account:
    """Give that of a daemon with which all was well, but for this."""
    tally = Tally()
    tally.associations, tally.failures, tally.stored = Counter(raw=9), Counter({"raw: reset": 1}), 9
    fields: dict[str, object] = {
        "tally": tally,
        "killed": Counter(worker=1),
        "reloads": 1,
        "reloaded": 1,
        "renewals": 1,
        "shows_last_certificate": True,
        "samples": {"master": FLAT, "keeper": FLAT},
        "kept": 0,
        "tracebacks": 0,
    }
    return Account(**(fields | changes))  # type: ignore[arg-type]


def report(
    changed: Account | None = None, lost: list[str] | None = None, left: list[str] | None = None
) -> Report:
    """Give that of a run in which all was well, but for this."""
    return Report(60.0, {"plain": account(), "TLS": changed or account()}, lost or [], left or [])


def test_a_run_in_which_all_was_well_has_no_faults() -> None:
    assert report().faults() == []


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        (report(lost=["1.2.3"]), "lost: 1.2.3"),
        (report(left=["tmp/1"]), "left over: tmp/1"),
        (report(account(kept=1)), "TLS: the master has kept 1 descriptors"),
        (report(account(tracebacks=1)), "TLS: 1 tracebacks"),
        (report(account(killed=Counter(keeper=1))), "TLS: more associations have failed"),
        (report(account(reloaded=0)), "TLS: 1 reloads were not done"),
        (
            report(account(shows_last_certificate=False)),
            "TLS: the certificate that was made last is not shown",
        ),
        (
            report(account(samples={"master": [*FLAT, *[Sample(9000, 10)] * 20], "keeper": FLAT})),
            "TLS: master grows",
        ),
        (
            report(account(samples={"master": FLAT, "keeper": [*FLAT, *[Sample(1000, 14)] * 20]})),
            "TLS: keeper grows",
        ),
        (
            Report(60.0, {"plain": account(samples={"master": FLAT, "keeper": []})}, [], []),
            "nobody has looked",
        ),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_what_must_not_be_is_a_fault(found: Report, fault: str) -> None:
    (said,) = found.faults()
    assert said.startswith(fault)
    assert f"FAULT {said}" in text(found)


def test_what_comes_and_goes_is_no_growth() -> None:
    assert growth([Sample(1, 1), Sample(9, 9)] * 20) == (0, 0)
    assert growth([]) == (0, 0)


def a_life(name: str, memory: int, descriptors: int, more: int = 0) -> list[Sample]:
    return [Sample(memory + more * turn, descriptors + more * turn, name) for turn in range(40)]


def test_what_grows_within_a_life_is_seen_though_each_begins_anew() -> None:
    assert growth(a_life("first", 1000, 9) + a_life("second", 1000, 9, 1)) == (24, 24)
    assert growth(a_life("first", 1000, 9, 1) + a_life("second", 1000, 9)) == (24, 24)


def test_too_few_samples_tell_nothing_of_descriptors() -> None:
    assert growth([Sample(1, 1)] * 20 + [Sample(9, 9)] * 4) == (8, 0)


# Senders


def test_an_object_that_is_not_there_or_not_whole_is_lost(scpd: ServerFactory) -> None:
    server = scpd("--fork")
    sender = Sender([Daemon("plain", server)], SEED)
    gone, short = ct_image(100), ct_image(100)
    folder = server.inbox / "S_1"
    folder.mkdir()
    (folder / f"CT.{short.sop_instance_uid}").write_bytes(short.file_bytes[:-2])
    sender._look(gone, "raw", must_be_there=True)
    sender._look(short, "raw", must_be_there=False)
    assert len(sender.lost) == 2


def test_a_peer_goes_on_with_its_session_and_sees_which_certificate_is_shown(
    scpd: ServerFactory, renewable: Infrastructure
) -> None:
    keys = Keys(renewable)
    daemon = Daemon("TLS", scpd("--fork", *keys.options), keys)
    door = Door(daemon)
    for _ in range(2):
        with door.connect() as peer:
            peer.associate(CONTEXTS)
            door.keep_session(peer)
            peer.release()
    assert door.resumed == 1
    assert daemon.shows_its_last_certificate()
    keys.renew()
    assert not daemon.shows_its_last_certificate()
