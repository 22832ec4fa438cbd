"""From command line to what each room is told."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from scpd import policies
from scpd.cli.parser import parse
from scpd.cli.settings import Settings
from scpd.dataset.dictionary import Dictionary
from scpd.dataset.encoding import Encoding
from tests.harness.forked import in_child

if TYPE_CHECKING:
    from pathlib import Path

    from scpd.worker.rewrite import Form

CT, VERIFICATION = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.1"
WORKLIST, PRIVATE = "1.2.840.10008.5.1.4.31", "1.2.3.4.5"
DEFINED_PROCEDURE_PROTOCOL = "1.2.840.10008.5.1.4.1.1.200.1"
LITTLE, BIG, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2"
DEFLATED = "1.2.840.10008.1.2.1.99"


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
    assert (store.form, store.with_file_meta, store.naming, store.fsync) == (None, False, "unique", False)


def test_without_options_a_service_is_storescps_and_flushes() -> None:
    dictionary = Dictionary()
    policy = policies.service_policy(settings(), None, dictionary)

    assert policy.max_pdu == 16384
    assert policy.faults is None
    assert (policy.timeouts.acse, policy.timeouts.idle, policy.timeouts.dimse) == (30, 60, None)
    store = policy.store
    assert store is not None
    assert (store.output_directory, store.extension) == (".", "")
    assert (store.with_file_meta, store.naming, store.fsync) == (True, "uid", True)
    assert store.form is not None
    assert (store.form.dictionary, store.form.rejects_odd) == (dictionary, False)
    assert attributes(store.form.encoding) == STORESCPS
    assert attributes(Encoding()) == STORESCPS


def attributes(encoding: Encoding) -> dict[str, object]:
    return {name: getattr(encoding, name) for name in Encoding.__slots__ if name[0] != "_"}


STORESCPS = {
    "transfer_syntax": "",
    "group_lengths": "recalc",
    "explicit_lengths": True,
    "padding": (0, 0),
    "young_vrs": True,
    "convert_un": False,
    "compression_level": 6,
    "is_recompressed": False,
}
FORMS = [
    ("+t=", {}),
    ("+te", {"transfer_syntax": LITTLE}),
    ("+tb", {"transfer_syntax": BIG}),
    ("+ti", {"transfer_syntax": IMPLICIT}),
    ("+td", {"transfer_syntax": DEFLATED}),
    ("+u", {}),
    ("-u", {"young_vrs": False}),
    ("+g=", {}),
    ("+g", {"group_lengths": "create"}),
    ("-g", {"group_lengths": "remove"}),
    ("+e", {}),
    ("-e", {"explicit_lengths": False}),
    ("-p", {}),
    ("+p 512 32", {"padding": (512, 32)}),
    ("+p 0 8", {"padding": (0, 8)}),
    ("-uc", {}),
    ("+uc", {"convert_un": True}),
    ("+td +cl 1", {"transfer_syntax": DEFLATED, "compression_level": 1, "is_recompressed": True}),
    ("+cl 6 +t=", {"is_recompressed": True}),
    ("+cl 0 +t=", {"compression_level": 0, "is_recompressed": True}),
]


def form_of(words: str) -> Form | None:
    store = policies.service_policy(settings(*words.split()), None, Dictionary()).store
    assert store is not None
    return store.form


@pytest.mark.parametrize(("words", "changes"), FORMS, ids=[words for words, _ in FORMS])
def test_every_output_option_reaches_the_encoding(words: str, changes: dict[str, object]) -> None:
    form = form_of(words)

    assert form is not None
    assert attributes(form.encoding) == STORESCPS | changes


@pytest.mark.parametrize(("words", "is_refused"), [("", False), ("--reject-malformed", True)])
def test_odd_objects_are_refused_if_that_is_asked_for(words: str, is_refused: bool) -> None:
    form = form_of(words)

    assert form is not None
    assert form.rejects_odd is is_refused


def test_bit_by_bit_there_is_no_form_though_there_is_a_dictionary() -> None:
    assert form_of("+B") is None
    assert form_of("+B +uc -p +cl 1 +t=") is None


@pytest.mark.parametrize(
    ("words", "path", "is_there"),
    [
        ("", "", True),
        ("", "dictionary", True),
        ("+B", "", False),
        ("+B", "dictionary", True),
        ("--ignore", "", True),
    ],
)
def test_there_is_a_dictionary_unless_nobody_asks_for_one(
    tmp_path: Path, words: str, path: str, is_there: bool
) -> None:
    """storescp loads those of DCMDICTPATH, and complains about them, whatever else it is told."""
    (tmp_path / "dictionary").write_text("(0010,0010)\tPN\tPatientName\t1\tDICOM\n")
    environment = {"DCMDICTPATH": str(tmp_path / path)} if path else {}

    found = policies.dictionary(settings(*words.split()), environment)

    assert (found is not None) is is_there
    if found is not None:
        assert len(found.public) == 1 if path else len(found.public) > 4000


def test_what_is_wrong_with_a_dictionary_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    policies.dictionary(settings("+B"), {"DCMDICTPATH": str(tmp_path / "nothing")})

    assert [(record.name, record.levelname) for record in caplog.records] == [
        ("dcmtk.dcmdata", "ERROR"),
        ("dcmtk.dcmdata", "WARNING"),
    ]


def inflating_is_ready(words: str, syntaxes: tuple[str, ...]) -> bool:
    """Whether who has made this policy has all at hand that inflates and deflates."""
    from scpd.ul.profiles import Profile

    def work() -> bool:
        sys.modules.pop("scpd.dataset.inflate", None)
        profile = Profile({CT: syntaxes}, {}) if syntaxes else None
        policies.service_policy(settings(*words.split()), profile, Dictionary())
        return "scpd.dataset.inflate" in sys.modules

    ready = in_child(work)
    assert isinstance(ready, bool)
    return ready


@pytest.mark.parametrize(
    ("words", "syntaxes", "expected"),
    [
        ("", (), False),
        ("+xi", (), False),
        ("+xa", (), True),
        ("+xd", (), True),
        ("+td", (), True),
        ("+ti", (), False),
        ("+B +xd", (), True),
        ("", (IMPLICIT,), False),
        ("", (IMPLICIT, DEFLATED), True),
        ("", ("1.2.840.10008.1.2.4.95",), True),
    ],
)
def test_what_inflates_is_at_hand_before_anything_deflated_can_come(
    words: str, syntaxes: tuple[str, ...], expected: bool
) -> None:
    assert inflating_is_ready(words, syntaxes) is expected


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


def test_a_worker_learns_of_tls() -> None:
    tls = object()
    policy = policies.worker_policy(settings(), None, None, None, tls=tls)  # type: ignore[arg-type]
    assert policy.tls is tls  # type: ignore[comparison-overlap]
    assert policies.worker_policy(settings(), None, None, None).tls is None
