"""The same command lines to storescp and to us: the same text, the same silence, the same exit code.

No server starts: each line is wrong, or ends with an output directory that does not exist.  storescp notices
that after all checks of the command line and before it listens.
"""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scpd.cli import options
from scpd.cli.parser import parse
from scpd.errors import UsageError

STORESCP = shutil.which("storescp")
MISSING = "/nonexistent/directory"

pytestmark = pytest.mark.skipif(
    STORESCP is None, reason="storescp (DCMTK) is not installed, nothing to compare with"
)

# Options that DCMTK 3.6.7 does not have: younger ones, and our own.
YOUNGER = {"--max-associations", "--ipv4", "--ipv6", "--ip-auto"}
OWN = {"--bind", "--fsync", "--no-fsync", "--grace"}


def run_storescp(words: list[str]) -> subprocess.CompletedProcess[str]:
    assert STORESCP is not None
    return subprocess.run(
        [STORESCP, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        check=False,
        timeout=30,
    )


def storescp_says(words: list[str]) -> str:
    """Return the text behind `error: `, or `usage`, `accepted`, `silence`."""
    done = run_storescp(words)
    if done.returncode == 0:
        return "usage" if "usage: " in done.stdout else "version"
    assert done.returncode == 1
    if done.stderr.endswith("F: specified output directory does not exist\n"):
        return "accepted"
    head, found, text = done.stderr.partition("\nerror: ")
    assert not done.stderr or (found and head.endswith("\n\nstorescp: DICOM storage (C-STORE) SCP"))
    return text.removesuffix("\n") if done.stderr else "silence"


def we_say(words: list[str]) -> str:
    try:
        answer = parse("storescp", words)
    except UsageError as error:
        return "silence" if error.quiet else str(error)
    if isinstance(answer, str):
        return "usage" if "usage: " in answer else "version"
    return "silence" if answer.log_level == "off" else "accepted"


WRONG = [
    [""],
    [" "],
    ["-"],
    ["+"],
    ["--"],
    ["-x"],
    ["-h", "-x"],
    ["-x", "-pdu"],
    ["-pdu"],
    ["-q", "-pdu"],
    ["-od", "-v"],
    ["-fork", "1"],
    ["--fork=1", "1"],
    ["-vd", "1"],
    ["-aetX", "1"],
    ["--VERBOSE", "1"],
    ["--acse", "5", "1"],
    ["1", "2"],
    ["-1", "+2"],
    ["-v"],
    ["-5"],
    ["-0"],
    ["00"],
    ["0"],
    ["65536"],
    ["99999999999999999999999"],
    ["-99999999999999999999999"],
    ["abc"],
    ["abc def"],
    ["-5", "-ll", "x"],
    ["1", "-ll", ""],
    ["1", "-ll", "xx"],
    ["1", "-ll", " info"],
    ["1", "-ll", "xx", "-v"],
    ["1", "-d", "-ll", "info"],
    ["1", "-ll", "", "-q"],
    ["1", "-q", "-ll", "info"],
    ["1", "-ll", "info", "-ll", "xx"],
    ["1", "-ts", "-2"],
    ["1", "-ts", " -2"],
    ["1", "-ts", "-0x2"],
    ["1", "-ts", "-99999999999999999999999"],
    ["1", "-ta", ""],
    ["1", "-ta", " "],
    ["1", "-ta", "0"],
    ["1", "-ta", "-0"],
    ["1", "-ta", "+"],
    ["1", "-ta", "++5"],
    ["1", "-ta", "+-5"],
    ["1", "-ta", "."],
    ["1", "-ta", "٣"],
    ["1", "-ta", "\u00a05"],
    ["1", "-td", "-5"],
    ["1", "-td", "00"],
    ["1", "-td", "0x0"],
    ["1", "-td", "x", "-ta", "y"],
    ["1", "-pdu", "x", "-td", "0"],
    ["1", "-pdu", "4095"],
    ["1", "-pdu", "131073"],
    ["1", "-pdu", "-5"],
    ["1", "-pdu", "-0"],
    ["1", "-pdu", "010"],
    ["1", "-pdu", "18446744073709551616"],
    ["1", "-q", "-ta", "0"],
    ["1", "-q", "-v", "-ta", "0"],
    ["1", "-v", "-q", "-ta", "0"],
    ["1", "-ll", "fatal", "-ta", "0"],
    ["1", "-ll", "Off", "-ta", "0"],
    ["1", "-ll", "ALL", "-ta", "0"],
]

RIGHT = [
    [],
    ["-h"],
    ["--help", "1", "2", "3"],
    ["--version", "-ta", "x"],
    ["--version", "-h"],
    ["11112"],
    ["+11112"],
    [" 11112"],
    ["011112"],
    ["65535"],
    ["11112", "-ll", "WARN"],
    ["11112", "-ll", "off"],
    ["11112", "-ll", "x", "-ll", "info"],
    ["11112", "-q"],
    ["11112", "-q", "-d", "-v"],
    ["11112", "-ta", "x", "-ta", "5"],
    ["11112", "-ta", "0x10", "-td", "010", "-ts", "-1"],
    ["11112", "-ta", "\v\f\n\r\t +5"],
    ["11112", "-ta", "99999999999"],
    ["11112", "-ta", "99999999999999999999999"],
    ["11112", "-pdu", "0131072"],
    ["11112", "-aet", ""],
    ["11112", "-aet", "-q", "-fe", "+x"],
    ["11112", "-fe", ""],
    ["--fork", "--single-process", "+xa", "+x=", "+xi", "-pm", "11112", "+B", "-F", "+uf", "--ignore"],
]


@pytest.mark.parametrize("words", WRONG, ids=repr)
def test_a_wrong_line_is_refused_in_the_words_of_storescp(words: list[str]) -> None:
    said = storescp_says([*words])
    assert said not in {"accepted", "usage", "version"}
    assert we_say(words) == said


@pytest.mark.parametrize("words", RIGHT, ids=repr)
def test_a_right_line_is_taken_by_both(words: list[str]) -> None:
    complete = [*words, "-od", MISSING] if words else words
    said = storescp_says(complete)
    assert said in {"accepted", "usage", "version"} or words[-1] == "off"
    assert we_say(complete) == said


@pytest.mark.parametrize(
    "words", [["11112", "-ta", "5x"], ["11112x"], ["11112", "-pdu", "16384.5"], ["5 "]], ids=repr
)
def test_a_text_behind_a_number_is_our_only_reason_to_refuse_what_storescp_takes(words: list[str]) -> None:
    complete = [*words, "-od", MISSING]
    assert storescp_says(complete) == "accepted"
    assert we_say(complete).startswith("Invalid ")


KNOWN = [
    name
    for option in options.OPTIONS
    for name in (option.long, option.short)
    if name and option.long not in YOUNGER | OWN
]
VALUES = ["0", "1", "4096", "4097", "11112", "-1", "+7", "070", "", "info", "fatal", "OFF", "x", "-"]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(KNOWN) | st.sampled_from(VALUES), max_size=6))
def test_any_line_of_options_that_both_know_ends_alike(words: list[str]) -> None:
    # No option that both know takes two values, so none can swallow the directory that ends the line.
    complete = [*words, "11112", "-od", MISSING]
    assert we_say(complete) == storescp_says(complete)


@pytest.mark.parametrize("words", [["-h"], []], ids=repr)
def test_help_has_the_columns_and_headings_of_storescp(words: list[str]) -> None:
    theirs = run_storescp(words).stdout.splitlines()
    answer = parse("storescp", words)
    assert isinstance(answer, str)
    ours = answer.splitlines()
    # Names and their columns, of every option that both have.
    both = {line[:33] for line in ours if re.search(r" (--\S+)", line[:33])}
    expected = {line for line in both if line.split()[-1] not in YOUNGER | OWN}
    assert expected <= {line[:33] for line in theirs}
    assert len(expected) == len({name for name in KNOWN if name.startswith("--")})
    # The frame around them.
    assert ours[1:3] == theirs[1:3]
    assert [line for line in ours if line and line[0] not in " $"][:4] == [
        line for line in theirs if line and line[0] not in " $"
    ][:4]
    assert answer.endswith("\n\n")
