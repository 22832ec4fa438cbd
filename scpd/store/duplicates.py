"""What happens when an object's name is taken (--duplicates): a table of policies.

    replace    the new object takes the place of what is there, by one rename; storescp's way
    keep       what is there is kept if it is the same object (`store.equality`), else as `both`
    both       the new object is stored beside it, as NAME.1, NAME.2 and so on
    refuse     `FileExistsError`: the new object is not stored

A policy is a function (written object, its name) > (name under which it is stored now, a remark for the log or "").
That a name is taken it learns from the kernel alone (`store.rename`).  So whoever else publishes the same name at the
same moment, each object is stored, kept or refused as if they had come one after the other, and but for `replace` none
takes another's place.

`serial` and `silent` are such functions too, for names that are not the sender's (--timenames), and for bit preserving
mode, where storescp says nothing.

Raises `OSError`; the object is then discarded by the caller.  After `DirectoryFlushError` it is there.
"""

from __future__ import annotations

import os

from scpd.store.equality import are_equal
from scpd.store.names import name_beside, name_with_serial
from scpd.store.sink import DirectoryFlushError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from scpd.store.sink import Incoming

    Policy = Callable[[Incoming, str], tuple[str, str]]

# The first one is storescp's.
REPLACED = "DICOM file already exists, overwriting"
KEPT = "DICOM file already exists, keeping the equal one"
BESIDE = "DICOM file already exists, storing beside it"


def replace(incoming: Incoming, name: str) -> tuple[str, str]:
    """Store it; what had the name is no more."""
    try:
        incoming.publish(name)
    except FileExistsError:
        incoming.replace(name)
        return name, REPLACED
    return name, ""


def silent(incoming: Incoming, name: str) -> tuple[str, str]:
    """Store it in place of whatever has the name."""
    incoming.replace(name)
    return name, ""


def keep(incoming: Incoming, name: str) -> tuple[str, str]:
    """Store it unless it is there already, under its name or beside it."""
    number = 0
    while True:
        candidate = name_beside(name, number)
        if _takes(incoming, candidate):
            return candidate, BESIDE if number else ""
        if _is_there(incoming, candidate):
            return candidate, KEPT
        number += 1


def both(incoming: Incoming, name: str) -> tuple[str, str]:
    """Store it under the name or beside it."""
    number = 0
    while not _takes(incoming, candidate := name_beside(name, number)):
        number += 1
    return candidate, BESIDE if number else ""


def refuse(incoming: Incoming, name: str) -> tuple[str, str]:
    """Store it if the name is free."""
    incoming.publish(name)
    return name, ""


def serial(incoming: Incoming, name: str) -> tuple[str, str]:
    """Store it under this time, or under the same with the next free serial number."""
    number = 0
    while not _takes(incoming, candidate := name_with_serial(name, number)):
        number += 1
    return candidate, ""


POLICIES: dict[str, Policy] = {"replace": replace, "keep": keep, "both": both, "refuse": refuse}


def _takes(incoming: Incoming, name: str) -> bool:
    """Publish under this name if it is free; tell whether it was."""
    try:
        incoming.publish(name)
    except FileExistsError:
        return False
    return True


def _is_there(incoming: Incoming, name: str) -> bool:
    """Tell whether what has this name is the same object, and make that one durable.

    What cannot be found any more, read or flushed counts as another object: the new one is stored, and nothing is lost.
    """
    opened: list[int] = []
    try:
        opened.append(incoming.open_object(name))
        opened.append(incoming.open_written())
        if not are_equal(*opened):
            return False
        incoming.keep(opened[0], name)
    except DirectoryFlushError:
        raise
    except OSError:
        return False
    finally:
        for descriptor in opened:
            os.close(descriptor)
    return True
