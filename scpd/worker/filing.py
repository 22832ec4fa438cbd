"""Where an object is filed: in its study's directory, with the line of record that says so (scpd_studies(7)).

    saw       the data set has told its study, or has ended without        busy with the study
    enter     the object is received and has its form                      the study's directory, made if it is new
    publish   line of record, flushed > final name > note behind it
    ended     stored or refused
    settle    after the response: wait for the keeper if the options ask for that
    rest      the peer pauses

With directories by Study Instance UID and nothing that hangs on the end of a study nothing is recorded; with a command
for each object and no sorting nothing but the lines is.

Raises `Refused`: C000H for an object after which no directory can be named, A700H where the machine does not allow
what is to be done.  `ended`, `rest`, `leave` and `close` raise nothing.
"""

from __future__ import annotations

import logging

from scpd.dataset.identity import study_uid
from scpd.dataset.plain import STUDY_INSTANCE_UID
from scpd.dimse import status
from scpd.errors import Refused
from scpd.store.duplicates import KEPT
from scpd.store.sink import DirectoryFlushError
from scpd.study.record import ObjectRecord, Sender
from scpd.study.tracker import Tracker
from scpd.worker.lacking import lack
from scpd.worker.placing import Placing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scpd.dimse.messages import Request
    from scpd.process.signals import Wakeup
    from scpd.store.duplicates import Policy as Publication
    from scpd.store.folders import Sorting
    from scpd.store.sink import Incoming
    from scpd.store.subdirectory import Subdirectory
    from scpd.study.tracker import TrackerPolicy
    from scpd.ul.connection import DataSet

log = logging.getLogger("dcmtk.apps.storescp")

_LONGEST_UID = 128  # characters in a record: twice what a UID may have (PS3.5 9.1)


class FilingPolicy:
    """How objects are filed; `sorting` is `None` without study directories, `tracker` if nothing is recorded.

    `output_directory` is for the log.  `recorded` is called for each object that is recorded and answered.
    """

    __slots__ = ("output_directory", "recorded", "sorting", "tracker")

    def __init__(
        self,
        sorting: Sorting | None,
        tracker: TrackerPolicy | None,
        output_directory: str,
        recorded: Callable[[], None] | None = None,
    ) -> None:
        self.sorting = sorting
        self.tracker = tracker
        self.output_directory = output_directory
        self.recorded = recorded

    def begin(
        self, calling: str, called: str, host: str, name: str, certificate: tuple[str, str] = ("", "")
    ) -> Filing:
        """Give the filing of one association: titles, the peer's address and its name; whose certificate it has."""
        tracker = self.tracker
        boot, waits, place = ("", "", "") if tracker is None else (tracker.boot, tracker.waits, tracker.place)
        return Filing(self, Sender(boot, calling, called, host, name, waits, place, *certificate))


