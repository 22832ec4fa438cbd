"""scpctl studies and scpctl complete: what is open in a lock directory, and its end by hand."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from scpd.ctl.counts import COMPLETING, OPEN
from scpd.ctl.exitcodes import FAILURE, SUCCESS
from scpd.ctl.listing import as_json, say, span, table
from scpd.ctl.lockdir import ask_keeper, complain, with_survey
from scpd.ctl.survey import arrived
from scpd.keeper.requests import COMPLETE
from scpd.log.counted import counted

if TYPE_CHECKING:
    from argparse import Namespace

    from scpd.ctl.survey import Study, Survey
    from scpd.keeper.ledger import Association, Stored

_HEADINGS = ("STUDY", "STATE", "OBJECTS", "AGE", "LAST", "ENDS IN", "HELD BY", "FROM", "DIRECTORY")


def run_studies(options: Namespace) -> int:
    """List the studies that are not complete in every respect."""

    def work(survey: Survey) -> int:
        found = [_facts(study, monotonic()) for study in survey.studies()]
        say(as_json(found) if options.json else _as_text(found))
        return SUCCESS

    return with_survey(options, work)


def run_complete(options: Namespace) -> int:
    """End an open study, named by its UID or its directory, as soon as no object of it is on its way."""

    def work(survey: Survey) -> int:
        named = [study for study in survey.studies() if study.is_open and _is_named(study, options.study)]
        if not named:
            complain(f"no open study {options.study}")
            return FAILURE
        return max(ask_keeper(survey, COMPLETE, study.generation.generation) for study in named)

    return with_survey(options, work)


def _is_named(study: Study, name: str) -> bool:
    names = {study.generation.uid, study.directory, study.generation.generation}
    names.add(_path(study, study.directory))
    return bool(name) and name in names


def _facts(study: Study, now: float) -> dict[str, Any]:
    """Give what is told of a study; spans are seconds, and what nobody knows is None."""
    objects, deadline = study.objects, study.deadline
    senders = dict.fromkeys(_who(stored.association) for stored in objects)
    return {
        "study": study.generation.uid,
        "state": OPEN if study.is_open else COMPLETING,
        "generation": study.generation.generation,
        "directory": _path(study, study.directory or (objects[-1].record.directory if objects else "")),
        "objects": len({stored.record.name for stored in objects}),
        "age": _since(objects[0], now) if objects else None,
        "last": _since(objects[-1], now) if objects else None,
        "ends_in": None if deadline is None else round(deadline - now, 1),
        "holders": list(map(_who, study.holders)),
        "peers": list(senders),
    }


def _path(study: Study, name: str) -> str:
    """Give the name of a directory, as a path if it is not in the output directory of the daemon."""
    return f"{study.generation.place}/{name}" if study.generation.place and name else name


def _who(association: Association) -> str:
    return f"{association.sender.calling}@{association.sender.name}"


def _since(stored: Stored, now: float) -> float | None:
    time = arrived(stored)
    return None if time is None else round(now - time, 1)


def _as_text(found: list[dict[str, Any]]) -> str:
    rows = [
        (
            str(facts["study"]),
            str(facts["state"]),
            str(facts["objects"]),
            span(facts["age"]),
            span(facts["last"]),
            span(facts["ends_in"]),
            str(len(facts["holders"])),
            ", ".join(facts["peers"]),
            str(facts["directory"]),
        )
        for facts in found
    ]
    count = sum(facts["state"] == OPEN for facts in found)
    return (table(_HEADINGS, rows) if rows else "") + f"{counted(count, 'open study', 'open studies')}\n"
