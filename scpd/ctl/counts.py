"""How many studies and commands a lock directory holds, by state: for `scpctl status`, counted by the daemon itself.

So nothing is imported that a master does not have anyway.
"""

from __future__ import annotations

from scpd.ctl.joblist import STATES, list_jobs
from scpd.ctl.survey import Survey

OPEN, COMPLETING = "open", "completing"


def count(lock_directory: str, output_directory: str) -> dict[str, dict[str, int]]:
    """Give `studies` and `jobs`; raises `OSError`."""
    with Survey(lock_directory, output_directory) as survey:
        found = [study.is_open for study in survey.studies()]
        jobs = [facts["state"] for facts in list_jobs(survey)]
    return {
        "studies": {OPEN: found.count(True), COMPLETING: found.count(False)},
        "jobs": {state: jobs.count(state) for state in STATES},
    }
