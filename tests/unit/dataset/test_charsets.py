"""Text is decoded as declared, whatever the bytes and the declaration are."""

from __future__ import annotations

import logging
import subprocess
import sys
import warnings
from typing import TYPE_CHECKING

import pydicom.charset
import pydicom.data
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scpd.dataset.charsets import decoded, is_latin
from tests.harness.servers import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

TERMS = sorted(pydicom.charset.python_encoding)


@pytest.mark.parametrize(
    ("value", "declared", "text"),
    [
        (b"Doe^Jane", b"", "Doe^Jane"),
        (b"M\xfcller", b"", "M\u00fcller"),
        (b"M\xfcller", b"ISO_IR 100", "M\u00fcller"),
        (b"M\xfcller", b"ISO 2022 IR 100 ", "M\u00fcller"),
        (b"M\xfcller", b"ISO 2022 IR 100\\ISO 2022 IR 87", "M\u00fcller"),
        (b"M\xc3\xbc", b"ISO_IR 192", "M\u00fc"),
        (b"M\xc3\xbc", b"iso-ir 192", "M\u00fc"),
        (b"M\xc3\xbc", b"ISO IR_192", "M\u00fc"),
        (b"M\xc3\xbc", b"utf-8 ", "M\u00fc"),
        (b"M\xc3\xbc", b"ISO_IR 192\0\0", "M\u00fc"),
        (b"M\xc3\xbc", b"ISO_IR 192\\ISO 2022 IR 87", "M\u00fc"),
        (b"J\x1b-A\xe9r", b"ISO 2022 IR 6\\ISO 2022 IR 100", "J\u00e9r"),
        (b"\xbb\xee\xda\xd0", b"ISO_IR 144", "\u041b\u044e\u043a\u0430"),
        (b"\x1b-L\xbb^\xe9", b"ISO 2022 IR 100\\ISO 2022 IR 144", "\u041b^\u00e9"),
        (b"\x1b$B;3ED\x1b(B^A", b"\\ISO 2022 IR 87", "\u5c71\u7530^A"),
        (b"\x1b$B;3ED\x1b(B^A", b"ISO-2022-IR-6\\ISO_2022_IR_87", "\u5c71\u7530^A"),
        (b"\xd4\xcf^A", b"ISO 2022 IR 13\\ISO 2022 IR 87", "\uff94\uff8f^A"),
        (b"\x1b$)C\xfb\xf3^A", b"\\ISO 2022 IR 149", "\u6d2a^A"),
        (b"\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1", b"\\ISO 2022 IR 58", "\u5f20^\u5c0f"),
        (b"\xcd\xf5^\xd0\xa1", b"GB18030", "\u738b^\u5c0f"),
        (b"\xd5\\\xd5^", b"GBK", "\u8aa0\u8aa2"),
    ],
)  # fmt: skip
def test_values_are_decoded_as_declared(value: bytes, declared: bytes, text: str) -> None:
    found, is_right = decoded(value, declared)
    assert (found, is_right) == (text, True)


@pytest.mark.parametrize(
    ("value", "declared", "text"),
    [
        (b"M\xfcller", b"ISO_IR 192", "M\ufffdller"),
        (b"M\xfcller", b"ISO_IR 6", "M\u00fcller"),
        (b"M\xfcller", b"\\ISO 2022 IR 87", "M\u00fcller"),
        (b"M\xfcller", b"UNKNOWN", "M\u00fcller"),
        (b"M\xfcller", b"hex", "M\u00fcller"),
        (b"M\xfcller", b"unicode_escape\\rot13", "M\u00fcller"),
        (b"\xbb\xee", b"UNKNOWN\\ISO 2022 IR 144", "\u041b\u044e"),
        (b"A\x1b$XYZ", b"\\ISO 2022 IR 87", "A\x1b$XYZ"),
    ],
)
def test_what_is_not_as_declared_is_said_to_be_wrong(value: bytes, declared: bytes, text: str) -> None:
    assert decoded(value, declared) == (text, False)


@given(
    st.binary(max_size=80), st.one_of(st.binary(max_size=30), st.lists(st.sampled_from(TERMS)).map("\\".join))
)
def test_any_bytes_are_decoded_without_a_word(value: bytes, declared: bytes | str) -> None:
    declared = declared.encode() if isinstance(declared, str) else declared
    heard: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = heard.append  # type: ignore[method-assign]
    logging.getLogger("pydicom").addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            text, is_right = decoded(value, declared)
    finally:
        logging.getLogger("pydicom").removeHandler(handler)
    assert not heard
    assert "\ufffd" not in text or not is_right or "\ufffd".encode() in value or b"\x84\x31\xa4\x37" in value
    assert text == value.decode("latin-1") or not is_latin(value, declared)


def charset_files() -> list[Path]:
    from pathlib import Path

    return sorted((Path(pydicom.data.__file__).parent / "charset_files").glob("*.dcm"))


@pytest.mark.parametrize("path", charset_files(), ids=lambda path: path.stem)
def test_names_in_pydicoms_files_are_decoded_as_pydicom_decodes_them(path: Path) -> None:
    data_set = pydicom.dcmread(path)
    name, declared = data_set.get("PatientName", ""), data_set.get("SpecificCharacterSet", "")
    terms = declared if isinstance(declared, str) else "\\".join(declared)
    value = name.original_string if name else b""
    assert decoded(value, terms.encode()) == (str(name), True)


def test_nothing_is_imported_for_latin_names_and_ascii() -> None:
    lines = (
        "import sys",
        "from scpd.dataset.charsets import decoded",
        "decoded(b'M\\xfc', b''), decoded(b'M\\xfc', b'ISO_IR 100'), decoded(b'Doe', b'ISO_IR 192')",
        "print('pydicom' in sys.modules)",
        "from scpd.dataset.charsets import prepare",
        "prepare()",
        "print('pydicom' in sys.modules)",
    )
    said = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert said.stdout.split() == ["False", "True"]
