"""The lock directory that scpctl is asked about: where it is, and that its faults are lines of text."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from scpd.ctl.exitcodes import FAILURE, SUCCESS
from scpd.ctl.survey import Survey
from scpd.keeper.requests import ask

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

_IN_OUTPUT_DIRECTORY = ".scpd"


def path_of(options: Namespace) -> str:
    """Give the path of the lock directory that the options name."""
    if options.lock_directory is not None:
        return str(options.lock_directory)
    return os.path.join(options.output_directory, _IN_OUTPUT_DIRECTORY)


def with_survey(options: Namespace, work: Callable[[Survey], int]) -> int:
    """Do something with the lock directory; give the exit code."""
    path = path_of(options)
    try:
        with Survey(path, options.output_directory or os.path.dirname(os.path.abspath(path))) as survey:
            return work(survey)
    except BrokenPipeError:  # of a reader such as head(1), who has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return SUCCESS
    except OSError as error:
        where = path if error.filename in {None, path} else f"{path}/{error.filename}"
        complain(f"cannot use lock directory {where}: {error.strerror}")
        return FAILURE


def ask_keeper(survey: Survey, verb: str, subject: str) -> int:
    """Leave a request; it is done at once, or when there is a keeper again."""
    if not ask(survey.lockdir, verb, subject):
        complain("there is no keeper now: it will be done by the next one")
    return SUCCESS


def complain(text: str) -> None:
    """Print a line on standard error."""
    print(f"scpctl: {text}", file=sys.stderr)
