"""Association profiles: which abstract syntaxes with which transfer syntaxes, roles, extended negotiation.

`parse` makes a `Config` of the text of a configuration file, without any I/O; a `Config` gives the `Profile` of a name.
Whatever the text, `parse` returns, and `faults` says what is wrong, in storescp's words wherever it refuses the same.
`asconfig` knows how the text is written, `profile_lists` the lists in it; profiles themselves are

    [[Profiles]]
    [name]
    PresentationContexts = list
    SCPSCURoleSelection = list        may be missing
    ExtendedNegotiation = list        may be missing

What storescp passes over in silence is a fault here: numbers after a gap, a key given twice, unknown keys.  What it
refuses without need is allowed: blanks around a backslash, lists of more than 128 contexts.
"""

from __future__ import annotations

from scpd.ul.asconfig import Fault, scan
from scpd.ul.escape import printable
from scpd.ul.profile_lists import ListReader, reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from scpd.ul.asconfig import Section
    from scpd.ul.profile_lists import Item

    Lists = dict[str, list[Item]]

_TRANSFER_SYNTAXES = "TRANSFERSYNTAXES"
_CONTEXTS = "PRESENTATIONCONTEXTS"
_ROLES = "SCPSCUROLESELECTION"
_EXTENDED = "EXTENDEDNEGOTIATION"
_PROFILES = "PROFILES"
_REQUIRED = (_TRANSFER_SYNTAXES, _CONTEXTS, _PROFILES)

# A user information item holds 64 KiB, of which the roles of 128 contexts take 9 (PS3.8 9.3.2.3).
_MOST_EXTENDED_BYTES = 55000


