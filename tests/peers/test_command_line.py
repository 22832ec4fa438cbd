"""The same command lines to storescp and to us: the same text, the same silence, the same exit code.

No server starts: each line is wrong, or ends with an output directory that does not exist, which storescp notices
after all checks of the command line; and should a line swallow that directory, the test itself listens on the port.
The lines are written down below, and some 500 more are made by a generator with a fixed seed: pairs of options in
either order, alternatives, numbers, command files, quiet mode, and anything after anything.
"""

from __future__ import annotations

import csv
import os
import random
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from scpd.cli.parser import parse
from scpd.cli.settings import Settings
from scpd.errors import UsageError
from tests.harness.programs import real_program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

MISSING = "/nonexistent/directory"
HEAD = re.compile(
    r"(?P<log>(?:[IDW]: .*\n)*)\$\S+: \S+ v\S+.* \$\n\n\S+: DICOM storage \(C-STORE\) SCP\nerror: (?P<text>(?s:.*))\n"
)
# At the end of a line that storescp finds right. The second is for lines that swallow the output directory.
ACCEPTING = ("F: specified output directory does not exist", "cannot create network: ")

SHEET = Path(__file__).parents[1] / "cases" / "command_lines" / "options.tsv"
with SHEET.open(encoding="utf-8", newline="") as sheet:
    ROWS = [
        row
        for row in csv.DictReader(sheet, delimiter="\t", quoting=csv.QUOTE_NONE)
        # What Debian's 3.6.7 does not know: younger options, and one that its OpenSSL cannot do.
        if row["since"] <= "3.6.7" and row["long"] != "--profile-basic"
    ]

# Where we differ on purpose: what storescp says, what we say instead (None: whatever the checks behind this one
# find), and why.
DIFFERENCES: tuple[tuple[str, str | None, str], ...] = (
    (r"--sort-\S+ not allowed with --bit-preserving", None, "sorting looks at the data set, and writes none"),
    (r"--\S+-on-eostudy not allowed with --fork", None, "studies end for all processes together"),
    (r"--config-file not allowed with --promiscuous", None, "a profile adds to what is accepted by default"),
    (r"--enable-crl-all not allowed with --enable-crl-vfy", None, "the rightmost wins, as from 3.6.8 on"),
    (
        r"--profile-basic only allowed with --enable-tls",
        "--profile-aes only allowed with --enable-tls",
        "storescp names the wrong option",
    ),
)
# A text behind a number: storescp reads the number and forgets the text.
JUNK = re.compile(r"Invalid (value for option \S+ \(|parameter value )\s*[-+]?\d.*", re.DOTALL)
# Padding to an odd number: storescp takes it, and then pads nothing and leaves all group lengths as they are.
ODD = re.compile(r"Invalid value for option --padding-create \(odd: \d+\)")


class Verdict(NamedTuple):
    """What a program said to a command line: `text` behind `error: `, or `accepted`, `silence`, `usage`, ..."""

    text: str
    code: int
    arguments: str | None = None  # what --arguments logs, as far as the line got there
    hidden: str = ""  # of ours: the text, also where it is not told


class Levels(NamedTuple):
    root_level: str
    storescp_level: str


CONFIGURATIONS = {
    "quiet.cfg": Levels("off", "off"),
    "fatal.cfg": Levels("fatal", "fatal"),
    "own.cfg": Levels("warn", "info"),
    "silent-own.cfg": Levels("fatal", "debug"),
    "less.cfg": Levels("debug", "error"),
}
CONFIGURATION = """\
log4cplus.rootLogger = {root}, console
log4cplus.logger.dcmtk.apps.storescp = {own}
log4cplus.appender.console = log4cplus::ConsoleAppender
log4cplus.appender.console.logToStdErr = true
log4cplus.appender.console.ImmediateFlush = true
log4cplus.appender.console.layout = log4cplus::PatternLayout
log4cplus.appender.console.layout.ConversionPattern = %P: %m%n
"""
PROFILE = """\
[[TransferSyntaxes]]
[Uncompressed]
TransferSyntax1 = LittleEndianExplicit
[[PresentationContexts]]
[Some]
PresentationContext1 = VerificationSOPClass\\Uncompressed
[[Profiles]]
[DEFAULT]
PresentationContexts = Some
"""


