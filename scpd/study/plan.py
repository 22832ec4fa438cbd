"""What is to be done when a study is complete: a plan, made once, carried out by whoever comes (scpd_studies(7)).

    plan UID DIRECTORY CALLING CALLED HOST PEER-NAME SYNTAX OBJECTS [SUBJECT ISSUER]
                                                                      whom the study came from, for its command
    move NAME INODE NEW-NAME                                          for each file that is to be renamed
    end  MOVES                                                        how many: a plan without it is none

SUBJECT and ISSUER are those of the peer's certificate; the line has them if it has shown one.  What a later version
adds is passed over (`lockdir.records`): fields behind these, and lines of other kinds between the first and the last.

With --rename-on-eostudy each file becomes `<two letters><six digits>`: the letters of its SOP class, and a number that
goes on behind the highest one in the directory.  The order is that of arrival; an object that was sent again keeps the
place of the first one.  A file that has vanished keeps its number.

Pure; `decode` gives `None` for what nobody can have written.
"""

from __future__ import annotations

from scpd.lockdir import records
from scpd.study.record import is_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from scpd.study.record import ObjectRecord, Sender

_PREFIX = 2  # letters
_DIGITS = 6
_PLAN, _MOVE, _END = _KINDS = "plan", "move", "end"


class Move:
    """A file to be renamed: only if what has its name has this inode."""

    __slots__ = ("inode", "name", "new_name")

    def __init__(self, name: str, inode: int, new_name: str) -> None:
        self.name = name
        self.inode = inode
        self.new_name = new_name


class Plan:
    """The end of one study."""

    __slots__ = (
        "called",
        "calling",
        "directory",
        "host",
        "issuer",
        "moves",
        "objects",
        "peer_name",
        "study_instance_uid",
        "subject",
        "transfer_syntax_uid",
    )

    def __init__(  # noqa: PLR0913 - a line has as many fields
        self,
        *,
        study_instance_uid: str,
        directory: str,
        calling: str,
        called: str,
        host: str,
        peer_name: str,
        transfer_syntax_uid: str,
        objects: int,
        moves: Sequence[Move],
        subject: str = "",
        issuer: str = "",
    ) -> None:
        self.study_instance_uid = study_instance_uid
        self.directory = directory
        self.calling = calling
        self.called = called
        self.host = host
        self.peer_name = peer_name
        self.transfer_syntax_uid = transfer_syntax_uid
        self.objects = objects
        self.moves = moves
        self.subject = subject
        self.issuer = issuer

    def encode(self) -> bytes:
        """Give the file's contents."""
        head = (
            _PLAN,
            self.study_instance_uid,
            self.directory,
            self.calling,
            self.called,
            self.host,
            self.peer_name,
            self.transfer_syntax_uid,
            str(self.objects),
            *((self.subject, self.issuer) if self.subject or self.issuer else ()),
        )
        moves = [(_MOVE, move.name, str(move.inode), move.new_name) for move in self.moves]
        return b"".join(map(records.encode, (head, *moves, (_END, str(len(moves))))))

    @classmethod
    def decode(cls, data: bytes) -> Plan | None:
        """Read the file's contents."""
        lines = [records.decode(line) for line in data.splitlines()]
        if len(lines) < 2 or None in lines:
            return None
        head, *between, end = [line for line in lines if line is not None]
        moves = [move for line in between if (move := _move(line)) is not None]
        if len(moves) != sum(line[0] in _KINDS for line in between) or end[:2] != [_END, str(len(moves))]:
            return None
        match head:
            case ["plan", uid, directory, calling, called, host, name, syntax, objects, *rest] if (
                is_number(objects) and len(rest) != 1
            ):
                subject, issuer = rest[:2] or ("", "")
                return cls(
                    study_instance_uid=uid,
                    directory=directory,
                    calling=calling,
                    called=called,
                    host=host,
                    peer_name=name,
                    transfer_syntax_uid=syntax,
                    objects=int(objects),
                    moves=moves,
                    subject=subject,
                    issuer=issuer,
                )
        return None


def _move(line: list[str]) -> Move | None:
    match line:
        case ["move", name, inode, new_name, *_] if is_number(inode):
            return Move(name, int(inode), new_name)
    return None


def rivals(objects: Sequence[tuple[Sender, ObjectRecord]]) -> dict[str, set[int]]:
    """Give the names that several files had, and the inodes of these.

    Which of them has the name in the end only the directory tells: two workers that store under one name at once may
    rename in another order than they wrote their lines.
    """
    found: dict[str, set[int]] = {}
    for _, record in objects:
        found.setdefault(record.name, set()).add(record.inode)
    return {name: inodes for name, inodes in found.items() if len(inodes) > 1}


def make_plan(
    study_instance_uid: str,
    directory: str,
    objects: Sequence[tuple[Sender, ObjectRecord]],
    present: Iterable[str] | None,
    settled: Mapping[str, int] | None = None,
) -> Plan:
    """Plan the end of a study with these objects, in order of arrival.

    `present` are the names in its directory, `None` if nothing is to be renamed; `settled` the inodes that names of
    `rivals` have there.  The sender of the last object is whom it came from.
    """
    sender, last = objects[-1]
    inodes = {record.name: record.inode for _, record in objects}  # first place, last inode
    inodes.update(settled or {})
    moves = [] if present is None else _moves(inodes, _highest_number(present))
    return Plan(
        study_instance_uid=study_instance_uid,
        directory=directory,
        calling=sender.calling,
        called=sender.called,
        host=sender.host,
        peer_name=sender.name,
        subject=sender.subject,
        issuer=sender.issuer,
        transfer_syntax_uid=last.transfer_syntax_uid,
        objects=len(inodes),
        moves=moves,
    )


def _moves(inodes: dict[str, int], highest: int) -> list[Move]:
    return [
        Move(name, inode, f"{_letters(name)}{number:0{_DIGITS}}")
        for number, (name, inode) in enumerate(inodes.items(), highest + 1)
    ]


def _letters(name: str) -> str:
    """Give the two letters of a name: its first ones, behind the time if it begins with one (--timenames)."""
    stamp, dot, rest = name.partition(".")
    return (rest if dot and stamp[:8].isdigit() else name)[:_PREFIX]


def _highest_number(names: Iterable[str]) -> int:
    """Give the highest number that one of these names has, 0 if none has one."""
    return max((int(name[_PREFIX:]) for name in names if _is_numbered(name)), default=0)


def _is_numbered(name: str) -> bool:
    digits = name[_PREFIX:]
    return len(digits) >= _DIGITS and digits.isascii() and digits.isdigit() and len(digits) < 2 * _DIGITS
