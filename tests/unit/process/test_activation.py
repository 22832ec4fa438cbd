"""Sockets that a service manager hands over: sd_listen_fds(3)."""

from __future__ import annotations

import pytest

from scpd.errors import StartError
from scpd.process.activation import is_for, take

OURS = 17


def environment(**values: str) -> dict[str, str]:
    return {"LISTEN_PID": str(OURS), "PATH": "/bin", **values}


def handed(variables: dict[str, str]) -> list[tuple[int, str]]:
    return [(each.number, each.name) for each in take(variables, OURS)]


@pytest.mark.parametrize(
    ("variables", "sockets"),
    [
        ({"LISTEN_FDS": "1"}, [(3, "unknown")]),
        ({"LISTEN_FDS": "2", "LISTEN_FDNAMES": "dicom:scpd.socket"}, [(3, "dicom"), (4, "scpd.socket")]),
        ({"LISTEN_FDS": "3", "LISTEN_FDNAMES": "dicom:"}, [(3, "dicom"), (4, "unknown"), (5, "unknown")]),
        ({"LISTEN_FDS": "1", "LISTEN_FDNAMES": "dicom:other"}, [(3, "dicom")]),
        ({"LISTEN_FDS": "0", "LISTEN_FDNAMES": "dicom"}, []),
        ({"LISTEN_FDNAMES": "dicom"}, []),
    ],
)
def test_they_have_numbers_from_3_on_and_names(
    variables: dict[str, str], sockets: list[tuple[int, str]]
) -> None:
    assert is_for(environment(**variables), OURS) is bool(sockets)
    assert handed(environment(**variables)) == sockets


def test_those_of_another_process_are_none_of_ours() -> None:
    theirs = {"LISTEN_PID": str(OURS + 1), "LISTEN_FDS": "1"}
    assert not is_for(theirs, OURS)
    assert not is_for({"LISTEN_FDS": "1"}, OURS)
    assert handed(theirs) == []


@pytest.mark.parametrize("pid", [OURS, OURS + 1])
def test_the_variables_are_for_nobody_that_comes_after_us(pid: int) -> None:
    variables = environment(
        LISTEN_PID=str(pid), LISTEN_FDS="1", LISTEN_FDNAMES="dicom", LISTEN_PIDFDID="4711"
    )
    take(variables, OURS)
    assert variables == {"PATH": "/bin"}


@pytest.mark.parametrize("text", ["", "x", "-1", "1.0", "²", " 1"])
def test_what_is_no_number_is_a_start_that_fails(text: str) -> None:
    with pytest.raises(StartError, match="LISTEN_FDS="):
        take(environment(LISTEN_FDS=text), OURS)
