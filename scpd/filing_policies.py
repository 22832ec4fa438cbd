"""From settings to what a worker is told of studies and commands, as `policies` does it for the other rooms."""

from __future__ import annotations

import os

from scpd.keeper_policies import has_studies, lock_directory, needs_keeper

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scpd.cli.settings import Settings
    from scpd.store.folders import Sorting
    from scpd.study.rules import Rules
    from scpd.study.tracker import TrackerPolicy
    from scpd.worker.filing import FilingPolicy

# Characters in an error message, which names two of them.
_LONGEST_LIST = 1000
_SORT_OPTIONS = {
    "conc-studies": "--sort-conc-studies",
    "study-uid": "--sort-on-study-uid",
    "patientname": "--sort-on-patientname",
}


def rules(settings: Settings) -> Rules | None:
    """Give the rules of studies; `None` if nothing hangs on the end of one: then no directory has to be agreed upon."""
    if not has_studies(settings):
        return None
    from scpd.study.rules import Rules  # few command lines sort

    return Rules(
        timeout=settings.eostudy_timeout,
        by=settings.eostudy_by,
        max_age=settings.eostudy_max_age,
        any_peer=not is_parallel(settings),
        renames=settings.rename_on_eostudy,
        runs=settings.exec_on_eostudy is not None,
    )


def use_lock_directory(settings: Settings, places: Sequence[str] = (), held: int | None = None) -> int | None:
    """Make the lock directory, and agree with others who use it; `None` if the options ask for none.

    `places` are the output directories that --peers names, checked when they were read.  Gives the descriptor by which
    it is in use until that is closed, `held` if that is one already; raises `StartError`.
    """
    if not needs_keeper(settings):
        return None
    from scpd.lockdir.agreement import check_place, use

    check_place(lock_directory(settings), settings.output_directory)
    return use(lock_directory(settings), agreed_options(settings, places), held)


def check_lock_directory(settings: Settings, places: Sequence[str], held: int) -> None:
    """Raise `StartError` unless these options would do for the lock directory that `held` keeps in use."""
    if needs_keeper(settings):
        from scpd.lockdir.agreement import check_change

        check_change(held, lock_directory(settings), agreed_options(settings, places))


def agreed_options(settings: Settings, places: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Give the options on which all who use a lock directory must agree, in the order in which they are compared.

    Of --peers these are the output directories: a keeper completes no study in one that it does not know.
    """
    kind, prefix = settings.sorting or ("", "")
    return [
        ("--output-directory", os.path.realpath(settings.output_directory)),
        ("--peers", _listed(places)),
        *((name, repr(prefix) if key == kind else "") for key, name in _SORT_OPTIONS.items()),
        ("--fork", _given(is_parallel(settings))),
        ("--eostudy-timeout", _number(settings.eostudy_timeout)),
        ("--eostudy-by", settings.eostudy_by),
        ("--eostudy-max-age", _number(settings.eostudy_max_age)),
        ("--rename-on-eostudy", _given(settings.rename_on_eostudy)),
        ("--exec-on-eostudy", _command(settings.exec_on_eostudy)),
        ("--exec-on-reception", _command(settings.exec_on_reception)),
    ]


def is_parallel(settings: Settings) -> bool:
    """Tell whether associations are served side by side, as those that a super-server starts are."""
    return settings.fork or settings.inetd


def _listed(places: Sequence[str]) -> str:
    """Name output directories in one line: what stands for them, where they are too many for one to be read."""
    listed = " ".join(f"directory={place}" for place in sorted(places))
    if len(listed) <= _LONGEST_LIST:
        return listed
    from hashlib import sha256

    digest = sha256(listed.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return f"{len(places)} directories, digest {digest}"


def _given(is_given: bool) -> str:
    from scpd.lockdir.agreement import GIVEN

    return GIVEN if is_given else ""


def _number(number: int | None) -> str:
    return "" if number is None else str(number)


def _command(command: str | None) -> str:
    return "" if command is None else repr(command)


def filing_policy(settings: Settings, recorded: Callable[[], None] | None = None) -> FilingPolicy | None:
    """Say how objects are filed; `None` with neither sorting nor commands.  `recorded` is called for each of them.

    What a worker may need for that is imported here, since a worker imports nothing of ours.
    """
    tracker, sorting = _tracker_policy(settings), _sorting(settings)
    if tracker is None and sorting is None:
        return None
    from scpd.worker.filing import FilingPolicy

    if settings.bit_preserving:
        import scpd.dataset.glance  # noqa: F401
    return FilingPolicy(sorting, tracker, settings.output_directory, recorded)


def _sorting(settings: Settings) -> Sorting | None:
    if settings.sorting is None or settings.ignore:
        return None
    from scpd.store import folders

    sorting = folders.Sorting(*settings.sorting)
    folders.prepare(sorting)
    return sorting


def _tracker_policy(settings: Settings) -> TrackerPolicy | None:
    if not needs_keeper(settings):
        return None
    from scpd.process.proc import boot_id
    from scpd.study import record
    from scpd.study.tracker import TrackerPolicy

    found = rules(settings)
    waits = ""
    if settings.exec_sync:
        waits = record.WAITS_FOR_COMMANDS
    elif not is_parallel(settings) and found is not None:
        waits = record.WAITS_FOR_RENAMING
    return TrackerPolicy(
        lock_directory=lock_directory(settings),
        rules="" if found is None else found.encode(),
        renames=found is not None and found.renames,
        hook="" if settings.exec_on_reception is None else record.ON_RECEPTION,
        waits=waits,
        boot=boot_id(),
        fsync=settings.fsync,
        ends_meanwhile=found is not None and (found.max_age is not None or found.timeout == 0),
    )


def names_peers(settings: Settings) -> bool:
    """Tell whether a command wants to know what the peer's host is called."""
    commands = settings.exec_on_reception, settings.exec_on_eostudy
    return any(command is not None and ("#r" in command or "SCPD_PEER" in command) for command in commands)
