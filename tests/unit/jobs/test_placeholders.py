"""Placeholders become what storescp puts there, and whatever a peer sends, a shell reads words and nothing else."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scpd.jobs.placeholders import expand
from scpd.jobs.values import Values

if TYPE_CHECKING:
    from pathlib import Path

SHELL_SECONDS = 10
ALPHABET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.:@_")


def some_values(output: str | None = "/data", prefix: str = "", extension: str = "") -> Values:
    values = Values(output, prefix, extension)
    values.file = "CT.1.2.3" + extension
    values.calling_aet = "CT 1"
    values.called_aet = "PACS"
    values.peer = "ct1.example.org"
    return values


def of_network(text: str, directory: str | None = None) -> Values:
    """Every value that a peer, or a forger of records, may choose."""
    values = Values("/data")
    values.study_directory = text if directory is None else directory
    values.file = values.calling_aet = values.called_aet = values.peer = text
    return values


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("x #p #f #a #c #r", 'x /data CT.1.2.3 "CT 1" "PACS" ct1'),
        ("x #p/#f", "x /data/CT.1.2.3"),
        ("#p#p#f#f#r#r", "/data/dataCT.1.2.3CT.1.2.3ct1ct1"),
        ("echo '#a,#c,#r,#p,#f' >pipe", 'echo \'"CT 1","PACS",ct1,/data,CT.1.2.3\' >pipe'),
        ("touch D/#c;touch D/#a", 'touch D/"PACS";touch D/"CT 1"'),
        ("##p #P # p #", "#/data #P # p #"),
        ("echo #", "echo #"),
        ("", ""),
        ("nothing", "nothing"),
    ],
)
def test_all_are_replaced_wherever_they_stand(command: str, text: str) -> None:
    assert expand(command, some_values()) == text


def test_at_the_end_of_a_study_the_file_stays() -> None:
    values = some_values()
    values.study_directory, values.file = "st_1.2", None
    assert expand("x #p/#f #a", values) == 'x /data/st_1.2/#f "CT 1"'


def test_with_ignore_directory_and_file_stay() -> None:
    values = some_values(None)
    values.file = None
    assert expand("x #p #f #a #c #r", values) == 'x #p #f "CT 1" "PACS" ct1'


def test_the_order_is_p_f_a_c_r_each_over_the_whole_text() -> None:
    # Only the administrator can have a placeholder within a value.
    values = some_values("/#p/#f/#a/#r", extension="#c")
    assert expand("#p", values) == '/#p/CT.1.2.3"PACS"/"CT 1"/ct1'
    assert expand("#f", values) == 'CT.1.2.3"PACS"'


@pytest.mark.parametrize(
    ("peer", "text"),
    [
        ("ct1", "ct1"),
        ("ct1.example.org", "ct1"),
        ("192.0.2.17", "192.0.2.17"),
        ("2001:db8::17", "2001:db8::17"),
        ("::ffff:192.0.2.17", "::ffff:192.0.2.17"),
        ("", ""),
        (".org", ""),
        ("-x.org", "_x"),
        ("$(id).org", "__id_"),
        ("a b", "a_b"),
    ],
)
def test_a_host_is_its_first_label_or_an_address(peer: str, text: str) -> None:
    values = some_values()
    values.peer = peer
    assert expand("#r", values) == text


@pytest.mark.parametrize(
    ("file", "extension", "text"),
    [
        ("CT.1.dcm", ".dcm", "CT.1.dcm"),
        ("CT.1; x", "; x", "CT.1; x"),  # the administrator's
        ("CT.1; x; x", "; x", "CT.1__x; x"),
        ("; x", "; x", "__x"),
        ("CT.1; x.1", "; x", "CT.1__x.1"),
        ("CT.1 2", "", "CT.1_2"),
        ("-rf", "", "_rf"),
        ("..", "", "_."),
        (".", ".", "_"),
        ("../../etc/passwd", "", "_._.._etc_passwd"),
        ("", "", ""),
        ("", ".dcm", ""),
    ],
)
def test_of_a_file_name_the_extension_is_the_administrators(file: str, extension: str, text: str) -> None:
    values = some_values(extension=extension)
    values.file = file
    assert expand("#f", values) == text


@pytest.mark.parametrize(
    ("directory", "prefix", "text"),
    [
        ("st_1.2", "st", "/my data;/st_1.2"),
        ("my $x_1 2", "my $x", "/my data;/my $x_1_2"),
        ("other $x_1 2", "my $x", "/my data;/other__x_1_2"),
        ("1.2", "", "/my data;/1.2"),
        ("..", "", "/my data;/_."),
        (".", "", "/my data;/_"),
        ("../x", "", "/my data;/_._x"),
        ("st/../..", "st", "/my data;/st_.._.."),
        ("-1.2", "", "/my data;/_1.2"),
        ("st-1.2", "st", "/my data;/st-1.2"),
        ("", "", "/my data;"),
    ],
)
def test_of_a_directory_the_output_directory_and_the_prefix_are_the_administrators(
    directory: str, prefix: str, text: str
) -> None:
    values = some_values("/my data;", prefix)
    values.study_directory = directory
    assert expand("#p", values) == text


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("x #a", 'x "A B"'),
        ("x '#a'", "x '\"A B\"'"),
        ('x "#a"', 'x ""A_B""'),
        ('x "#p #a #a" #a', 'x "/data "A_B" "A_B"" "A B"'),
        ('x "y" #a', 'x "y" "A B"'),
        ('x "\'" #a', 'x "\'" "A B"'),
        ("x '\"' #a", 'x \'"\' "A B"'),
        (r"x \" #a", r'x \" "A B"'),
        (r'x "\" #a"', r'x "\" "A_B""'),
        ("sh -c 'x \"#a\"'", 'sh -c \'x ""A_B""\''),
        ("sh -c 'x #a'", "sh -c 'x \"A B\"'"),
        ('x "$(y "#a")"', 'x "$(y ""A_B"")"'),
        ('x "`y "#a"`"', 'x "`y ""A_B""`"'),
        ('x "${y:-"#a"}"', 'x "${y:-""A_B""}"'),
        ('x # don\'t "\ny "#a"', 'x # don\'t "\ny ""A_B""'),
        ("x <<E #a", 'x <<E "A_B"'),
    ],
)
def test_a_title_keeps_its_spaces_where_its_own_quotes_hold_them(command: str, text: str) -> None:
    values = some_values()
    values.calling_aet = "A B"
    assert expand(command, values) == text


@pytest.mark.parametrize("title", ["-rf", "- x", "--help", ".", "..", ".x"])
def test_a_title_is_no_option_and_leads_nowhere(title: str) -> None:
    assert expand("#a", of_network(title)) == f'"_{title[1:]}"'


HOSTILE = [
    "`touch HACKED`",
    "$(touch HACKED)",
    "; touch HACKED;",
    '";touch HACKED;"',
    "';touch HACKED;'",
    "\ntouch HACKED\n",
    "\r\ntouch HACKED",
    "| touch HACKED",
    "&& touch HACKED",
    "> HACKED",
    "\\",
    '\\";touch HACKED;\\"',
    "$HOME",
    "${IFS}",
    "*",
    "?",
    "[a-z]*",
    "~",
    "~root",
    "#f",
    "#a",
    "!!",
    "-rf",
    " -rf",
    "a -rf HACKED",
    "..",
    "../..",
    "/etc/passwd",
    ".",
    "",
    " ",
    "{a,b}",
    "a=b",
    "(touch HACKED)",
    "<(touch HACKED)",
    "\0",
    "\t\v\f",
    "\x85\xa0\u2003",
    "\udc60touch HACKED\udc60",
    "\N{FULLWIDTH DOLLAR SIGN}(touch HACKED)",
    "\N{LEFT DOUBLE QUOTATION MARK}",
]
# How placeholders stand in commands: what is between them and the shell's word that they are to be.
PLACES = ["#f", "#r", "#a", "#c", "#p", '"#f"', '"#r"', '"#a"', '"#c"', '"#p"', '"#a #f"', "x#f", "#p/#f"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_can_inject(tmp_path: Path, place: str, text: str) -> None:
    command = expand(f"printf '%s\\n' begin {place} end", of_network(text))
    lines = _said(command, tmp_path).split("\n")
    assert lines[0] == "begin"
    assert lines[-2:] == ["end", ""]
    assert len(lines) <= 4  # one word, or none
    assert os.listdir(tmp_path) == []
    for word in lines[1:-2]:
        assert not word.startswith("-")
        assert ALPHABET.issuperset(word.replace("/", "").replace(" ", ""))
        assert word.count("/") <= 2 * place.count("#p") + place.count("/")
        assert not {"..", "."} & set(word.split("/"))


@given(st.text(), st.sampled_from(PLACES))
@example("'", "#a")
def test_any_text_is_one_word_of_the_alphabet(text: str, place: str) -> None:
    word = expand(place, of_network(text))
    kept = ALPHABET | ({'"', " "} if "a" in place or "c" in place else set())
    kept |= set(place) - {"#"}
    kept |= set("/data") if "p" in place else set()
    assert kept.issuperset(word)
    assert not word.startswith("-")


PIECES = st.text(alphabet="ab \"'\\#", max_size=8)


@given(PIECES, PIECES)
@example("'\"", "\"'")
@example("\\", '"')
@settings(max_examples=400)
def test_in_any_quotes_a_title_of_two_words_is_as_many_for_a_shell_as_one_of_one_word(
    before: str, after: str
) -> None:
    counts = []
    for title in ("A HACKED", "A_HACKED"):
        command = expand(f"n() {{ echo $#; }}; n {before}#a{after}", of_network(title))
        done = subprocess.run(
            ["/bin/sh", "-c", command], capture_output=True, timeout=SHELL_SECONDS, check=False
        )
        counts.append((done.returncode, done.stdout))
    assert counts[0] == counts[1]


def _said(command: str, folder: Path) -> str:
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SHELL_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), command
    return done.stdout
