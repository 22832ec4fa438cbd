"""Section 1: where the search ends, what is to be done; section 11: what a decision leaves behind is nothing."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from scpd.access.findings import Fault
from scpd.access.parties import Client, Host, Service
from scpd.access.verdict import decide
from tests.unit.access.conftest import book, verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scpd.access.verdict import Action


@pytest.mark.parametrize(
    ("allow", "deny", "text"),
    [
        ("", "", "granted: no rule matches"),
        ("", "ALL: ALL\n", "denied by deny:1"),
        ("ALL: 9.\n", "", "granted: no rule matches"),
        ("storescp: 10.\n", "ALL: ALL\n", "granted by allow:1"),
        ("storescp: 9.\n", "ALL: ALL\n", "denied by deny:1"),
        ("storescp: 9.\n", "storescp: 8.\n", "granted: no rule matches"),
        ("storescp: 10.: deny\nstorescp: ALL: allow\n", "", "denied by allow:1"),
        ("storescp: ALL: allow\nstorescp: 10.: deny\n", "", "granted by allow:1"),
        ("sshd: ALL\n", "storescp: ALL\n", "denied by deny:1"),
        ("# one\n\n  \nstorescp: 10.1.2.3\n", "ALL: ALL\n", "granted by allow:4"),
        ("", "ALL: 9.\nALL: ALL: allow\n", "granted by deny:2"),
        ("", "ALL: ALL EXCEPT 10.\n", "granted: no rule matches"),
        ("", "ALL: ALL EXCEPT 9.\n", "denied by deny:1"),
        ("", "ALL: ALL EXCEPT 10. EXCEPT 10.1.2.3\n", "denied by deny:1"),
        ("", "ALL: ALL EXCEPT 10. EXCEPT 10.1.2.4\n", "granted: no rule matches"),
        ("", "ALL: ALL EXCEPT 10. EXCEPT 10.1. EXCEPT 10.1.2.\n", "granted: no rule matches"),
        ("", "ALL: ALL EXCEPT 10. EXCEPT 10.1. EXCEPT 10.1.9.\n", "denied by deny:1"),
        ("", "ALL: 9. 10. EXCEPT 10.2. 10.3. EXCEPT 10.4.\n", "denied by deny:1"),
        ("", "ALL EXCEPT storescp: ALL\n", "granted: no rule matches"),
        ("", "ALL EXCEPT sshd in.ftpd: ALL EXCEPT 9.\n", "denied by deny:1"),
        ("", "ALL: ALL,eXcEpT,10.1.2.3\n", "granted: no rule matches"),
        ("", "ALL: ALL EXCEPT10.\n", "denied by deny:1"),
        ("ALL: 10/8\n", "", 'denied: allow:1: "10/8": matches nobody: write 10.0.0.0/8'),
        (
            "ALL: ALL\n",
            "ALL: 10/8\nALL\n",
            'denied: deny:1: "10/8": matches nobody: write 10.0.0.0/8 (and 1 more)',
        ),
    ],
)
def test_the_first_rule_that_matches_decides(allow: str, deny: str, text: str) -> None:
    assert str(verdict(allow, deny)) == text


class TestNames:
    """A name is asked for once, and only where the address does not decide."""

    def asked(self, allow: str, deny: str = "ALL: ALL\n", address: str = "10.1.2.3") -> tuple[bool, int]:
        asked: list[str] = []

        def ask() -> str:
            asked.append(address)
            return "CT1.rad.example"

        return verdict(allow, deny, address, ask).granted, len(asked)

    @pytest.mark.parametrize(
        "allow",
        [
            "ALL: 10.1.2.3\nALL: .rad.example\n",
            "ALL: .rad.example 10.\n",
            "ALL: LOCAL, ALL\n",
            "sshd: .rad.example\nALL: 10.\n",
            "storescp@10.0.0.1: .rad.example\nALL: 10.\n",
            "ALL: ALL EXCEPT [::1]\nALL: ct1.rad.example\n",
            "ALL: 10.* EXCEPT 9.9.9.9\n",
            "ALL: 10.: spawn echo %a %h\n",
        ],
    )
    def test_the_address_decides(self, allow: str) -> None:
        assert self.asked(allow) == (True, 0)

    @pytest.mark.parametrize(
        "allow",
        [
            "ALL: .rad.example\n",
            "ALL: ct1.rad.example\nALL: 10.\n",
            "ALL: 9.\nALL: 8. ct*\n",
            "ALL: KNOWN\n",
            "ALL: ALL EXCEPT .evil.example\n",
            "ALL: 10.: spawn echo %n\n",
            "ALL: pacs.example\nALL: .evil.example\nALL: 10.\n",
            "ALL: pacs.example EXCEPT LOCAL\nALL: ct1.\n",
        ],
    )
    def test_it_does_not(self, allow: str) -> None:
        assert self.asked(allow) == (True, 1)

    def test_a_name_that_is_not_needed_in_vain(self) -> None:
        assert self.asked("ALL: 9.\n", "ALL: ALL\n") == (False, 0)
        assert self.asked("ALL: pacs.example\n", "ALL: ALL\n") == (False, 1)


def run(answers: Sequence[bool | None], allow: str, deny: str = "") -> tuple[str, list[str], list[str]]:
    """Decide with commands that answer so; gives the verdict, what was asked, and the actions."""
    asked: list[str] = []
    left = list(answers)

    def ask(command: str, before: Sequence[Action]) -> bool | None:
        asked.append(f"{command} after {' '.join(action.keyword for action in before)}".strip())
        return left.pop(0)

    found = verdict(allow, deny, aclexec=ask)
    assert not left
    return str(found), asked, [action.keyword for action in found.actions]


class TestAclexec:
    """Status 0 goes on; else whom the rule would let in is refused, and whom it would refuse is looked at further."""

    @pytest.mark.parametrize(
        ("answers", "allow", "deny", "text"),
        [
            ([True], "ALL: ALL: aclexec x\n", "ALL: ALL\n", "granted by allow:1"),
            ([False], "ALL: ALL: aclexec x\n", "", "denied by allow:1: aclexec did not agree"),
            ([None], "ALL: ALL: aclexec x\n", "", "denied by allow:1: aclexec did not agree"),
            (
                [False],
                "ALL: ALL: aclexec x\nALL: 10.: allow\n",
                "",
                "denied by allow:1: aclexec did not agree",
            ),
            ([False], "ALL: ALL: aclexec x: allow\n", "", "denied by allow:1: aclexec did not agree"),
            ([True], "ALL: ALL: aclexec x: deny\n", "", "denied by allow:1"),
            ([False], "ALL: ALL: aclexec x: deny\n", "", "denied by allow:1: aclexec did not agree"),
            ([True], "", "ALL: ALL: aclexec x\n", "denied by deny:1"),
            ([False], "", "ALL: ALL: aclexec x\n", "granted: no rule matches"),
            ([None], "", "ALL: ALL: aclexec x\n", "denied by deny:1: aclexec did not agree"),
            ([False], "", "ALL: ALL: aclexec x\nALL: ALL\n", "denied by deny:2"),
            ([False], "", "ALL: ALL: aclexec x\nALL: ALL: severity info\n", "denied by deny:2"),
            ([False], "", "ALL: ALL: aclexec x: allow\n", "denied by deny:1: aclexec did not agree"),
            ([True], "", "ALL: ALL: aclexec x: allow\n", "granted by deny:1"),
            (
                [True, False],
                "ALL: ALL: aclexec x: aclexec y\n",
                "",
                "denied by allow:1: aclexec did not agree",
            ),
        ],
    )
    def test_its_status_decides(self, answers: list[bool | None], allow: str, deny: str, text: str) -> None:
        assert run(answers, allow, deny)[0] == text

    def test_it_is_asked_once_also_where_a_name_is_needed_next(self) -> None:
        deny = "ALL: 10.1.2.3 .rad.example: aclexec x\nALL: .rad.example: aclexec y\n"
        assert run([False, False], "", deny.replace(".rad.example", "unknown"))[1] == ["x after", "y after"]

    def test_it_is_asked_in_its_turn_with_what_came_before(self) -> None:
        _, asked, actions = run([True], "ALL: ALL: setenv A b: aclexec ask %a: spawn tell\n")
        assert asked == ["ask 10.1.2.3 after setenv"]
        assert actions == ["setenv", "spawn"]

    def test_a_rule_that_came_to_nothing_leaves_no_action(self) -> None:
        assert run([False], "", "ALL: ALL: spawn x: aclexec y\n")[2] == []

    def test_nobody_to_ask_is_no_agreement(self) -> None:
        assert not verdict("ALL: ALL: aclexec true\n").granted

    def test_a_decision_leaves_nothing_behind(self) -> None:
        tables = book("ALL: 9.: aclexec x\nALL: 8.\n", "ALL: ALL: severity info\n")
        service = Service(("storescp",))

        def decided(address: str) -> bool:
            return decide(tables, service, Client(Host(address)), lambda *_: False).granted

        assert [decided(address) for address in ("9.1.1.1", "7.1.1.1", "8.1.1.1", "7.1.1.1")] == [
            False,
            False,
            True,
            False,
        ]


def test_what_is_too_long_when_expanded_refuses_with_its_line() -> None:
    found = verdict(f"ALL: ALL: spawn {'%n' * 900}\n", name="x" * 250)
    assert str(found).startswith("denied by allow:1: %n%n")


def test_a_netgroup_that_nobody_can_look_up_refuses() -> None:
    def ask(group: str, name: str) -> bool:
        raise Fault(f"@{group}", f"no answer about {name}")

    tables = book("ALL: ALL EXCEPT @bad\n", "")
    found = decide(tables, Service(("storescp",)), Client(Host("10.1.2.3", "ct1")), in_netgroup=ask)
    assert str(found) == "denied by allow:1: @bad: no answer about ct1"
    assert not decide(tables, Service(("storescp",)), Client(Host("10.1.2.3", "ct1"))).granted


def test_a_netgroup_is_asked_for_the_name_its_case_kept() -> None:
    def ask(group: str, name: str) -> bool:
        return (group, name) == ("Trusted", "ct1")

    tables = book("ALL: ALICE@@Trusted\nstorescp@@Trusted: ALL\n", "ALL: ALL\n")
    service = Service(("storescp",), host=Host("10.0.0.1", "srv"))
    assert decide(tables, service, Client(Host("10.1.2.3", "CT1"), user="alice"), in_netgroup=ask).granted
    assert not decide(tables, service, Client(Host("10.1.2.3", "CT1")), in_netgroup=ask).granted


def test_the_library_needs_nothing_else_of_scpd() -> None:
    script = (
        "import sys, scpd.access.tables, scpd.access.verdict\n"
        "print(*sorted(name for name in sys.modules if name.startswith('scpd.') and 'access' not in name))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "\n"
