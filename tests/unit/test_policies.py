"""From command line to what each room is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scpd import policies
from scpd.cli.parser import parse
from scpd.cli.settings import Settings
from scpd.log.association import Association
from scpd.log.complaints import Complaints
from scpd.log.setup import Logging

if TYPE_CHECKING:
    from pathlib import Path

CT, VERIFICATION = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.1"
WORKLIST, PRIVATE = "1.2.840.10008.5.1.4.31", "1.2.3.4.5"
DEFINED_PROCEDURE_PROTOCOL = "1.2.840.10008.5.1.4.1.1.200.1"
LITTLE, BIG, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2"


def settings(*words: str) -> Settings:
    outcome = parse("scpd", [*words, "11112"])
    assert isinstance(outcome, Settings)
    return outcome


def test_storage_and_verification_are_accepted_by_default() -> None:
    policy = policies.negotiation_policy(settings())

    assert [policy.accepts(uid) for uid in (CT, VERIFICATION, WORKLIST, PRIVATE)] == [
        True,
        True,
        False,
        False,
    ]
    assert policy.transfer_syntaxes == (LITTLE, BIG, IMPLICIT)


def test_a_promiscuous_acceptor_takes_what_nobody_knows_and_all_storage() -> None:
    policy = policies.negotiation_policy(settings("-pm"))

    assert [policy.accepts(uid) for uid in (CT, VERIFICATION, WORKLIST, PRIVATE)] == [True, True, False, True]
    assert policy.accepts(DEFINED_PROCEDURE_PROTOCOL), "storage that the list of accepted classes lacks"


def test_a_profile_says_all_that_is_accepted() -> None:
    from scpd.ul.profiles import Profile

    profile = Profile({CT: (IMPLICIT,)}, {})
    policy = policies.negotiation_policy(settings(), profile)
    promiscuous = policies.negotiation_policy(settings("-pm"), profile)

    assert [policy.syntaxes_for(uid) for uid in (CT, VERIFICATION, PRIVATE)] == [(IMPLICIT,), None, None]
    assert [
        promiscuous.syntaxes_for(uid) for uid in (CT, VERIFICATION, DEFINED_PROCEDURE_PROTOCOL, PRIVATE)
    ] == [
        (IMPLICIT,),
        None,
        None,
        (LITTLE, BIG, IMPLICIT),
    ]


@pytest.mark.parametrize(
    ("option", "first", "count"),
    [("+xi", IMPLICIT, 1), ("+xb", BIG, 3), ("+xa", "1.2.840.10008.1.2.4.91", 36)],
)
def test_options_choose_the_transfer_syntaxes(option: str, first: str, count: int) -> None:
    accepted = policies.negotiation_policy(settings(option)).transfer_syntaxes

    assert (accepted[0], len(accepted)) == (first, count)


def test_a_service_is_told_what_the_options_say() -> None:
    words = "-pdu 32768 -ta 5 -ts 6 -td 7 -od /tmp +B -F +uf -fe .dcm --no-fsync"
    policy = policies.service_policy(settings(*words.split()))

    assert policy.max_pdu == 32768
    assert (policy.timeouts.acse, policy.timeouts.idle, policy.timeouts.dimse) == (5, 6, 7)
    store = policy.store
    assert store is not None
    assert (store.output_directory, store.extension) == ("/tmp", ".dcm")
    assert (store.bit_preserving, store.with_file_meta, store.naming, store.fsync) == (
        True,
        False,
        "unique",
        False,
    )


def test_without_options_a_service_is_storescps_and_flushes() -> None:
    policy = policies.service_policy(settings())

    assert policy.max_pdu == 16384
    assert policy.faults is None
    assert (policy.timeouts.acse, policy.timeouts.idle, policy.timeouts.dimse) == (30, 60, None)
    store = policy.store
    assert store is not None
    assert (store.output_directory, store.extension) == (".", "")
    assert (store.bit_preserving, store.with_file_meta, store.naming, store.fsync) == (
        False,
        True,
        "uid",
        True,
    )


def test_what_is_ignored_has_no_store_and_what_shall_go_wrong_is_told() -> None:
    policy = policies.service_policy(
        settings(*["--ignore", "--sleep-after", "3", "--abort-during", "--refuse"])
    )

    assert policy.store is None
    assert policy.faults is not None
    assert (policy.faults.sleep_after, policy.faults.abort_during, policy.faults.abort_after) == (
        3,
        True,
        False,
    )
    assert (policy.negotiation.refuse, policy.negotiation.reject) == (True, False)


def test_dumps_are_made_for_those_who_asked_only() -> None:
    assert policies.service_policy(settings()).verbosity.dumps is None
    assert policies.service_policy(settings("-d", "+v")).verbosity.dumps is not None


@pytest.mark.parametrize(
    ("words", "workers"),
    [("", 1), ("--single-process", 1), ("--fork", None), ("--fork --max-associations 7", 7)],
)
def test_one_worker_at_a_time_unless_told_to_fork(words: str, workers: int | None) -> None:
    limits = policies.limits(settings(*words.split(), "-ta", "9", "--grace", "11"))

    assert (limits.workers, limits.acse_timeout, limits.grace) == (workers, 9, 11)


def test_the_sweeper_sweeps_the_output_directory(tmp_path: Path) -> None:
    (tmp_path / ".scpd" / "tmp").mkdir(parents=True)
    (tmp_path / ".scpd" / "tmp" / "1.2.3").touch()
    shown: list[str] = []

    class Titles:
        def show(self, text: str) -> None:
            shown.append(text)

    logs = Logging(Association(), Complaints(), [])
    roles = policies.roles(settings("-od", str(tmp_path)), Titles(), logs)  # type: ignore[arg-type]

    assert roles.sweep() == 0
    assert shown == ["sweeper"]
    assert [path.name for path in (tmp_path / ".scpd" / "tmp").iterdir()] == ["lock"]
