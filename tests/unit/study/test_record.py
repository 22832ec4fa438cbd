"""What a worker writes down of an object comes back as it was, and what nobody can have written as nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scpd.lockdir import records
from scpd.study import record
from scpd.study.record import ObjectLines, ObjectRecord, Sender

text = st.text(max_size=20)
numbers = st.integers(0, 2**64 - 1)
waits = st.sampled_from(("", "xs", "single"))
senders = st.builds(Sender, text, text, text, text, text, waits)
objects = st.builds(
    ObjectRecord,
    number=numbers,
    at=numbers,
    generation=text,
    directory=text,
    name=text,
    inode=numbers,
    size=numbers,
    sop_class_uid=text,
    sop_instance_uid=text,
    study_instance_uid=text,
    transfer_syntax_uid=text,
    hook=st.sampled_from(("", "xcr")),
)
AN_OBJECT = (
    "object 7 123456789 0f1e2d3c4b5a6978 study_1 CT.1.2 99 1024 1.2.3 1.2.3.4 1.2.3.5 1.2.840.10008.1.2 xcr"
)


def read(line: bytes) -> list[str]:
    fields = records.decode(line.rstrip(b"\n"))
    assert fields is not None
    return fields


def values(made: Sender | ObjectRecord) -> dict[str, object]:
    return {name: getattr(made, name) for name in type(made).__slots__}


@given(senders)
def test_any_sender_survives(sender: Sender) -> None:
    decoded = Sender.decode(read(sender.encode()))
    assert decoded is not None
    assert values(decoded) == values(sender)


@given(senders, st.text(max_size=1000), st.text(max_size=1000))
def test_any_certificate_stands_in_a_line_of_its_own_that_is_not_too_long(
    sender: Sender, subject: str, issuer: str
) -> None:
    sender.certify(subject, issuer)
    head, *lines = sender.encode().splitlines(keepends=True)
    assert len(lines) == bool(subject or issuer)  # who knows nothing of it finds the head as it was
    decoded = Sender.decode(read(head))
    assert decoded is not None
    for line in lines:
        kind, *names = read(line)
        assert kind == record.CERTIFICATE
        assert len(line) <= records.LONGEST
        decoded.certify(*names)
    assert values(decoded) == values(sender)
    assert (decoded.subject, decoded.issuer) == (subject[:256], issuer[:256])


@given(objects)
def test_any_object_survives(made: ObjectRecord) -> None:
    decoded = ObjectRecord.decode(read(made.encode()))
    assert decoded is not None
    assert values(decoded) == values(made)


@given(objects, objects, st.data())
def test_an_object_is_spelt_the_same_whatever_was_spelt_before(
    one: ObjectRecord, other: ObjectRecord, data: st.DataObject
) -> None:
    """The two differ in some fields only, as those of a series do."""
    lines = ObjectLines()
    for name in data.draw(st.sets(st.sampled_from(ObjectRecord.__slots__))):
        setattr(other, name, getattr(one, name))
    for made in (one, other, one):
        assert lines.encode(made) == made.encode()


def test_the_fields_of_an_object_stand_in_the_order_that_is_written_down() -> None:
    decoded = ObjectRecord.decode(AN_OBJECT.split())
    assert decoded is not None
    assert values(decoded) == {
        "number": 7,
        "at": 123456789,
        "generation": "0f1e2d3c4b5a6978",
        "directory": "study_1",
        "name": "CT.1.2",
        "inode": 99,
        "size": 1024,
        "sop_class_uid": "1.2.3",
        "sop_instance_uid": "1.2.3.4",
        "study_instance_uid": "1.2.3.5",
        "transfer_syntax_uid": "1.2.840.10008.1.2",
        "hook": "xcr",
        "stored": 0,
    }
    assert read(decoded.encode()) == AN_OBJECT.split()


@pytest.mark.parametrize(("more", "stored"), [((), 0), (("",), 0), (("6",), 6)])
def test_it_may_say_that_the_one_before_is_stored(more: tuple[str, ...], stored: int) -> None:
    decoded = ObjectRecord.decode([*AN_OBJECT.split(), *more])
    assert decoded is not None
    assert decoded.stored == stored


@pytest.mark.parametrize("more", ["x", "-1", "\u0661", "9" * 5000])
def test_an_object_before_that_has_no_number_is_none(more: str) -> None:
    assert ObjectRecord.decode([*AN_OBJECT.split(), more]) is None


def test_the_other_lines() -> None:
    sender = Sender("boot-id", "MODALITY", "ARCHIVE", "192.0.2.1", "ct.example", record.WAITS_FOR_COMMANDS)
    assert read(sender.encode()) == [
        "journal",
        "boot-id",
        "MODALITY",
        "ARCHIVE",
        "192.0.2.1",
        "ct.example",
        "xs",
    ]
    sender.place = "/srv/c t"
    assert read(sender.encode())[6:] == ["xs", "/srv/c t"]
    again = Sender.decode(read(sender.encode()))
    assert again is not None
    assert again.place == "/srv/c t"
    assert read(record.encode_opened("1.2.3", "0f1e")) == ["opened", "1.2.3", "0f1e"]
    assert read(record.encode_stored(7, "CT.1.2", 99)) == ["stored", "7", "CT.1.2", "99"]
    assert read(record.encode_failed(7)) == ["failed", "7"]


def test_a_peer_is_its_title_and_its_host() -> None:
    one = Sender("boot", "MODALITY", "ARCHIVE", "192.0.2.1", "ct.example")
    assert one.peer == Sender("other boot", "MODALITY", "OTHER", "192.0.2.1", "192.0.2.1", "xs").peer
    assert one.peer != Sender("boot", "OTHER", "ARCHIVE", "192.0.2.1", "ct.example").peer
    assert one.peer != Sender("boot", "MODALITY", "ARCHIVE", "192.0.2.2", "ct.example").peer


@pytest.mark.parametrize("at", [1, 2, 6, 7])
@pytest.mark.parametrize(
    "number", ["", "-1", "+1", "1.0", "0x1", " 1", "1_0", "٣", "²", "9" * 21, "9" * 5000]
)
def test_a_number_that_is_none_or_too_long_makes_no_object(at: int, number: str) -> None:
    fields = AN_OBJECT.split()
    fields[at] = number
    assert ObjectRecord.decode(fields) is None


@pytest.mark.parametrize("fields", [[], ["object"], AN_OBJECT.split()[:-1]])
def test_too_few_fields_make_no_object(fields: list[str]) -> None:
    assert ObjectRecord.decode(fields) is None


def test_a_line_of_another_kind_is_none() -> None:
    fields = AN_OBJECT.split()
    assert ObjectRecord.decode(["stored", *fields[1:]]) is None
    assert Sender.decode(["object", "boot", "A", "B", "host", "name", ""]) is None
    assert Sender.decode(["journal", "boot", "A", "B", "host", "name"]) is None
    assert Sender.decode(["journal", "boot", "A", "B", "host", "name", "", ""]) is None
    assert Sender.decode([]) is None


@given(st.lists(st.text(), max_size=14) | st.lists(st.text("0123456789"), min_size=12, max_size=12))
def test_any_fields_are_decoded_or_none(fields: list[str]) -> None:
    for decode, kind in ((ObjectRecord.decode, record.OBJECT), (Sender.decode, record.JOURNAL)):
        decode(fields)
        decoded = decode([kind, *fields])
        assert decoded is None or read(decoded.encode())[0] == kind
