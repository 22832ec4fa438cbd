"""Records as JSON."""

from __future__ import annotations

import json
import os

from scpd.log.association import Association
from scpd.log.jsonlines import JsonLayout
from tests.harness.log_records import a_record

BEGIN = ["time", "level", "logger", "message", "pid", "association"]
MEMBERS = [*BEGIN, "calling_aet", "called_aet", "peer", "tls_subject", "study", "status"]


def test_a_record_of_the_master_has_every_member() -> None:
    line = JsonLayout(Association()).format(a_record("a\n%s", '"é\u2028'))

    assert line.endswith("}\n")
    assert line[:-1].isascii()
    assert line[:-1].isprintable()
    found = json.loads(line)
    assert list(found) == MEMBERS
    assert found == {
        **dict.fromkeys(MEMBERS),
        "time": "2026-11-23T11:41:24.426Z",
        "level": "info",
        "logger": "dcmtk.apps.storescp",
        "message": 'a\n"é\\u2028',
        "pid": os.getpid(),
    }


def test_a_record_of_a_worker_says_whose_it_is() -> None:
    association = Association()
    association.begin("192.0.2.1:104")
    association.calling_aet, association.called_aet = "A\x1bB", "C"
    association.secure(lambda: "CN=ä")
    association.study, association.status = "1.2", "A700H"

    found = json.loads(JsonLayout(association).format(a_record()))

    assert [found[name] for name in MEMBERS[5:]] == [
        association.id,
        "A\x1bB",
        "C",
        "192.0.2.1:104",
        "CN=ä",
        "1.2",
        "A700H",
    ]
