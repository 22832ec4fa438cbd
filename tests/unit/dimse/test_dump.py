"""Commands as text; tests/peers compares them with storescp's byte for byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scpd.dimse.dump import command_text

BEGIN = "===================== INCOMING DIMSE MESSAGE ===================="
END = "======================= END DIMSE MESSAGE ======================="
STORE = {
    0x0002: b"1.2.840.10008.5.1.4.1.1.2\0",
    0x0100: b"\1\0",
    0x0110: b"\7\0",
    0x0700: b"\0\0",
    0x0800: b"\0\0",
    0x1000: b"1.2.3\0",
}


def test_a_store_request_is_dumped_in_storescps_layout() -> None:
    assert command_text(STORE, 5).split("\n") == [
        BEGIN,
        "Message Type                  : C-STORE RQ",
        "Presentation Context ID       : 5",
        "Message ID                    : 7",
        "Affected SOP Class UID        : CTImageStorage",
        "Affected SOP Instance UID     : 1.2.3",
        "Data Set                      : present",
        "Priority                      : medium",
        END,
    ]


def test_an_echo_request_names_no_class() -> None:
    elements = {0x0002: b"1.2.840.10008.1.1\0", 0x0100: b"\x30\0", 0x0110: b"\xff\xff", 0x0800: b"\1\1"}
    assert command_text(elements, 255).split("\n")[1:-1] == [
        "Message Type                  : C-ECHO RQ",
        "Presentation Context ID       : 255",
        "Message ID                    : 65535",
        "Data Set                      : none",
    ]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({0x0700: b"\1\0"}, "Priority                      : high"),
        ({0x0700: b"\2\0"}, "Priority                      : low"),
        ({0x0700: b"\7\0"}, "Priority                      : unknown (0007H)"),
        ({0x1030: b"MOVER "}, "Move Originator AE Title      : MOVER"),
        ({0x1030: b"A\x1b"}, "Move Originator AE Title      : A\\x1b"),
        ({0x1031: b"\5\0"}, "Move Originator ID            : 5"),
        ({0x0002: b"1.2\n\x01"}, "Affected SOP Class UID        : 1.2\\x01"),
        ({0x0100: b"\x20\0"}, "Message Type                  : C-FIND RQ"),
        ({0x0100: b"\1\x80"}, "Message Type                  : C-STORE RSP"),
        ({0x0100: b"\x99\0"}, "Message Type                  : unknown (0099H)"),
        ({0x0120: b"\4\0"}, "Message ID Being Responded To : 4"),
        ({0x0003: b"1.2.3"}, "Requested SOP Class UID       : 1.2.3"),
        ({0x1001: b"1.2.4"}, "Requested SOP Instance UID    : 1.2.4"),
    ],
)
def test_other_elements_have_their_lines(changes: dict[int, bytes], line: str) -> None:
    assert line in command_text(STORE | changes, 1).split("\n")


ELEMENTS = st.sampled_from([*STORE, 0x0003, 0x0120, 0x1001, 0x1030, 0x1031, 0x0902, 0x0010])


@given(st.dictionaries(ELEMENTS, st.binary(max_size=80)))
def test_any_command_set_gives_printable_lines(elements: dict[int, bytes]) -> None:
    lines = command_text(elements, 1).split("\n")
    assert (lines[0], lines[-1]) == (BEGIN, END)
    assert all(line.isascii() and line.isprintable() for line in lines)
