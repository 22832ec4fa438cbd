"""From settings, and the table of --peers, to who may send and what he gets, as `policies` does it for other rooms.

What a table names is looked at here, once, at the start: output directories, profiles.  A worker finds all prepared.
"""

from __future__ import annotations

import os

from scpd.errors import StartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from scpd.cli.settings import Settings
    from scpd.lockdir.slots import Slots
    from scpd.ul import negotiation
    from scpd.ul.callers import Callers, Permission
    from scpd.ul.profiles import Profile
    from scpd.worker.admission import Admission
    from scpd.worker.service import ServicePolicy


class Peers:
    """Who may send, and by entry of the table: output directories that are not the daemon's, and profiles."""

    __slots__ = ("callers", "places", "profiles")

    def __init__(self, callers: Callers) -> None:
        self.callers = callers
        self.places: dict[Permission, str] = {}
        self.profiles: dict[Permission, Profile] = {}

    def directories(self) -> tuple[str, ...]:
        """Give the output directories beside the daemon's, each once."""
        return tuple(dict.fromkeys(self.places.values()))

    def limited(self) -> list[Permission]:
        """Give the entries with a limit."""
        return [entry for entry in self.callers.permissions if entry.limit]


def load_peers(settings: Settings, *, serves: bool = True) -> Peers | None:
    """Give who may send, `None` if everybody may; raises `StartError`.  Who does not serve needs no profiles."""
    peers, faults = _load(settings, serves=serves)
    if faults:
        from scpd.ul.peers_file import first_of

        raise StartError(first_of(faults))
    return peers


def check_peers(settings: Settings, *, serves: bool = True) -> list[str]:
    """Give everything that is wrong with the table and what it names, one line each."""
    return _load(settings, serves=serves)[1]


def directories(peers: Peers | None) -> tuple[str, ...]:
    """Give the output directories beside the daemon's."""
    return () if peers is None else peers.directories()


def _load(settings: Settings, *, serves: bool) -> tuple[Peers | None, list[str]]:
    if settings.peers is None:
        callers = _of_options(settings)
        return (None if callers is None else Peers(callers)), []
    from scpd.ul import peers_file

    entries, faults = peers_file.read_peers(settings.peers)
    if not entries:
        return None, faults
    peers = Peers(peers_file.table(entries, settings.peers))
    faults += _faults_of_counting(settings, peers)
    faults += _find_places(settings, peers, settings.peers)
    if serves:
        faults += _find_profiles(settings, peers, settings.peers)
    return peers, faults


def _of_options(settings: Settings) -> Callers | None:
    """Give the table that stands for --require-called-aet and --allow-calling-aet; `None` without them."""
    if not (settings.require_called_aet or settings.calling_aets):
        return None
    from scpd.cli.callers import ae_title, read_net
    from scpd.ul.callers import STAR, Caller, Callers, Pattern, Permission

    any_title = Pattern((STAR,))
    callers = [
        Caller(Pattern.of(title), read_net(net) if net else None) for title, net in settings.calling_aets
    ]
    titles = (ae_title(settings.ae_title), *settings.called_aets) if settings.require_called_aet else ()
    called = [Pattern.of(title) for title in dict.fromkeys(titles)] or [any_title]
    entries = [Permission("--allow-calling-aet", title, callers or [Caller(any_title)]) for title in called]
    return Callers(entries, "it is none of --aetitle and --called-aet (--require-called-aet)")


def _faults_of_counting(settings: Settings, peers: Peers) -> list[str]:
    """Say why associations could not be counted in the lock directory; with a keeper it is looked at anyway."""
    from scpd.keeper_policies import lock_directory, needs_keeper
    from scpd.lockdir.agreement import check, check_place

    if needs_keeper(settings) or not peers.limited():
        return []
    try:
        check_place(lock_directory(settings), settings.output_directory)
        check(lock_directory(settings))
    except StartError as error:
        return [f"{error} (for limit=)"]
    return []


def _find_places(settings: Settings, peers: Peers, path: str) -> list[str]:
    """Find the directories of entries; of several names of one directory the first counts everywhere."""
    if settings.ignore:
        return []
    own = os.path.realpath(settings.output_directory)
    names = {own: ""}
    faults = []
    for entry in peers.callers.permissions:
        if not entry.directory:
            continue
        real = os.path.realpath(entry.directory)
        if real not in names:
            names[real] = entry.directory
            texts = _faults_of_place(settings, entry.directory, is_counted=bool(peers.limited()))
            texts += _collisions(settings, real, names)
            faults += [_fault(path, entry, text) for text in texts]
        if names[real]:
            peers.places[entry] = names[real]
    return faults