class Bench:
    """A directory with the files that lines name, and a port that is taken."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = str(port)
        self.storescp = real_program("storescp")
        for name, levels in CONFIGURATIONS.items():
            text = CONFIGURATION.format(root=levels.root_level.upper(), own=levels.storescp_level.upper())
            (folder / name).write_text(text)
        (folder / "assoc.cfg").write_text(PROFILE)
        (folder / "in").mkdir()
        self.environment = {**os.environ, "DCMDICTPATH": ":"}  # no dictionary: nothing is parsed here

    def words(self, line: Sequence[str], folder: Path) -> list[str]:
        """Give the words of a line with the port filled in; text to be a command file is written to one."""
        words = []
        for place, word in enumerate(line):
            if word.startswith("@\n"):
                file = folder / f"words-{place}"
                # Lone surrogates stand for bytes that are no UTF-8.
                file.write_bytes(os.fsencode(word[2:].replace("PORT", self.port)))
                words.append(f"@{file}")
            else:
                words.append(word.replace("PORT", self.port))
        return words

    def start(self, command: list[str], words: Sequence[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["storescp", *command[1:], *words],  # --arguments shows what a program was called by
            executable=command[0],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.folder,
            env=self.environment,
        )

    def run(self, command: list[str], lines: Sequence[Sequence[str]]) -> list[Verdict]:
        """Give the verdicts on complete lines, some processes at a time."""
        verdicts = []
        for first in range(0, len(lines), 8):
            batch = [self.start(command, words) for words in lines[first : first + 8]]
            verdicts += [verdict_of(process) for process in batch]
        return verdicts

    def read_log_config(self, path: str) -> Levels:
        """Stand in for the reader of log configurations, which has tests of its own."""
        if path in CONFIGURATIONS:
            return CONFIGURATIONS[path]
        if path == "assoc.cfg":
            raise UsageError("Specified --log-config file does not contain any valid settings")
        raise UsageError("Specified --log-config file does not exist")

    def we_say(self, words: Sequence[str]) -> Verdict:
        """Give the verdict of our parser."""
        try:
            answer = parse("storescp", words, self.read_log_config)
        except UsageError as error:
            text = str(error)
            return Verdict("silence" if error.quiet else text, 1, hidden=text)
        if isinstance(answer, str):
            return Verdict("usage" if "usage: " in answer else "version", 0)
        if answer.log_config:  # whose levels the program's messages have is for the reader of that file
            return Verdict("silence or accepted", 1)
        return Verdict("silence" if answer.log_level == "off" else "accepted", 1, answer.arguments)


def verdict_of(process: subprocess.Popen[bytes]) -> Verdict:
    """Wait for a program, and read what it said."""
    try:
        out, err = map(os.fsdecode, process.communicate(timeout=30))
    finally:
        process.kill()
        process.wait()
    if process.returncode == 0:
        return Verdict("usage" if "usage: " in out else "version" if "Host type: " in out else out, 0)
    found = HEAD.fullmatch(err)
    if found:
        return Verdict(found["text"], process.returncode)
    # The log message that --arguments asks for comes first.
    logged = re.match(r"(?:I: .*\n)+", err)
    arguments = re.sub("^I: ", "", logged[0], flags=re.MULTILINE).removesuffix("\n") if logged else None
    rest = re.sub("^[IDW]: .*\n", "", err, flags=re.MULTILINE)
    if any(end in rest for end in ACCEPTING):
        return Verdict("accepted", process.returncode, arguments)
    return Verdict(rest or "silence", process.returncode, arguments)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with socket.create_server(("0.0.0.0", 0)) as taken:
        yield Bench(tmp_path_factory.mktemp("bench"), taken.getsockname()[1])


def differences(line: Sequence[str], theirs: Verdict, ours: Verdict) -> str | None:
    """Say how two verdicts differ, if not on purpose."""
    for pattern, instead, _ in DIFFERENCES:
        if re.fullmatch(pattern, theirs.text) and ours.code == 1:
            if instead is None and ours.text != theirs.text:
                return None
            theirs = theirs._replace(text=instead or theirs.text)
    alike = theirs.text in ours.text.split(" or ") or theirs.text == ours.text
    if alike and theirs.code == ours.code and ours.arguments in (None, theirs.arguments):
        return None
    if ODD.fullmatch(ours.hidden) and theirs.text == "accepted":
        return None
    if JUNK.fullmatch(ours.hidden) and theirs.text != ours.text and ours.code == 1:
        return None
    return f"{line}\n  storescp: {theirs}\n  scpd:     {ours}"


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
    *(["1", "+B", *words.split()] for words in ("+te", "+tb", "+ti", "+td", "+u", "-u", "+g=", "+g", "-g")),
    *(["1", "+B", *words.split()] for words in ("+e", "-e", "+p 2 2", "+p 1 1", "+td +cl 1", "+cl x")),
    *(["1", wanted, "+te"] for wanted in ("+xa", "+xs", "+xy", "+xr")),
    ["1", "-F", "+p", "2", "2"],
    ["1", "+p", "2", "-2"],
    ["1", "+p", "3", "x"],
    ["1", "+p", "3", "3", "-sp", "-tos", "x"],
    ["1", "+p", "3", "3", "-pw", "x"],
    *(["1", written, "+cl", "1"] for written in ("+te", "+tb", "+ti")),
    ["1", "+td", "+cl", "10"],
    ["1", "+cl", "-1"],
    *(["1", *words.split()] for words in ("-xcs x", "-rns", "-tos 5", "-xcr x -tos 5", "-xs -tos 5")),
    *(["1", "-su", "x", "-tos", seconds] for seconds in ("-1", "x", "")),
    *(["1", "-tos", "x", option, "x"] for option in ("-ss", "-su")),
    ["1", "-su"],
    ["1", "-xcr"],
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
    ["1", "+B", "+t=", "-p", "-uc", "+uc", "+cl", "1"],
    ["1", "+te", "-u", "+g", "-e", "+p", "512", "0", "+uc"],
    ["1", "+x=", "+xd", "+tb", "+td", "+cl", "9"],
    ["1", "+B", "+te", "-g", "-e", "+p", "1", "1", "-B", "-p"],
    ["1", "+p", "3", "3", "+p", "2", "2"],
    ["1", "-ss", "", "-xcr", "", "-xcs", "", "-rns", "-tos", "0", "-xs"],
    ["-tos", "0x10", "-rns", "-xcs", "x #p", "-sp", "1"],
    ["1", "-su", "-ss", "-ss", "-su", "-tos", "99999999999"],
    ["1", "-xs"],
    ["1", "--fork", "-ss", "x", "-tos", "5", "-xcr", "echo '#p/#f' #a; echo > x"],
    ["1", "--ignore", "-sp", "-tos", "5", "-rns", "-xcs", "x"],
    ["1", "-xf", "assoc.cfg", "DEFAULT", "+ti"],
    ["--fork", "--single-process", "+xa", "+x=", "+xi", "-pm", "11112", "+B", "-F", "+uf", "--ignore"],
]


# Ends that a line may have, and what stands between them.
GOOD_VALUES = {
    "string": ("x", "", "a b", "-v", "+te", "5"),
    "enum": ("info", "WARN", "Debug", "error", "fatal", "off", "all"),
}
GOOD_WORDS = {
    "-lc": tuple(CONFIGURATIONS),
    "-xf": (),
    "-od": ("in", ".", ""),
    "+cs": ("TLS_RSA_WITH_AES_128_CBC_SHA",),
}
NUMBERS = (
    "0",
    "1",
    "9",
    "10",
    "4096",
    "4097",
    "131072",
    "131073",
    "-1",
    "-0",
    "+7",
    "070",
    "08",
    "0x10",
    "0x",
    "",
    " 5",
)
ODD_NUMBERS = (
    "x", "-", "+", ".", "++5", " -2", "\t\v\f 5", "99999999999", "-99999999999999999999999", "18446744073709551616",
    "5x", "5 ", "1e5", "131072.5", "5\n", "\u0663", "1,5",
)  # fmt: skip
STRAY = ("@", "-", "+", "--", "-5", "+1", "-x", "--verb", "-od=in", "-vd", "abc", "", "1 2", "0", "65536")
MODES = (
    "-q",
    "-v",
    "-d",
    "-ll off",
    "-ll FATAL",
    "-ll error",
    "-ll info",
    *(f"-lc {name}" for name in CONFIGURATIONS),
)
ALL = [row for row in ROWS if row["long"] not in ("--help", "--version", "--list-ciphers", "--inetd")]
NAMES = {row["long"] for row in ALL}
BLOCKS = sorted({row["block"].partition(":")[0] for row in ALL if row["block"]})
PIECES = (
    "-v",
    "-od",
    "in",
    "-aet",
    " ",
    "\t",
    "\r\n",
    "'",
    '"',
    "a b",
    "''",
    "=#",  # not at the begin of a line, where it is a comment here only
    "\\",
    "@x",
    "-ta",
    "5",
    "=",
)


class Generator:
    """Makes lines: the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def pairs(self) -> Iterator[list[str]]:
        """Two options in either order, with or without what they need."""
        one, other = self._random.sample(ALL, 2)
        needed = [*self._needed(one), *self._needed(other)] if self._random.random() < 0.7 else []
        first, second = self._option(one), self._option(other)
        yield self._ended([*needed, *first, *second])
        yield self._ended([*needed, *second, *first])

    def blocks(self) -> Iterator[list[str]]:
        """Some alternatives, and an option that they may not like."""
        block = self._random.choice(BLOCKS)
        members = [row for row in ALL if row["block"].partition(":")[0] == block]
        disliked = [
            name
            for row in members
            for name in re.findall(r"--[-a-z0-9]+", row["conflicts_with"])
            if name in NAMES
        ]
        words = self._needed(members[0]) if self._random.random() < 0.8 else []
        if disliked and self._random.random() < 0.6:
            words += self._option(by_name(self._random.choice(disliked)))
        for row in self._random.choices(members, k=self._random.randint(2, 5)):
            words += self._option(row)
        yield self._ended(words)

    def numbers(self) -> Iterator[list[str]]:
        """An option that takes numbers, with some that are none."""
        row = self._random.choice([row for row in ALL if "int[" in row["args"]])
        values = [self._random.choice(NUMBERS + ODD_NUMBERS) for _ in range(int(row["nargs"]))]
        yield self._ended([*self._needed(row), row["short"] or row["long"], *values])

    def command_files(self) -> Iterator[list[str]]:
        """A command file with a line in it, and one with anything."""
        words = [f"'{word}'" for word in self._some_options(3)]
        yield self._ended(["@\n" + "\n".join(words), "--arguments"])
        text = "".join(self._random.choices(PIECES, k=self._random.randint(0, 8)))
        yield self._ended(["--arguments", "@\n" + text])

    def quiet(self) -> Iterator[list[str]]:
        """Some kinds of silence, and something to be silent about."""
        modes = self._random.choices(MODES, k=self._random.randint(1, 2))
        yield self._ended([*" ".join(modes).split(), *self._option(self._random.choice(ALL))])

    def anything(self) -> Iterator[list[str]]:
        """Options and stray words, with any port or none."""
        words = self._some_options(6)
        for _ in range(self._random.choice((0, 0, 0, 1, 2))):
            words.insert(self._random.randint(0, len(words)), self._random.choice(STRAY))
        port = self._random.choice(("PORT", "PORT", "PORT", "", *STRAY[:12], *NUMBERS))
        yield [*words, *([port] if port else []), "-od", MISSING]

    def _ended(self, words: list[str]) -> list[str]:
        place = self._random.choice((0, len(words)))
        return [*words[:place], "PORT", *words[place:], "-od", MISSING]

    def _some_options(self, most: int) -> list[str]:
        rows = self._random.choices(ALL, k=self._random.randint(0, most))
        return [word for row in rows for word in self._option(row)]

    def _option(self, row: dict[str, str]) -> list[str]:
        if row["short"] == "-xf":
            return ["-xf", "assoc.cfg", self._random.choice(("DEFAULT", " def\tault "))]
        arguments = row["args"].split("; ") if row["args"] else []
        return [
            self._random.choice((row["long"], row["short"] or row["long"])),
            *(self._value(row, text) for text in arguments),
        ]

    def _value(self, row: dict[str, str], argument: str) -> str:
        kind = re.split(r"[:\[(]", argument)[1]
        if self._random.random() < 0.1:
            return self._random.choice(ODD_NUMBERS if kind.endswith("int") else ("@", "x"))
        choices = GOOD_WORDS.get(row["short"]) or GOOD_VALUES.get(kind, NUMBERS)
        return self._random.choice(choices)

    def _needed(self, row: dict[str, str]) -> list[str]:
        text = row["depends_on"]
        words = ["+tls", "key", "certificate"] if "--enable-tls" in text else []
        words += ["+rs", "seed"] if "--seed" in text else []
        words += ["-su", ""] if "a sort option" in text else []
        return words + (["-d"] if "INFO" in text else [])


