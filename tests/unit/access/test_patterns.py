"""Sections 3 and 4: what a word of a list matches, what it cannot mean, what is only odd."""

from __future__ import annotations

import pytest

from scpd.access.parties import Host, Service
from tests.unit.access.conftest import faults, matches, verdict, warnings

CT1 = "ct1.rad.example"
IPV6 = "2001:db8:0:1::ab"


@pytest.mark.parametrize(
    ("pattern", "address", "name", "expected"),
    [
        ("10.1.2.3", "10.1.2.3", "unknown", True),
        ("10.1.2.3", "::ffff:10.1.2.3", "unknown", True),
        ("10.1.2.3", "::FFFF:10.1.2.3", "unknown", True),
        ("10.1.2.3", "10.1.2.30", "unknown", False),
        ("10.1.2.3", "203.0.113.9", "10.1.2.3", False),
        ("10.1.", "10.1.2.3", "unknown", True),
        ("10.1.", "10.12.2.3", "unknown", False),
        ("10.", "203.0.113.9", "10.evil.example", False),
        (".2.3", "10.1.2.3", "unknown", True),
        (".3", "10.1.2.3", "unknown", True),
        (".3", "10.1.2.33", "unknown", False),
        # digits, dots and wildcards: the address only
        ("10.*", "10.1.2.3", "unknown", True),
        ("10.*", "203.0.113.9", "10.evil.example", False),
        ("*", "10.1.2.3", "unknown", True),
        ("*10.1.2.3", "10.1.2.3", "unknown", True),
        (".rad.example", "10.1.2.3", ".rad.example", False),
        ("???", "10.1.2.3", "ct1", False),
        ("2001*", IPV6, "unknown", True),
        ("10.?.", "10.1.2.3", "unknown", False),
        # names
        (CT1, "10.1.2.3", CT1, True),
        ("CT1.Rad.EXAMPLE", "10.1.2.3", CT1, True),
        (CT1, "10.1.2.3", "CT1.RAD.Example", True),
        (CT1, "10.1.2.3", CT1 + ".", False),
        (".rad.example", "10.1.2.3", CT1, True),
        (".rad.example", "10.1.2.3", "rad.example", False),
        ("rad.example", "10.1.2.3", CT1, False),
        (".ad.example", "10.1.2.3", CT1, False),
        ("ct1.", "10.1.2.3", CT1, True),
        ("ct1.", "10.1.2.3", "ct1", False),
        ("ct1.rad.example.", "10.1.2.3", CT1, True),
        ("ct1.rad.example.", "10.1.2.3", "xct1.rad.example", False),
        ("CT*.Example", "10.1.2.3", CT1, True),
        (".example", "10.1.2.3", "a." * 120 + "example", True),
        ("c\xd4te.example", "10.1.2.3", CT1, None),
        # keywords
        ("ALL", "unknown", "unknown", True),
        ("all", "10.1.2.3", "paranoid", True),
        ("KNOWN", "10.1.2.3", CT1, True),
        ("KNOWN", "10.1.2.3", "unknown", False),
        ("KNOWN", "10.1.2.3", "paranoid", False),
        ("KNOWN", "unknown", CT1, False),
        ("LOCAL", "10.1.2.3", "ct1", True),
        ("LOCAL", "unknown", "ct1", True),
        ("LOCAL", "10.1.2.3", CT1, False),
        ("LOCAL", "10.1.2.3", "unknown", False),
        ("LOCAL", "10.1.2.3", "paranoid", False),
        ("UNKNOWN", "10.1.2.3", "unknown", True),
        ("UNKNOWN", "unknown", CT1, True),
        ("UNKNOWN", "10.1.2.3", CT1, False),
        ("UNKNOWN", "10.1.2.3", "paranoid", False),
        ("PARANOID", "10.1.2.3", "paranoid", True),
        ("paranoid", "10.1.2.3", "unknown", False),
        (".LOCAL", "10.1.2.3", "ct1.local", True),
        ("@trusted", "10.1.2.3", CT1, False),
    ],
)
def test_a_pattern_for_hosts(pattern: str, address: str, name: str, expected: bool | None) -> None:
    if expected is None:
        assert faults(f"ALL: {pattern}\n")
    else:
        assert matches(pattern, address, name) is expected


@pytest.mark.parametrize(
    ("pattern", "user", "expected"),
    [
        ("alice@10.", "alice", True),
        ("ALICE@10.", "alice", True),
        ("alice@10.", "bob", False),
        ("alice@9.", "alice", False),
        ("UNKNOWN@ALL", "unknown", True),
        ("KNOWN@ALL", "unknown", False),
        ("KNOWN@ALL", "alice", True),
        ("ALL@10.", "unknown", True),
        ("al*@10.", "alice", True),
        ("alice@10.0.0.0/8", "alice", True),
        ("alice@@trusted", "alice", False),
        ("alice@[2001:db8::1]", "alice", False),
    ],
)
def test_a_user_is_looked_at_behind_the_host(pattern: str, user: str, expected: bool) -> None:
    assert matches(pattern, user=user) is expected


