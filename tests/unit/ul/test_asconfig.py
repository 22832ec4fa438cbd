"""The form of the file; what its sections mean is tested with the profiles."""

from __future__ import annotations

import pytest

from scpd.ul.asconfig import capitals, scan


def tree(text: str) -> dict[str, list[tuple[str, int, list[tuple[str, str, int]]]]]:
    supersections, faults = scan(text)
    assert faults == []
    return {
        name: [
            (section.name, section.line, [(entry.key, entry.value, entry.line) for entry in section.entries])
            for section in sections
        ]
        for name, sections in supersections.items()
    }


def test_sections_and_entries_have_their_lines() -> None:
    text = "# c\n[[A]]\n\n[B]\nk = v\n[C]\nl= w w \n[[D]]\n[B]\nm =\n"
    assert tree(text) == {
        "A": [("B", 4, [("K", "v", 5)]), ("C", 6, [("L", "w w", 7)])],
        "D": [("B", 9, [("M", "", 10)])],
    }


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_as_on_any_system(end: str) -> None:
    assert tree(end.join(["[[A]]", "[B]", "k = v", " w", ""])) == {"A": [("B", 2, [("K", "v\nw", 3)])]}


@pytest.mark.parametrize(
    ("lines", "value"),
    [
        ("k = v\n w", "v\nw"),
        ("k = v\n\n# c\n\t\n\tw \n x", "v\nw\nx"),
        ("k =\n =v", "=v"),
        ("k = v\n  # c\n w", "v\nw"),
        ("k = a = b", "a = b"),
        ("k == v", "= v"),
        ("k = a\0b", "a b"),
    ],
)
def test_a_line_that_begins_with_a_blank_continues_the_value(lines: str, value: str) -> None:
    assert tree(f"[[A]]\n[B]\n{lines}") == {"A": [("B", 2, [("K", value, 3)])]}


def test_an_indented_line_that_is_an_entry_is_one() -> None:
    assert tree("[[A]]\n[B]\nk = v\n  l = w") == {"A": [("B", 2, [("K", "v", 3), ("L", "w", 4)])]}


@pytest.mark.parametrize(
    "text",
    ["[[A]][B]k=v", "  [ [a] ]\t[b.] k=v", "[[[A]]] [B]\nK=v", "[[A] x ] [[B] k=v".replace("[[B]", "[B]")],
)
def test_brackets_may_be_written_freely(text: str) -> None:
    ((name, ((section, _, ((key, value, _),)),)),) = tree(text).items()
    assert (name, section, key, value) == ("A", "B", "K", "v")


def test_the_names_of_keys_and_sections_are_their_ascii_letters_and_digits() -> None:
    assert tree("[[\xc4a-1_]]\n[\xdfx \u0131]\nk\xfc y! = \xe4") == {"A-1_": [("X", 2, [("KY", "\xe4", 3)])]}
    assert capitals("a\xdf\u0131z") == "A\xdf\u0131Z"


def test_a_byte_order_mark_is_no_text() -> None:
    assert tree("\ufeff[[A]]") == tree("\xef\xbb\xbf[[A]]") == {"A": []}
