"""Section 6: options are parsed and checked when the table is read."""

from __future__ import annotations

import pytest

from scpd.access.parties import Service
from tests.unit.access.conftest import faults, verdict


def actions(options: str) -> list[tuple[str, object]]:
    found = verdict(f"ALL: ALL: {options}\n")
    assert found.granted, str(found)
    return [(action.keyword, action.value) for action in found.actions]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("allow", []),
        ("ALLOW", []),
        ("allow=", []),
        ("allow =", []),
        ("severity info", [("severity", "info")]),
        ("severity=info", [("severity", "info")]),
        ("severity = LOCAL7.Debug: allow", [("severity", "local7.debug")]),
        ("severity\tauth.notice", [("severity", "auth.notice")]),
        ("keepalive", [("keepalive", None)]),
        ("linger 5", [("linger", 5)]),
        ("linger 0", [("linger", 0)]),
        ("umask 027", [("umask", 0o27)]),
        ("umask 0777", [("umask", 0o777)]),
        ("nice", [("nice", 10)]),
        ("nice 5", [("nice", 5)]),
        ("nice -5", [("nice", -5)]),
        ("setenv A", [("setenv", ("A", ""))]),
        ("setenv A b\tc", [("setenv", ("A", "b\tc"))]),
        ("setenv A = b", [("setenv", ("A", "= b"))]),
        ("setenv A b\\:c:allow", [("setenv", ("A", "b:c"))]),
        ("spawn echo a\\:b", [("spawn", "echo a:b")]),
        ("spawn echo a\\b", [("spawn", "echo a\\b")]),
        ("spawn = echo [a: allow", [("spawn", "echo [a")]),
        ("spawn echo \xc3\xa4", [("spawn", "echo \xe4")]),
        ("spawn echo \xe4", [("spawn", "echo \udce4")]),
        (
            "severity info: umask 022: setenv A b",
            [("severity", "info"), ("umask", 0o22), ("setenv", ("A", "b"))],
        ),
    ],
)
def test_an_option_is_an_action(options: str, expected: list[tuple[str, object]]) -> None:
    assert actions(options) == expected


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ("permit", "no such option"),
        ("/bin/true", "commands need spawn before them"),
        ("", "an empty option"),
        ("allow:", "must be the last option"),
        ("severity info:: allow", "an empty option"),
        ("allow: severity info", "must be the last option"),
        ("deny: allow", "must be the last option"),
        ("allow now", "takes no value"),
        ("keepalive yes", "takes no value"),
        ("severity", "no severity"),
        ("severity auth", "no severity"),
        ("severity==info", "no severity"),
        ("severity loud", "no severity"),
        ("severity warn", "no severity"),
        ("severity error", "no severity"),
        ("severity authpriv.info", "no severity"),
        ("severity .info", "no severity"),
        ("umask 9", "octal number"),
        ("umask 01777", "octal number"),
        ("umask -1", "octal number"),
        ("umask", "octal number"),
        ("linger -1", "seconds from 0"),
        ("linger", "seconds from 0"),
        ("linger 5x", "seconds from 0"),
        ("nice low", "requires a number"),
        ("setenv", "requires a name"),
        ("setenv A=b", "requires a name"),
        ("setenv %h b", "requires a name"),
        ("spawn", "requires a command"),
        ("aclexec", "requires a command"),
        ("twist /bin/echo no", "twist is not supported: refuse the client with deny"),
        ("banners /etc/banners", "banners is not supported"),
        ("rfc931", "rfc931 is not supported"),
        ("RFC931 5", "rfc931 is not supported"),
        ("user root", "user is not supported"),
        ("group root", "group is not supported"),
    ],
)
def test_a_bad_one_refuses_whether_or_not_its_rule_matches(options: str, remedy: str) -> None:
    for clients in ("ALL", "9."):
        (fault, *_) = faults(f"#\nALL: {clients}: {options}\n")
        assert fault.startswith("allow:2: ")
        assert remedy in fault


def test_every_bad_one_is_told() -> None:
    assert len(faults("ALL: 10/8: permit: umask 9\n")) == 3


def test_the_verdict_of_an_option_is_that_of_either_table() -> None:
    assert verdict("", "ALL: ALL: allow\n").granted
    assert not verdict("ALL: ALL: deny\n", "").granted
    assert verdict("ALL: ALL: severity info\n", "ALL: ALL\n").granted
    assert not verdict("", "ALL: ALL: severity info\n").granted


def test_a_table_may_be_of_rules_with_verdicts_only() -> None:
    allow = "storescp: 10.: allow\nALL: ALL: deny\n"
    assert verdict(allow).granted
    assert not verdict(allow, address="9.1.1.1").granted
    assert not verdict(allow, service=Service(("sshd",))).granted