class ProfileError(Exception):
    """There is no such profile, or none that an acceptor can use; `fault` says why, and where."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.text)
        self.fault = fault


class Profile:
    """What an acceptor negotiates.

    `transfer_syntaxes`  abstract syntax > the transfer syntaxes for it, best first
    `roles`              abstract syntax > SCU, SCP or BOTH, if the profile says one
    `extended`           (abstract syntax, its bytes of extended negotiation), in the order of the answer
    """

    __slots__ = ("extended", "roles", "transfer_syntaxes")

    def __init__(
        self,
        transfer_syntaxes: Mapping[str, tuple[str, ...]],
        roles: Mapping[str, str],
        extended: tuple[tuple[str, bytes], ...] = (),
    ) -> None:
        self.transfer_syntaxes = transfer_syntaxes
        self.roles = roles
        self.extended = extended


class Config:
    """Every profile of a file; `faults` stand in the order in which storescp would come upon them."""

    __slots__ = ("_contexts", "_extended", "_profiles", "_roles", "_transfer_syntaxes", "faults")

    def __init__(self, supersections: dict[str, list[Section]], faults: list[Fault]) -> None:
        self.faults = faults
        missing = (name for name in _REQUIRED if name not in supersections)
        faults.extend(Fault(0, f"cannot find section [[{name}]] in config file") for name in missing)
        reader = ListReader(faults)

        def sections(name: str) -> list[Section]:
            return supersections.get(name, [])

        self._transfer_syntaxes = reader.read(
            sections(_TRANSFER_SYNTAXES), "TRANSFERSYNTAX", reader.transfer_syntax
        )
        self._contexts = reader.read(sections(_CONTEXTS), "PRESENTATIONCONTEXT", reader.context)
        self._roles = reader.read(sections(_ROLES), "ROLE", reader.role)
        self._extended = reader.read(sections(_EXTENDED), "EXTENDEDNEGOTIATION", reader.extended)
        self._profiles = _read_profiles(sections(_PROFILES), reader)
        self._check()

    def profile(self, name: str) -> Profile:
        """Give a profile to an acceptor, in whatever case its name is written; raises `ProfileError`."""
        if self.faults:
            raise ProfileError(self.faults[0])
        found = self._profiles.get(reference(name))
        if found is None:
            raise ProfileError(Fault(0, f"unknown configuration profile name: {printable(reference(name))}"))
        contexts = self._contexts[found.contexts]
        roles = {} if found.roles is None else {item.uid: item.word for item in self._roles[found.roles]}
        extended = () if found.extended is None else self._extended[found.extended]
        profile = Profile(
            {item.uid: self._syntaxes(item.word) for item in contexts},
            roles,
            tuple((item.uid, item.data) for item in extended),
        )
        if len(profile.transfer_syntaxes) < len(contexts):
            what = "is not valid for SCP use, duplicate abstract syntaxes found"
            raise ProfileError(Fault(found.line, f"profile '{found.name}' {what}"))
        if sum(len(uid) + len(data) + 8 for uid, data in profile.extended) > _MOST_EXTENDED_BYTES:
            what = "has more extended negotiation data than an answer can carry"
            raise ProfileError(Fault(found.line, f"profile '{found.name}' {what}"))
        return profile

    def _syntaxes(self, name: str) -> tuple[str, ...]:
        return tuple(item.uid for item in self._transfer_syntaxes[name])

    def _check(self) -> None:
        """Look for names that nothing bears, and for what is said twice or of nobody."""
        for item in _items(self._contexts):
            if item.word not in self._transfer_syntaxes:
                self._fault(item.line, f"transfer syntax key undefined: {printable(item.word)}")
        self._check_unique(self._roles, "role selection")
        self._check_unique(self._extended, "extended negotiation")
        for profile in self._profiles.values():
            if profile.contexts not in self._contexts:
                text = f"presentation context key undefined: {printable(profile.contexts)}"
                self._fault(profile.line, text)
            else:
                self._check_list(profile, profile.roles, self._roles, "role selection")
                self._check_list(profile, profile.extended, self._extended, "extended negotiation")

    def _check_unique(self, lists: Lists, what: str) -> None:
        for items in lists.values():
            seen = set()
            for item in items:
                if item.uid in seen:
                    text = f"{what} defined twice for abstract syntax UID: {item.written}"
                    self._fault(item.line, text)
                seen.add(item.uid)

    def _check_list(self, profile: _NamedLists, name: str | None, lists: Lists, what: str) -> None:
        if name is None:
            return
        if name not in lists:
            self._fault(profile.line, f"{what} key undefined: {printable(name)}")
            return
        contexts = {item.uid for item in self._contexts[profile.contexts]}
        for item in lists[name]:
            if item.uid not in contexts:
                where = f"{what} list '{name}' but not in presentation context list '{profile.contexts}'"
                self._fault(profile.line, f"abstract syntax defined in {where}: {item.uid}")

    def _fault(self, line: int, text: str) -> None:
        self.faults.append(Fault(line, text))


def parse(text: str) -> Config:
    """Read the text of a configuration file."""
    return Config(*scan(text))


class _NamedLists:
    """A profile as it is written: the names of its lists."""

    __slots__ = ("contexts", "extended", "line", "name", "roles")

    def __init__(self, section: Section, contexts: str, roles: str | None, extended: str | None) -> None:
        self.name = section.name
        self.line = section.line
        self.contexts = contexts
        self.roles = roles
        self.extended = extended


def _read_profiles(sections: Iterable[Section], reader: ListReader) -> dict[str, _NamedLists]:
    profiles: dict[str, _NamedLists] = {}
    for section in sections:
        entries = reader.entries(section)
        contexts, roles, extended = (
            None if entry is None else reference(entry.value)
            for entry in (entries.pop(key, None) for key in (_CONTEXTS, _ROLES, _EXTENDED))
        )
        reader.unread(section, entries.values())
        if section.name in profiles:
            reader.fault(section.line, f"two profiles defined for key: {section.name}")
        elif contexts is None:
            text = f"no {_CONTEXTS}  entry in section {section.name} in config file"
            reader.fault(section.line, text)
        else:
            profiles[section.name] = _NamedLists(section, contexts, roles, extended)
    return profiles


def _items(lists: Lists) -> Iterable[Item]:
    return (item for items in lists.values() for item in items)
