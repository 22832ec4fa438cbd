"""The commands that a lock directory holds, one dictionary each."""

from __future__ import annotations

from scpd.keeper import jobnames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from scpd.ctl.survey import Study, Survey
    from scpd.keeper.ledger import Stored

QUEUED, RUNNING, FAILED = "queued", "running", "failed"
STATES = (QUEUED, RUNNING, FAILED)


def list_jobs(survey: Survey) -> Iterator[dict[str, Any]]:
    """Give all that have not ended well, in order of arrival; those set aside come last."""
    # In this order: what ends meanwhile is listed, or not at all, but never as something that waits for ever.
    waiting = [*_of_objects(survey), *_of_studies(survey)]
    running = survey.running()
    failed = survey.failed()
    settled, tried = survey.accounts()
    for facts in waiting:
        job = facts["job"]
        if job not in settled:
            yield {**facts, "state": RUNNING if job in running else QUEUED, "failures": tried.get(job, 0)}
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
        "state": RUNNING if is_running else FAILED,
        "study": values.get("study_instance_uid", ""),
        "directory": "/".join(part for part in (values.get("place"), values.get("study_directory")) if part),
    }
    return facts | {name: values[name] for name in facts if name in values and name not in {"job", "state"}}


def _facts(job: str) -> dict[str, Any]:
    """Give what every job has, in the order in which it is told; `time` is when it was set aside."""
    names = ("study", "directory", "file", "calling_aet", "called_aet", "peer", "status", "stderr", "time")
    return {"job": job, "state": QUEUED, "failures": None, **dict.fromkeys(names, "")}
