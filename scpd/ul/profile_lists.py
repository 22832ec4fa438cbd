r"""The numbered lists that association profiles are made of (--config-file): sections of a text > lists of UIDs.

    [name]  TransferSyntaxN      = UID                       order counts: the first is the best
    [name]  PresentationContextN = UID\transfer syntax list
    [name]  RoleN                = UID\SCU|SCP|BOTH
    [name]  ExtendedNegotiationN = UID\hexadecimal bytes

Numbers begin with 1, without leading zeros; the number gives the order, not the line.  A UID is written in digits or as
DCMTK (any version) or PS3.6 (its keyword) calls it, in front of which one `=` may stand.  Sections of the same name are
one list.  A list exists if its section has a first entry, even a wrong one, so that one mistake is one fault.
"""

from __future__ import annotations

import re
import sys

from scpd.tables.transfer_syntaxes import EXPLICIT_BIG, EXPLICIT_LITTLE
from scpd.tables.uid_names import UID_NAMES
from scpd.tables.uid_symbols import OTHER_NAMES
from scpd.ul.asconfig import Fault, capitals
from scpd.ul.escape import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from scpd.ul.asconfig import Entry, Section

ROLES = ("SCU", "SCP", "BOTH")

_MOST_EXTENDED_BYTES = 1024
_HEXADECIMAL = re.compile("([0-9A-Fa-f]{2})+")
_NUMERIC_UID = re.compile("[0-9][0-9.]*")
_BLANKS = " \t\n\v\f"
_WITHOUT_BLANKS = dict.fromkeys(map(ord, _BLANKS))


class Item:
    """One element of a list: its UID, the line it is from, and the UID as it is written there.

    With it goes a `word`, the name of a transfer syntax list or a role, or `data`.
    """

    __slots__ = ("data", "line", "uid", "word", "written")

    def __init__(self, entry: Entry, uid: str, word: str = "", data: bytes = b"") -> None:
        self.uid = uid
        self.word = word
        self.data = data
        self.line = entry.line
        self.written = printable(_halves(entry)[0])


def reference(text: str) -> str:
    """Give the name of a section as others refer to it: capital letters, no blanks."""
    return capitals(text.translate(_WITHOUT_BLANKS))


class ListReader:
    """Reads lists of any kind; what is wrong goes to `faults`."""

    __slots__ = ("_names", "faults")

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = faults
        self._names = _uids_by_name()

    def read(
        self, sections: Iterable[Section], key: str, item: Callable[[Entry], Item | None]
    ) -> dict[str, list[Item]]:
        """Give the lists in `sections` by name; their entries are KEY1, KEY2 and so on, each made an item."""
        lists: dict[str, list[Item]] = {}
        for section in sections:
            numbered = self._in_order(section, key)
            if numbered:
                lists.setdefault(section.name, []).extend(filter(None, map(item, numbered)))
        return lists

    def entries(self, section: Section) -> dict[str, Entry]:
        """Give the entries of a section by key; the first of a key counts, any other is a fault."""
        found: dict[str, Entry] = {}
        for entry in section.entries:
            if found.setdefault(entry.key, entry) is not entry:
                self.fault(entry.line, f"entry {entry.key} given twice in section [{section.name}]")
        return found

    def fault(self, line: int, text: str) -> None:
        """Note what is wrong with a line."""
        self.faults.append(Fault(line, text))

    def unread(self, section: Section, entries: Iterable[Entry]) -> None:
        """Complain of entries that nobody asks for."""
        for entry in entries:
            self.fault(entry.line, f"unknown entry {entry.key} in section [{section.name}]")

    def transfer_syntax(self, entry: Entry) -> Item | None:
        """Read `UID`."""
        return self._item(entry, entry.value, "transfer")

    def context(self, entry: Entry) -> Item | None:
        r"""Read `UID\list`."""
        written, separator, name = _halves(entry)
        if not separator:
            self._no_backslash(entry)
            return None
        return self._item(entry, written, "abstract", reference(name))

    def role(self, entry: Entry) -> Item | None:
        r"""Read `UID\role`."""
        written, separator, role = _halves(entry)
        if not separator:
            self._no_backslash(entry)
            return None
        if capitals(role) not in ROLES:
            self.fault(entry.line, f"syntax error: unknown role key in entry {entry.key} in config file")
            return None
        return self._item(entry, written, "abstract", capitals(role))

    def extended(self, entry: Entry) -> Item | None:
        r"""Read `UID\hexadecimal bytes`."""
        written, separator, digits = _halves(entry)
        if not separator:
            self._no_backslash(entry)
            return None
        problem = ""
        if len(digits) > 2 * _MOST_EXTENDED_BYTES:
            problem = f"extended negotiation data too long, cannot handle > {_MOST_EXTENDED_BYTES} bytes"
        elif not _HEXADECIMAL.fullmatch(digits):
            problem = "parse error in extended negotiation data"
        if problem:
            self.fault(entry.line, f"{problem} in entry {entry.key} in config file")
            return None
        return self._item(entry, written, "abstract", data=bytes.fromhex(digits))

    def _in_order(self, section: Section, key: str) -> list[Entry]:
        """Give the entries KEY1, KEY2 ... of a section; any other entry is a fault."""
        entries = self.entries(section)
        numbered: list[Entry] = []
        while (entry := entries.pop(f"{key}{len(numbered) + 1}", None)) is not None:
            numbered.append(entry)
        missing = f"{key}{len(numbered) + 1}"
        for entry in tuple(entries.values()):
            if entry.key.removeprefix(key).isdigit() and entry.key.startswith(key):
                del entries[entry.key]
                text = f"entry {entry.key} is never read, since section [{section.name}] has no {missing}"
                self.fault(entry.line, text)
        self.unread(section, entries.values())
        return numbered

    def _item(self, entry: Entry, written: str, kind: str, word: str = "", data: bytes = b"") -> Item | None:
        uid = written if _NUMERIC_UID.fullmatch(written) else self._names.get(written.removeprefix("="))
        if uid is None:
            self.fault(entry.line, f"not a valid {kind} syntax UID: {printable(written)}")
            return None
        return Item(entry, uid, word, data)

    def _no_backslash(self, entry: Entry) -> None:
        self.fault(entry.line, f"syntax error: missing '\\' in entry {entry.key} in config file")


def _halves(entry: Entry) -> tuple[str, str, str]:
    written, separator, rest = entry.value.partition("\\")
    return written.strip(_BLANKS), separator, rest.strip(_BLANKS)


def _uids_by_name() -> dict[str, str]:
    """Give the UID of every name; two of DCMTK's own depend on the machine."""
    names = {name: uid for uid, name in UID_NAMES.items()}
    names.update(OTHER_NAMES)
    explicit = (
        (EXPLICIT_LITTLE, EXPLICIT_BIG) if sys.byteorder == "little" else (EXPLICIT_BIG, EXPLICIT_LITTLE)
    )
    names["LocalEndianExplicit"], names["OppositeEndianExplicit"] = explicit
    return names
