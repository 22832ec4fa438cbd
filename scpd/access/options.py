"""The options of a rule (hosts_options(5)): parsed and checked when the table is read.

    allow, deny          the verdict, as the last option
    spawn COMMAND        run a command beside
    aclexec COMMAND      ask a command
    severity [FACILITY.]LEVEL, keepalive, linger SECONDS, setenv NAME [VALUE], umask OCTAL, nice [NUMBER]

Those that would replace, unmask or question somebody (twist, banners, rfc931, user, group) are faults.
"""

from __future__ import annotations

import re

from scpd.access.expansion import Template
from scpd.access.findings import Fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Value = str | int | Template | tuple[str, Template] | None
    Tell = Callable[[Fault], None]

ALLOW, DENY, SPAWN, ACLEXEC = "allow", "deny", "spawn", "aclexec"
SEVERITY, KEEPALIVE, LINGER, SETENV, UMASK, NICE = (
    "severity", "keepalive", "linger", "setenv", "umask", "nice",
)  # fmt: skip
_FACILITIES = frozenset(
    [
        "kern",
        "user",
        "mail",
        "daemon",
        "auth",
        "lpr",
        "news",
        "uucp",
        "cron",
        "local0",
        "local1",
        "local2",
        "local3",
        "local4",
        "local5",
        "local6",
        "local7",
    ]
)
_LEVELS = frozenset(["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"])
_UNSUPPORTED = {
    "twist": "refuse the client with deny, and run a command with spawn",
    "banners": "remove it, nothing can be said to a client before its association",
    "rfc931": "remove it, the user is always unknown",
    "user": "remove it, and set the user where the daemon is started",
    "group": "remove it, and set the group where the daemon is started",
}
_BLANKS = " \t\r\n"
_WORDS = re.compile(r"([^ \t\r\n=]*)[ \t\r\n]*=?[ \t\r\n]*(.*)", re.DOTALL)
_NUMBER = re.compile(r"[+-]?[0-9]{1,9}")
_OCTAL = re.compile(r"[0-7]{1,9}")
_DEFAULT_NICENESS = 10


class Option:
    """One option, checked: its keyword and what its value means."""

    __slots__ = ("keyword", "text", "value")

    def __init__(self, keyword: str, value: Value, text: str) -> None:
        self.keyword = keyword
        self.value = value
        self.text = text


def parse(text: str, blame: Tell, warn: Tell) -> tuple[Option, ...]:
    """Read everything behind the second colon; gives what is right, and tells of all that is wrong."""
    fields = [field.replace("\\:", ":").strip(_BLANKS) for field in _fields(text)]
    chosen = []
    for number, field in enumerate(fields, 1):
        try:
            option = _option(field, is_last=number == len(fields))
        except Fault as fault:
            blame(fault)
            continue
        chosen.append(option)
        for letters in _unknown_expansions(option.value):
            warn(Fault(letters, f"no such expansion, nothing is inserted in {field}"))
    return tuple(chosen)


def _fields(text: str) -> list[str]:
    """Split at colons that have no backslash before them."""
    fields, begin = [], 0
    for position, character in enumerate(text):
        if character == ":" and not (position > begin and text[position - 1] == "\\"):
            fields.append(text[begin:position])
            begin = position + 1
    return [*fields, text[begin:]]


def _option(field: str, *, is_last: bool) -> Option:
    if not field:
        raise Fault("", "an empty option: remove the colon that stands at the end, or twice")
    found = _WORDS.fullmatch(field)
    word, value = (found[1], found[2]) if found else (field, "")
    keyword = word.lower()
    if keyword in _UNSUPPORTED:
        raise Fault(field, f"{keyword} is not supported: {_UNSUPPORTED[keyword]}", ours_only=True)
    if keyword not in _READERS:
        raise Fault(field, "no such option: commands need spawn before them, IPv6 addresses brackets")
    if keyword in {ALLOW, DENY} and not is_last:
        raise Fault(field, "must be the last option, without a colon behind it")
    return Option(keyword, _READERS[keyword](field, value), field)


def _nothing(field: str, value: str) -> None:
    if value:
        raise Fault(field, "takes no value")


def _template(field: str, value: str) -> Template:
    if not value:
        raise Fault(field, "requires a command")
    return Template(value)


def _severity(field: str, value: str) -> str:
    facility, dot, level = value.lower().rpartition(".")
    if level not in _LEVELS or (dot and facility not in _FACILITIES):
        raise Fault(
            field, f"no severity: a level ({' '.join(sorted(_LEVELS))}), or facility.level as in daemon.info"
        )
    return value.lower()


def _linger(field: str, value: str) -> int:
    if not _NUMBER.fullmatch(value) or int(value) < 0:
        raise Fault(field, "requires a number of seconds from 0")
    return int(value)


def _nice(field: str, value: str) -> int:
    if value and not _NUMBER.fullmatch(value):
        raise Fault(field, "requires a number, or nothing, which is 10")
    return int(value) if value else _DEFAULT_NICENESS


def _umask(field: str, value: str) -> int:
    if not _OCTAL.fullmatch(value) or int(value, 8) > 0o777:
        raise Fault(field, "requires an octal number to 0777")
    return int(value, 8)


def _setenv(field: str, value: str) -> tuple[str, Template]:
    name, *rest = value.split(None, 1) or [""]
    if not name or "=" in name or "%" in name:
        raise Fault(field, "requires a name, without = and %, and may have a value behind a blank")
    return name, Template(rest[0] if rest else "")


_READERS: dict[str, Callable[[str, str], Value]] = {
    ALLOW: _nothing,
    DENY: _nothing,
    SPAWN: _template,
    ACLEXEC: _template,
    SEVERITY: _severity,
    KEEPALIVE: _nothing,
    LINGER: _linger,
    SETENV: _setenv,
    UMASK: _umask,
    NICE: _nice,
}


def _unknown_expansions(value: Value) -> list[str]:
    if isinstance(value, tuple):
        value = value[1]
    return value.unknown() if isinstance(value, Template) else []
