"""The table of exit codes: every code of ours has a meaning for whoever reaps."""

from __future__ import annotations

import logging

from scpd.process import exitcodes

CODES = {name: code for name, code in vars(exitcodes).items() if isinstance(code, int) and name.isupper()}


def test_every_exit_code_is_its_own() -> None:
    assert len(set(CODES.values())) == len(CODES)


def test_every_exit_code_of_a_child_has_a_meaning() -> None:
    # A start that fails is the master's, whom nobody of ours reaps.
    assert set(exitcodes.MEANINGS) == set(CODES.values()) - {exitcodes.START_FAILED}


def test_what_scripts_rely_on_stays() -> None:
    assert (exitcodes.OK, exitcodes.START_FAILED) == (0, 1)


def test_only_a_crash_is_an_error() -> None:
    errors = [code for code, (level, _) in exitcodes.MEANINGS.items() if level >= logging.ERROR]

    assert errors == [exitcodes.CRASHED]