class Filing:
    """One association's filing, one object after the other."""

    __slots__ = (
        "_folder",
        "_found",
        "_has_studies",
        "_last_study",
        "_last_value",
        "_placing",
        "_policy",
        "_record",
        "_recorded",
        "_sender",
        "_study",
        "_tracker",
        "is_sorted",
        "settles",
    )

    def __init__(self, policy: FilingPolicy, sender: Sender) -> None:
        self._policy = policy.tracker
        self._recorded = policy.recorded
        self._sender = sender
        self.is_sorted = policy.sorting is not None
        self.settles = policy.recorded is not None or bool(policy.tracker and policy.tracker.waits)
        self._placing = None if policy.sorting is None else Placing(policy.sorting, policy.output_directory)
        # Whether something hangs on the end of a study.
        self._has_studies = self.is_sorted and policy.tracker is not None and bool(policy.tracker.rules)
        self._tracker: Tracker | None = None  # opened when there is something to record
        self._found: Mapping[int, bytes] = {}  # what is known of this object's data set,
        self._study = ""  # its Study Instance UID,
        self._last_value, self._last_study = b"", ""  # the last one of all, as it came, and read
        self._folder = ""  # and the name of its directory
        self._record = ObjectRecord()

    def saw(self, found: Mapping[int, bytes]) -> None:
        """Take what a data set says, at once when its study is known; `found` may still grow."""
        self._found = found
        value = found.get(STUDY_INSTANCE_UID, b"")
        if value != self._last_value:
            self._last_value, self._last_study = value, study_uid(found)
        self._study = self._last_study
        if self._study and self._has_studies:
            tracker = self._tracker or self._opened()
            try:
                tracker.began(self._study)
            except OSError as error:
                raise self._refusal(error) from None

    def glanced(
        self, data: DataSet, transfer_syntax: str, saw: Callable[[Mapping[int, bytes]], None]
    ) -> DataSet:
        """Give a data set as it arrives, and have its study seen on the way: for who does not look at it himself."""
        from scpd.dataset.glance import STUDY, STUDY_AND_PATIENT, Glance  # with --bit-preserving only

        has_patient = self._placing is not None and self._placing.is_by_patient
        glance = Glance(transfer_syntax, STUDY_AND_PATIENT if has_patient else STUDY)
        is_seen = False
        for portion in data:
            glance.feed(portion[0], sum(map(len, portion[0])))
            if not is_seen and glance.is_past_study:
                is_seen = True
                saw(glance.found)
            yield portion
        glance.finish()
        if not is_seen:
            saw(glance.found)

    def enter(self, place: Subdirectory) -> str:
        """Let the object get its name in the directory of its study; give its name.  Only where objects are sorted."""
        placing = self._placing
        assert placing is not None  # noqa: S101 - they are
        if self._has_studies and self._study:
            # All who receive objects of the study while it is open have one name for it.
            try:
                tracker = self._tracker or self._begun_anew()
                name = tracker.place() or tracker.find_place(
                    lambda: placing.make(place, placing.name(self._study, self._found))
                )
            except OSError as error:
                raise self._refusal(error) from None
        else:
            name = placing.name(self._study, self._found)
        if not place.is_at(name):  # where the object before went, too, as a rule
            placing.enter(place, name, is_durable=self._has_studies)
        self._folder = name
        return name

    def _begun_anew(self) -> Tracker:
        """Record again, and be busy again with the study: the lock directory was lost in a pause."""
        tracker = self._opened()
        tracker.began(self._study)
        return tracker

    def publish(
        self, publication: Publication, request: Request, transfer_syntax: str, incoming: Incoming, name: str
    ) -> tuple[str, str]:
        """Give an object its name by a publication, and record it; errors are those of the publication."""
        if self._policy is None:
            return publication(incoming, name)
        incoming.flush()  # before its line: then little time passes from that to the rename
        inode = incoming.inode()
        number = self._write_line(request, transfer_syntax, name, inode, incoming.size)
        try:
            stored, remark = publication(incoming, name)
        except DirectoryFlushError as error:  # it is there
            self._note(number, error.filename, inode)
            raise
        except OSError:
            self._note(number, None)
            raise
        self._note(number, stored, incoming.inode_of(stored) if remark == KEPT else inode)
        return stored, remark

    def note_ignored(self, request: Request, transfer_syntax: str, size: int) -> None:
        """Record an object of which nothing is kept, for the sake of its command."""
        number = self._write_line(request, transfer_syntax, "", 0, size)
        self._note(number, "", 0)

    def _write_line(self, request: Request, transfer_syntax: str, name: str, inode: int, size: int) -> int:
        """Write the line that comes before an object; give its number."""
        record = self._record  # used again for each object: to make one takes as long as to fill it in
        record.directory = self._folder
        record.name = name
        record.inode = inode
        record.size = size
        record.sop_class_uid = request.affected_sop_class_uid
        record.sop_instance_uid = request.affected_sop_instance_uid[:_LONGEST_UID]
        record.study_instance_uid = self._study[:_LONGEST_UID]
        record.transfer_syntax_uid = transfer_syntax
        tracker = self._tracker or self._opened()
        try:
            return tracker.publishing(record)
        except OSError as error:
            raise self._refusal(error) from None

    def _note(self, number: int, name: str | None, inode: int = 0) -> None:
        """Note what became of a rename; `None`: nothing."""
        if self._tracker is None:
            return
        try:
            if name is None:
                self._tracker.failed(number)
            else:
                self._tracker.stored(number, name, inode)
        except OSError as error:
            self._lose(error)

    def ended(self) -> None:
        """This object is stored or refused."""
        self._found, self._study, self._folder = {}, "", ""
        if self._tracker is not None:
            try:
                self._tracker.ended()
            except OSError as error:
                self._lose(error)

    def rest(self) -> None:
        """No object follows at once: do what was put off until one does."""
        if self._tracker is not None:
            try:
                self._tracker.rest()
            except OSError as error:
                self._lose(error)

    def settle(self, wakeup: Wakeup) -> None:
        """Wait for the keeper where the options ask for it; raises `Stopped`."""
        if self._tracker is None:
            return
        if self._recorded is not None:
            self._recorded()
        try:
            if not self._tracker.settle(wakeup):
                log.warning("no keeper is running, going on without waiting for it")
        except OSError as error:
            self._lose(error)

    def leave(self) -> None:
        """Leave studies and journal; nothing but `close` may follow."""
        if self._tracker is not None:
            self._tracker.leave()

    def close(self) -> None:
        """Leave studies and lock directory, and wake the keeper."""
        tracker, self._tracker = self._tracker, None
        if tracker is not None:
            tracker.close()

    def _opened(self) -> Tracker:
        """Begin to record."""
        assert self._policy is not None  # noqa: S101 - who comes here records
        try:
            self._tracker = Tracker(self._policy, self._sender)
        except OSError as error:
            raise self._refusal(error) from None
        return self._tracker

    def _lose(self, error: OSError) -> None:
        """Go on after what is no reason to refuse an object: the keeper finds out from the file what became of it."""
        log.warning("%s", self._complaint(error))
        self.close()

    def _refusal(self, error: OSError) -> Refused:
        self.close()
        comment = f"cannot record the object: {error.strerror}"
        assert self._policy is not None  # noqa: S101 - as above
        missing = lack(error, self._policy.lock_directory)
        return Refused(status.OUT_OF_RESOURCES, comment[:64], self._complaint(error), lack=missing)

    def _complaint(self, error: OSError) -> str:
        assert self._policy is not None  # noqa: S101 - as above
        return f"cannot use lock directory: {self._policy.lock_directory}: {error.strerror}"
