"""Text of any script becomes letters and digits of ASCII."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scpd.store.romanization import romanized, romanized_latin
from tests.harness.servers import REPOSITORY

SAFE = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("", ""),
        ("Doe^Jane-2 .", "Doe_Jane_2__"),
        ("\u00c4\u00d6\u00dc\u00e4\u00f6\u00fc\u00df", "AeOeUeaeoeuess"),
        ("Mu\u0308ller", "Mueller"),
        ("\u00c6\u00d8\u00de\u00d7", "AO__"),
        ("\u017b\u00f3\u0142\u0107^\u0141ukasz", "Zolc_Lukasz"),
        ("\u0130brahim \u00c7avu\u015fo\u011flu", "Ibrahim_Cavusoglu"),
        ("\u0152uvre \ufb01n \u01c4", "Oeuvre_fin_DZ"),
        ("\u041b\u044e\u043a\u0441\u0435\u043c\u0431\u0443\u0440\u0433", "Lyuksemburg"),
        ("\u0418\u043b\u044c\u044f", "Ilya"),
        ("\u0394\u03b9\u03bf\u03bd\u03c5\u03c3\u03b9\u03bf\u03c2", "Dionysios"),
        ("\u3084\u307e\u3060^\u305f\u308d\u3046", "yamada_tarou"),
        ("\uff94\uff8f\uff80\uff9e^\uff80\uff9b\uff73", "yamada_tarou"),
        ("\ud64d^\uae38\ub3d9", "Hong_GilDong"),
        ("\u738b^\u5c0f\u6771", "Wang_XiaoDong"),
        ("\uff21\u3000\uff22", "A_B"),
        ("\u200fA\u00ad\u200dB", "A_B"),
        ("\ufffd\U0010fffd\ue000", "___"),
        ("\ud800", "_"),
        ("\x00\n\x1b", "___"),
    ],
)
def test_letters_become_those_of_ascii_and_all_else_an_underscore(text: str, letters: str) -> None:
    assert romanized(text) == letters


@given(st.text(st.characters()))
def test_any_text_becomes_safe_characters(text: str) -> None:
    assert set(romanized(text)) <= SAFE


@given(st.text(st.characters(max_codepoint=0xFF)))
def test_any_latin_text_becomes_safe_characters_no_fewer_than_it_has(text: str) -> None:
    letters = romanized_latin(text)
    assert set(letters) <= SAFE
    assert len(text) <= len(letters) <= 2 * len(text)


def test_after_preparing_no_table_is_read_any_more() -> None:
    """In a worker that may not open files a script that was not loaded costs its letters, nothing else."""
    lines = (
        "import sys",
        "from scpd.store.romanization import prepare, romanized",
        "romanized_before = 'anyascii' in sys.modules",
        "prepare()",
        "def forbid(event, arguments):",
        "    if event == 'open': raise PermissionError(event)",
        "sys.addaudithook(forbid)",
        "sys.stdout.write(f'{romanized_before} {romanized(chr(0x738B) + chr(0xAE38) + chr(0x42F))}')",
        "sys.stdout.write(f' {romanized(chr(0x20021))}')",
    )
    said = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert said.stdout.split() == ["False", "WangGilYa"]
