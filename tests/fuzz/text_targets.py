"""What an administrator writes, or somebody who may write his files: tables, profiles, configurations."""

from __future__ import annotations

from pathlib import Path

from scpd.access.book import Book
from scpd.access.parties import Client, Host, Service
from scpd.access.pattern_files import PatternFile
from scpd.access.syntax import Table
from scpd.access.verdict import decide
from scpd.cli.commandfile import words
from scpd.cli.parser import parse as parse_line
from scpd.dataset import dictfile
from scpd.dataset.dictionary import Dictionary
from scpd.errors import UsageError
from scpd.log import log4cplus
from scpd.log.properties import Variables
from scpd.ul import peers, profiles
from tests.cases.profile_texts import CASES as PROFILE_TEXTS
from tests.fuzz.mutations import spoilt_lines
from tests.fuzz.target import Target, demand
from tests.fuzz.wire_targets import without_numbers

ROOT = Path(__file__).resolve().parents[2]
_CASES = ROOT / "tests" / "cases"
_SERVICE = Service(("storescp", "scpd"), 104, Host("10.0.0.1", "srv.example"))
_CLIENTS = tuple(
    Client(Host(address, name))
    for address, name in (("10.1.2.3", "ct1.example"), ("2001:db8::1", "unknown"), ("", "paranoid"))
)
_SEPARATOR = b"\f"  # between hosts.allow, hosts.deny and a pattern file


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _demand_lines(found: list[tuple[int, str]], text: str) -> str:
    """Raise unless each fault is a printable line about a line of the text; give what they say."""
    lines = text.count("\n") + text.count("\r") + 1
    for line, says in found:
        demand(0 <= line <= lines, f"line {line} of {lines}")
        demand(says.isprintable(), f"not printable: {says!r}")
    return without_numbers(" ".join(sorted({says[:40] for _, says in found})[:4]))


def _tables() -> list[bytes]:
    allow, deny = ((ROOT / "etc" / f"hosts.{name}.example").read_bytes() for name in ("allow", "deny"))
    listed = b"10.1.2.\n# those\nct1.example\n2001:db8::/32\n/list\n"
    short = b"storescp: /list 10.1.2.0/24 EXCEPT 10.1.2.3 .example: spawn echo %a\\\n %h: deny\nALL: LOCAL@[::1]\n"
    return [_SEPARATOR.join((allow, deny, listed)), _SEPARATOR.join((short, b"ALL: ALL\n", listed))]


def _access(data: bytes) -> str:
    allow, deny, listed = [*data.split(_SEPARATOR), b"", b"", b""][:3]
    book = Book(Table("allow", allow), Table("deny", deny), {"/list": PatternFile("/list", listed)})
    verdicts = [decide(book, _SERVICE, client, lambda *_: False, lambda *_: False) for client in _CLIENTS]
    for verdict in verdicts:
        demand(str(verdict).isprintable(), f"not printable: {verdict}")
        demand(not (verdict.faults and verdict.granted), "a fault lets somebody in")
    findings = (*book.faults(_SERVICE), *book.warnings(_SERVICE))
    _demand_lines([(finding.line, str(finding)) for finding in findings], data.decode("latin-1"))
    said = sorted({finding.remedy[:30] for finding in findings})[:4]
    return f"{[verdict.granted for verdict in verdicts]} {said}"


def _profile_texts() -> list[bytes]:
    return [
        (ROOT / "etc" / "storescp.cfg").read_bytes(),
        *(case.text.encode() for case in PROFILE_TEXTS.values()),
    ]


def _profiles(data: bytes) -> str:
    text = _text(data)
    config = profiles.parse(text)
    said = _demand_lines([(fault.line, fault.text) for fault in config.faults], text)
    try:
        profile = config.profile("D")
    except profiles.ProfileError as error:
        return f"{said} {without_numbers(str(error))[:40]}"
    demand(not config.faults, "faults, and a profile")
    return f"{len(profile.transfer_syntaxes)} {len(profile.roles)}"


