"""Section 4, /path: words between white space, and all that libwrap would take for a pattern."""

from __future__ import annotations

import pytest

from tests.unit.access.conftest import faults, matches, verdict

LIST = "/list"


def listed(text: str, address: str = "10.1.2.3", name: str = "unknown", **more: str) -> bool:
    return matches(LIST, address, name, files={LIST: text, **more})


@pytest.mark.parametrize(
    ("text", "address", "expected"),
    [
        ("9.\n10.1.\n", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2.3", True),
        ("9. 8.\t10.0.0.0/8 7.\n", "10.1.2.3", True),
        ("9.\x0b10.\x0c", "10.1.2.3", True),
        ("", "10.1.2.3", False),
        ("2001:db8::1\n", "2001:db8::1", True),
        ("2001:db8:0::1\n", "2001:db8::1", True),
        ("2001:db8:*\n", "2001:db8::1", True),
        ("[2001:db8::]/32\n", "2001:db8::1", True),
        ("::ffff:10.1.2.3\n", "10.1.2.3", True),
        ("ALL\n", "unknown", True),
    ],
)
def test_its_words_are_patterns(text: str, address: str, expected: bool) -> None:
    assert listed(text, address) is expected


def test_it_may_name_another() -> None:
    assert listed("9. /more\n", **{"/more": "10.\n"})  # type: ignore[arg-type]


def test_users_servers_and_exceptions_may_name_one() -> None:
    files = {LIST: "10.\n"}
    assert matches(f"alice@{LIST}", user="alice", files=files)
    assert not matches(f"ALL EXCEPT {LIST}", files=files)
    assert verdict(f"storescp@{LIST}: ALL\n", "ALL: ALL\n", files={LIST: "unknown\n"}).granted


@pytest.mark.parametrize(
    ("text", "line", "remedy"),
    [
        ("9.,10.1.2.3\n", 1, "not commas"),
        ("9.\n# block ALL of them\n", 2, "no comments"),
        ("ALL EXCEPT 10.1.2.3\n", 1, "no EXCEPT"),
        ("alice@10.1.2.3\n", 1, "no users"),
        ("\n\n10/8\n", 3, "write 10.0.0.0/8"),
        ("2001:db8::/32\n", 1, "write [2001:db8::]/32"),
        ("x" * 20_000, 1, "more than 2047 bytes"),
        ("10.\0\n", 1, "an odd blank"),
    ],
)
def test_what_it_cannot_say_is_a_fault_of_the_file(text: str, line: int, remedy: str) -> None:
    (fault, *_) = faults(f"ALL: {LIST}\n", files={LIST: text})
    assert fault.startswith(f"{LIST}:{line}: ")
    assert remedy in fault


def test_one_that_cannot_be_read_is_a_fault_of_the_rule_also_behind_except() -> None:
    assert faults("#\nALL: ALL EXCEPT /none\n") == ['allow:2: "/none": not read']
    assert faults("ALL: /list\n", files={LIST: "9.\n/none\n"}) == ['/list:2: "/none": not read']


def test_one_that_names_itself_is_a_fault() -> None:
    assert faults("ALL: /list\n", files={LIST: "/list\n"}) == [
        '/list:1: "/list": a pattern file that names itself'
    ]
    found = faults("ALL: /list\n", files={LIST: "/more", "/more": "/list"})
    assert found == ['/more:1: "/list": a pattern file that names itself']


def test_files_that_name_each_other_many_times_are_gone_through_once() -> None:
    files = {f"/{number}": f"/{number + 1} " * 300 for number in range(7)} | {"/7": "9.\n"}
    assert not matches("/0", files=files)


def test_files_nested_too_deep_are_a_fault() -> None:
    files = {f"/{number}": f"/{number + 1}\n" for number in range(20)} | {"/20": "9.\n"}
    assert "nested more than 8 deep" in faults("ALL: /0\n", files=files)[0]


def test_a_fault_in_one_of_another_daemon_refuses_nobody() -> None:
    assert faults("sshd: /list\n", files={LIST: "10/8\n"}) == []
    assert len(faults("sshd: /list\nALL: /list\n", files={LIST: "10/8\n"})) == 1
