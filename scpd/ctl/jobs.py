"""scpctl jobs, retry and drop: commands that wait, run, or were set aside."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from scpd.ctl.exitcodes import FAILURE, SUCCESS
from scpd.ctl.joblist import FAILED, QUEUED, STATES, list_jobs
from scpd.ctl.listing import as_json, say, table
from scpd.ctl.lockdir import ask_keeper, complain, with_survey
from scpd.keeper.requests import DROP, RETRY

if TYPE_CHECKING:
    from argparse import Namespace

    from scpd.ctl.survey import Survey

_HEADINGS = ("JOB", "STATE", "FAILURES", "FROM", "FILE", "WHY")


def run_jobs(options: Namespace) -> int:
    """List all commands that have not ended well, in order of arrival; those set aside come last."""

    def work(survey: Survey) -> int:
        found = list(list_jobs(survey))
        say(as_json(found) if options.json else _as_text(found))
        return SUCCESS

    return with_survey(options, work)


def run_retry(options: Namespace) -> int:
    """Run a command again that was set aside, or at once one that waits to be tried again."""
    return _ask(options, RETRY, (QUEUED, FAILED))


def run_drop(options: Namespace) -> int:
    """Forget a command that waits or was set aside; of one that runs, only further attempts."""
    return _ask(options, DROP, STATES)


def _ask(options: Namespace, verb: str, states: tuple[str, ...]) -> int:
    def work(survey: Survey) -> int:
        for facts in list_jobs(survey):
            if facts["job"] == options.job and facts["state"] in states:
                return ask_keeper(survey, verb, options.job)
        complain(f"no {' or '.join(states)} job {options.job}")
        return FAILURE

    return with_survey(options, work)


def _as_text(found: list[dict[str, Any]]) -> str:
    rows = [
        (
            facts["job"],
            facts["state"],
            "" if facts["failures"] is None else str(facts["failures"]),
            f"{facts['calling_aet']}@{facts['peer']}",
            "/".join(part for part in (facts["directory"], facts["file"]) if part),
            _why(facts),
        )
        for facts in found
    ]
    counts = [f"{sum(facts['state'] == state for facts in found)} {state}" for state in STATES]
    return (table(_HEADINGS, rows) if rows else "") + ", ".join(counts) + "\n"


def _why(facts: dict[str, Any]) -> str:
    """Say how a command ended that was set aside, and its last words."""
    words = facts["stderr"].strip().splitlines()[-1:]
    when = [_local(facts["time"])] if facts["time"] else []
    return " ".join([*when, *([f"{facts['status']}:"] if words else [facts["status"]]), *words])


def _local(seconds: str) -> str:
    try:
        return f"{datetime.fromtimestamp(int(seconds)).astimezone():%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):
        return seconds
