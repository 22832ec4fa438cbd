"""From settings to what each room is told: translation, and nothing else.

Only this module and its neighbours (`filing_policies` ...) know both `Settings` and the rooms; each function imports
the rooms that it serves, so that a process imports what its role needs.
"""

from __future__ import annotations

import logging
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scpd.cli.settings import Settings
    from scpd.dataset.dictionary import Dictionary
    from scpd.log.configuration import Configuration
    from scpd.log.setup import LogPolicy
    from scpd.peers_policies import Peers
    from scpd.tls.endpoint import Tls
    from scpd.ul import negotiation
    from scpd.ul.profiles import Profile
    from scpd.worker.admission import Admission
    from scpd.worker.bounds import Bounds
    from scpd.worker.faults import Faults
    from scpd.worker.filing import FilingPolicy
    from scpd.worker.gate import Gate
    from scpd.worker.rewrite import Form
    from scpd.worker.service import ServicePolicy, Verbosity
    from scpd.worker.store import StorePolicy

_STDOUT, _STDERR = 1, 2


def negotiation_policy(settings: Settings, profile: Profile | None = None) -> negotiation.Policy:
    """Say which presentation contexts are accepted; a profile's own classes instead of all storage if there is one."""
    from scpd.tables.sop_classes import ACCEPTED, FILE_PREFIXES, VERIFICATION
    from scpd.tables.transfer_syntaxes import PREFERENCES
    from scpd.ul import negotiation

    storage, known = ACCEPTED, None
    if settings.promiscuous:
        from scpd.tables.uid_names import UID_NAMES  # large, and asked by promiscuous acceptors only

        storage, known = frozenset(FILE_PREFIXES), UID_NAMES
    return negotiation.Policy(
        PREFERENCES[settings.transfer_syntaxes],
        storage | {VERIFICATION} if profile is None else frozenset(),
        known,
        profile=profile,
        refuse=settings.refuse,
        reject=settings.reject,
    )


def profile(settings: Settings) -> Profile | None:
    """Load what --config-file names; raises `StartError`."""
    if settings.config_file is None:
        return None
    from scpd.ul.profile_file import load_profile  # few command lines have one

    return load_profile(*settings.config_file)


def dictionary(settings: Settings, environment: Mapping[str, str]) -> Dictionary | None:
    """Give the dictionary that tells VRs; `None` if nobody will ask for one.

    Those of DCMDICTPATH are loaded, and complained about, at every start, as in storescp.
    """
    from scpd.dataset import dictpath

    if settings.bit_preserving and not dictpath.is_set(environment):
        return None
    found, messages = dictpath.load(environment)
    for message in messages:
        logging.getLogger("dcmtk.dcmdata").log(message.level, "%s", message.text)
    return found


def log_policy(
    settings: Settings, configuration: Configuration | None, *, begins_anew: bool = True
) -> LogPolicy:
    """Say what is logged where; `configuration` is what --log-config names, if it was given.

    With `begins_anew` files that are not appended to are emptied.
    """
    from scpd.log.journal import is_journal
    from scpd.log.setup import LogPolicy

    to_journal = is_journal(_STDERR, os.environ)
    unseen = ""
    if settings.daemon:
        from scpd.log.audience import want_of_audience  # who stays in the foreground has a console

        configuration = configuration or _to_syslog(settings)
        unseen = want_of_audience(configuration)
    return LogPolicy(
        settings.log_level,
        configuration,
        settings.log_format,
        to_journal=to_journal,
        unseen=unseen,
        begins_anew=begins_anew,
    )


