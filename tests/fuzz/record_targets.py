"""What stands in the lock directory: journals, plans, accounts, traces of commands, requests.

Whoever may write there may write anything; a keeper reads it.
"""

from __future__ import annotations

from scpd.keeper.jobnames import is_job
from scpd.lockdir import records
from scpd.lockdir.journal import is_maker
from scpd.study import record
from scpd.study.plan import Move, Plan
from scpd.study.record import ObjectRecord, Sender
from tests.fuzz import mutations
from tests.fuzz.target import Target, demand

_SENDER = Sender("boot-1", "CT 1", "STORE", "10.0.0.1", "ct1.example", "xs")


def _object(number: int) -> ObjectRecord:
    return ObjectRecord(
        number=number,
        at=123456789 + number,
        generation="0f1e2d3c4b5a6978",
        directory="study_1",
        name=f"CT.1.2.{number}",
        inode=99 + number,
        size=1024,
        sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
        sop_instance_uid=f"1.2.{number}",
        study_instance_uid="1.2.3",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        hook="xcr",
    )


def _journal() -> bytes:
    lines = [_SENDER.encode(), record.encode_opened("key", "0f1e2d3c4b5a6978")]
    for number in range(3):
        made = _object(number)
        lines += [made.encode(), record.encode_stored(number, made.name, made.inode)]
    return b"".join([*lines, record.encode_waits(2), record.encode_failed(3)])


def _plan() -> bytes:
    return Plan(
        study_instance_uid="1.2.3",
        directory="study_1",
        calling="CT 1",
        called="STORE",
        host="10.0.0.1",
        peer_name="ct1.example",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        objects=2,
        moves=[Move("CT.1.2.1", 99, "CT000001"), Move("CT.1.2.2", 100, "CT000002")],
    ).encode()


def _small_files() -> list[bytes]:
    texts = (
        ("settled", "0f1e2d3c.1"),
        ("tried", "0f1e2d3c.1", "3"),
        ("complete", "1.2.3"),
        ("retry", "12-0f.3"),
        ("run", "17", "4242", "18", "4243", "boot-1", "12345"),
        ("end", "17", "4242", "-9", "1", "12345", "no such\nfile\x1b[2J"),
    )
    return [b"".join(map(records.encode, texts)), *map(records.encode, texts)]


def _records() -> list[bytes]:
    return [_journal(), _plan(), *_small_files()]


def _read(data: bytes) -> str:
    """See that each line is none, or one that we would have written, and means something or nothing."""
    kinds = []
    for line in data.split(b"\n"):
        fields = records.decode(line)
        if fields is None:
            continue
        demand(records.encode(fields) == line + b"\n", f"another spelling of {fields}")
        is_job(fields[0])
        is_maker(fields[0])
        kinds.append(_kind(fields))
    plan = Plan.decode(data)
    if plan is not None:
        demand(_values(Plan.decode(plan.encode())) == _values(plan), "a plan that comes back otherwise")
        kinds.append(f"plan of {min(len(plan.moves), 4)}")
    return " ".join(kinds[:8])


def _kind(fields: list[str]) -> str:
    sender, made = Sender.decode(fields), ObjectRecord.decode(fields)
    for found in (sender, made):
        if found is not None:
            again = type(found).decode(records.decode(found.encode()[:-1]) or [])
            demand(_values(again) == _values(found), f"comes back otherwise: {fields}")
            return type(found).__name__
    return (
        fields[0]
        if fields[0] in {"opened", "stored", "failed", "waits", "settled", "tried", "run", "end"}
        else "?"
    )


def _values(found: object) -> list[object]:
    values = [getattr(found, name) for name in type(found).__slots__]
    return [list(map(_values, value)) if isinstance(value, list) else value for value in values]


TARGETS = (
    Target(
        "records",
        "any line of the lock directory is none or one that we would have written, and means what it says or nothing",
        _records,
        _read,
        mutations.spoilt_records,
    ),
)
