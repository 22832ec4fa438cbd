"""Consoles, files, and nothing."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import pytest

from scpd.log.files import LogFile
from scpd.log.handlers import Appender, ConsoleAppender, FileAppender
from tests.harness.log_records import MOMENT, a_record

if TYPE_CHECKING:
    from pathlib import Path


def shown(handler: logging.Handler, *records: logging.LogRecord) -> None:
    handler.setFormatter(logging.Formatter("%(message)s\n"))
    for record in records:
        handler.handle(record)


@pytest.mark.parametrize(
    ("to_journal", "expected"), [(False, b"a\nb\n\\udcff\n"), (True, b"<6>a\n<6>b\n<6>\\udcff\n")]
)
def test_a_console_gets_a_record_in_one_write(to_journal: bool, expected: bytes) -> None:
    reader, writer = os.pipe2(os.O_DIRECT)
    shown(ConsoleAppender(writer, to_journal=to_journal), a_record("a\nb\n\udcff"))
    assert os.read(reader, 100) == expected
    os.close(reader)
    shown(ConsoleAppender(writer, to_journal=to_journal), a_record("broken pipe"))
    os.close(writer)
    shown(ConsoleAppender(writer, to_journal=to_journal), a_record("closed"))


def test_a_file_gets_records_and_is_opened_anew(tmp_path: Path) -> None:
    file = LogFile(str(tmp_path / "f"), print, MOMENT, empty=False)
    handler = FileAppender(file)
    shown(handler, a_record("é"))
    (tmp_path / "f").rename(tmp_path / "g")
    handler.reopen(MOMENT)
    shown(handler, a_record("two"))
    assert handler.descriptors() == (file.descriptor,)
    os.close(file.descriptor)
    assert ((tmp_path / "g").read_text(), (tmp_path / "f").read_text()) == ("é\n", "two\n")


def test_a_null_appender_holds_and_says_nothing() -> None:
    handler = Appender()
    shown(handler, a_record("text"))
    handler.reopen(MOMENT)
    assert handler.descriptors() == ()
