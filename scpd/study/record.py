"""What a worker writes down of each object: the lines of its journal, and what they mean.

scpd_studies(7), opening 6 and publishing 4 to 7 write them:

    journal BOOT-ID CALLING CALLED HOST PEER-NAME WAITS [PLACE]
                                                          the first line: one association
    tls     SUBJECT ISSUER                                the peer's certificate, if it has shown one
    opened  KEY GENERATION                                a study that the worker is about to store an object in
    object  NUMBER AT GENERATION DIRECTORY NAME INODE SIZE CLASS INSTANCE STUDY SYNTAX HOOK [STORED]
                                                          before the object's rename, flushed with --fsync
    stored  NUMBER NAME INODE                             after it: what stands under which name
    failed  NUMBER                                        its rename failed: there is no such object
    waits   NUMBER                                        the worker waits until what this object brings is done

AT is CLOCK_MONOTONIC in nanoseconds; GENERATION and DIRECTORY are empty without a study, NAME with --ignore; HOOK is
`xcr` where a command is to be run for the object, else empty; WAITS is `xs`, `single` or empty.  PLACE is the output
directory of this association, if --peers gives it one of its own: then the line has it, and it is a path.  STORED is
the number of an earlier object that has no `stored` line: it stands there as its own line says.

An object counts from its `stored` line on.  Where that is missing and the worker gone, the file decides: if something
in the directory has the inode, it was stored.

The `tls` line and STORED came later: who does not know them passes them by, as any line of a kind, and any field behind
these, that he does not know (`lockdir.records`).

Pure; `decode` gives `None` for what cannot be, and raises nothing.
"""

from __future__ import annotations

from scpd.lockdir import records

JOURNAL, CERTIFICATE, OPENED, OBJECT = "journal", "tls", "opened", "object"
STORED, FAILED, WAITS = "stored", "failed", "waits"
WAITS_FOR_COMMANDS, WAITS_FOR_RENAMING = "xs", "single"
ON_RECEPTION = "xcr"
_MOST_DIGITS = 20  # of 64 bits
# Characters of a certificate's names: escaped they have twelve times as many bytes at worst, and a line holds two.
_LONGEST_NAME = 256


class Sender:
    """An association as the head of its journal tells of it: who sent, and whether the worker waits for the keeper.

    `name` is the host's, if it was looked up, else its address.  `place` is the output directory, empty for that of
    the daemon.  `subject` and `issuer` are those of its certificate, empty without one.
    """

    __slots__ = ("boot", "called", "calling", "host", "issuer", "name", "place", "subject", "waits")

    def __init__(  # noqa: PLR0913, PLR0917 - a line has as many fields
        self,
        boot: str,
        calling: str,
        called: str,
        host: str,
        name: str,
        waits: str = "",
        place: str = "",
        subject: str = "",
        issuer: str = "",
    ) -> None:
        self.boot = boot
        self.calling = calling
        self.called = called
        self.host = host
        self.name = name
        self.waits = waits
        self.place = place
        self.certify(subject, issuer)

    def certify(self, subject: str, issuer: str) -> None:
        """Note whose certificate the sender has shown, and from whom."""
        self.subject = subject[:_LONGEST_NAME]
        self.issuer = issuer[:_LONGEST_NAME]

    @property
    def peer(self) -> tuple[str, str]:
        """Give what tells one sending application from another."""
        return self.calling, self.host

    def encode(self) -> bytes:
        """Give the journal's first line, and the one with the certificate if there is one."""
        fields = JOURNAL, self.boot, self.calling, self.called, self.host, self.name, self.waits
        line = records.encode((*fields, self.place) if self.place else fields)
        if self.subject or self.issuer:
            line += records.encode((CERTIFICATE, self.subject, self.issuer))
        return line

    @classmethod
    def decode(cls, fields: list[str]) -> Sender | None:
        """Read the first line of a journal."""
        if len(fields) < 7 or fields[0] != JOURNAL or fields[7:] == [""]:
            return None
        return cls(*fields[1:8])


