"""From command line and table to who may send, and what he gets."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from scpd import keeper_policies, master_policies, peers_policies, policies
from scpd.cli.parser import parse
from scpd.cli.settings import Settings
from scpd.errors import Reject, StartError
from scpd.filing_policies import agreed_options, use_lock_directory
from scpd.log.association import Association
from scpd.log.complaints import Complaints
from scpd.log.setup import Logging
from tests.harness.forked import in_child

if TYPE_CHECKING:
    from collections.abc import Callable

    from scpd.peers_policies import Peers
    from scpd.worker.service import ServicePolicy

PROFILES = """\
[[TransferSyntaxes]]
[Plain]
TransferSyntax1 = LittleEndianImplicit
[[PresentationContexts]]
[Images]
PresentationContext1 = CTImageStorage\\Plain
[[Profiles]]
[Default]
PresentationContexts = Images
"""
NOBODY = 65534
CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"


def settings(*words: str) -> Settings:
    outcome = parse("scpd", [*words, "11112"])
    assert isinstance(outcome, Settings)
    return outcome


class Site:
    """A folder with output directories, profiles and a table, whose lines name them as %s."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.inbox, self.ct, self.mr = (self.make(name) for name in ("inbox", "ct", "mr"))
        self.profiles = folder / "profiles.cfg"
        self.profiles.write_text(PROFILES)
        self.table = folder / "peers"

    def make(self, name: str) -> Path:
        path = self.folder / name
        path.mkdir(parents=True)
        return path

    def settings(self, lines: str, *words: str) -> Settings:
        self.table.write_text(lines.replace("~", str(self.folder)))
        return settings("-od", str(self.inbox), "--peers", str(self.table), *words)

    def load(self, lines: str, *words: str) -> Peers:
        peers = peers_policies.load_peers(self.settings(lines, *words))
        assert peers is not None
        return peers

    def faults(self, lines: str, *words: str) -> list[str]:
        """Give the faults of the table, without its name and ours."""
        faults = peers_policies.check_peers(self.settings(lines, *words))
        begin = f"{self.table}: "
        assert all(fault.startswith(begin) for fault in faults)
        return [fault.removeprefix(begin).replace(str(self.folder), "~") for fault in faults]

    def services(self, lines: str, *words: str) -> Callable[[str], ServicePolicy | None]:
        """Give what gives the service for who calls a title."""
        given = self.settings(lines, *words)
        peers = peers_policies.load_peers(given)
        assert peers is not None
        service = policies.service_policy(given, policies.profile(given))
        admission = policies._admission(given, service, peers)
        return lambda called: admission.admit(called.encode(), b"ANY", "::1")[0]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_without_options_everybody_may_send() -> None:
    assert peers_policies.load_peers(settings()) is None
    assert peers_policies.directories(None) == ()
    assert policies.service_policy(settings()).admission is None


ANY_TITLE = "ANYTHING"


def reason_of(peers: Peers, called: str, calling: str, host: str) -> tuple[int, int, int] | None:
    """Give the fields of the reject; `None` if there is none."""
    try:
        peers.callers.permission(called.encode(), calling.encode(), host)
    except Reject as error:
        return error.result, error.source, error.reason
    return None


@pytest.mark.parametrize(
    ("words", "called", "calling", "host", "reason"),
    [
        ("--require-called-aet -aet STORE", "STORE", ANY_TITLE, "::1", 0),
        ("--require-called-aet", "STORESCP", ANY_TITLE, "::1", 0),
        ("--require-called-aet -aet STORE", "STORESCP", ANY_TITLE, "::1", 7),
        ("--require-called-aet --called-aet B --called-aet C", "C", ANY_TITLE, "::1", 0),
        ("--require-called-aet --called-aet B --called-aet C", "STORESCP", ANY_TITLE, "::1", 0),
        ("--require-called-aet --called-aet B --called-aet C", "D", ANY_TITLE, "::1", 7),
        ("--allow-calling-aet CT1", ANY_TITLE, "CT1", "::1", 0),
        ("--allow-calling-aet CT1", ANY_TITLE, "CT2", "::1", 3),
        ("--allow-calling-aet *", ANY_TITLE, "CT2", "::1", 3),
        ("--allow-calling-aet CT1@10.0.0.0/8 --allow-calling-aet CT2", ANY_TITLE, "CT2", "::1", 0),
        ("--allow-calling-aet CT1@10.0.0.0/8 --allow-calling-aet CT2", ANY_TITLE, "CT1", "10.9.9.9", 0),
        ("--allow-calling-aet CT1@10.0.0.0/8 --allow-calling-aet CT2", ANY_TITLE, "CT1", "11.9.9.9", 3),
        ("--require-called-aet --allow-calling-aet CT1", "STORESCP", "CT1", "::1", 0),
        ("--require-called-aet --allow-calling-aet CT1", "STORESCP", "CT2", "::1", 3),
        ("--require-called-aet --allow-calling-aet CT1", "OTHER", "CT2", "::1", 7),
    ],
)
def test_options_say_who_may_send(words: str, called: str, calling: str, host: str, reason: int) -> None:
    peers = peers_policies.load_peers(settings(*words.split()))
    assert peers is not None
    assert reason_of(peers, called, calling, host) == ((1, 1, reason) if reason else None)


