"""scpctl studies and complete, on a lock directory as workers leave it."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from scpd.ctl.main import main

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.ctl.conftest import Place


def listed(place: Place, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    assert main(["studies", "--json", "-od", str(place.folder)]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    found: list[dict[str, Any]] = json.loads(said.out)
    return found


def test_an_open_study_is_told_with_all_that_is_known_of_it(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    study = place.open("1.2.3", "x_1.2.3", timeout=60)
    first, second = place.worker("CT_1"), place.worker("CT_2")
    first.store("CT.1", study, age=30)
    second.store("CT.2", study, age=10)
    second.store("CT.1", study, age=5)
    second.leave()

    (facts,) = listed(place, capsys)

    assert 29 < facts.pop("age") < 35
    assert 4 < facts.pop("last") < 10
    assert 50 < facts.pop("ends_in") < 56
    assert facts == {
        "study": "1.2.3",
        "state": "open",
        "generation": study.about.generation,
        "directory": "x_1.2.3",
        "objects": 2,
        "holders": ["CT_1@ct1"],
        "peers": ["CT_1@ct1", "CT_2@ct1"],
    }


@pytest.mark.parametrize(
    ("rules", "ends_in"),
    [
        ({"timeout": None}, None),
        ({"timeout": 60}, 55),
        ({"timeout": 60, "by": "timeout"}, 55),
        ({"timeout": 60, "by": "next"}, None),
        ({"timeout": 60, "max_age": 40}, 10),
        ({"timeout": None, "max_age": 20}, -10),
    ],
)
def test_a_study_ends_in_as_many_seconds_as_its_rules_say(
    place: Place, capsys: pytest.CaptureFixture[str], rules: dict[str, Any], ends_in: float | None
) -> None:
    study = place.open("1.2.3", **rules)
    worker = place.worker()
    worker.store("CT.1", study, age=30)
    worker.store("CT.2", study, age=5)

    (facts,) = listed(place, capsys)

    if ends_in is None:
        assert facts["ends_in"] is None
    else:
        assert facts["ends_in"] == pytest.approx(ends_in, abs=3)


def test_a_study_that_is_being_completed_is_told_as_such_and_its_successor_is_another(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    worker = place.worker()
    before = place.open("1.2.3", "x", timeout=5)
    worker.store("CT.1", before, age=9)
    place.seal(before)
    after = place.open("1.2.3", "x", timeout=5)
    worker.store("CT.2", after, age=1)

    first, second = listed(place, capsys)

    assert [first["state"], second["state"]] == ["completing", "open"]
    assert [first["generation"], second["generation"]] == [before.about.generation, after.about.generation]
    assert [first["objects"], second["objects"]] == [1, 1]
    assert first["ends_in"] is None
    assert [first["holders"], second["holders"]] == [[], ["CT_1@ct1"]]


def test_who_was_at_a_study_when_it_ended_holds_nothing(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    study = place.open("1.2.3", "x")
    place.worker().store("CT.1", study)
    assert [facts["holders"] for facts in listed(place, capsys)] == [["CT_1@ct1"]]
    place.seal(study)
    assert [facts["holders"] for facts in listed(place, capsys)] == [[]]


def test_of_another_boot_no_age_is_told(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    study = place.open("1.2.3", timeout=5)
    place.worker(boot="before").store("CT.1", study)

    (facts,) = listed(place, capsys)

    assert (facts["objects"], facts["age"], facts["last"], facts["ends_in"]) == (1, None, None, None)


def test_an_object_counts_when_it_was_stored(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    study = place.open("1.2.3")
    place.worker().store("CT.1", study, said=False)

    assert [facts["objects"] for facts in listed(place, capsys)] == [0]


def test_the_last_object_of_a_killed_worker_counts_if_its_file_is_there(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    study = place.open("1.2.3", "x_1.2.3")
    worker = place.worker()
    (place.folder / "x_1.2.3").mkdir()
    (place.folder / "x_1.2.3" / "CT.1").touch()
    worker.store("CT.1", study, said=False, inode=(place.folder / "x_1.2.3" / "CT.1").stat().st_ino)
    worker.leave()
    before = place.contents()

    assert [facts["objects"] for facts in listed(place, capsys)] == [1]
    assert place.contents() == before


def test_for_people_it_is_a_table_in_which_nothing_is_unprintable(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    study = place.open("1.2.3", "x_1.2.3", timeout=600)
    place.worker("A\x1b[1m").store("CT.1", study, age=130)

    assert main(["studies", "-od", str(place.folder)]) == 0
    heading, row, count = capsys.readouterr().out.splitlines()
    assert heading.split("  ")[0] == "STUDY"
    assert row.split() == [
        "1.2.3",
        "open",
        "1",
        "2",
        "min",
        "2",
        "min",
        "8",
        "min",
        "1",
        r"A\x1b[1m@ct1",
        "x_1.2.3",
    ]
    assert heading.index("DIRECTORY") == row.index("x_1.2.3")
    assert count == "1 open study"


def test_without_studies_there_is_a_count(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert listed(place, capsys) == []
    assert main(["studies", "--lock-directory", str(place.path)]) == 0
    assert capsys.readouterr().out == "0 open studies\n"


def test_looking_changes_nothing_and_passes_by_what_is_strange(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    study = place.open("1.2.3", "x")
    place.worker().store("CT.1", study)
    (place.path / "journals" / "text").write_text("no journal")
    (place.path / "journals" / "folder").mkdir()
    os.mkfifo(place.path / "journals" / "pipe")
    (place.path / "open" / "file").touch()
    (place.path / "open" / "empty").mkdir()
    (place.path / "sealed" / "x.y").mkdir()
    os.mkfifo(place.path / "open" / "empty" / "study")
    before = place.contents()

    assert [facts["study"] for facts in listed(place, capsys)] == ["1.2.3"]
    assert place.contents() == before


def test_what_is_no_lock_directory_is_told_in_one_line(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["studies", "-od", str(tmp_path / "missing")]) == 1
    assert capsys.readouterr().err == (
        f"scpctl: cannot use lock directory {tmp_path}/missing/.scpd: No such file or directory\n"
    )
    shutil.rmtree(place.path / "sealed")
    assert main(["studies", "--lock-directory", str(place.path)]) == 1
    assert capsys.readouterr().err == (
        f"scpctl: cannot use lock directory {place.path}/sealed: No such file or directory\n"
    )


@pytest.mark.parametrize("name", ["1.2.3", "x_1.2.3", "generation"])
def test_a_study_is_ended_by_its_keeper_whom_it_is_asked_of(
    place: Place, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    study = place.open("1.2.3", "x_1.2.3")
    place.open("1.2.4", "x_1.2.4")
    place.elect()

    if name == "generation":
        name = study.about.generation
    assert main(["complete", name, "-od", str(place.folder)]) == 0

    assert place.requests() == [["complete", study.about.generation]]
    assert place.woken()
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "")


def test_without_a_keeper_the_request_waits_and_that_is_told(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    study = place.open("1.2.3")

    assert main(["complete", "1.2.3", "-od", str(place.folder)]) == 0

    assert place.requests() == [["complete", study.about.generation]]
    assert capsys.readouterr().err == "scpctl: there is no keeper now: it will be done by the next one\n"


@pytest.mark.parametrize("name", ["1.2.5", "", "1.2.4"])
def test_what_is_not_open_is_not_completed(
    place: Place, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    place.open("1.2.3")
    place.seal(place.open("1.2.4", "x"))

    assert main(["complete", name, "-od", str(place.folder)]) == 1

    assert place.requests() == []
    assert capsys.readouterr().err == f"scpctl: no open study {name}\n"


def test_a_study_in_the_output_directory_of_a_title_is_told_by_its_path(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    study = place.open("1.2.3", "x_1.2.3", output_directory="/srv/ct")
    place.open("1.2.3", "x_1.2.3")
    place.worker("CT_1", output_directory="/srv/ct").store("CT.1", study)
    assert sorted(facts["directory"] for facts in listed(place, capsys)) == ["/srv/ct/x_1.2.3", "x_1.2.3"]
    assert main(["complete", "-od", str(place.folder), "/srv/ct/x_1.2.3"]) == 0
    assert place.requests() == [["complete", study.about.generation]]