def _to_syslog(settings: Settings) -> Configuration:
    """Say that the log is syslog's: a daemon has no standard error."""
    from scpd.log import log4cplus
    from scpd.log.properties import Variables

    layout = "scpd::JsonLayout" if settings.log_format == "json" else "log4cplus::PatternLayout"
    text = f"""\
log4cplus.rootLogger={settings.log_level}, SYSLOG
log4cplus.appender.SYSLOG=log4cplus::SysLogAppender
log4cplus.appender.SYSLOG.ident={settings.program_name}
log4cplus.appender.SYSLOG.facility=daemon
log4cplus.appender.SYSLOG.layout={layout}
"""
    if settings.log_format != "json":
        text += "log4cplus.appender.SYSLOG.layout.ConversionPattern=%P: [%X{association}] %m%n\n"
    return log4cplus.read(text, Variables({}, {}), settings.program_name)


def worker_policy(  # noqa: PLR0913 - as many as were read at the start
    settings: Settings,
    profile: Profile | None,
    dictionary: Dictionary | None,
    peers: Peers | None,
    *,
    port: int | None = None,
    late: Callable[[], tuple[StorePolicy | None, FilingPolicy | None]] | None = None,
    tls: Tls | None = None,
) -> ServicePolicy:
    """Say how a worker serves a connection, and whom; `port` is ours if it is not that of the options."""
    policy = service_policy(settings, profile, dictionary, port=port, late=late)
    policy.tls = tls
    if peers is not None:
        policy.admission = _admission(settings, policy, peers)
    return policy


def service_policy(
    settings: Settings,
    profile: Profile | None = None,
    dictionary: Dictionary | None = None,
    *,
    port: int | None = None,
    late: Callable[[], tuple[StorePolicy | None, FilingPolicy | None]] | None = None,
) -> ServicePolicy:
    """Say how a worker serves a connection, whoever it is; logging has been configured.

    With `late` what is done with objects is said by that, later.
    """
    from scpd.filing_policies import filing_policy
    from scpd.ul.connection import Timeouts
    from scpd.worker.service import ServicePolicy

    contexts = negotiation_policy(settings, profile)
    _prepare_to_inflate(contexts)
    timeouts = Timeouts(settings.acse_timeout, settings.socket_timeout, settings.dimse_timeout)
    return ServicePolicy(
        contexts,
        settings.max_pdu,
        timeouts,
        None if late is not None else store_policy(settings, dictionary),
        _faults(settings),
        _verbosity(settings),
        None if late is not None else filing_policy(settings),
        gate=_gate(settings, settings.port if port is None else port),
        bounds=_bounds(settings),
        late=late,
    )


def _gate(settings: Settings, port: int) -> Gate | None:
    """Say who may connect, after a look at the tables; `None` if every host may."""
    if not settings.access_control:
        return None
    from scpd.access.tables import Tables
    from scpd.worker.gate import Gate

    tables = Tables(settings.hosts_allow, settings.hosts_deny)
    gate = Gate(tables, daemon_names(settings), port, asks_names=settings.host_lookup)
    if settings.user is None:
        gate.prepare()
    else:
        from scpd.process.privileges import (
            as_user,
        )  # a process of inetd becomes nobody else, and shall not pay for it

        with as_user():  # who reads the tables again when they have changed
            gate.prepare()
    return gate


def daemon_names(settings: Settings) -> tuple[str, ...]:
    """Give the names by which the host rules may call us; the first is that of storescp's rules."""
    return tuple(dict.fromkeys(("storescp", "scpd", settings.program_name)))


def _admission(settings: Settings, service: ServicePolicy, peers: Peers) -> Admission:
    from scpd.peers_policies import admission  # few command lines say who may send

    def contexts(profile: Profile | None) -> negotiation.Policy:
        policy = negotiation_policy(settings, profile)
        _prepare_to_inflate(policy)
        return policy

    return admission(settings, service, peers, contexts)


def _prepare_to_inflate(contexts: negotiation.Policy) -> None:
    """Import what reads a deflated data set, if one can come: a worker imports nothing from disk."""
    from scpd.tables.transfer_syntaxes import DEFLATED_DATA_SETS

    accepted = set(contexts.transfer_syntaxes)
    if contexts.profile is not None:
        accepted.update(*contexts.profile.transfer_syntaxes.values())
    if accepted & DEFLATED_DATA_SETS:
        import scpd.dataset.inflate  # noqa: F401


