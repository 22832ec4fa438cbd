"""Command files: every rule of the grammar, and its corners."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scpd.cli.commandfile import words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \t\r\n", []),
        ("-v 11112", ["-v", "11112"]),
        ("\n-od\r\n\tin\r\n", ["-od", "in"]),
        ("a\vb\fc", ["a\vb\fc"]),
        ("'a b' \"c\td\"", ["a b", "c\td"]),
        ("'a \"b' \"c 'd\"", ['a "b', "c 'd"]),
        ('ab"c d"ef', ["abc d", "ef"]),
        ('"a""b"', ["a", "b"]),
        ("x'y'z'", ["xy", "z"]),
        ('""', [""]),
        ("a '' b", ["a", "", "b"]),
        ("a''", ["a"]),
        ("''a", ["", "a"]),
        ("'a\nb", ["a\nb"]),
        ("a '", ["a"]),
        ('"', []),
        ("' ", [" "]),
        ("a'", ["a"]),
        ("a'b ", ["ab "]),
        ("-fe # no comment", ["-fe", "#", "no", "comment"]),
        ("a#b c", ["a#b", "c"]),
        ("'a'# b", ["a", "#", "b"]),
        ("'\n# a' b", ["\n# a", "b"]),
        ("a '\n'# b", ["a", "\n", "#", "b"]),
        ("'#' \"#a\"", ["#", "#a"]),
        (r"a\ b \"c d\"", ["a\\", "b", "\\c d\\"]),
        ("@other", ["@other"]),
    ],
)
def test_a_text_is_split_as_storescp_does(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# a comment", []),
        ("#", []),
        ("#a\n#b\n", []),
        (' \t# it\'s "one"\n-v', ["-v"]),
        ("-v\n# one\n11112 # none\n", ["-v", "11112", "#", "none"]),
        ("-v\r\n#one\r\n11112\r\n", ["-v", "11112"]),
        ("-v\r#one\r11112", ["-v", "11112"]),
        ("-od\n# in between\nin", ["-od", "in"]),
        ("# \\\nin", ["in"]),
    ],
)
def test_a_line_that_begins_with_a_number_sign_is_a_comment(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@given(st.lists(st.text(alphabet='ab -+@#\\"\t\n', max_size=5)))
def test_any_words_without_apostrophe_survive_being_quoted(given_words: list[str]) -> None:
    assert words(" ".join(f"'{word}'" for word in given_words)) == given_words


@given(st.text(alphabet="ab'\" \t\r\n@#") | st.text())
def test_any_text_is_some_words_whose_letters_are_its_own(text: str) -> None:
    assert set("".join(words(text))) <= set(text)