def by_name(long: str) -> dict[str, str]:
    return next(row for row in ROWS if row["long"] == long)


def made(make: Callable[[Generator], Iterator[list[str]]], times: int) -> list[list[str]]:
    generator = Generator(367)
    return [line for _ in range(times) for line in make(generator)]


def compare(bench: Bench, folder: Path, lines: Sequence[Sequence[str]]) -> list[Verdict]:
    """Compare what is said to each line; gives storescp's verdicts."""
    words = []
    for number, line in enumerate(lines):
        (folder / str(number)).mkdir()
        words.append(bench.words(line, folder / str(number)))
    verdicts = bench.run([bench.storescp], words)
    ours = [bench.we_say(given) for given in words]
    compared = map(differences, lines, verdicts, ours)
    differing = [text for text in compared if text]
    assert not differing, "\n".join(differing)
    return verdicts


@pytest.mark.parametrize(
    ("make", "times"),
    [
        (Generator.pairs, 120),
        (Generator.blocks, 90),
        (Generator.numbers, 60),
        (Generator.command_files, 30),
        (Generator.quiet, 40),
        (Generator.anything, 80),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_any_line_ends_alike(
    bench: Bench,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[Generator], Iterator[list[str]]],
    times: int,
) -> None:
    monkeypatch.chdir(bench.folder)
    verdicts = compare(bench, tmp_path, made(make, times))
    # Lines of both kinds, or this would be a comparison of nothing.
    found = {verdict.text == "accepted" for verdict in verdicts}
    assert found == {True, False}


def test_a_wrong_line_is_refused_in_the_words_of_storescp(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bench.folder)
    verdicts = compare(bench, tmp_path, WRONG)
    assert not {verdict.text for verdict in verdicts} & {"accepted", "usage", "version"}


def test_a_right_line_is_taken_by_both(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(bench.folder)
    lines = [[*words, "-od", MISSING] if words else words for words in RIGHT]
    verdicts = compare(bench, tmp_path, lines)
    assert {verdict.text for verdict in verdicts} == {"accepted", "usage", "version", "silence"}
    assert [line[-3] for line, verdict in zip(lines, verdicts, strict=True) if verdict.text == "silence"] == [
        "off"
    ]


# Everything that differs on purpose, once: the line, what storescp says, what we say.
DIFFERENT = [
    ("-ta 5x 1", "accepted", "Invalid value for option --acse-timeout (5x)"),
    ("1x", "accepted", "Invalid parameter value 1x"),
    ("-pdu 16384.5 1", "accepted", "Invalid value for option --max-pdu (16384.5)"),
    ("+p 512 3 1", "accepted", "Invalid value for option --padding-create (odd: 3)"),
    ("+B -su x 1", "--sort-on-study-uid not allowed with --bit-preserving", "accepted"),
    ("--fork -sp -xcs x 1", "--exec-on-eostudy not allowed with --fork", "accepted"),
    ("--fork -sp -rns 1", "--rename-on-eostudy not allowed with --fork", "accepted"),
    ("-pm -xf assoc.cfg DEFAULT 1", "--config-file not allowed with --promiscuous", "accepted"),
    ("+tls a b +crv +cra 1", "--enable-crl-all not allowed with --enable-crl-vfy", "accepted"),
    (
        "+pa 1",
        "--profile-basic only allowed with --enable-tls",
        "--profile-aes only allowed with --enable-tls",
    ),
    # Younger than 3.6.7.
    ("--fork --max-associations 3 1", "Unknown option --max-associations", "accepted"),
    ("-i6 1", "Unknown option -i6", "accepted"),
    ("+tls a b +pg 1", "Unknown option +pg", "accepted"),
    ("--no-sni 1", "Unknown option --no-sni", "accepted"),
]


@pytest.mark.parametrize(("line", "theirs", "ours"), DIFFERENT)
def test_a_difference_on_purpose_is_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, line: str, theirs: str, ours: str
) -> None:
    monkeypatch.chdir(bench.folder)
    words = [*line.split(), "-od", MISSING]
    assert bench.run([bench.storescp], [words])[0].text == theirs
    assert bench.we_say(words).text == ours


def test_a_comment_in_a_command_file_is_one_here_and_words_there(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bench.folder)
    words = bench.words(["@\n# no word\n1", "-od", MISSING], tmp_path)
    assert bench.run([bench.storescp], [words])[0].text == "Too many parameters"
    assert bench.we_say(words).text == "accepted"


ONLY_SORTED = (
    "--exec-on-eostudy only allowed with --sort-conc-studies, --sort-on-study-uid or --sort-on-patientname"
)
# With -id storescp has closed its streams, and only the exit code tells; 0 is an association that failed.
INETD = [
    ("-id", 0, ""),
    ("-id nonsense", 0, ""),
    ("-id --fork --single-process -ss x -tos 3", 0, ""),
    ("-id -q -xcr x -pm +xa -dhl", 0, ""),
    ("-id --fork", 1, "--inetd not allowed with --fork"),
    ("--fork -id", 1, "--inetd not allowed with --fork"),
    ("-id 1 2", 1, "Too many parameters"),
    ("-id -ta 0", 1, "Invalid value for option --acse-timeout (underflow: 0)"),
    ("-id -xcs x", 1, ONLY_SORTED),
    # Lifted.
    ("-id -sp -xcs x", 1, ""),
    ("-id -sp -rns", 1, ""),
]


@pytest.mark.parametrize(("line", "code", "text"), INETD)
def test_inetd_is_judged_as_by_storescp_but_not_in_silence(
    bench: Bench, line: str, code: int, text: str
) -> None:
    words = [*line.split(), "-od", "in"]
    process = bench.start([bench.storescp], words)
    process.communicate(timeout=30)
    assert process.returncode == code
    if text:
        with pytest.raises(UsageError) as caught:
            parse("storescp", words)
        assert str(caught.value) == text
    else:
        answer = parse("storescp", words)
        assert isinstance(answer, Settings)
        assert (answer.inetd, answer.port) == (True, 0)


def test_the_program_says_what_the_parser_says(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bench.folder)
    monkeypatch.setitem(bench.environment, "PYTHONPATH", os.pathsep.join(sys.path))
    lines = made(Generator.pairs, 40) + made(Generator.anything, 20)
    words = [bench.words(line, tmp_path) for line in lines if not {"-lc", "--log-config"} & set(line)][::5]
    assert len(words) >= 15
    theirs = bench.run([bench.storescp], words)
    ours = bench.run([sys.executable, "-m", "scpd"], words)
    for line, storescp, scpd in zip(words, theirs, ours, strict=True):
        # The files of --enable-tls are looked at first; storescp stops at the output directory, which is not there.
        text = "accepted" if scpd.text == "F: cannot read key: No such file or directory\n" else scpd.text
        found = differences(line, storescp, Verdict(text, scpd.code, hidden=text))
        assert found is None


def test_help_has_the_options_of_storescp_in_its_order_columns_and_groups(bench: Bench) -> None:
    process = bench.start([bench.storescp], ["--help"])
    theirs = process.communicate(timeout=30)[0].decode().splitlines()
    answer = parse("storescp", ["--help"])
    assert isinstance(answer, str)
    ours = answer.splitlines()
    option = re.compile(r"( +[-+]\S+| {9}) +--\S+")
    known = {row["long"] for row in ROWS}

    def outline(lines: list[str]) -> list[str]:
        """Headings, and the names of options in their columns."""
        shown = [
            line[:33] if option.match(line) else line.replace(" (not with --bit-preserving):", ":")
            for line in lines
            if re.match(r" {0,2}\S.*:$", line) or option.match(line)
        ]
        return [line for line in shown if line[-1] == ":" or line.split()[-1] in known]

    younger = {"  IP protocol version:", "  server name indication:"}
    # Behind them all stand our own.
    shared = outline(ours)[: outline(ours).index("scpd options:")]
    assert [line for line in shared if line not in younger] == outline(theirs)
    assert len(outline(theirs)) > len(known)
    # The frame around them.
    assert ours[1:4] == theirs[1:4]
    assert answer.endswith("\n\n")


def test_version_has_the_frame_of_storescp(bench: Bench) -> None:
    process = bench.start([bench.storescp], ["--version"])
    theirs = process.communicate(timeout=30)[0].decode().splitlines()
    answer = parse("storescp", ["--version"])
    assert isinstance(answer, str)
    ours = answer.splitlines()
    assert ours[1:4] == theirs[1:4]
    labels = [line.partition(":")[0] for line in theirs[4:] if ":" in line]
    # There is nothing that a build of ours could leave out.
    labels.remove("Build options")
    assert [line.partition(":")[0] for line in ours[4:] if ":" in line] == labels