def _faults_of_place(settings: Settings, directory: str, *, is_counted: bool) -> list[str]:
    from scpd.keeper_policies import lock_directory, needs_keeper
    from scpd.lockdir.agreement import check_place
    from scpd.store.directory import check_output_directory

    try:
        check_output_directory(directory, must_be_writable=True)
        if needs_keeper(settings) or is_counted:
            check_place(lock_directory(settings), directory)
    except StartError as error:
        return [f"directory={directory}: {error}; make it what it should be, or name another one"]
    return []


def _collisions(settings: Settings, real: str, others: Collection[str]) -> list[str]:
    """Say where one directory has a name in another one that a peer could give to a study (--sort-on-study-uid)."""
    if settings.sorting is None or settings.sorting[0] != "study-uid":
        return []
    begin = f"{settings.sorting[1]}_" if settings.sorting[1] else ""
    outer, within = os.path.dirname(real), f"{real.rstrip('/')}/"
    pairs = [(real, outer)] if outer in others and outer != real else []
    pairs += [
        (other, real) for other in others if other.startswith(within) and "/" not in other[len(within) :]
    ]
    return [
        f"directory={inner}: a study in {outer} could be called so; use another place, or another sort prefix"
        for inner, outer in pairs
        if _could_be_study(os.path.basename(inner), begin)
    ]


def _could_be_study(name: str, begin: str) -> bool:
    from scpd.store.names import sanitised

    return name.startswith(begin) and not name.startswith(".") and sanitised(name) == name


def _find_profiles(settings: Settings, peers: Peers, path: str) -> list[str]:
    from scpd.ul.profile_file import load_profile

    known: dict[tuple[str, str], Profile] = {}
    faults = []
    for entry in peers.callers.permissions:
        if entry.profile is None:
            continue
        file, name = entry.profile
        if not file and settings.config_file is None:
            text = f"profile={name}: there is no --config-file; give one, or write FILE:PROFILE"
            faults.append(_fault(path, entry, text))
            continue
        wanted = file or (settings.config_file or ("",))[0], name
        try:
            if wanted not in known:
                known[wanted] = load_profile(*wanted)
            peers.profiles[entry] = known[wanted]
        except StartError as error:
            faults.append(_fault(path, entry, f"profile={name}: {error}; correct it, or name another one"))
    return faults


def _fault(path: str, entry: Permission, text: str) -> str:
    from scpd.ul.peers_file import located

    return located(path, int(entry.where.rpartition(":")[2]), text)


def admission(
    settings: Settings,
    service: ServicePolicy,
    peers: Peers,
    contexts: Callable[[Profile | None], negotiation.Policy],
) -> Admission:
    """Say who is let in, and what he gets in place of `service`; `contexts` gives the policy for a profile.

    The lock directory is made if associations are to be counted there; raises `StartError` if it cannot be.
    """
    from scpd.worker.admission import Admission

    services = {}
    for entry in peers.callers.permissions:
        place, profile = peers.places.get(entry, ""), peers.profiles.get(entry)
        if place or profile is not None:
            policy = service.negotiation if profile is None else contexts(profile)
            services[entry] = _service(service, policy, place)
    return Admission(peers.callers, services, _slots(settings, peers))


def _service(service: ServicePolicy, contexts: negotiation.Policy, place: str) -> ServicePolicy:
    """Give the service of an entry: all that it does not say is as in `service`."""
    from scpd.study.states import key_of

    service.complete()
    store, filing = service.store, service.filing
    if place and store is not None:
        options = {name: getattr(store, name) for name in store.__slots__}
        store = type(store)(**{**options, "output_directory": place})
    if place and filing is not None:
        tracker = filing.tracker
        if tracker is not None:
            key_of("1", place)  # imports what makes names of places: a worker imports nothing
            options = {name: getattr(tracker, name) for name in tracker.__slots__}
            tracker = type(tracker)(**{**options, "place": place})
        filing = type(filing)(filing.sorting, tracker, place, filing.recorded)
    options = {name: getattr(service, name) for name in service.__slots__}
    return type(service)(
        **{**options, "negotiation": contexts, "store": store, "filing": filing, "admission": None}
    )


def _slots(settings: Settings, peers: Peers) -> dict[Permission, Slots]:
    limited = peers.limited()
    if not limited:
        return {}
    from scpd.keeper_policies import lock_directory
    from scpd.lockdir import layout
    from scpd.lockdir.slots import Slots

    path = lock_directory(settings)
    try:
        layout.make(path)
    except OSError as error:
        raise StartError(f"cannot use lock directory: {path}: {error.strerror}") from None
    return {entry: Slots(path, _slots_name(entry), entry.limit) for entry in limited}


def _slots_name(entry: Permission) -> str:
    """Name what is counted by who calls whom: another line of the same is the same, in every daemon's table."""
    from binascii import crc32

    called = str(entry.called)
    who = repr([called, *((str(caller.title), caller.net) for caller in entry.callers)])
    safe = "".join(character if character.isalnum() else "_" for character in called)
    return f"{safe}.{crc32(who.encode('ascii')):08x}"
