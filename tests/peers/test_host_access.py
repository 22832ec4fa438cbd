"""Generated tables and clients: our verdicts are libwrap's; where they are not, it is for a defect that has a name."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from scpd.access.parties import Client, Host, Service
from scpd.access.tables import Tables
from scpd.access.verdict import Verdict, decide
from tests.harness.access_tables import DAMAGES, DEFECTS, Case, Maker, well_formed
from tests.harness.clients import run, scpctl
from tests.harness.libwrap import MARK, Libwrap
from tests.harness.programs import real_program
from tests.harness.servers import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COUNT, LONG_COUNT = 1_500, 10_000


@pytest.fixture
def libwrap(tmp_path: Path) -> Iterator[Libwrap]:
    with Libwrap(tmp_path) as asked:
        yield asked


EXAMPLE = REPOSITORY / "etc" / "hosts.allow.example"


class Place:
    """Where the tables of one case after the other lie."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.allow, self.deny = str(folder / "hosts.allow"), str(folder / "hosts.deny")

    def write(self, case: Case, allow: str, deny: str) -> None:
        for name, text in {**case.files, "hosts.allow": allow, "hosts.deny": deny}.items():
            (self._folder / name).write_bytes(text.encode("latin-1"))


def ours(place: Place, case: Case) -> Verdict:
    client = Client(Host(case.client_address, case.client_name), user=case.user)
    service = Service((case.daemon,), case.server_port, Host(case.server_address, case.server_name))
    return decide(Tables(place.allow, place.deny).look(), service, client, in_netgroup=lambda *_: False)


def said(verdict: Verdict) -> str:
    return "granted" if verdict.granted else "denied"


def mark(verdict: Verdict) -> str:
    return next(
        (
            action.value[1]
            for action in verdict.actions
            if isinstance(action.value, tuple) and action.value[0] == MARK
        ),
        "",
    )


def test_generated_tables_and_clients_agree(libwrap: Libwrap, tmp_path: Path, is_long: bool) -> None:
    place, verdicts = Place(tmp_path), {"granted": 0, "denied": 0}
    for seed in range(LONG_COUNT if is_long else COUNT):
        case = well_formed(seed, str(tmp_path))
        place.write(case, "".join(case.allow), "".join(case.deny))
        verdict = ours(place, case)
        theirs = libwrap.verdict(allow=place.allow, deny=place.deny, **case.question())
        assert not verdict.faults, (case, str(verdict))
        assert (said(verdict), mark(verdict)) == theirs, (case, str(verdict))
        verdicts[said(verdict)] += 1
    assert min(verdicts.values()) > sum(verdicts.values()) / 5


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_of_libwrap_refuses_and_its_line_is_named(
    libwrap: Libwrap, tmp_path: Path, is_long: bool, name: str
) -> None:
    line, expected = DEFECTS[name]
    place = Place(tmp_path)
    for seed in range(100 if is_long else 10):
        case = well_formed(seed, str(tmp_path))
        lines = case.allow if seed % 2 else case.deny
        position = Maker(seed, "").any.randrange(len(lines) + 1)
        lines.insert(position, line)
        place.write(case, "".join(case.allow), "".join(case.deny))
        verdict = ours(place, case)
        table = place.allow if seed % 2 else place.deny
        before = "".join(lines[:position]).count("\n")
        found = [fault for fault in verdict.faults if re.search(expected, str(fault))]
        assert not verdict.granted
        assert found, (case, str(verdict))
        assert all(str(fault).startswith(f"{table}:") for fault in verdict.faults)
        assert before < found[0].line <= before + line.count("\n")


@pytest.mark.parametrize("name", DAMAGES)
@pytest.mark.parametrize("which", ["allow", "deny"])
def test_a_damaged_table_refuses_whom_libwrap_may_let_in(
    libwrap: Libwrap, tmp_path: Path, name: str, which: str
) -> None:
    damage, expected = DAMAGES[name]
    place = Place(tmp_path)
    for seed in range(5):
        case = well_formed(seed, str(tmp_path))
        texts = {"allow": "".join(case.allow), "deny": "".join(case.deny)}
        texts[which] = damage(texts[which])
        place.write(case, **texts)
        verdict = ours(place, case)
        assert not verdict.granted
        assert re.search(expected, str(verdict.faults[0]))
        assert str(verdict.faults[0]).startswith(f"{getattr(place, which)}:")


@pytest.mark.parametrize("name", sorted({name for name in DEFECTS if DEFECTS[name][0].startswith("ALL: ")}))
def test_the_same_fault_in_a_rule_of_another_daemon_changes_no_verdict(
    libwrap: Libwrap, tmp_path: Path, name: str
) -> None:
    line = DEFECTS[name][0].replace("ALL: ", "elsewhere: ", 1)
    place = Place(tmp_path)
    for seed in range(10):
        case = well_formed(seed, str(tmp_path))
        case.deny.insert(0, line)
        place.write(case, "".join(case.allow), "".join(case.deny))
        verdict = ours(place, case)
        theirs = libwrap.verdict(allow=place.allow, deny=place.deny, **case.question())
        assert not verdict.faults
        assert (said(verdict), mark(verdict)) == theirs, (case, str(verdict))