def test_a_refusal_names_the_option() -> None:
    words = "--require-called-aet --allow-calling-aet CT1"
    peers = peers_policies.load_peers(settings(*words.split()))
    assert peers is not None
    with pytest.raises(Reject, match="--allow-calling-aet"):
        peers.callers.permission(b"STORESCP", b"CT2", "::1")
    with pytest.raises(Reject, match="--require-called-aet"):
        peers.callers.permission(b"OTHER", b"CT2", "::1")


class TestDirectories:
    def test_a_title_has_its_own(self, site: Site) -> None:
        service = site.services("A * directory=~/ct\nB *\nC * directory=~/inbox", "-ss", "X")
        own = service("A")
        assert own is not None
        assert own.store is not None
        assert own.filing is not None
        assert own.filing.tracker is not None
        assert own.store.output_directory == own.filing.output_directory == str(site.ct)
        assert own.filing.tracker.place == str(site.ct)
        assert own.filing.tracker.lock_directory == f"{site.inbox}/.scpd"
        assert service("B") is None
        assert service("C") is None, "it is the daemon's own"

    def test_all_else_is_as_for_others(self, site: Site) -> None:
        words = ["-fe", ".dcm", "--no-fsync", "-ta", "7", "-pdu", "32768", "+B"]
        given = site.settings("A * directory=~/ct", *words)
        peers = peers_policies.load_peers(given)
        assert peers is not None
        common = policies.service_policy(given)
        own, _ = policies._admission(given, common, peers).admit(b"A", b"B", "::1")
        assert own is not None
        assert own.store is not None
        assert common.store is not None
        names = set(common.store.__slots__) - {"output_directory"}
        assert {name: getattr(own.store, name) for name in names} == {
            name: getattr(common.store, name) for name in names
        }
        assert (own.max_pdu, own.timeouts, own.verbosity) == (32768, common.timeouts, common.verbosity)
        assert own.negotiation is common.negotiation

    def test_two_names_of_one_directory_are_one_place(self, site: Site) -> None:
        (site.folder / "link").symlink_to(site.ct)
        peers = site.load("A * directory=~/link\nB * directory=~/ct\nC * directory=~/mr")
        assert peers.directories() == (f"{site.folder}/link", str(site.mr))

    @pytest.mark.parametrize("name", ["missing", "peers"])
    def test_one_that_is_not_there_is_a_fault_of_its_line(self, site: Site, name: str) -> None:
        (fault,) = site.faults(f"A *\nB * directory=~/{name}")
        assert fault.startswith(f"line 2: directory=~/{name}: specified output directory does not exist")

    def test_one_that_cannot_be_written_is_one_too(self) -> None:
        def faults_of_nobody() -> list[str]:
            with TemporaryDirectory() as folder:
                Path(folder).chmod(0o755)
                site = Site(Path(folder))
                site.ct.chmod(0o555)
                os.chown(site.inbox, NOBODY, -1)
                given = site.settings("A *\nB * directory=~/ct")
                os.seteuid(NOBODY)
                faults = peers_policies.check_peers(given)
                os.seteuid(0)
                return [fault.replace(folder, "~") for fault in faults]

        if os.geteuid() != 0:
            pytest.skip("must be root to be somebody else")
        (fault,) = in_child(faults_of_nobody)
        assert fault.startswith(
            "~/peers: line 2: directory=~/ct: specified output directory is not writeable"
        )

    def test_it_may_not_be_in_the_way_of_the_lock_directory(self, site: Site) -> None:
        (fault,) = site.faults("A * directory=~/ct", "-ss", "X", "--lock-directory", f"{site.ct}/locks")
        assert fault.startswith(
            "line 1: directory=~/ct: lock directory in the output directory must begin with a dot"
        )

    @pytest.mark.parametrize(
        ("prefix", "name", "is_fault"),
        [
            ("", "ct", True),
            ("X", "X_1.2.3", True),
            ("X", "ct", False),
            ("", ".ct", False),
            ("", "ct+mr", False),
            ("", "deep/ct", False),
        ],
    )
    def test_no_study_can_be_called_like_it(self, site: Site, prefix: str, name: str, is_fault: bool) -> None:
        site.make(f"inbox/{name}")
        faults = site.faults(f"A * directory=~/inbox/{name}", "-su", prefix)
        assert len(faults) == is_fault
        assert all(
            f"line 1: directory=~/inbox/{name}: a study in ~/inbox could be called so" in it for it in faults
        )
        assert site.faults(f"A * directory=~/inbox/{name}", "-ss", prefix) == []

    def test_nor_like_the_daemons_within_it(self, site: Site) -> None:
        (fault,) = site.faults("A * directory=~", "-su", "")
        assert "a study in ~ could be called so" in fault

    def test_with_ignore_none_is_asked_for(self, site: Site) -> None:
        peers = site.load("A * directory=/nowhere", "--ignore")
        assert peers.directories() == ()

    def test_daemons_on_one_lock_directory_have_the_same(self, site: Site) -> None:
        words = ["-od", str(site.inbox), "-ss", "X"]
        descriptor = use_lock_directory(settings(*words), [str(site.ct), str(site.mr)])
        assert descriptor is not None
        with pytest.raises(StartError) as caught:
            use_lock_directory(settings(*words), [str(site.ct)])
        os.close(descriptor)
        assert f"with --peers directory={site.ct} directory={site.mr}, not directory={site.ct}" in str(
            caught.value
        )
        assert dict(agreed_options(settings(*words)))["--peers"] == ""

    def test_of_many_a_digest_is_compared_and_told(self) -> None:
        places = [f"/srv/dicom/department-of-radiology/{number}" for number in range(8000)]
        listed = dict(agreed_options(settings(), places))["--peers"]
        assert listed.startswith("8000 directories, digest ")
        assert len(listed) < 80
        assert listed == dict(agreed_options(settings(), places[::-1]))["--peers"]
        assert listed != dict(agreed_options(settings(), [*places[1:], "/srv/x"]))["--peers"]

    def test_a_keeper_is_told_of_them(self, site: Site) -> None:
        policy = keeper_policies.keeper_policy(
            settings("-od", str(site.inbox), "-xcr", "r"), {}, (str(site.ct),)
        )
        assert policy.places == (str(site.ct),)
        assert policy.hooks.allows({"place": str(site.ct)})

    def test_the_sweeper_sweeps_them(self, site: Site) -> None:
        temporary = site.make("ct/.scpd/tmp")
        (temporary / "1.2.3").touch()

        class Titles:
            def show(self, _: str) -> None:
                pass

        given = site.settings("A * directory=~/ct")
        logs = Logging(Association(), Complaints(), [])
        peers = peers_policies.load_peers(given)
        policy = policies.worker_policy(given, None, None, peers)
        roles = master_policies.roles(given, policy, Titles(), logs, peers)  # type: ignore[arg-type]
        assert roles.sweep() == 0
        assert [path.name for path in temporary.iterdir()] == ["lock"]


