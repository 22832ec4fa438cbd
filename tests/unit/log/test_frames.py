"""What stands around a record that goes to syslog or log4j."""

from __future__ import annotations

import logging
import os
import time

import pytest

from scpd.log.association import Association
from scpd.log.frames import FACILITIES, local_frame, log4j_frame, remote_frame, utc
from tests.harness.log_records import MOMENT, a_record


@pytest.mark.parametrize(
    ("facility", "level", "number"),
    [
        ("user", logging.INFO, 14),
        ("local3", logging.INFO, 158),
        ("kern", logging.CRITICAL, 2),
        ("ftp", 5, 95),
    ],
)
def test_a_priority_is_facility_and_severity(facility: str, level: int, number: int) -> None:
    assert local_frame(FACILITIES[facility], "x")(a_record(level=level), "").startswith(f"<{number}>")


def test_the_local_syslog_gets_time_and_tag() -> None:
    when = time.strftime("%b %e %H:%M:%S", time.localtime(MOMENT))
    assert local_frame(1, "scpd")(a_record(), "INFO - text\n") == f"<14>{when} scpd: INFO - text\n"


def test_a_remote_syslog_gets_rfc_5424() -> None:
    host = os.uname().nodename
    begin = f"<14>1 2026-11-23T11:41:24.426Z {host} scpd {os.getpid()} dcmtk.apps.storescp"
    assert remote_frame(1, "scpd")(a_record(), "INFO - text\n") == f"{begin} - INFO - text\n"


def test_log4j_gets_an_element() -> None:
    association = Association()
    association._id = "1a2b3c"
    assert log4j_frame(association)(a_record(), "<a&\"'>\n") == (
        '<log4j:event logger="dcmtk.apps.storescp" level="INFO" timestamp="1795434084426" '
        f'thread="{os.getpid()}"><log4j:message>&lt;a&amp;&quot;&apos;&gt;\n</log4j:message>'
        "<log4j:NDC>1a2b3c</log4j:NDC>"
        '<log4j:locationInfo class="" file="/src/serve.py" method="serve" line="7"/></log4j:event>'
    )


def test_there_are_no_more_facilities_than_syslog_has() -> None:
    assert sorted(FACILITIES.values()) == [*range(12), *range(16, 24)]
    assert utc(0) == "1970-01-01T00:00:00.000Z"