@pytest.mark.parametrize(
    ("daemons", "expected"),
    [
        ("my.scp", True),
        ("MY.SCP", True),
        ("my.", True),
        (".scp", True),
        ("my*", True),
        ("??.???", True),
        ("scp", False),
        ("KNOWN", True),
        ("LOCAL", False),
        ("ALL", True),
        ("104", True),
        ("00104", True),
        ("+104", True),
        ("105", False),
        ("my.scp@10.0.0.1", True),
        ("my.scp@10.0.0.2", False),
        ("ALL@10.0.0.0/24", True),
        ("104@10.0.0.1", True),
        ("ALL@.example", True),
        ("ALL@KNOWN", True),
        ("ALL@UNKNOWN", False),
        ("my.scp@@trusted", False),
        ("sshd my.scp", True),
        ("ALL EXCEPT my.scp@10.0.0.1", False),
        ("@my.scp", False),
    ],
)
def test_a_daemon_a_port_and_where_it_is_reached(daemons: str, expected: bool) -> None:
    service = Service(("my.scp",), 104, Host("::ffff:10.0.0.1", "srv.example"))
    assert verdict(f"{daemons}: ALL\n", "ALL: ALL\n", service=service).granted is expected


def test_a_number_over_65535_is_a_name_and_any_other_is_a_port() -> None:
    assert verdict("70000: ALL\n", "ALL: ALL\n", service=Service(("70000",), 104)).granted
    assert not verdict("104: ALL\n", "ALL: ALL\n", service=Service(("104",), 11112)).granted
    assert not verdict("104: ALL\n", "ALL: ALL\n", service=Service(("104",))).granted
    assert not verdict("0: ALL\n", "ALL: ALL\n", service=Service(("x",))).granted


def test_where_the_server_is_not_known_it_is_unknown() -> None:
    assert not verdict("storescp@10.0.0.1: ALL\n", "ALL: ALL\n").granted
    assert verdict("storescp@UNKNOWN: ALL\n", "ALL: ALL\n").granted
    assert verdict("storescp@ALL: ALL\n", "ALL: ALL\n").granted


class TestAllNamesMeanOneService:
    """A list is not asked for one name after the other: who is excepted by one name is not let in by another."""

    SERVICE = Service(("storescp", "scpd", "receive"))

    @pytest.mark.parametrize(
        ("daemons", "expected"),
        [
            ("storescp", True),
            ("scpd", True),
            ("receive", True),
            ("sshd", False),
            ("ALL EXCEPT storescp", False),
            ("ALL EXCEPT scpd", False),
            ("ALL EXCEPT sshd", True),
            ("ALL EXCEPT storescp EXCEPT scpd", True),
            ("storescp EXCEPT scpd", False),
        ],
    )
    def test_any_of_them_will_do(self, daemons: str, expected: bool) -> None:
        assert verdict(f"{daemons}: ALL\n", "ALL: ALL\n", service=self.SERVICE).granted is expected


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("ALL: 2001:db8::1", '"2001:db8::1": write [2001:db8::1]'),
        ("ALL: ALL EXCEPT 2001:DB8::1: allow", "write [2001:DB8::1]"),
        ("ALL: ::1", "write [::1]"),
        ("ALL: alice@::1", "write [::1]"),
        ("ALL: 2001:db8::/32", '"2001:db8::/32": write [2001:db8::]/32'),
        ("104@2001:db8::1: ALL", "write [2001:db8::1]"),
        ("ALL: [::1", "a stray bracket"),
        ("ALL: [::1: deny", "a stray bracket"),
        ("ALL: ::1]", "write [::1]"),
        ("ALL: 10.1.2.3]", "a stray bracket"),
        ("ALL: [::1]x", "a stray bracket"),
        ("ALL[: ALL", "no colon between daemons and clients outside brackets"),
        ("ALL ALL", "no colon"),
        (": ALL", "the daemon list is empty"),
        ("ALL:", "the client list is empty"),
        ("ALL:: deny", "the client list is empty"),
        ("ALL: ,, ,", "the client list is empty"),
        ("ALL: EXCEPT 9.", "nothing before or behind an EXCEPT"),
        ("ALL: ALL EXCEPT", "nothing before or behind an EXCEPT"),
        ("ALL: ALL EXCEPT EXCEPT 10.", "nothing before or behind an EXCEPT"),
        ("EXCEPT sshd: ALL", "the daemon list is empty"),
        ("/usr/bin/storescp: ALL", "a daemon is named without its path: write storescp"),
        ("10.0.0.0/8: storescp", "not the name of a daemon"),
        ("[::1]: ALL", "not the name of a daemon"),
        ("storescp #x: ALL", "a comment begins in the first column"),
        (" # storescp: ALL", "an indented # begins a rule"),
        ("ALL: .rad.*", "write *.rad.*"),
        ("ALL: !10.1.2.3", "not a host name"),
        ("ALL: alice@x@10.", "not a host name"),
        ("ALL: [x@10.]", "brackets are for IPv6"),
        ("ALL: bob@ 10.", "no host behind the @"),
        ("ALL: @", "no name of a netgroup"),
        ("storescp@: ALL", "no host behind the @"),
        ("storescp@10/8: ALL", "write 10.0.0.0/8"),
        ("ALL: 10.\\x", "a backslash"),
        ("ALL: 9. \\\r", "a backslash"),
        ("ALL:\xa010.", "an odd blank"),
        ("ALL:\xc2\xa010.", "an odd blank"),
        ("ALL: 10.\x0b9.", "an odd blank"),
        ("ALL: ct1\xe2\x80\x8b.example", "an odd blank"),
    ],
)
def test_what_cannot_be_meant_refuses_and_says_what_to_write(line: str, remedy: str) -> None:
    for allow, deny in ((f"#\n{line}\n", ""), ("", f"#\n{line}\n")):
        found = verdict(allow, deny)
        assert not found.granted
        text = str(found)
        assert remedy in text
        assert text.startswith(f"denied: {'allow' if allow else 'deny'}:2: ")