class TestProfiles:
    def test_a_title_has_its_own(self, site: Site) -> None:
        service = site.services("A * profile=~/profiles.cfg:default\nB *")
        own = service("A")
        assert own is not None
        assert [own.negotiation.accepts(uid) for uid in (CT, MR)] == [True, False]
        assert own.admission is None
        assert service("B") is None

    def test_it_may_be_one_of_config_file(self, site: Site) -> None:
        service = site.services("A * profile=Default", "-xf", str(site.profiles), "Default")
        own = service("A")
        assert own is not None
        assert not own.negotiation.accepts(MR)

    @pytest.mark.parametrize(
        ("line", "fault"),
        [
            ("A * profile=X", "profile=X: there is no --config-file; give one, or write FILE:PROFILE"),
            ("A * profile=~/profiles.cfg:X", "profile=X: "),
            ("A * profile=~/none.cfg:X", "profile=X: cannot read config file"),
        ],
    )
    def test_one_that_is_none_is_a_fault_of_its_line(self, site: Site, line: str, fault: str) -> None:
        (found,) = site.faults(f"\n{line}")
        assert found.startswith(f"line 2: {fault}")

    def test_who_does_not_serve_needs_none(self, site: Site) -> None:
        given = site.settings("A * profile=~/none.cfg:X")
        assert peers_policies.load_peers(given, serves=False) is not None


