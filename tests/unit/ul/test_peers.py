"""The table of --peers as text: what a line means, and every fault with its line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scpd.cli.callers import read_net
from scpd.cli.mdoc import MANUALS
from scpd.ul import peers
from scpd.ul.callers import Callers
from scpd.ul.peers import parse
from tests.harness.manuals import complaints

EXAMPLE = Path(__file__).parents[3] / "etc" / "peers.example"
LINE_OPTIONS = "directory", "profile", "limit"
PAGE = MANUALS / "scpd_peers.5"
MANUAL = PAGE.read_text(encoding="utf-8")


def read(text: str) -> list[dict[str, object]]:
    """Give what the entries of a text say that has no fault."""
    entries, faults = parse(text, "t")
    assert [(fault.line, fault.text) for fault in faults] == []
    return [
        {
            "where": entry.where,
            "called": str(entry.called),
            "callers": [(str(caller.title), caller.net) for caller in entry.callers],
            **{name: value for name in LINE_OPTIONS if (value := getattr(entry, name))},
        }
        for entry in entries
    ]


def test_a_line_has_a_title_callers_and_options_in_any_order() -> None:
    text = (
        "\n# comment\nSTORE limit=4 CT1@192.0.2.10 directory=/srv//ct/ @2001:db8::/32\tCT? profile=a-b # x\n"
    )
    assert read(text) == [
        {
            "where": "t:3",
            "called": "STORE",
            "callers": [
                ("CT1", read_net("192.0.2.10")),
                ("*", read_net("2001:db8::/32")),
                ("CT?", None),
            ],
            "directory": "/srv/ct",
            "profile": ("", "A-B"),
            "limit": 4,
        }
    ]


@pytest.mark.parametrize(
    ("word", "title", "fits", "fits_not"),
    [
        ('"CT TWO"', "CT TWO", [b"CT TWO"], [b"CT", b"CTTWO"]),
        ("'CT TWO'", "CT TWO", [b"CT TWO"], [b"CT"]),
        ("CT' 'TWO", "CT TWO", [b"CT TWO"], [b"CT"]),
        ("' CT '", "CT", [b"CT"], []),
        ("'A*'", "A*", [b"A*"], [b"AB"]),
        ("'A '*", "A *", [b"A B"], [b"AB"]),
        ("A*", "A*", [b"A", b"AB", b"A*"], [b"BA"]),
        ("**A?", "*A?", [b"AB", b"AAB"], [b"A"]),
        ("'A#1'", "A#1", [b"A#1"], [b"A"]),
        ('"A@B"', "A@B", [b"A@B"], [b"A"]),
        ("\"A='1'\"", "A='1'", [b"A='1'"], []),
        ("ABCDEFGHIJKLMNOP*", "ABCDEFGHIJKLMNOP*", [b"ABCDEFGHIJKLMNOP"], [b"ABCDEFGHIJKLMNO"]),
    ],
)
def test_what_is_quoted_means_itself(word: str, title: str, fits: list[bytes], fits_not: list[bytes]) -> None:
    (entry,), faults = parse(f"{word} {word}", "t")
    assert not faults
    assert (str(entry.called), str(entry.callers[0].title)) == (title, title)
    assert [each for each in fits if not entry.called.matches(each)] == []
    assert [each for each in fits_not if entry.called.matches(each)] == []


@pytest.mark.parametrize(
    ("value", "profile"),
    [
        ("Default", ("", "DEFAULT")),
        ("/etc/x.cfg:Default", ("/etc/x.cfg", "DEFAULT")),
        ("'/etc/a:b.cfg:My Own'", ("/etc/a:b.cfg", "MYOWN")),
    ],
)
def test_a_profile_is_one_of_config_file_or_of_a_file_of_its_own(
    value: str, profile: tuple[str, str]
) -> None:
    (entry,) = read(f"A * profile={value}")
    assert entry["profile"] == profile


FAULTS = [
    ("A", "A: nobody may call it; name who may, or write * for anybody"),
    ("A limit=4", "A: nobody may call it; name who may, or write * for anybody"),
    ("limit=4 A", "limit=4: not a called title; begin with one, or quote its ="),
    ("A@::1 *", "A@::1: a called title has no address; quote an @ that belongs to it"),
    ('"" *', '"": a blank AE title; name one, or write * for any'),
    ("A ' '", "' ': a blank AE title; name one, or write * for any"),
    ("A ' '*", "' '*: a blank AE title; name one, or write * for any"),
    ("A ABCDEFGHIJKLMNOPQ", "ABCDEFGHIJKLMNOPQ: more than the 16 characters of an AE title; shorten it"),
    (
        "A *ABCDEFGHIJKLMNOPQ",
        "*ABCDEFGHIJKLMNOPQ: more than the 16 characters of an AE title; shorten it",
    ),
    (
        "A B\\C",
        "B\\\\C: not an AE title, which has printable ASCII characters and no backslash; correct it",
    ),
    (
        "A \u00dc",
        "\\xdc: not an AE title, which has printable ASCII characters and no backslash; correct it",
    ),
    ("A B\x01", "B\\x01: a control character; remove it"),
    ("A 'B", "'B: a quote that does not end; end it, or quote it by the other kind"),
    ("A B#C", "B#: a # within a word; quote it, or put a blank before the comment"),
    (
        "A B@10.0.0.1/8",
        (
            "B@10.0.0.1/8: an address with the length of a net; "
            "write the address alone, or the net with zeros at its end"
        ),
    ),
    ("A B@fe80::1%lo", "B@fe80::1%lo: an address with a zone; write it without"),
    (
        "A B@ct1",
        "B@ct1: no address or net behind the @; write one, or quote an @ that belongs to the title",
    ),
    ("A B@", "B@: no address or net behind the @; write one, or quote an @ that belongs to the title"),
    (
        "A * dir=/x",
        "dir=/x: no such option; there are directory, profile, limit; quote an = that belongs to a title",
    ),
    ("A * limit=", "limit=: no value; write it behind the =, without a blank"),
    ("A * limit=1 limit=2", "limit=2: limit given twice; remove one"),
    ("A * limit=0", "limit=0: not a number of associations; write one from 1 to 10000"),
    ("A * limit=10001", "limit=10001: not a number of associations; write one from 1 to 10000"),
    ("A * limit=+1", "limit=+1: not a number of associations; write one from 1 to 10000"),
    ("A * directory=x", "directory=x: not an absolute path below /; write it from / on"),
    ("A * directory=/", "directory=/: not an absolute path below /; write it from / on"),
    ("A * directory=/a/../b", "directory=/a/../b: a path with . or ..; write it without"),
    ("A * profile=x.cfg:P", "profile=x.cfg:P: not an absolute path below /; write it from / on"),
    ("A * profile=/x:", "profile=/x:: no name of a profile; write PROFILE, or FILE:PROFILE"),
]


@pytest.mark.parametrize(("line", "fault"), FAULTS)
def test_a_fault_names_its_line_its_text_and_a_remedy(line: str, fault: str) -> None:
    _, faults = parse(f"A B\n\n{line}\nC *", "t")
    assert [(each.line, each.text) for each in faults] == [(3, fault)]


def test_all_faults_are_told() -> None:
    _, faults = parse("A\nB\nC *\nD", "t")
    assert [fault.line for fault in faults] == [1, 2, 4]


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n  # at all"])
def test_a_table_without_entries_is_a_fault(text: str) -> None:
    _, faults = parse(text, "t")
    assert [fault.line for fault in faults] == [0]


def test_a_caller_who_stands_in_an_earlier_line_is_a_fault() -> None:
    _, faults = parse("A B@10.0.0.0/8\nA C B@::ffff:10.0.0.0/104 limit=1\nA B\nB B@10.0.0.0/8", "t")
    assert [(fault.line, fault.text) for fault in faults] == [
        (2, "B calling A: line 1 has decided that; remove one of them")
    ]


def test_lines_may_end_as_elsewhere_and_begin_with_a_mark() -> None:
    assert [entry["where"] for entry in read("\ufeffA *\r\n\r\nB *")] == ["t:1", "t:3"]


def test_a_path_may_hold_bytes_that_are_no_text() -> None:
    (entry,) = read("A * directory=/srv/\udcff")
    assert entry["directory"] == "/srv/\udcff"


@given(st.text() | st.text("AB*?@=# '\"\n/.:1limtdrecoy", max_size=80))
def test_any_text_gives_a_table_or_faults_with_their_lines(text: str) -> None:
    entries, faults = parse(text, "t")
    assert entries or faults
    lines = text.count("\n") + 1
    assert all(0 <= fault.line <= lines and fault.text.isprintable() for fault in faults)
    for entry in entries:
        assert 1 <= int(entry.where.removeprefix("t:")) <= lines
        assert entry.callers


@given(st.lists(st.sampled_from(["A", "B*", "'C D'", "?@10.0.0.0/8", "@::1"]), min_size=2, max_size=6))
def test_any_table_of_sound_words_is_read_or_names_the_word(words: list[str]) -> None:
    entries, faults = parse(" ".join(words), "t")
    assert (len(entries), len(faults)) == ((0, 1) if "@" in words[0] else (1, 0))


def test_long_lines_and_tables_take_no_longer_than_their_length() -> None:
    from time import perf_counter

    begin = perf_counter()
    parse("A " + "x@" * 100_000, "t")
    parse("A " + "'" * 100_001, "t")
    parse("".join(f"T{number} P{number}@10.0.0.1\n" for number in range(10_000)), "t")
    assert perf_counter() - begin < 10


def test_the_example_is_a_table() -> None:
    entries, faults = parse(EXAMPLE.read_text(encoding="utf-8"), "etc/peers.example")
    assert not faults
    table = Callers(entries, "")
    assert table.permission(b"STORE", b"CT_9", "192.0.2.33").limit == 4
    assert table.permission(b"ANYTHING", b"ROUTER", "192.0.2.1") is entries[-1]


def test_what_the_example_leaves_out_by_a_sign_is_a_table_too() -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    ready = [line.removeprefix("#") if line.startswith(("#RESEARCH", "#VIEWER")) else line for line in lines]
    entries, faults = parse("\n".join(ready), "t")
    assert not faults
    assert len(entries) == 5


def items(heading: str) -> list[str]:
    """Give the items of the manual behind a line of it."""
    found = re.findall(r"^\.It (.*)$", MANUAL.partition(heading)[2].partition("\n.El")[0], re.MULTILINE)
    return [item.replace(r"\&", "") for item in found]


class TestManual:
    def test_mandoc_has_nothing_to_complain_about(self) -> None:
        assert complaints(PAGE) == []

    def test_every_option_has_its_item_and_no_other_has(self) -> None:
        found = re.findall(r"^Cm (\w+) Ns =", "\n".join(items("\n.Ss Options")), re.MULTILINE)
        assert list(dict.fromkeys(found)) == list(LINE_OPTIONS) == list(peers._OPTIONS)

    @pytest.mark.parametrize("fault", [fault for _, fault in FAULTS])
    def test_every_fault_has_its_line(self, fault: str) -> None:
        assert any(f": {item}" in fault or f" {item};" in fault for item in items("\nFaults of a table"))

    def test_no_line_is_of_a_fault_that_is_none(self) -> None:
        room = Path(peers.__file__).parents[1]
        sources = [room / "ul/peers.py", room / "peers_policies.py", room / "store/directory.py"]
        text = re.sub(r"\{\w+\}", "", "".join(path.read_text(encoding="utf-8") for path in sources))
        text = re.sub(r"\s+", " ", text)
        for item in items("\nFaults of a table"):
            words = re.sub(r"\b(N|PATH|1024) ", "", item)
            assert words in text or item in text, item

    def test_every_refusal_has_its_line(self) -> None:
        room = Path(peers.__file__).parents[1]
        text = "".join(
            (room / name).read_text(encoding="utf-8") for name in ("ul/callers.py", "worker/admission.py")
        )
        said = text.replace("{counted(entry.limit, 'association')}", "N associations")
        for words in (
            "not among those who may call",
            "not allowed to call",
            "limit of N associations reached",
        ):
            assert words in said
            assert any(words in item for item in items("\nLines of the log"))

    def test_every_table_that_is_shown_is_one(self) -> None:
        tables = re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", MANUAL, re.MULTILINE | re.DOTALL)
        tables = [text for text in tables if not text.startswith("scpctl ")]
        assert len(tables) == 4
        for text in tables:
            assert parse(text, "t")[1] == [], text

    def test_its_numbers_are_those_of_the_code(self) -> None:
        assert f"from 1 to {peers._MOST_ASSOCIATIONS}," in MANUAL
        assert f"longer than {peers._LONGEST_DIRECTORY} bytes" in MANUAL
