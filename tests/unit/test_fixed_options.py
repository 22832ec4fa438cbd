"""What a reload cannot change, by command lines."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from scpd.cli.parser import parse
from scpd.cli.settings import Settings
from scpd.fixed_options import changes, fixed_options

if TYPE_CHECKING:
    from pathlib import Path


def settings(*words: str) -> Settings:
    outcome = parse("scpd", ["-v", *words], needs_port=False)
    assert isinstance(outcome, Settings)
    return outcome


def between(before: tuple[str, ...], after: tuple[str, ...]) -> list[str]:
    """Give the names of what changes, and the values."""
    said = changes(settings(*after), fixed_options(settings(*before)))
    assert all(line.endswith(": restart") for line in said)
    return [
        line.removesuffix(": restart").replace(" cannot change while associations run,", "") for line in said
    ]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (["4711"], ["4712"], ["port from 4711 to 4712"]),
        (["4711"], [], ["port from 4711 to none"]),
        ([], ["4711"], ["port from none to 4711"]),
        (["--bind", "::1", "1"], ["--bind", "127.0.0.1", "1"], ["--bind from ::1 to 127.0.0.1"]),
        (["-i4", "1"], ["-i6", "1"], ["IP protocol from ipv4 to ipv6"]),
        (["--daemon", "1"], ["1"], ["--daemon from given to none"]),
        (["--user", "a", "1"], ["--user", "b", "1"], ["--user from a to b"]),
        (["--group", "a", "1"], ["1"], ["--group from a to none"]),
        (["--pidfile", "a", "1"], ["--pidfile", "b", "1"], ["--pidfile from a to b"]),
        (["--fork", "1"], ["--inetd"], ["port from 1 to none", "--inetd from none to given"]),
        (["-v", "1"], ["-d", "--fork", "-aet", "X", "-od", "/", "--umask", "077", "1"], []),
    ],
)
def test_what_cannot_change_is_named_with_both_values(
    before: list[str], after: list[str], said: list[str]
) -> None:
    assert between((*before,), (*after,)) == said
    assert between((*before,), (*before,)) == []


def test_a_lock_directory_may_come_and_go_but_not_move(tmp_path: Path) -> None:
    one, other = (
        ("-xcr", "true", "--lock-directory", f"{tmp_path}/1"),
        ("-xcr", "true", "-od", f"{tmp_path}/2"),
    )
    assert between((), one) == between(one, ()) == []
    assert between(one, other) == [f"lock directory from {tmp_path}/1 to {tmp_path}/2/.scpd"]


def test_a_lock_directory_is_the_same_by_whatever_path(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    (one, other) = (("-xcr", "true", "-od", str(path)) for path in (tmp_path, tmp_path / "link"))
    assert between(one, other) == between(one, ("-xcr", "true", "-od", os.path.relpath(tmp_path))) == []


def test_what_an_older_program_did_not_know_may_be_anything() -> None:
    assert changes(settings("--user", "a", "1"), {"port": "1", "what a newer one knows": "x"}) == []
