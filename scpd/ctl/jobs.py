"""scpctl jobs, retry and drop: commands that wait, run, or were set aside."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from scpd.ctl.exitcodes import FAILURE, SUCCESS
from scpd.ctl.listing import as_json, say, table
from scpd.ctl.lockdir import ask_keeper, complain, with_survey
from scpd.keeper import jobnames
from scpd.keeper.requests import DROP, RETRY

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from scpd.ctl.survey import Study, Survey
    from scpd.keeper.ledger import Stored

_QUEUED, _RUNNING, _FAILED = "queued", "running", "failed"
_STATES = (_QUEUED, _RUNNING, _FAILED)
_HEADINGS = ("JOB", "STATE", "FAILURES", "FROM", "FILE", "WHY")


def run_jobs(options: Namespace) -> int:
    """List all commands that have not ended well, in order of arrival; those set aside come last."""

    def work(survey: Survey) -> int:
        found = list(_jobs(survey))
        say(as_json(found) if options.json else _as_text(found))
        return SUCCESS

    return with_survey(options, work)


def run_retry(options: Namespace) -> int:
    """Run a command again that was set aside, or at once one that waits to be tried again."""
    return _ask(options, RETRY, (_QUEUED, _FAILED))


def run_drop(options: Namespace) -> int:
    """Forget a command that waits or was set aside; of one that runs, only further attempts."""
    return _ask(options, DROP, _STATES)


def _ask(options: Namespace, verb: str, states: tuple[str, ...]) -> int:
    def work(survey: Survey) -> int:
        for facts in _jobs(survey):
            if facts["job"] == options.job and facts["state"] in states:
                return ask_keeper(survey, verb, options.job)
        complain(f"no {' or '.join(states)} job {options.job}")
        return FAILURE

    return with_survey(options, work)


def _jobs(survey: Survey) -> Iterator[dict[str, Any]]:
    # In this order: what ends meanwhile is listed, or not at all, but never as something that waits for ever.
    waiting = [*_of_objects(survey), *_of_studies(survey)]
    running = survey.running()
    failed = survey.failed()
    settled, tried = survey.accounts()
    for facts in waiting:
        job = facts["job"]
        if job not in settled:
            yield {**facts, "state": _RUNNING if job in running else _QUEUED, "failures": tried.get(job, 0)}
    for job, values in failed.items():
        yield _facts_of_failed(job, values, is_running=job in running)


def _of_objects(survey: Survey) -> Iterator[dict[str, Any]]:
    for stored in survey.objects():
        if stored.record.hook:
            yield _facts_of_object(stored)


def _facts_of_object(stored: Stored) -> dict[str, Any]:
    sender, entry = stored.association.sender, stored.record
    return {
        **_facts(jobnames.of_object(stored.association.maker, entry.number)),
        "study": entry.study_instance_uid,
        "directory": "/".join(part for part in (sender.place, entry.directory) if part),
        "file": entry.name,
        "calling_aet": sender.calling,
        "called_aet": sender.called,
        "peer": sender.name,
    }


def _of_studies(survey: Survey) -> Iterator[dict[str, Any]]:
    for study in survey.studies():
        if study.generation.rules.runs and not study.is_open:
            yield _facts_of_study(study)


def _facts_of_study(study: Study) -> dict[str, Any]:
    facts = _facts(jobnames.of_study(study.generation.name))
    facts |= {"study": study.generation.uid}
    facts |= {"directory": "/".join(part for part in (study.generation.place, study.directory) if part)}
    if study.objects:
        sender = study.objects[-1].association.sender
        facts |= {"calling_aet": sender.calling, "called_aet": sender.called, "peer": sender.name}
    return facts


def _facts_of_failed(job: str, values: dict[str, str], *, is_running: bool) -> dict[str, Any]:
    facts = _facts(job)
    facts |= {
        "state": _RUNNING if is_running else _FAILED,
        "study": values.get("study_instance_uid", ""),
        "directory": "/".join(part for part in (values.get("place"), values.get("study_directory")) if part),
    }
    return facts | {name: values[name] for name in facts if name in values and name not in {"job", "state"}}


def _facts(job: str) -> dict[str, Any]:
    """Give what every job has, in the order in which it is told; `time` is when it was set aside."""
    names = ("study", "directory", "file", "calling_aet", "called_aet", "peer", "status", "stderr", "time")
    return {"job": job, "state": _QUEUED, "failures": None, **dict.fromkeys(names, "")}


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
    counts = [f"{sum(facts['state'] == state for facts in found)} {state}" for state in _STATES]
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
