"""What the table of --peers says to a caller: which line decides, and what he gets, without a connection.

The decision is the worker's own (`ul.callers`); only the words are of here.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from scpd.ctl.exitcodes import FAILURE, SUCCESS, USAGE
from scpd.ctl.listing import say
from scpd.errors import Reject
from scpd.log.escape import escape
from scpd.ul.callers import address as number_of
from scpd.ul.negotiation import CALLED_AE_TITLE_NOT_RECOGNIZED
from scpd.ul.peers_file import read_peers, table

if TYPE_CHECKING:
    from scpd.ul.callers import Callers, Permission


def run_callers(path: str, called: str, calling: str, address: str) -> int:
    """Print what the table in a file says; 0 if the caller may send, else 1, and 2 for what is no address."""
    if not is_address(address):
        sys.stderr.write(f"scpctl: not a numeric address: {escape(address)}\n")
        return USAGE
    entries, faults = read_peers(path)
    if faults:
        sys.stderr.writelines(f"scpctl: {fault}\n" for fault in faults)
        return FAILURE
    is_allowed, text = decide(table(entries, path), called, calling, address)
    say(text)
    return SUCCESS if is_allowed else FAILURE


def is_address(text: str) -> bool:
    """Tell whether this is an IPv4 or IPv6 address in digits, as a peer has one."""
    version, _ = number_of(text)
    return version != 0


def decide(callers: Callers, called: str, calling: str, address: str) -> tuple[bool, str]:
    """Tell whether a caller may send, and in lines of text why, and what he gets; titles and address as of a peer."""
    try:
        entry = callers.permission(
            called.encode("latin-1", "replace"), calling.encode("latin-1", "replace"), address
        )
    except Reject as error:
        title = "called" if error.reason == CALLED_AE_TITLE_NOT_RECOGNIZED else "calling"
        fields = f"{error.result}/{error.source}/{error.reason}"
        return False, f"why:     {error}\nverdict: rejected ({fields}: {title} AE title not recognized)\n"
    return True, f"line:    {entry.where}\n{_gets(entry)}verdict: may send\n"


def _gets(entry: Permission) -> str:
    path, name = entry.profile or ("", "")
    facts = {
        "directory": entry.directory,
        "profile": f"{path}:{name}" if path else name,
        "limit": str(entry.limit) if entry.limit else "",
    }
    return "".join(f"gets:    {name}={value}\n" for name, value in facts.items() if value)