class TestLimits:
    def names(self, site: Site, lines: str) -> list[str]:
        return sorted(peers_policies._slots_name(entry) for entry in site.load(lines).limited())

    def test_associations_are_counted_by_line_not_by_its_number(self, site: Site) -> None:
        for lines in ("A B limit=1\nC D limit=1", "\nC D limit=1 directory=~/ct\nA B limit=1"):
            site.services(lines)
            names = self.names(site, lines)
            assert [name.partition(".")[0] for name in names] == ["A", "C"]
            assert names == self.names(site, "A B limit=9\nC D limit=9")
            assert names != self.names(site, "A X limit=9\nC D limit=9")

    @pytest.mark.parametrize("called", ["'../x'", "*", "'a b'", "'.A'"])
    def test_what_counts_has_a_name(self, site: Site, called: str) -> None:
        (entry,) = site.load(f"{called} * limit=1").limited()
        name = peers_policies._slots_name(entry)
        assert "/" not in name
        assert name[0] != "."

    def test_a_lock_directory_that_cannot_be_is_a_start_error(self, site: Site) -> None:
        with pytest.raises(StartError, match="cannot use lock directory"):
            site.services("A * limit=1", "--lock-directory", f"{site.folder}/none/locks")

    def test_nor_may_it_be_in_the_way(self, site: Site) -> None:
        words = ["--lock-directory", f"{site.ct}/locks"]
        with pytest.raises(StartError, match="in the output directory must begin with a dot"):
            site.services("A * limit=1 directory=~/ct", *words)
        words = ["--lock-directory", str(site.folder)]
        with pytest.raises(StartError, match="must not hold the output directory"):
            site.services("A * limit=1", *words)
        assert site.load("A *", *words)

    def test_without_limits_there_is_no_lock_directory(self, site: Site) -> None:
        site.services("A *")
        assert not (site.inbox / ".scpd").exists()


def test_all_faults_are_told_in_the_order_of_their_kinds(site: Site) -> None:
    faults = site.faults("A\nB * directory=/nowhere profile=X\nC * limit=x")
    assert [fault.partition(": ")[0] for fault in faults] == ["line 1", "line 3", "line 2", "line 2"]
    with pytest.raises(StartError, match=r"\(and 3 more\)"):
        peers_policies.load_peers(site.settings("A\nB * directory=/nowhere profile=X\nC * limit=x"))


def test_a_worker_has_all_that_it_needs_before_it_is_forked(site: Site) -> None:
    lines = "A B@::1 directory=~/ct profile=~/profiles.cfg:default limit=1"

    site.settings(lines)
    words = ["-od", str(site.inbox), "--peers", str(site.table), "-ss", "X", "11112"]

    def new_modules() -> list[str]:
        for name in [name for name in sys.modules if name.startswith(("scpd.", "tests.unit", "hashlib"))]:
            del sys.modules[name]
        from scpd import filing_policies, peers_policies, policies
        from scpd.cli.parser import parse

        given = parse("scpd", words)
        peers = peers_policies.load_peers(given)  # type: ignore[arg-type]
        assert peers is not None
        assert filing_policies.use_lock_directory(given, peers.directories()) is not None  # type: ignore[arg-type]
        common = policies.service_policy(given)  # type: ignore[arg-type]
        admission = policies._admission(given, common, peers)  # type: ignore[arg-type]
        before = set(sys.modules)
        service, slot = admission.admit(b"A", b"B", "::1")
        assert slot >= 0
        filing = service.filing.begin("B", "A", "::1", "::1")  # type: ignore[union-attr]
        filing.saw({0x0020000D: b"1.2.3"})
        return sorted(set(sys.modules) - before)

    assert in_child(new_modules) == []
    assert len(os.listdir(site.inbox / ".scpd" / "open")) == 1
