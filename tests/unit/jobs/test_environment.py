"""A command is told everything, as it came."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scpd.jobs.environment import VARIABLES, environment
from scpd.jobs.values import Values


def full_values() -> Values:
    values = Values("/data")
    values.study_directory = "study_1.2"
    values.file = "CT.1.2.3"
    values.calling_aet = "CT $(SCANNER)"
    values.called_aet = "PACS"
    values.peer = "ct1.example.org"
    values.tls_subject = "CN=ct1,O=Hospital\\, East"
    values.tls_issuer = "CN=ca"
    values.sop_class_uid = "1.2.840.10008.5.1.4.1.1.2"
    values.sop_instance_uid = "1.2.3"
    values.study_instance_uid = "1.2"
    values.transfer_syntax_uid = "1.2.840.10008.1.2.1"
    values.objects = 1
    return values


def test_every_value_has_its_variable() -> None:
    assert environment(full_values(), {"HOME": "/root"}) == {
        "HOME": "/root",
        "SCPD_CALLED_AET": "PACS",
        "SCPD_CALLING_AET": "CT $(SCANNER)",
        "SCPD_DIRECTORY": "/data/study_1.2",
        "SCPD_FILE": "CT.1.2.3",
        "SCPD_OBJECTS": "1",
        "SCPD_PEER": "ct1.example.org",
        "SCPD_SOP_CLASS_UID": "1.2.840.10008.5.1.4.1.1.2",
        "SCPD_SOP_INSTANCE_UID": "1.2.3",
        "SCPD_STUDY_INSTANCE_UID": "1.2",
        "SCPD_TLS_ISSUER": "CN=ca",
        "SCPD_TLS_SUBJECT": "CN=ct1,O=Hospital\\, East",
        "SCPD_TRANSFER_SYNTAX_UID": "1.2.840.10008.1.2.1",
    }


def test_what_is_not_available_is_not_set_even_if_the_daemon_had_it() -> None:
    daemon = {"PATH": "/bin", "SCPD_FILE": "of another scpd", "SCPD_OTHER": "kept"}
    assert environment(Values(), daemon) == {"PATH": "/bin", "SCPD_OTHER": "kept"}


def test_the_daemons_own_is_left_alone() -> None:
    daemon = {"SCPD_FILE": "old"}
    environment(full_values(), daemon)
    assert daemon == {"SCPD_FILE": "old"}


def test_an_empty_value_is_set() -> None:
    values = Values("/data")
    values.calling_aet = ""
    assert environment(values, {})["SCPD_CALLING_AET"] == ""


@given(st.text())
def test_any_value_is_whole_but_for_nul(text: str) -> None:
    values = Values("/data")
    for attribute in VARIABLES.values():
        if attribute != "directory":
            setattr(values, attribute, text)
    values.study_directory = text
    found = environment(values, {})
    assert found.keys() == VARIABLES.keys()
    whole = text.replace("\0", "")
    assert set(found.values()) <= {whole, f"/data/{whole}", "/data"}
