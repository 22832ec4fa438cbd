"""scpctl status and ready: how a running daemon is; scpctl drain, reopen and reload: what it is to do."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from scpd.ctl.daemon import ask
from scpd.ctl.exitcodes import FAILURE, SUCCESS
from scpd.ctl.listing import NOTHING, say, span, table
from scpd.ctl.lockdir import complain
from scpd.log.counted import counted
from scpd.log.escape import escape

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Mapping

    Facts = Mapping[str, Any]

_SECONDS = 15.0
# Its files may be many, and its checks look up names.
_RELOAD_SECONDS = 300.0
_HEADINGS = (
    "PID",
    "PEER",
    "HOST",
    "CALLING",
    "CALLED",
    "PHASE",
    "OBJECTS",
    "REFUSED",
    "MB",
    "TIME",
    "SILENT",
)
# PS3.8 9.3.4, table 9-21: those that a receiver has a use for.
_REJECTIONS = {
    "1/1/1": "no reason given",
    "1/1/2": "application context name not supported",
    "1/1/3": "calling AE title not recognized",
    "1/1/7": "called AE title not recognized",
    "1/2/2": "protocol version not supported",
    "2/3/1": "temporary congestion",
    "2/3/2": "local limit exceeded",
}
_UNITS = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def run_status(options: Namespace) -> int:
    """Say who does what, and what has been."""
    facts = ask(options, "status", _SECONDS)
    if facts is None:
        return FAILURE
    say(json.dumps(facts, indent=1) + "\n" if options.json else _as_text(facts))
    return SUCCESS


def run_ready(options: Namespace) -> int:
    """Succeed if an object that comes now can be stored; say why not."""
    answer = ask(options, "ready", _SECONDS)
    if answer is None:
        return FAILURE
    if answer.get("ready") is True:
        return SUCCESS
    complain(f"not ready: {escape('; '.join(map(str, answer.get('why', ()))))}")
    return FAILURE


def run_drain(options: Namespace) -> int:
    """Have no more connections accepted."""
    answer = ask(options, "drain", _SECONDS)
    if answer is None:
        return FAILURE
    say(f"draining, {counted(answer.get('associations', 0), 'association')} left\n")
    return SUCCESS


def run_reopen(options: Namespace) -> int:
    """Have the log files opened anew."""
    return _carried_out(ask(options, "reopen", _SECONDS))


def run_reload(options: Namespace) -> int:
    """Have the configuration read anew; give the verdict, line by line."""
    return _carried_out(ask(options, "reload", _RELOAD_SECONDS))


def _carried_out(answer: Facts | None) -> int:
    """Say how an order was carried out; give the exit code."""
    if answer is None:
        return FAILURE
    lines = [escape(str(line)) for line in answer.get("lines", ())]
    if answer.get("ok") is True:
        say("".join(f"{line}\n" for line in lines))
        return SUCCESS
    for line in lines:
        complain(line)
    return FAILURE


def _as_text(facts: Facts) -> str:
    parts = [f"{name:<14}{escape(text)}\n" for name, text in _lines(facts)]
    if facts["workers"]:
        parts.append("\n" + table(_HEADINGS, [_row(worker) for worker in facts["workers"]]))
    return "".join(parts)


def _lines(facts: Facts) -> Iterator[tuple[str, str]]:
    """Give a name and a text for each line; what has never been has none."""
    totals = facts["totals"]
    yield (
        "scpd",
        f"{facts['version']}, pid {facts['pid']}, {facts['state']} on {', '.join(facts['listeners'])}",
    )
    yield "since", f"{_local(facts['since'])} ({span(facts['time'] - facts['since'])})"
    yield "now", _now(facts)
    yield "associations", _counted(totals["associations"]) or "none has ended"
    yield "objects", f"{totals['objects'].get('0000', 0)} stored, {_size(totals['bytes'])} received"
    refused = {status: count for status, count in totals["objects"].items() if status != "0000"}
    if refused:
        yield "refused", _counted(refused)
    if totals["rejections"]:
        yield "rejected", _rejections(totals["rejections"])
    for name in ("aborts", "unanswered", "died"):
        if totals[name]:
            yield name, _counted(totals[name])
    yield from _of_machine(facts)


def _of_machine(facts: Facts) -> Iterator[tuple[str, str]]:
    """Give the lines about what it works with."""
    for name in ("studies", "jobs"):
        if facts[name] is not None:
            yield name, _counted(facts[name])
    for space in facts["space"]:
        yield "space", _space(space)
    if facts["keeper"]["wanted"]:
        yield "keeper", _keeper(facts["keeper"])
    expires = facts.get("certificate_expires")  # the daemon may be older than we are
    if expires is not None:
        yield "certificate", _certificate(expires, facts["time"])
    if facts["reload"] is not None:
        yield "reload", _reload(facts["reload"])


def _now(facts: Facts) -> str:
    most, waiting = facts["most_associations"], facts["waiting"]
    of = "" if most is None else f" of {most}"
    noun = "association" if most is None and len(facts["workers"]) == 1 else "associations"
    return (
        f"{len(facts['workers'])}{of} {noun}; connections: {waiting['ready']} waiting, {waiting['silent']} "
        f"silent; {counted(facts['standing_by'], 'worker')} standing by"
    )


def _counted(table: Mapping[str, Any]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in table.items())


def _rejections(table: Mapping[str, int]) -> str:
    return ", ".join(
        f"{count} {_REJECTIONS.get(fields, 'otherwise')} ({fields})" for fields, count in table.items()
    )


def _space(space: Facts) -> str:
    if "error" in space:
        return f"{space['directory']}: {space['error']}"
    return f"{space['directory']}: {_size(space['free'])} of {_size(space['total'])} free"


def _keeper(keeper: Facts) -> str:
    if keeper["pid"] is None:
        return "another process" if keeper["alive"] else "none"
    state = "alive" if keeper["alive"] else "not at work (yet)"
    return f"pid {keeper['pid']}, {state}, last sign of life {keeper['silence']} s ago"


def _certificate(expires: float, now: float) -> str:
    if expires <= now:
        return f"has expired on {_local(expires)}"
    return f"expires on {_local(expires)} (in {span(expires - now)})"


def _reload(verdict: Facts) -> str:
    when = f"{_local(verdict['time'])} " if "time" in verdict else ""
    what = [] if verdict.get("ok") is True else ["failed, all is as before"]
    return when + "; ".join([*what, *map(str, verdict.get("lines", ()))])


def _row(worker: Facts) -> tuple[str, ...]:
    return (
        str(worker["pid"]),
        str(worker["peer"]),
        str(worker["name"]),
        str(worker["calling_aet"]),
        str(worker["called_aet"]),
        str(worker["phase"]),
        str(worker["objects"]),
        str(worker["refused"]),
        f"{worker['bytes'] / 1e6:.1f}",
        span(worker["seconds"]),
        span(worker["idle"]),
    )


def _size(count: int) -> str:
    for unit, name in _UNITS:
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count} bytes"


def _local(seconds: float) -> str:
    try:
        return f"{datetime.fromtimestamp(seconds).astimezone():%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):
        return NOTHING