@pytest.mark.parametrize(
    "line",
    [
        "ALL: 10.1.2.003",
        "ALL: 0xa.1.2.3",
        "ALL: 10.1.2",
        "ALL: 10.1.2.3.",
        "ALL: 10.?.",
        "ALL: .example.",
        "ALL: .3",
        "ALL: ct1.",
        "ALL: ct1.rad.example.",
        "ALL: FAIL",
        "ALL: [fe80::1%1]",
        "ALL: 9. # trusted (both)",
        "LOCAL: ALL",
        "@storescp: ALL",
        ".scp: 9.",
        "my.: 9.",
        "ALL: alice@9.",
        "ALL: al*@9.",
        "ALL: 9.: spawn echo %q",
    ],
)
def test_what_is_odd_is_told_and_refuses_nobody(line: str) -> None:
    (warning,) = warnings(deny=line + "\n")
    assert warning.startswith("deny:1: ")
    assert faults(deny=line + "\n") == []


@pytest.mark.parametrize(
    "line", ["ALL: UNKNOWN@10.", "ALL: ALL@10.", "ALL: known@.rad.example", "ALL: 10. .rad.example ct1"]
)
def test_what_is_usual_is_not(line: str) -> None:
    assert warnings(line + "\n") == []


def test_a_word_behind_a_number_sign_is_a_pattern_still() -> None:
    assert matches("9. # not ALL")
    assert matches("# 10.")
    assert not matches("9. # (10.1.2.3)")
    assert faults("ALL: 9. # see 10.1.2.3/24\n")


class TestRulesOfOtherDaemons:
    """The tables are everybody's: what is wrong in a rule that cannot mean us is only told."""

    @pytest.mark.parametrize(
        "clients", ["10/8", "", "ALL EXCEPT", "2001:db8::1", "ALL: permit", "ALL:", "/none"]
    )
    @pytest.mark.parametrize("daemons", ["sshd", "ALL EXCEPT storescp", "105", "sshd in.telnetd@10.0.0.1"])
    def test_a_fault_is_a_warning(self, daemons: str, clients: str) -> None:
        line = f"{daemons}: {clients}\n"
        assert faults(line) == []
        assert len(warnings(line)) == 1
        assert verdict(line).granted

    @pytest.mark.parametrize(
        "daemons", ["storescp", "ALL", "sto*", "ALL EXCEPT sshd", "104", "storescp@10.9.9.9"]
    )
    def test_it_is_a_fault_where_the_rule_may_mean_us(self, daemons: str) -> None:
        assert len(faults(f"{daemons}: 10/8\n", service=Service(("storescp",), 104))) == 1

    @pytest.mark.parametrize(
        "line", ["sshd EXCEPT: ALL", "sshd[: ALL", "/usr/sbin/sshd: ALL", "sshd ALL", "sshd@10/8: ALL"]
    )
    def test_it_is_a_fault_where_nobody_can_say_whom_it_means(self, line: str) -> None:
        assert len(faults(line + "\n")) == 1

    @pytest.mark.parametrize(
        "option", ["twist /bin/true", "banners /etc/banners", "rfc931", "user root", "group root"]
    )
    def test_what_is_not_supported_here_is_nothing_to_say_of_them(self, option: str) -> None:
        assert warnings(f"sshd: ALL: {option}\n") == []
        assert len(faults(f"ALL: ALL: {option}\n")) == 1

    def test_users_are_nothing_to_say_of_them_either(self) -> None:
        assert warnings("sshd: alice@10.\n") == []