def store_policy(settings: Settings, dictionary: Dictionary | None) -> StorePolicy | None:
    """Say how objects are stored; `None` if they are not."""
    if settings.ignore:
        return None
    from scpd.worker.store import StorePolicy

    return StorePolicy(
        output_directory=settings.output_directory,
        extension=settings.filename_extension,
        naming=_naming(settings),
        duplicates=settings.duplicates,
        form=_form(settings, dictionary),
        with_file_meta=not settings.write_dataset,
        fsync=settings.fsync,
    )


def _form(settings: Settings, dictionary: Dictionary | None) -> Form | None:
    """Say how data sets are written; what writes them anew is imported here, since a worker imports nothing of ours."""
    if settings.bit_preserving:
        return None
    from scpd.dataset.dictionary import builtin
    from scpd.dataset.encoding import Encoding
    from scpd.tables import transfer_syntaxes
    from scpd.worker.rewrite import Form

    written = {
        "same": "",
        "little": transfer_syntaxes.EXPLICIT_LITTLE,
        "big": transfer_syntaxes.EXPLICIT_BIG,
        "implicit": transfer_syntaxes.IMPLICIT_LITTLE,
        "deflated": transfer_syntaxes.DEFLATED,
    }[settings.write_transfer_syntax]
    if written:
        import array  # noqa: F401  (what swaps values asks for it)
    if written == transfer_syntaxes.DEFLATED:
        import scpd.dataset.inflate  # noqa: F401
    encoding = Encoding(
        transfer_syntax=written,
        group_lengths=settings.group_lengths,
        explicit_lengths=settings.sequence_lengths == "explicit",
        padding=settings.padding or (0, 0),
        young_vrs=settings.new_vrs,
        convert_un=settings.convert_un,
        compression_level=settings.compression_level,
    )
    return Form(encoding, dictionary or builtin(), rejects_odd=settings.reject_malformed)


def _naming(settings: Settings) -> str:
    from scpd.store import names

    if settings.timenames:  # wins over -uf; with +uf it was refused
        return names.TIME
    return names.UNIQUE if settings.unique_filenames else names.UID


def _faults(settings: Settings) -> Faults | None:
    from scpd.worker.faults import Faults

    faults = Faults(
        sleep_after=settings.sleep_after,
        sleep_during=settings.sleep_during,
        abort_after=settings.abort_after,
        abort_during=settings.abort_during,
    )
    return faults or None


def _bounds(settings: Settings) -> Bounds | None:
    if not (settings.min_free or settings.max_object_size or settings.min_rate):
        return None
    from scpd.worker.bounds import Bounds  # few command lines have any

    return Bounds(
        least_free=settings.min_free,
        most_bytes=settings.max_object_size or 0,
        least_rate=settings.min_rate or 0,
    )


def _verbosity(settings: Settings) -> Verbosity:
    from scpd.filing_policies import names_peers
    from scpd.log.journal import is_journal
    from scpd.worker.serve import log
    from scpd.worker.service import Verbosity

    dumps = None
    if settings.verbose_pc or log.isEnabledFor(logging.DEBUG):
        from scpd.worker.dumps import Dumps  # with the names of all UIDs: for those who want dumps only

        dumps = Dumps(logging.INFO if settings.verbose_pc else logging.DEBUG)
    # Whoever is not told the name need not wait for it.
    host_lookup = settings.host_lookup and (log.isEnabledFor(logging.INFO) or names_peers(settings))
    # A log configuration may have a pattern with %X{study}.
    tells_study = settings.log_format == "json" or settings.log_config is not None
    # The journal keeps lines: it would have one for each object, or for each piece of it.
    is_watched = not is_journal(_STDOUT, os.environ)
    return Verbosity(
        dumps=dumps,
        host_lookup=host_lookup,
        is_child=settings.fork,
        tells_study=tells_study,
        is_watched=is_watched,
    )