def _peers(data: bytes) -> str:
    text = _text(data)
    entries, faults = peers.parse(text, "t")
    demand(entries or faults, "neither entries nor faults")
    demand(all(entry.callers for entry in entries), "an entry that lets nobody in, or all")
    said = _demand_lines([(fault.line, fault.text) for fault in faults], text)
    return f"{min(len(entries), 4)} {said}"


def _peers_texts() -> list[bytes]:
    return [
        (ROOT / "etc" / "peers.example").read_bytes(),
        (
            b"STORE limit=4 CT1@192.0.2.10 directory=/srv/ct/ @2001:db8::/32\tCT? profile=a-b # x\n"
            b"'A B*' \"C#D\"@10.0.0.0/8\n"
        ),
    ]


def _log_texts() -> list[bytes]:
    folder = _CASES / "log"
    return [
        (ROOT / "etc" / "logger.cfg").read_bytes(),
        *(path.read_bytes() for path in sorted(folder.iterdir())),
    ]


def _log(data: bytes) -> str:
    text = _text(data)
    try:
        found = log4cplus.read(text, Variables({"appname": "scpd"}, {"HOME": "/home/u"}), "scpd")
    except UsageError as error:
        demand(str(error).isprintable(), f"not printable: {error}")
        return without_numbers(str(error))[:60]
    said = [str(complaint) for complaint in found.complaints]
    demand(all(line.isprintable() for line in said), f"not printable: {said}")
    return without_numbers(" ".join(sorted({line[:50] for line in said})[:4]))


def _command_files() -> list[bytes]:
    lines = [
        line.split("\t")[-1] for line in (_CASES / "command_lines" / "field.tsv").read_text().splitlines()
    ]
    return [(ROOT / "etc" / "scpd.conf").read_bytes(), *(line.encode() for line in lines if line)]


def _command_file(data: bytes) -> str:
    found = words(_text(data))
    # A word that names another command file, or something that is looked for on disk, is no matter of text.
    asked = [word for word in found if not word.startswith(("@", "/", "."))]
    try:
        answer = parse_line("scpd", [*asked[:40], "104"])
    except UsageError as error:
        return without_numbers(str(error))[:50]
    return type(answer).__name__


def _dictionaries() -> list[bytes]:
    return [
        b'# c\n(0008,0010)\tUI\tName\t1\tDICOM\n(0029,"SIEMENS",10)\tLO\tA\t1-n\tx\n(0028-o-00ff,1000)\tUS\tB\t1\n',
        b"(6000-60ff,3000)\tox\tOverlay\t1\tDICOM\n(0008-u-0100,10-20)\txs\tC\t2-2n\n",
    ]


def _dictionary(data: bytes) -> str:
    entries, complaints = dictfile.parse(data.decode("latin-1"))
    demand(all(str(complaint).isprintable() for complaint in complaints), "not printable")
    Dictionary(entries).vr(0x29, 0x1010, "SIEMENS")
    return f"{len(entries)} {sorted({without_numbers(complaint.reason) for complaint in complaints})[:4]}"


TARGETS = (
    Target(
        "access",
        "any host rules give a verdict, and what is wrong with them lets nobody in",
        _tables,
        _access,
        spoilt_lines,
        milliseconds_per_kb=30.0,
    ),
    Target(
        "profiles",
        "any text is profiles, or has faults of one printable line each",
        _profile_texts,
        _profiles,
        spoilt_lines,
        milliseconds_per_kb=20.0,
    ),
    Target(
        "peers",
        "any text is a table of peers, or has faults with their lines",
        _peers_texts,
        _peers,
        spoilt_lines,
    ),
    Target(
        "log-config",
        "any text is a log configuration or refused, in printable lines",
        _log_texts,
        _log,
        spoilt_lines,
        milliseconds_per_kb=20.0,
    ),
    Target(
        "command-file",
        "any text is words, and these are settings, a text or a usage error",
        _command_files,
        _command_file,
        spoilt_lines,
        milliseconds_per_kb=30.0,
    ),
    Target(
        "dictionary",
        "any text is entries and complaints",
        _dictionaries,
        _dictionary,
        spoilt_lines,
        milliseconds_per_kb=20.0,
    ),
)
