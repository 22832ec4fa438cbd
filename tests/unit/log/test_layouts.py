"""How records look."""

from __future__ import annotations

import logging
import os
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from scpd.log.association import Association
from scpd.log.layouts import PatternLayout, SimpleLayout, TTCCLayout, asks_for_caller
from scpd.log.levels import TRACE
from tests.harness.forked import in_child
from tests.harness.log_records import a_record

if TYPE_CHECKING:
    from collections.abc import Iterator

THREAD = threading.get_ident()


@pytest.fixture(autouse=True)
def _in_india(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import time

    with monkeypatch.context() as patch:
        patch.setenv("TZ", "XXX-5:30")
        time.tzset()
        yield
    time.tzset()


def association() -> Association:
    found = Association()
    found.begin("192.0.2.1")
    found._id = "1a2b3c"
    found.calling_aet = "A\nB"
    return found


def laid_out(pattern: str, record: logging.LogRecord | None = None, *, each_line: bool = True) -> str:
    return PatternLayout(Association(), pattern, each_line=each_line).format(record or a_record("te\nxt"))


@pytest.mark.parametrize(
    ("level", "text"),
    [
        (logging.CRITICAL, "FATAL - a\nb\n"),
        (logging.WARNING, "WARN - a\nb\n"),
        (TRACE, "TRACE - a\nb\n"),
        (17, "TRACE - a\nb\n"),
    ],
)
def test_a_simple_layout_leaves_the_lines_alone(level: int, text: str) -> None:
    assert SimpleLayout(Association()).format(a_record("a\nb", level=level)) == text


def test_a_ttcc_layout() -> None:
    plain = TTCCLayout(Association(), "", is_utc=False)
    assert plain.format(a_record()) == f"43 [{THREAD}] INFO dcmtk.apps.storescp <> - text\n"


@pytest.mark.parametrize(("is_utc", "when"), [(False, "17:11 426"), (True, "11:41 426")])
def test_a_ttcc_layout_with_a_date(is_utc: bool, when: str) -> None:
    layout = TTCCLayout(Association(), "%H:%M %q", is_utc=is_utc)
    assert layout.format(a_record()) == f"{when} [{THREAD}] INFO dcmtk.apps.storescp <> - text\n"


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("%m", "text"),
        ("<%m>%n", "<text>\n"),
        ("%p %P", "INFO I"),
        ("%c %c{1} %c{2} %c{9} %c{x} %c{0}", "d.a.s s a.s d.a.s d.a.s d.a.s"),
        ("%d", "2026-11-23 11:41:24"),
        ("%D", "2026-11-23 17:11:24"),
        ("%d{%H%%q %q %Q %s}", "11%q 426 426.375 1795434084"),
        ("%d{\0}", "2026-11-23 11:41:24"),
        ("%r", "43"),
        ("%h", os.uname().nodename),
        ("%F %b %L %l %M", "/src/serve.py serve.py 7 /src/serve.py:7 serve"),
        ("[%x%X%X{k}%X{peer}]", "[]"),
        ("%6p|%-6p|%.2p|%-6.2p|%3n", "  INFO|INFO  |FO|FO|  \n"),
    ],
)
def test_every_conversion(pattern: str, expected: str) -> None:
    assert laid_out(pattern, a_record(name="d.a.s")) == expected


def test_process_and_thread() -> None:
    assert laid_out("%i %t %T") == f"{os.getpid()} {THREAD} {threading.get_native_id()}" * 2


def test_the_qualified_name_is_asked_for_where_it_is_shown() -> None:
    assert laid_out("%H", a_record()) == socket.getfqdn()


def test_a_message_is_laid_out_line_by_line_or_at_once() -> None:
    assert laid_out("<%m>%n") == "<te>\n<xt>\n"
    assert laid_out("<%m>%n", a_record("te\n")) == "<te>\n<>\n"
    assert laid_out("<%m>%n", each_line=False) == "<te\nxt>\n"


def test_an_empty_pattern_is_the_message_alone() -> None:
    assert laid_out("") == "text"


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("%p %m%n", "INFO [1a2b3c] a\nINFO [1a2b3c] b\n"),
        ("%x|%m%n", "1a2b3c|a\n1a2b3c|b\n"),
        ("%.0x%m%n", "a\nb\n"),
        (
            "%X{association} %X{peer} %X{calling_aet} %m%n",
            "1a2b3c 192.0.2.1 A\\x0aB a\n1a2b3c 192.0.2.1 A\\x0aB b\n",
        ),
        ("%X{peer} %m%n", "192.0.2.1 [1a2b3c] a\n192.0.2.1 [1a2b3c] b\n"),
    ],
)
def test_the_association_is_in_every_line(pattern: str, expected: str) -> None:
    layout = PatternLayout(association(), pattern, each_line=True)
    assert layout.format(a_record("a\nb")) == expected


def test_the_association_is_in_the_lines_of_other_layouts_too() -> None:
    assert SimpleLayout(association()).format(a_record("a\nb")) == "INFO - [1a2b3c] a\n[1a2b3c] b\n"
    assert " <1a2b3c> - a\n" in TTCCLayout(association(), "", is_utc=True).format(a_record("a"))


def test_it_is_known_which_patterns_need_the_caller() -> None:
    assert [asks_for_caller(pattern) for pattern in ("%m%n", "%%L", "%L", "%-5M", "%l%z")] == [
        False,
        False,
        True,
        True,
        True,
    ]


def test_a_process_id_is_that_of_the_writer() -> None:
    layout = PatternLayout(Association(), "%i", each_line=True)
    shown, own = in_child(lambda: [layout.format(a_record()), os.getpid()])
    assert shown == str(own) != str(os.getpid())
