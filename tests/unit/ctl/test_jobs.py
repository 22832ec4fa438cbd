"""scpctl jobs, retry and drop, on a lock directory as workers and keepers leave it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from scpd.ctl.main import main

if TYPE_CHECKING:
    from tests.unit.ctl.conftest import Place


def listed(place: Place, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    assert main(["jobs", "--json", "-od", str(place.folder)]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    found: list[dict[str, Any]] = json.loads(said.out)
    return found


def test_a_command_that_waits_is_told_with_its_object(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    study = place.open("1.2.3", "x_1.2.3")
    job = place.worker().store("CT.1", study, hook="xcr")

    assert listed(place, capsys) == [
        {
            "job": job,
            "state": "queued",
            "failures": 0,
            "study": "1.2.3",
            "directory": "x_1.2.3",
            "file": "CT.1",
            "calling_aet": "CT_1",
            "called_aet": "STORE",
            "peer": "ct1",
            "status": "",
            "stderr": "",
            "time": "",
        }
    ]


def test_commands_come_in_order_of_arrival_and_those_that_have_ended_do_not(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = place.worker(), place.worker()
    late = first.store("CT.1", age=1, hook="xcr")
    early = second.store("CT.2", age=9, hook="xcr")
    runs = second.store("CT.3", age=8, hook="xcr")
    over = second.store("CT.4", age=7, hook="xcr")
    second.store("CT.5", age=6)
    second.store("CT.6", age=5, hook="xcr", said=False)
    place.account(("settled", over), ("tried", late, "2"))
    place.run(runs)

    assert [(facts["job"], facts["state"], facts["failures"]) for facts in listed(place, capsys)] == [
        (early, "queued", 0),
        (runs, "running", 0),
        (late, "queued", 2),
    ]


def test_the_file_has_the_name_under_which_it_was_stored(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.worker().store("CT.1", hook="xcr", stored_as="CT.1.1")

    assert [facts["file"] for facts in listed(place, capsys)] == ["CT.1.1"]


def test_the_journal_of_a_worker_that_is_gone_still_counts(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    worker = place.worker()
    job = worker.store("CT.1", hook="xcr")
    worker.leave()
    journals = place.path / "journals"
    (journals / worker.maker).rename(journals / "dead" / worker.maker)

    assert [facts["job"] for facts in listed(place, capsys)] == [job]


def test_the_command_of_a_study_waits_from_its_end_on(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    worker = place.worker()
    for uid, runs in (("1.2.3", True), ("1.2.4", False), ("1.2.5", True)):
        study = place.open(uid, f"x_{uid}", runs=runs)
        worker.store("CT.1", study)
        if uid != "1.2.5":
            place.seal(study)
        if uid == "1.2.3":
            job = f"1.2.3.{study.about.generation}.xcs"

    (facts,) = listed(place, capsys)

    assert (facts["job"], facts["state"], facts["directory"], facts["file"]) == (job, "queued", "x_1.2.3", "")
    assert facts["calling_aet"] == "CT_1"


def test_what_was_set_aside_comes_last_with_the_reason(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    values = {
        "study_directory": "x",
        "file": "CT.1",
        "calling_aet": "CT_1",
        "peer": "ct1",
        "study_instance_uid": "1.2.3",
        "status": "failed with exit status 3",
        "stderr": "first\nno such \x1bthing\n",
        "time": "1000000000",
    }
    place.set_aside("a.1.xcr", **values)
    job = place.worker().store("CT.9", hook="xcr")

    waiting, failed = listed(place, capsys)

    assert (waiting["job"], waiting["state"]) == (job, "queued")
    assert failed == {
        "job": "a.1.xcr",
        "state": "failed",
        "failures": None,
        "study": "1.2.3",
        "directory": "x",
        "file": "CT.1",
        "calling_aet": "CT_1",
        "called_aet": "",
        "peer": "ct1",
        "status": "failed with exit status 3",
        "stderr": "first\nno such \x1bthing\n",
        "time": "1000000000",
    }
    assert main(["jobs", "-od", str(place.folder)]) == 0
    *_, row, count = capsys.readouterr().out.splitlines()
    assert row.startswith("a.1.xcr")
    assert row.endswith(r"failed with exit status 3: no such \x1bthing")
    assert "2001-09-0" in row
    assert count == "1 queued, 0 running, 1 failed"


def test_a_command_that_is_tried_anew_runs(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.set_aside("a.1.xcr", status="failed")
    place.run("a.1.xcr")

    assert [facts["state"] for facts in listed(place, capsys)] == ["running"]


def test_without_commands_there_are_counts(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["jobs", "-od", str(place.folder)]) == 0
    assert capsys.readouterr().out == "0 queued, 0 running, 0 failed\n"


@pytest.mark.parametrize(
    ("verb", "state", "code"),
    [
        ("retry", "queued", 0),
        ("retry", "running", 1),
        ("retry", "failed", 0),
        ("retry", "unknown", 1),
        ("drop", "queued", 0),
        ("drop", "running", 0),
        ("drop", "failed", 0),
        ("drop", "unknown", 1),
    ],
)
def test_the_keeper_is_asked_for_what_can_be_done(
    place: Place, capsys: pytest.CaptureFixture[str], verb: str, state: str, code: int
) -> None:
    worker = place.worker()
    jobs = {
        "queued": worker.store("CT.1", hook="xcr"),
        "running": worker.store("CT.2", hook="xcr"),
        "failed": "a.1.xcr",
        "unknown": "a.2.xcr",
    }
    place.run(jobs["running"])
    place.set_aside("a.1.xcr", status="failed")
    place.elect()

    assert main([verb, jobs[state], "-od", str(place.folder)]) == code

    said = capsys.readouterr()
    if code:
        assert place.requests() == []
        assert said.err.startswith("scpctl: no ")
        assert jobs[state] in said.err
    else:
        assert place.requests() == [[verb, jobs[state]]]
        assert place.woken()
        assert said.err == ""


def test_a_reader_who_has_seen_enough_is_no_failure(place: Place) -> None:
    worker = place.worker()
    for number in range(2000):
        worker.store(f"CT.{number}", hook="xcr")
    words = [sys.executable, "-m", "scpd.ctl.main", "jobs", "-od", str(place.folder)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as listing:
        assert listing.stdout
        assert listing.stderr
        listing.stdout.close()
        assert listing.stderr.read() == b""
        assert listing.wait(timeout=30) == 0


def test_the_output_directory_of_a_title_is_told_too(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    worker = place.worker(output_directory="/srv/ct")
    worker.store("CT.1", place.open("1.2", "x_1.2", output_directory="/srv/ct"), hook="xcr")
    worker.store("CT.2", hook="xcr")
    place.seal(place.open("1.3", "x_1.3", output_directory="/srv/ct", runs=True))
    place.set_aside("a.1.xcr", place="/srv/ct", study_directory="x_1.4", status="failed")
    told = [facts["directory"] for facts in listed(place, capsys)]
    assert told == ["/srv/ct/x_1.2", "/srv/ct", "/srv/ct/x_1.3", "/srv/ct/x_1.4"]
