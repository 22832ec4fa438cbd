"""What the end of a study brings, as a table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scpd.lockdir import records
from scpd.study.plan import Move, Plan, make_plan
from scpd.study.record import Sender
from tests.harness.journals import an_object

SENDER = Sender("boot", "CALLING", "CALLED", "10.0.0.1", "ct")


def moves_of(names: list[tuple[str, int]], present: list[str] | None) -> list[tuple[str, int, str]]:
    objects = [(SENDER, an_object(number, name, inode=inode)) for number, (name, inode) in enumerate(names)]
    plan = make_plan("1.1", "study", objects, present)
    return [(move.name, move.inode, move.new_name) for move in plan.moves]


@pytest.mark.parametrize(
    ("present", "first"),
    [
        ([], "000001"),
        (["CT.1"], "000001"),
        (["CT000001"], "000002"),
        (["CT000001", "MR000007", "CT000003"], "000008"),
        (["CT999999"], "1000000"),
        (["CT1000000"], "1000001"),
        (["CT00007"], "000001"),  # five digits
        (["CT000007.dcm"], "000001"),
        (["CT00000x"], "000001"),
        (["C000007"], "000001"),
        (["CT\u0661\u0661\u0661\u0661\u0661\u0661"], "000001"),
        (["CT-00007", "CT 00007", "CT+00007"], "000001"),
        (["CT" + "9" * 5000, "CT" + "9" * 200], "000001"),
        (["12000007"], "000008"),
        ([""], "000001"),
    ],
)
def test_numbering_goes_on_behind_the_highest_number_there(present: list[str], first: str) -> None:
    assert moves_of([("CT.1", 7)], present) == [("CT.1", 7, f"CT{first}")]


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("CT.1.2", "CT"),
        ("RTIMAGE.1", "RT"),
        ("UNKNOWN.1.2", "UN"),
        ("20261128231500123.MR.dcm", "MR"),
        ("20261128231500123_0001.MR", "MR"),
        ("20261128231500123", "20"),
        ("X", "X"),
    ],
)
def test_the_letters_are_the_sop_classs_behind_the_time_if_there_is_one(name: str, letters: str) -> None:
    assert moves_of([(name, 7)], []) == [(name, 7, f"{letters}000001")]


@pytest.mark.parametrize(
    ("names", "moves"),
    [
        ([("a", 1), ("b", 2)], [("a", 1, "a000001"), ("b", 2, "b000002")]),
        # Sent again: the place of the first, the file of the last.
        ([("a", 1), ("b", 2), ("a", 3)], [("a", 3, "a000001"), ("b", 2, "b000002")]),
        # Kept as it was, since the new one is equal: two records of one file.
        ([("a", 1), ("a", 1)], [("a", 1, "a000001")]),
    ],
)
def test_the_order_is_that_of_arrival(
    names: list[tuple[str, int]], moves: list[tuple[str, int, str]]
) -> None:
    assert moves_of(names, []) == moves


def test_an_object_that_was_sent_again_counts_once() -> None:
    objects = [(SENDER, an_object(number, name)) for number, name in ((1, "a"), (2, "a"), (3, "b"))]
    assert make_plan("1.1", "study", objects, None).objects == 2


def test_without_renaming_nothing_moves() -> None:
    assert moves_of([("CT.1", 7)], None) == []


def test_it_says_whom_the_last_object_came_from() -> None:
    last = Sender("boot", "LAST", "HERE", "10.0.0.2", "mr")
    objects = [(SENDER, an_object(1)), (last, an_object(2, "b", transfer_syntax_uid="1.2.4"))]
    plan = make_plan("1.1", "study", objects, None)
    assert (plan.calling, plan.called, plan.host, plan.peer_name, plan.transfer_syntax_uid) == (
        "LAST", "HERE", "10.0.0.2", "mr", "1.2.4",
    )  # fmt: skip


@given(
    st.lists(st.tuples(st.text(min_size=1, max_size=5), st.integers(0, 9)), min_size=1),
    st.lists(st.text(max_size=9)),
)
def test_any_objects_get_names_of_their_own_that_nothing_has(
    names: list[tuple[str, int]], present: list[str]
) -> None:
    moves = moves_of(names, present)
    new_names = [new_name for *_, new_name in moves]
    assert len(set(new_names)) == len(moves) == len({name for name, _ in names})
    assert not set(new_names) & set(present)


any_text = st.text(st.characters(exclude_categories=()), max_size=20)
any_plan = st.builds(
    Plan,
    study_instance_uid=any_text,
    directory=any_text,
    calling=any_text,
    called=any_text,
    host=any_text,
    peer_name=any_text,
    transfer_syntax_uid=any_text,
    objects=st.integers(0, 10**9),
    moves=st.lists(st.builds(Move, any_text, st.integers(0, 2**64 - 1), any_text), max_size=5),
    subject=any_text,
    issuer=any_text,
)


@given(any_plan)
def test_any_plan_is_read_as_it_was_written(plan: Plan) -> None:
    found = Plan.decode(plan.encode())
    assert found is not None
    assert found.encode() == plan.encode()


@given(any_plan, st.data())
def test_any_part_of_a_plan_is_none(plan: Plan, data: st.DataObject) -> None:
    whole = plan.encode()
    assert Plan.decode(whole[: data.draw(st.integers(0, len(whole) - 2))]) is None


@given(st.binary(max_size=300))
def test_any_bytes_are_no_plan(data: bytes) -> None:
    assert Plan.decode(data) is None


HEAD = ("plan", "1.1", "study", "A", "B", "h", "n", "1.2", "1")


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [("end", "0")],
        [HEAD],
        [HEAD, ("end", "1")],
        [HEAD, ("move", "a", "1", "b"), ("end", "0")],
        [HEAD, ("move", "a", "x", "b"), ("end", "1")],
        [HEAD, ("move", "a", "9" * 5000, "b"), ("end", "1")],
        [HEAD, ("move", "a", "\u0661", "b"), ("end", "1")],
        [HEAD, ("move", "a", "1"), ("end", "1")],
        [HEAD, HEAD, ("end", "1")],
        [(*HEAD[:-1], "9" * 5000), ("end", "0")],
        [(*HEAD[:-1], "-1"), ("end", "0")],
        [(*HEAD, "more"), ("end", "0")],
        [HEAD, ("end", "0"), ("end", "1")],
    ],
)
def test_what_nobody_can_have_written_is_no_plan(lines: list[tuple[str, ...]]) -> None:
    assert Plan.decode(b"".join(map(records.encode, lines))) is None
