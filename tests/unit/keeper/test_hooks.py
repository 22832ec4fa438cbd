"""What a command is told, and what is kept of it when it is set aside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scpd.keeper.hooks import Hooks, kept
from scpd.keeper.ledger import Association, Stored
from scpd.study.plan import Plan, make_plan
from scpd.study.record import Sender
from tests.harness.journals import an_object

if TYPE_CHECKING:
    from scpd.jobs.values import Values
    from scpd.study.record import ObjectRecord

HOOKS = Hooks(on_reception="r", on_end_of_study="s", output_directory="/out", prefix="X", extension=".dcm")
SENDER = Sender("boot", "CALLING", "CALLED", "10.0.0.1", "ct.example.org")


def facts(values: Values) -> dict[str, object]:
    return {name: getattr(values, name) for name in type(values).__slots__} | {"directory": values.directory}


def of(entry: ObjectRecord, hooks: Hooks = HOOKS) -> Values:
    association = Association("m", SENDER, None)  # type: ignore[arg-type]
    return hooks.of_object(Stored(association, entry, 1.0, is_of_this_boot=True))


def test_a_command_for_an_object_is_told_all_of_it() -> None:
    assert facts(of(an_object(1, "CT.1.dcm", directory="X_1", study_instance_uid="1.1"))) == {
        "directory": "/out/X_1",
        "output_directory": "/out",
        "place": None,
        "study_directory": "X_1",
        "prefix": "X",
        "extension": ".dcm",
        "file": "CT.1.dcm",
        "calling_aet": "CALLING",
        "called_aet": "CALLED",
        "peer": "ct.example.org",
        "tls_subject": None,
        "tls_issuer": None,
        "sop_class_uid": "1.2",
        "sop_instance_uid": "9.1",
        "study_instance_uid": "1.1",
        "transfer_syntax_uid": "1.2.840.10008.1.2",
        "objects": 1,
    }


def test_the_certificate_of_the_sender_is_told_with_objects_and_studies_and_kept() -> None:
    sender = Sender("boot", "CALLING", "CALLED", "10.0.0.1", "ct", "", "", "CN=ct1", "CN=ca")
    entry = an_object(1, "CT.1")
    stored = Stored(Association("m", sender, None), entry, 1.0, is_of_this_boot=True)  # type: ignore[arg-type]
    plan = Plan.decode(make_plan("1.1", "X_1", [(SENDER, entry), (sender, entry)], None).encode())
    assert plan is not None
    of_object = HOOKS.of_object(stored)
    for values in (of_object, HOOKS.of_study(plan), HOOKS.of_failed(kept(of_object))):
        assert (values.tls_subject, values.tls_issuer) == ("CN=ct1", "CN=ca")


def test_of_an_object_that_was_not_kept_there_is_no_file_and_no_directory() -> None:
    hooks = Hooks(on_reception="r", on_end_of_study=None, output_directory=None)
    values = of(an_object(1, "", study_instance_uid=""), hooks)
    assert (values.file, values.directory, values.study_instance_uid) == (None, None, None)


def test_a_command_for_a_study_is_told_of_the_study_and_its_last_sender() -> None:
    other = Sender("boot", "FIRST", "CALLED", "10.0.0.2", "mr")
    objects = [(other, an_object(1, directory="X_1")), (SENDER, an_object(2, "CT.2", directory="X_1"))]
    values = HOOKS.of_study(make_plan("1.1", "X_1", objects, None))
    assert (values.calling_aet, values.peer, values.objects) == ("CALLING", "ct.example.org", 2)
    assert (values.file, values.sop_instance_uid, values.directory) == (None, None, "/out/X_1")


def test_objects_and_studies_lie_in_the_output_directory_of_their_title() -> None:
    hooks = Hooks(on_reception="r", on_end_of_study="s", output_directory="/out", places=["/ct"])
    sender = Sender("boot", "CALLING", "CALLED", "10.0.0.1", "ct", "", "/ct")
    plan = make_plan("1.1", "X_1", [(sender, an_object(1, directory="X_1"))], None)
    assert hooks.of_study(plan, "/ct").directory == "/ct/X_1"
    assert hooks.of_study(plan).directory == "/out/X_1"


@pytest.mark.parametrize(
    ("place", "is_allowed"), [("/ct", True), ("/etc", False), ("", True), ("../ct", False)]
)
def test_a_command_that_was_set_aside_is_run_only_where_the_options_allow_it(
    place: str, is_allowed: bool
) -> None:
    hooks = Hooks(on_reception="r", on_end_of_study=None, output_directory="/out", places=["/ct"])
    assert hooks.allows({"place": place}) is is_allowed
    values = hooks.of_failed({"place": place})
    assert values.output_directory == ("/ct" if place == "/ct" else "/out")
    assert kept(values).get("place", "") == (place if is_allowed else "")


@given(st.text(min_size=1), st.text(min_size=1), st.integers(0, 10**6))
def test_any_command_that_is_retried_is_told_the_same(title: str, uid: str, objects: int) -> None:
    values = of(an_object(1, "CT.1.dcm", directory="X_1", sop_instance_uid=uid))
    values.calling_aet, values.objects = title, objects
    assert facts(HOOKS.of_failed(kept(values))) == facts(values)


@pytest.mark.parametrize("name", ["..", "../x", "/etc", ".scpd", "a/b", "a\0b", ""])
@pytest.mark.parametrize("attribute", ["study_directory", "file"])
def test_a_forged_name_leads_nowhere(attribute: str, name: str) -> None:
    values = HOOKS.of_failed(
        {attribute: name, "objects": "9" * 5000, "output_directory": "/", "nonsense": "x"}
    )
    assert getattr(values, attribute) is None
    assert (values.directory, values.objects) == ("/out", None)
