"""The commands of a site, and what each is told of its object or study (--exec-on-reception, --exec-on-eostudy).

The text of a command comes from the options of the process that runs it, never from the lock directory: a job names a
hook, `xcr` or `xcs`, and holds values.  Pure.
"""

from __future__ import annotations

from scpd.jobs.values import Values
from scpd.keeper.jobnames import ON_END_OF_STUDY, ON_RECEPTION, hook_of
from scpd.keeper.places import Places
from scpd.store.names import is_plain_name
from scpd.study.record import is_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from scpd.keeper.ledger import Stored
    from scpd.study.plan import Plan
    from scpd.study.record import Sender

# What is kept of a command that was set aside: attributes of `Values` that came from the network.
_KEPT = (
    "study_directory",
    "file",
    "calling_aet",
    "called_aet",
    "peer",
    "tls_subject",
    "tls_issuer",
    "sop_class_uid",
    "sop_instance_uid",
    "study_instance_uid",
    "transfer_syntax_uid",
)
_PLACE = "place"  # the same, but a path: only one that the options allow is used

# Those that are names below the output directory: somebody else may have written what was set aside.
_NAMES = frozenset(("study_directory", "file"))


class Hooks:
    """What the administrator has said: a command, or `None`, for each hook, and what its files are called."""

    __slots__ = ("_commands", "_extension", "_places", "_prefix")

    def __init__(
        self,
        *,
        on_reception: str | None,
        on_end_of_study: str | None,
        output_directory: str | None,
        prefix: str = "",
        extension: str = "",
        places: Iterable[str] = (),
    ) -> None:
        """`output_directory` is `None` with --ignore; `places` are those that there are beside it."""
        self._commands = {ON_RECEPTION: on_reception, ON_END_OF_STUDY: on_end_of_study}
        self._places = None if output_directory is None else Places(output_directory, places)
        self._prefix = prefix
        self._extension = extension

    def command(self, job: str) -> str | None:
        """Give the text for a job, whose name ends with its hook."""
        return self._commands.get(hook_of(job))

    def of_object(self, stored: Stored) -> Values:
        """Give what is known of an object."""
        sender, entry = stored.association.sender, stored.record
        values = self._values(sender.place)
        values.study_directory = entry.directory or None
        values.file = entry.name or None
        values.calling_aet, values.called_aet, values.peer = sender.calling, sender.called, sender.name
        _certify(values, sender)
        values.sop_class_uid = entry.sop_class_uid
        values.sop_instance_uid = entry.sop_instance_uid
        values.study_instance_uid = entry.study_instance_uid or None
        values.transfer_syntax_uid = entry.transfer_syntax_uid
        values.objects = 1
        return values

    def of_study(self, plan: Plan, place: str = "") -> Values:
        """Give what is known of a study that is complete."""
        values = self._values(place)
        values.study_directory = plan.directory
        values.calling_aet, values.called_aet, values.peer = plan.calling, plan.called, plan.peer_name
        _certify(values, plan)
        values.study_instance_uid = plan.study_instance_uid
        values.transfer_syntax_uid = plan.transfer_syntax_uid
        values.objects = plan.objects
        return values

    def allows(self, kept: Mapping[str, str]) -> bool:
        """Tell whether the options have the output directory of a command that was set aside."""
        return self._places is None or kept.get(_PLACE, "") in self._places

    def of_failed(self, kept: Mapping[str, str]) -> Values:
        """Give what was kept of a command that was set aside."""
        values = self._values(kept.get(_PLACE, "") if self.allows(kept) else "")
        for attribute in _KEPT:
            if attribute in kept and (attribute not in _NAMES or is_plain_name(kept[attribute])):
                setattr(values, attribute, kept[attribute])
        if is_number(kept.get("objects", "")):
            values.objects = int(kept["objects"])
        return values

    def _values(self, place: str) -> Values:
        if self._places is None:
            return Values(None, self._prefix, self._extension)
        values = Values(self._places[place], self._prefix, self._extension)
        values.place = place or None
        return values


def _certify(values: Values, of: Sender | Plan) -> None:
    """Tell whose certificate the peer has shown, if it has."""
    values.tls_subject, values.tls_issuer = of.subject or None, of.issuer or None


def kept(values: Values) -> dict[str, str]:
    """Give what is to be kept of a command that is set aside."""
    found = {name: value for name in (_PLACE, *_KEPT) if (value := getattr(values, name)) is not None}
    if values.objects is not None:
        found["objects"] = str(values.objects)
    return found