class ObjectRecord:
    """One object: `number` in its journal, `at` in nanoseconds, `inode` of the file under its temporary name.

    `stored` is the number of the object before, where this line says that it stands under its name; else 0.
    """

    __slots__ = (
        "at",
        "directory",
        "generation",
        "hook",
        "inode",
        "name",
        "number",
        "size",
        "sop_class_uid",
        "sop_instance_uid",
        "stored",
        "study_instance_uid",
        "transfer_syntax_uid",
    )

    def __init__(  # noqa: PLR0913 - a line has as many fields
        self,
        *,
        number: int = 0,
        at: int = 0,
        generation: str = "",
        directory: str = "",
        name: str = "",
        inode: int = 0,
        size: int = 0,
        sop_class_uid: str = "",
        sop_instance_uid: str = "",
        study_instance_uid: str = "",
        transfer_syntax_uid: str = "",
        hook: str = "",
        stored: int = 0,
    ) -> None:
        self.number = number
        self.at = at
        self.generation = generation
        self.directory = directory
        self.name = name
        self.inode = inode
        self.size = size
        self.sop_class_uid = sop_class_uid
        self.sop_instance_uid = sop_instance_uid
        self.study_instance_uid = study_instance_uid
        self.transfer_syntax_uid = transfer_syntax_uid
        self.hook = hook
        self.stored = stored

    def encode(self) -> bytes:
        """Give the line to be written before the object's rename."""
        return ObjectLines().encode(self)

    @classmethod
    def decode(cls, fields: list[str]) -> ObjectRecord | None:
        """Read the line."""
        if len(fields) < 13 or fields[0] != OBJECT:
            return None
        number, at, generation, directory, name, inode, size, sop_class, instance, study, syntax, hook = (
            fields[1:13]
        )
        stored = fields[13] if len(fields) > 13 and fields[13] else "0"
        if not _are_numbers(number, at, inode, size, stored):
            return None
        return cls(
            number=int(number),
            at=int(at),
            generation=generation,
            directory=directory,
            name=name,
            inode=int(inode),
            size=int(size),
            sop_class_uid=sop_class,
            sop_instance_uid=instance,
            study_instance_uid=study,
            transfer_syntax_uid=syntax,
            hook=hook,
            stored=int(stored),
        )


class ObjectLines:
    """The lines of one association's objects: what they have in common with the one before is not spelt again."""

    __slots__ = ("_behind_instance", "_behind_size", "_behind_time", "_common")

    def __init__(self) -> None:
        self._common: tuple[str, ...] = ()
        self._behind_time = self._behind_size = self._behind_instance = ""

    def encode(self, of: ObjectRecord) -> bytes:
        """Give the line to be written before an object's rename."""
        study, syntax = of.study_instance_uid, of.transfer_syntax_uid
        common = of.generation, of.directory, of.sop_class_uid, study, syntax, of.hook
        if common != self._common:
            self._common = common
            generation, directory, sop_class, study, syntax, hook = map(records.escaped, common)
            self._behind_time = f"\t{generation}\t{directory}\t"
            self._behind_size = f"\t{sop_class}\t"
            self._behind_instance = f"\t{study}\t{syntax}\t{hook}\t"
        name, instance = of.name, of.sop_instance_uid
        if not records.is_plain(name + instance):
            name, instance = records.escaped(name), records.escaped(instance)
        stored = f"{of.stored}\t" if of.stored else ""
        return records.sealed(
            f"{OBJECT}\t{of.number}\t{of.at}{self._behind_time}{name}\t{of.inode}\t{of.size}"
            f"{self._behind_size}{instance}{self._behind_instance}{stored}"
        )


def is_number(text: str) -> bool:
    """Tell whether a field is a number; one of a thousand digits is a forger's, and `int` raises for it."""
    return len(text) <= _MOST_DIGITS and _is_digits(text)


def _are_numbers(*texts: str) -> bool:
    """Tell whether all these fields are numbers, by one look at them together."""
    return all(texts) and len(max(texts, key=len)) <= _MOST_DIGITS and _is_digits("".join(texts))


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def encode_opened(key: str, generation: str) -> bytes:
    """Give the line that says which study the worker is at."""
    return records.encode((OPENED, key, generation))


def encode_stored(number: int, name: str, inode: int) -> bytes:
    """Give the line that says what stands under which name now."""
    return records.encode((STORED, str(number), name, str(inode)))


def encode_failed(number: int) -> bytes:
    """Give the line that says that an object came to nothing."""
    return records.encode((FAILED, str(number)))


def encode_waits(number: int) -> bytes:
    """Give the line that says that the worker waits for the keeper, and reads no further request before that."""
    return records.encode((WAITS, str(number)))
