"""scpctl access: the lines, the exit codes, and what is wrong with the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scpd.ctl.main import main

if TYPE_CHECKING:
    from pathlib import Path


class Asked:
    """scpctl access with two tables."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys
        self._tables = [f"--hosts-allow={folder}/hosts.allow", f"--hosts-deny={folder}/hosts.deny"]

    def write(self, allow: str, deny: str = "") -> None:
        (self.folder / "hosts.allow").write_text(allow)
        (self.folder / "hosts.deny").write_text(deny)

    def __call__(self, *words: str) -> tuple[int, list[str], list[str]]:
        code = main(["access", *self._tables, *words])
        said = self._capsys.readouterr()
        return code, *(text.replace(f"{self.folder}/", "").splitlines() for text in (said.out, said.err))


@pytest.fixture
def ask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Asked:
    return Asked(tmp_path, capsys)


def test_granted(ask: Asked) -> None:
    ask.write(
        "#\nstorescp: 10.: spawn echo %a %n & : setenv A b: umask 022: keepalive: allow\n", "ALL: ALL\n"
    )
    assert ask("10.1.2.3", "ct2.example") == (
        0,
        [
            "client:   hostname ct2.example",
            "client:   address  10.1.2.3",
            "server:   process  storescp scpd",
            "matched:  hosts.allow line 2",
            "option:   spawn echo 10.1.2.3 ct2.example &",
            "option:   setenv A b",
            "option:   umask 022",
            "option:   keepalive",
            "access:   granted",
        ],
        [],
    )


def test_denied(ask: Asked) -> None:
    ask.write("storescp: 10.\n", "ALL: ALL\n")
    code, out, err = ask("2001:db8::1")
    assert (code, out[-2:], err) == (1, ["matched:  hosts.deny line 1", "access:   denied"], [])


def test_no_rule_matches(ask: Asked) -> None:
    ask.write("")
    lines = ["client:   address  10.1.2.3", "server:   process  storescp scpd", "access:   granted"]
    assert ask("10.1.2.3") == (0, lines, [])


def test_a_broken_table_is_told(ask: Asked) -> None:
    ask.write("ALL: 10/8\nALL ALL\n")
    code, out, err = ask("10.1.2.3")
    assert (code, out[-1]) == (1, "access:   denied")
    assert err == [
        'scpctl: hosts.allow:1: "10/8": matches nobody: write 10.0.0.0/8',
        'scpctl: hosts.allow:2: "ALL ALL": no colon between daemons and clients',
    ]


def test_daemon_port_and_server(ask: Asked) -> None:
    ask.write("sshd: ALL\n104@10.0.0.1: ALL\n", "ALL: ALL\n")
    assert ask("10.1.2.3")[0] == 1
    assert ask("10.1.2.3", "--daemon", "sshd")[0] == 0
    assert ask("10.1.2.3", "--daemon", "x", "--daemon", "sshd")[0] == 0
    assert ask("10.1.2.3", "--port", "104")[0] == 1
    code, out, _ = ask("10.1.2.3", "--port", "104", "--server", "10.0.0.1")
    assert (code, out[1]) == (0, "server:   address  10.0.0.1")


def test_no_command_is_run(ask: Asked) -> None:
    ask.write(f"ALL: ALL: setenv A b: aclexec touch {ask.folder}/asked: spawn touch {ask.folder}/told\n")
    code, out, _ = ask("10.1.2.3")
    assert code == 0
    assert [line.split()[1] for line in out if line.startswith("option:")] == ["setenv", "aclexec", "spawn"]
    assert {path.name for path in ask.folder.iterdir()} == {"hosts.allow", "hosts.deny"}


def test_the_name_is_looked_up_only_if_a_rule_needs_it(ask: Asked) -> None:
    ask.write("ALL: 192.0.2.\n", "ALL: ALL\n")
    assert ask("192.0.2.1")[1][0] == "client:   address  192.0.2.1"
    ask.write("ALL: KNOWN\n", "ALL: ALL\n")
    assert ask("192.0.2.1", "unknown")[0] == 1
    assert ask("127.0.0.1", "localhost")[0] == 0


def test_what_comes_from_a_table_is_printable(ask: Asked) -> None:
    ask.write("ALL: ALL: setenv A \x1b[2J\n")
    assert "option:   setenv A \\x1b[2J" in ask("10.1.2.3")[1]


def test_check_tells_all_and_says_whether_it_refuses(ask: Asked) -> None:
    ask.write("ALL: 10.\n", "LOCAL: 10.\nsshd: 10/8\n")
    assert ask("--check") == (
        0,
        [],
        [
            'scpctl: warning: hosts.deny:1: "LOCAL": no keyword for daemons: it means a daemon of this name',
            'scpctl: warning: hosts.deny:2: "10/8": matches nobody: write 10.0.0.0/8',
        ],
    )
    assert ask("--check", "--daemon", "sshd")[0] == 1
    ask.write("ALL: 10.: permit\n")
    code, _, (line,) = ask("--check")
    assert code == 1
    assert line.startswith('scpctl: hosts.allow:1: "permit": no such option')


@pytest.mark.parametrize(
    "words", [["nonsense"], ["10.1.2"], ["10.1.2.3", "--port", "0"], ["10.1.2.3", "a", "b"]]
)
def test_a_wrong_line_gives_2(ask: Asked, words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        ask(*words)
    assert caught.value.code == 2


def test_without_an_address_there_is_no_question(ask: Asked) -> None:
    assert ask()[0] == 2