class TestWhereNoFaultExplainsIt:
    """The differences that are no refusal: each table, client, libwrap's verdict, ours."""

    @pytest.mark.parametrize(
        ("allow", "address", "name", "theirs", "expected"),
        [
            # digits, dots and wildcards are an address, never a name
            ("ALL: 10.*\n", "203.0.113.9", "10.evil.example", "granted", "denied"),
            # a mapped pattern is an IPv4 pattern
            ("ALL: [::ffff:10.1.2.3]\n", "10.1.2.3", "unknown", "denied", "granted"),
            ("ALL: [::ffff:10.0.0.0]/104\n", "::ffff:10.1.2.3", "unknown", "denied", "granted"),
            # names are compared whole
            (
                "ALL: .example\n",
                "10.1.2.3",
                "a." + "b" * 60 + "." + "c" * 60 + ".d.example",
                "denied",
                "granted",
            ),
            # a name with its last dot is the same name
            ("ALL: ct1.rad.example.\n", "10.1.2.3", "ct1.rad.example", "denied", "granted"),
            # an IPv6 address in a pattern file is compared by its number
            ("ALL: {folder}/list\n", "2001:db8::1", "unknown", "denied", "granted"),
        ],
    )
    def test_it_is_this_one(  # noqa: PLR0917 - a row of the table
        self,
        libwrap: Libwrap,
        tmp_path: Path,
        allow: str,
        address: str,
        name: str,
        theirs: str,
        expected: str,
    ) -> None:
        case = Case(0, "storescp", "unknown", address, name, "unknown", "unknown", 0, str(tmp_path))
        case.files["list"] = "2001:db8:0::1\n"
        place = Place(tmp_path)
        place.write(case, allow.replace("{folder}", str(tmp_path)), "ALL: ALL\n")
        answer = libwrap.verdict(allow=place.allow, deny=place.deny, **case.question())
        assert answer is not None
        assert (answer[0], said(ours(place, case))) == (theirs, expected)

    def test_many_stars_take_no_time(self, tmp_path: Path) -> None:
        case = Case(
            0, "storescp", "unknown", "10.1.2.3", "a" * 250 + "b", "unknown", "unknown", 0, str(tmp_path)
        )
        place = Place(tmp_path)
        place.write(case, f"ALL: {'*a' * 100}\n", "ALL: ALL\n")
        assert said(ours(place, case)) == "denied"

    def test_a_pattern_file_that_names_itself_crashes_libwrap_and_is_a_fault_here(
        self, libwrap: Libwrap, tmp_path: Path
    ) -> None:
        case = Case(0, "storescp", "unknown", "10.1.2.3", "unknown", "unknown", "unknown", 0, str(tmp_path))
        case.files["list"] = f"9. {tmp_path}/list\n"
        place = Place(tmp_path)
        place.write(case, f"ALL: {tmp_path}/list\n", "")
        assert libwrap.verdict(allow=place.allow, deny=place.deny, **case.question()) is None
        assert "names itself" in str(ours(place, case))

    @pytest.mark.parametrize("which", ["allow", "deny"])
    @pytest.mark.parametrize("kind", ["directory", "fifo", "device", "unreadable"])
    def test_a_table_that_is_no_file_refuses_and_makes_nobody_wait(
        self, tmp_path: Path, which: str, kind: str
    ) -> None:
        case = Case(0, "storescp", "unknown", "10.1.2.3", "unknown", "unknown", "unknown", 0, str(tmp_path))
        place = Place(tmp_path)
        place.write(case, "ALL: ALL\n", "")
        path = getattr(place, which)
        os.remove(path)
        if kind == "directory":
            os.mkdir(path)
        elif kind == "fifo":
            os.mkfifo(path)
        elif kind == "device":
            os.symlink("/dev/null", path)
        else:
            os.symlink(path, path)
        verdict = ours(place, case)
        assert not verdict.granted
        assert str(verdict.faults[0]).startswith(f"{path}: ")


@pytest.mark.parametrize("daemon", ["storescp", "sshd"])
@pytest.mark.parametrize(
    "client",
    [
        "10.20.30.99",
        "10.20.31.8",
        "10.20.31.9",
        "2001:db8:20:1::5",
        "2001:db8:21::5",
        "127.0.0.1",
        "::1",
        "10.99.1.1",
    ],
)
def test_the_example_means_the_same_to_tcpdmatch(tmp_path: Path, daemon: str, client: str) -> None:
    tcpdmatch = real_program("tcpdmatch")
    place = Place(tmp_path)
    (tmp_path / "hosts.allow").write_bytes(EXAMPLE.read_bytes())
    (tmp_path / "hosts.deny").write_text("storescp: ALL\n")
    (tmp_path / "inetd.conf").write_text("")
    theirs = run(["env", "-C", str(tmp_path), tcpdmatch, "-d", "-i", "inetd.conf", daemon, client])
    tables = [f"--hosts-allow={place.allow}", f"--hosts-deny={place.deny}"]
    ours = scpctl("access", *tables, "--daemon", daemon, client, "unknown")
    access = [line for line in theirs.stdout.splitlines() if line.startswith("access:")]
    assert ours.stdout.splitlines()[-1:] == access
    assert ours.returncode == (0 if access == ["access:   granted"] else 1)
