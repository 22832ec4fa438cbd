"""From command line to what a keeper is told."""

from __future__ import annotations

import os

import pytest

from scpd import keeper_policies
from scpd.cli.parser import parse
from scpd.cli.settings import Settings
from scpd.keeper_policies import has_studies, keeper_policy, lock_directory, needs_keeper
from scpd.process.proc import boot_id


def settings(*words: str) -> Settings:
    outcome = parse("scpd", [*words, "11112"])
    assert isinstance(outcome, Settings)
    return outcome


@pytest.mark.parametrize(
    ("words", "studies", "keeper"),
    [
        ([], False, False),
        (["-su", "X"], False, False),
        (["-su", "X", "-tos", "5"], False, False),
        (["-su", "X", "-rns"], True, True),
        (["-su", "X", "-xcs", "true"], True, True),
        (["-su", "X", "-xcr", "true"], False, True),
        (["-ss", "X"], True, True),
        (["-sp"], True, True),
        (["-xcr", "true"], False, True),
        (["--ignore", "-xcr", "true"], False, True),
        (["--ignore", "-ss", "X"], False, False),
    ],
)
def test_who_needs_a_keeper(words: list[str], studies: bool, keeper: bool) -> None:
    assert has_studies(settings(*words)) == studies
    assert needs_keeper(settings(*words)) == keeper


@pytest.mark.parametrize(
    ("words", "path"),
    [
        ([], "./.scpd"),
        (["-od", "/tmp"], "/tmp/.scpd"),
        (["-od", "/tmp", "--lock-directory", "/var/tmp"], "/var/tmp"),
    ],
)
def test_where_the_lock_directory_is(words: list[str], path: str) -> None:
    assert os.path.normpath(lock_directory(settings(*words))) == os.path.normpath(path)


def test_what_it_is_told() -> None:
    words = ["-od", "/tmp", "-ss", "X", "-xcr", "r", "-xcs", "s", "--exec-jobs", "3", "--exec-retries", "4"]
    words += ["--exec-timeout", "60", "--filename-extension", ".dcm", "--no-fsync"]
    policy = keeper_policy(settings(*words), {"A": "B"})
    assert (policy.lock_directory, policy.output_directory) == ("/tmp/.scpd", "/tmp")
    assert (policy.jobs, policy.retries, policy.exec_timeout, policy.fsync) == (3, 4, 60, False)
    assert (policy.boot, policy.environment) == (boot_id(), {"A": "B"})
    assert [policy.hooks.command(job) for job in ("m.1.xcr", "k.g.xcs")] == ["r", "s"]
    values = policy.hooks.of_failed({})
    assert (values.output_directory, values.prefix, values.extension) == ("/tmp", "X", ".dcm")


def test_what_it_is_told_by_default() -> None:
    policy = keeper_policy(settings("-xcr", "r"), {})
    assert (policy.jobs, policy.retries, policy.exec_timeout, policy.fsync) == (os.cpu_count(), 0, None, True)
    assert policy.grace > 0
    assert policy.hooks.command("k.g.xcs") is None


def test_commands_of_objects_that_are_not_kept_get_no_directory() -> None:
    policy = keeper_policy(settings("-od", "/tmp", "--ignore", "-xcr", "r"), {})
    assert policy.hooks.of_failed({"study_directory": "X"}).directory is None


def test_a_master_has_none_if_none_is_wanted_or_needed() -> None:
    title: object = None
    for words in ([], ["-xcr", "true", "--no-keeper"]):
        assert keeper_policies.keeper_role(settings(*words), title, {}) is None  # type: ignore[arg-type]
