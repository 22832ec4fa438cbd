"""From command line to what is filed, recorded and agreed upon."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from scpd import filing_policies, policies
from scpd.cli.parser import parse
from scpd.cli.settings import Settings
from scpd.errors import StartError
from scpd.study.rules import Rules
from tests.harness.forked import in_child

if TYPE_CHECKING:
    from pathlib import Path

    from scpd.study.tracker import TrackerPolicy


def settings(*words: str) -> Settings:
    outcome = parse("scpd", [*words, "11112"])
    assert isinstance(outcome, Settings)
    return outcome


def tracker(*words: str) -> TrackerPolicy | None:
    policy = filing_policies.filing_policy(settings(*words))
    return None if policy is None else policy.tracker


@pytest.mark.parametrize("words", [[], ["--ignore", "-su", "X"], ["-xs"], ["--exec-jobs", "4"], ["+B"]])
def test_with_neither_sorting_nor_commands_nothing_is_filed(words: list[str]) -> None:
    assert filing_policies.filing_policy(settings(*words)) is None
    assert filing_policies.use_lock_directory(settings(*words)) is None


def test_directories_by_uid_need_no_state_unless_something_hangs_on_the_end_of_a_study() -> None:
    assert tracker("-su", "X") is None
    assert tracker("-su", "X", "-tos", "5") is None
    for words in (["-rns"], ["-xcs", "true"]):
        policy = tracker("-su", "X", *words)
        assert policy is not None
        assert policy.rules


@pytest.mark.parametrize("sorting", [["-ss", "X"], ["-sp"]])
def test_directories_by_time_always_need_a_state(sorting: list[str]) -> None:
    policy = tracker(*sorting)
    assert policy is not None
    assert policy.rules


def test_commands_alone_are_recorded_without_studies() -> None:
    for words in (["-xcr", "true"], ["--ignore", "-xcr", "true"], ["-su", "X", "-xcr", "true"]):
        policy = tracker(*words)
        assert policy is not None
        assert (policy.hook, policy.rules, policy.renames) == ("xcr", "", False)


def test_rules_are_what_the_options_say() -> None:
    words = ["--fork", "-ss", "X", "-tos", "5", "--eostudy-by", "next", "--eostudy-max-age", "60", "-rns"]
    policy = tracker(*words, "-xcs", "true")
    assert policy is not None
    rules = Rules.decode(policy.rules)
    assert rules is not None
    assert (rules.timeout, rules.by, rules.max_age, rules.any_peer) == (5, "next", 60, False)
    assert (rules.renames, rules.runs, policy.renames) == (True, True, True)


def test_one_association_after_the_other_means_any_peer() -> None:
    policy = tracker("-ss", "X")
    assert policy is not None
    rules = Rules.decode(policy.rules)
    assert rules is not None
    assert rules.any_peer


@pytest.mark.parametrize(
    ("words", "waits"),
    [
        (["--fork", "-ss", "X"], ""),
        (["--fork", "-ss", "X", "-rns"], ""),
        (["-ss", "X"], "single"),
        (["-ss", "X", "-rns"], "single"),
        (["-xcr", "true"], ""),
        (["-xcr", "true", "-xs"], "xs"),
        (["--fork", "-xcr", "true", "-xs"], "xs"),
        (["-ss", "X", "-xcs", "true", "-xs"], "xs"),
    ],
)
def test_who_waits_for_the_keeper(words: list[str], waits: str) -> None:
    policy = tracker(*words)
    assert policy is not None
    assert policy.waits == waits


@pytest.mark.parametrize(
    ("words", "ends"),
    [
        ([], False),
        (["-tos", "1"], False),
        (["-tos", "0"], True),
        (["-tos", "5", "--eostudy-max-age", "60"], True),
    ],
)
def test_whether_a_study_may_have_to_end_while_its_objects_follow_each_other(
    words: list[str], ends: bool
) -> None:
    policy = tracker("--fork", "-ss", "X", *words)
    assert policy is not None
    assert policy.ends_meanwhile is ends


def test_the_lock_directory_is_made_and_in_use(tmp_path: Path) -> None:
    words = ["-od", str(tmp_path), "-xcr", "true"]
    user = filing_policies.use_lock_directory(settings(*words))
    assert user is not None
    assert (tmp_path / ".scpd" / "journals").is_dir()
    try:
        with pytest.raises(StartError, match="in use with --exec-on-reception 'true', not 'false'"):
            filing_policies.use_lock_directory(settings(*words[:-1], "false"))
    finally:
        os.close(user)


@pytest.mark.parametrize(
    ("ours", "theirs", "text"),
    [
        (["-tos", "5"], ["-tos", "6"], "with --eostudy-timeout 6, not 5"),
        (["-tos", "0"], [], "without --eostudy-timeout, not with it"),
        (["--fork"], [], "without --fork, not with it"),
        ([], ["--fork"], "with --fork, not without it"),
        (["--eostudy-by", "next"], [], "with --eostudy-by either, not next"),
        (["--eostudy-max-age", "7"], ["--eostudy-max-age", "8"], "with --eostudy-max-age 8, not 7"),
        (["-rns"], [], "without --rename-on-eostudy, not with it"),
        (["-xcs", "a b"], ["-xcs", "a c"], "with --exec-on-eostudy 'a c', not 'a b'"),
        (["-ss", "Y"], [], "with --sort-conc-studies 'X', not 'Y'"),
        (["-su", "X"], ["-xcs", "x"], "with --sort-conc-studies 'X', not without it"),
    ],
)
def test_what_must_be_agreed_upon(tmp_path: Path, ours: list[str], theirs: list[str], text: str) -> None:
    common = ["-od", str(tmp_path), "-xcr", "true"]
    user = filing_policies.use_lock_directory(settings(*common, "-ss", "X", *theirs))
    assert user is not None
    try:
        with pytest.raises(StartError) as caught:
            filing_policies.use_lock_directory(
                settings(*common, *([] if "-s" in str(ours) else ["-ss", "X"]), *ours)
            )
        assert str(caught.value).endswith(f" is in use {text}")
    finally:
        os.close(user)


def test_two_output_directories_need_two_lock_directories(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    words = ["-xcr", "true", "--lock-directory", str(tmp_path / "lock")]
    user = filing_policies.use_lock_directory(settings("-od", str(tmp_path / "one"), *words))
    assert user is not None
    try:
        with pytest.raises(StartError, match=r"with --output-directory .*one, not .*two"):
            filing_policies.use_lock_directory(settings("-od", str(tmp_path / "two"), *words))
    finally:
        os.close(user)


def test_a_name_is_looked_up_where_a_command_asks_for_it() -> None:
    assert filing_policies.names_peers(settings("-xcr", "log #r"))
    assert filing_policies.names_peers(settings("-ss", "X", "-xcs", "log $SCPD_PEER"))
    assert not filing_policies.names_peers(settings("-xcr", "log #a"))
    assert not filing_policies.names_peers(settings())


OF_STUDIES = {"scpd.worker.filing", "scpd.study.tracker", "scpd.store.folders", "scpd.lockdir.layout"}


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ([], set()),
        (["-xcr", "true"], OF_STUDIES - {"scpd.store.folders"}),
        (["-ss", "X"], OF_STUDIES),
        (["+B", "-ss", "X"], OF_STUDIES | {"scpd.dataset.glance"}),
    ],
)
def test_what_a_worker_may_need_is_imported_and_nothing_else(words: list[str], wanted: set[str]) -> None:
    def life() -> int:
        rooms = OF_STUDIES | {"scpd.dataset.glance"}
        for name in [name for name in sys.modules if name.startswith(("scpd.", "tests.unit"))]:
            del sys.modules[name]
        from scpd import policies as fresh
        from scpd.cli.parser import parse as parse_anew

        fresh.service_policy(parse_anew("scpd", [*words, "11112"]))  # type: ignore[arg-type]
        found = {name for name in rooms if name in sys.modules}
        return 0 if wanted <= found and (wanted or not found) else 1

    assert in_child(life) == 0


def test_a_worker_is_told_how_objects_are_filed() -> None:
    assert policies.service_policy(settings()).filing is None
    filing = policies.service_policy(settings("-su", "X")).filing
    assert filing is not None
    assert filing.sorting is not None
