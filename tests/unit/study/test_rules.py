"""When a study is complete: the rules as a table, then against a slow and obvious model, then what they keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scpd.study.rules import EITHER, NEXT, RETRY_SECONDS, TIMEOUT, Rulebook, Rules

if TYPE_CHECKING:
    from collections.abc import Iterable

LONG = 1_000_000

Event = tuple[float, str, str]  # when, of which study, from which peer


def play(rules: Rules, events: Iterable[Event], until: float = LONG) -> list[str]:
    """Tell a keeper of objects as they come; give what it seals and when, `!` behind it if it does so whoever holds it.

    The keeper looks when the rulebook asks for it and after each object; nobody is busy, and nobody holds a study.
    """
    book, sealed = Rulebook(), []

    def look_until(end: float) -> None:
        while (time := book.next_time()) is not None and time <= end:
            for due in book.due(time):
                sealed.append(f"{due.study} {time:g}{'' if due.by_next else '!'}")
                book.close(due.study)

    for at, study, peer in events:
        look_until(at - 1e-9)
        book.open(study, rules, at)
        book.stored(study, peer, at)
        look_until(at)
    look_until(until)
    return sealed


TABLE: dict[str, tuple[Rules, list[Event], list[str]]] = {
    "nothing ends nothing": (Rules(timeout=5), [], []),
    "the timeout counts from the last object": (
        Rules(timeout=5),
        [(0, "A", "p"), (4, "A", "p"), (8, "A", "p")],
        ["A 13!"],
    ),
    "an object at the last moment keeps it open": (
        Rules(timeout=5),
        [(0, "A", "p"), (5, "A", "p")],
        ["A 10!"],
    ),
    "an object after that opens it anew": (
        Rules(timeout=5),
        [(0, "A", "p"), (5.001, "A", "p")],
        ["A 5!", "A 10.001!"],
    ),
    "a timeout of nothing ends it at once": (
        Rules(timeout=0),
        [(3, "A", "p"), (4, "A", "p")],
        ["A 3!", "A 4!"],
    ),
    "without a timeout the last one stays open": (Rules(timeout=None), [(0, "A", "p"), (9, "A", "p")], []),
    "the peer goes on": (Rules(timeout=60), [(0, "A", "p"), (1, "B", "p")], ["A 1", "B 61!"]),
    "another peer goes on": (Rules(timeout=60), [(0, "A", "p"), (1, "B", "q")], ["A 60!", "B 61!"]),
    "peers interleave": (
        Rules(timeout=60),
        [(0, "A", "p"), (1, "B", "q"), (2, "A", "p"), (3, "B", "q"), (4, "C", "p"), (5, "D", "q")],
        ["A 4", "B 5", "C 64!", "D 65!"],
    ),
    "the first of two senders of one study goes on": (
        Rules(timeout=60),
        [(0, "A", "p"), (1, "A", "q"), (2, "B", "p")],
        ["A 61!", "B 62!"],
    ),
    "the last of two senders of one study goes on": (
        Rules(timeout=60),
        [(0, "A", "p"), (1, "A", "q"), (2, "B", "q")],
        ["A 2", "B 62!"],
    ),
    "a router that sends object by object": (
        Rules(timeout=60),
        [(0, "A", "p"), (1, "B", "p"), (2, "A", "p"), (3, "B", "p")],
        ["A 1", "B 2", "A 3", "B 63!"],
    ),
    "such a router and by timeout only": (
        Rules(timeout=60, by=TIMEOUT),
        [(0, "A", "p"), (1, "B", "p"), (2, "A", "p"), (3, "B", "p")],
        ["A 62!", "B 63!"],
    ),
    "by the next one only": (
        Rules(timeout=5, by=NEXT),
        [(0, "A", "p"), (9, "A", "p"), (20, "B", "p")],
        ["A 20"],
    ),
    "by timeout only, without one": (Rules(timeout=None, by=TIMEOUT), [(0, "A", "p"), (1, "B", "p")], []),
    "of any peer: another one goes on": (
        Rules(timeout=60, any_peer=True),
        [(0, "A", "p"), (1, "B", "q"), (2, "B", "p")],
        ["A 1", "B 62!"],
    ),
    "of any peer, by timeout only": (
        Rules(timeout=60, by=TIMEOUT, any_peer=True),
        [(0, "A", "p"), (1, "B", "q")],
        ["A 60!", "B 61!"],
    ),
    "a drip keeps it open": (
        Rules(timeout=5),
        [(at, "A", "p") for at in range(0, 100, 4)],
        ["A 101!"],
    ),
    "a drip and a greatest age": (
        Rules(timeout=5, max_age=50),
        [(at, "A", "p") for at in range(0, 100, 4)],
        ["A 50!", "A 101!"],
    ),
    "a greatest age without a timeout": (
        Rules(timeout=None, max_age=50),
        [(1, "A", "p"), (9, "A", "p")],
        ["A 51!"],
    ),
    "a greatest age by the next one only": (
        Rules(timeout=5, by=NEXT, max_age=50),
        [(1, "A", "p"), (9, "A", "p")],
        ["A 51!"],
    ),
}


@pytest.mark.parametrize(("rules", "events", "sealed"), TABLE.values(), ids=TABLE)
def test_a_study_is_complete(rules: Rules, events: list[Event], sealed: list[str]) -> None:
    assert play(rules, events) == sealed


# Objects of one look of the keeper, told in this order; what may be sealed just after the last one, by the next rule.
TOLD_LATE: dict[str, tuple[list[Event], set[str]]] = {
    "the object before was told after": ([(2, "A", "p"), (1, "A", "p")], set()),
    "two associations of one peer send one study": ([(5, "A", "p"), (3, "A", "p"), (4, "A", "p")], set()),
    "what it went on to was told before": ([(2, "B", "p"), (1, "A", "p")], {"A"}),
    "what it came from was told after": ([(1, "A", "p"), (3, "A", "p"), (2, "B", "p")], {"B"}),
    "it came back": ([(2, "B", "p"), (3, "A", "p"), (1, "A", "p")], {"B"}),
    "another peer's was the last": ([(3, "B", "p"), (1, "A", "p"), (2, "A", "q")], {}),
    "and it went on before that was told": ([(3, "B", "q"), (1, "A", "p"), (2, "A", "q")], {"A"}),
    "at one moment the order of telling counts": ([(1, "A", "p"), (1, "B", "p")], {"A"}),
}


@pytest.mark.parametrize(("events", "left"), TOLD_LATE.values(), ids=TOLD_LATE)
def test_the_order_of_telling_does_not_matter(events: list[Event], left: set[str]) -> None:
    book = told(Rules(timeout=60), events)
    assert {due.study for due in book.due(6)} == set(left)


def test_the_greatest_age_counts_from_the_first_object_whenever_that_is_told() -> None:
    book = told(Rules(timeout=60, max_age=10), [(8, "A", "p"), (1, "A", "q")])
    assert [due.study for due in book.due(10.5)] == []
    assert [due.study for due in book.due(11)] == ["A"]


def told(rules: Rules, events: Iterable[Event]) -> Rulebook:
    book = Rulebook()
    for at, study, peer in events:
        book.open(study, rules, at)
        book.stored(study, peer, at)
    return book


@pytest.mark.timeout(20)
@pytest.mark.parametrize("rules", [Rules(timeout=5), Rules(timeout=None, max_age=5), Rules(timeout=0)])
def test_a_study_without_an_object_yet_is_not_complete_however_long_that_takes(rules: Rules) -> None:
    book = Rulebook()
    book.open("A", rules, 0)
    assert book.next_time() is None
    assert book.due(LONG) == []
    book.touch("A", LONG)
    assert book.due(LONG) == []
    book.stored("A", "p", LONG + 1)
    assert [due.study for due in book.due(LONG + 6)] == ["A"]


def test_only_an_object_restarts_the_clock() -> None:
    """Looks, releases, and openings that another worker tells of move nothing; of a C-ECHO nobody tells."""
    book = told(Rules(timeout=5), [(0, "A", "p")])
    for now in range(1, 5):
        book.touch("A", now)
        book.open("A", Rules(timeout=50), now)
        assert book.due(now) == []
        assert book.deadline("A") == 5
    assert [due.study for due in book.due(5)] == ["A"]


def test_a_study_keeps_the_rules_that_it_was_opened_with() -> None:
    book = told(Rules(timeout=5), [(0, "A", "p")])
    book.open("A", Rules(timeout=1), 0)
    book.stored("A", "p", 1)
    assert book.deadline("A") == 6


def test_what_cannot_be_sealed_is_due_again_after_a_while() -> None:
    book = told(Rules(timeout=5), [(0, "A", "p")])
    assert [due.study for due in book.due(5)] == ["A"]
    assert book.due(5) == []
    assert book.next_time() == 5 + RETRY_SECONDS
    assert [due.study for due in book.due(5 + RETRY_SECONDS)] == ["A"]


def test_what_a_worker_lets_go_is_due_at_once() -> None:
    book = told(Rules(timeout=60), [(0, "A", "p"), (1, "B", "p")])
    assert [due.study for due in book.due(1)] == ["A"]
    book.touch("A", 1.25)
    assert book.next_time() == 1.25
    assert [(due.study, due.by_next) for due in book.due(1.25)] == [("A", True)]


def test_what_was_held_is_left_no_more_when_its_peer_comes_back() -> None:
    book = told(Rules(timeout=60), [(0, "A", "p"), (1, "B", "p")])
    assert [due.study for due in book.due(1)] == ["A"]
    book.stored("A", "p", 2)
    assert [due.study for due in book.due(2)] == ["B"]
    assert book.deadline("A") == 62


def test_a_study_that_is_held_when_left_ends_by_its_timeout_whoever_holds_it() -> None:
    book = told(Rules(timeout=5), [(0, "A", "p"), (1, "B", "p")])
    assert [(due.study, due.by_next) for due in book.due(1)] == [("A", True)]
    assert [(due.study, due.by_next) for due in book.due(5)] == [("A", False)]


def test_a_study_that_is_not_known_is_never_due() -> None:
    book = Rulebook()
    book.touch("A", 1)
    book.close("A")
    assert (book.due(LONG), book.next_time(), book.deadline("A"), book.judge("A", 1)) == (
        [],
        None,
        None,
        None,
    )
    assert ("A" in book, len(book)) == (False, 0)


# The obvious model.


class Object(NamedTuple):
    """One object; tuples of (at, number) are in order of arrival, of two at one moment the one told later is later."""

    at: int
    number: int
    study: tuple[int, int]  # which, and the how manieth opening
    peer: str


def obviously_due(rules: Rules, objects: list[Object], study: tuple[int, int], now: int) -> bool | None:
    """Decide by looking at all that ever came: `True` if by the next rule alone, `None` if it is not complete."""
    own = [it for it in objects if it.study == study]
    if not own:
        return None
    first, last = min(own), max(own)
    if rules.timeout is not None and rules.by != NEXT and now >= last.at + rules.timeout:
        return False
    if rules.max_age is not None and now >= first.at + rules.max_age:
        return False
    after = [it for it in objects if it.study != study and it[:2] > last[:2]]
    if rules.by != TIMEOUT and any(rules.any_peer or it.peer == last.peer for it in after):
        return True
    return None


def seconds(most: int) -> st.SearchStrategy[int | None]:
    return st.none() | st.integers(0, most)


some_rules = st.builds(
    Rules,
    timeout=seconds(30),
    by=st.sampled_from((EITHER, TIMEOUT, NEXT)),
    max_age=seconds(40),
    any_peer=st.booleans(),
)
# What one look of the keeper finds: (study, peer, seconds since the last look), in the order in which it is told.
some_look = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from("pqr"), st.integers(1, 9)), min_size=0, max_size=8
)


@given(st.lists(some_rules, min_size=4, max_size=4), st.lists(some_look, max_size=25), st.data())
def test_any_objects_complete_the_studies_that_the_obvious_model_says(
    rules: list[Rules], looks: list[list[tuple[int, str, int]]], data: st.DataObject
) -> None:
    book, objects = Rulebook(), list[Object]()
    openings = [0, 0, 0, 0]
    for now, look in enumerate(looks, 1):
        for number, peer, since in look:
            study = number, openings[number]
            book.open(study, rules[number], (now - 1) * 10)
            objects.append(Object((now - 1) * 10 + since, len(objects), study, peer))
            book.stored(study, peer, objects[-1].at)
        known = {study: rules[study[0]] for study in enumerate(openings) if study in book}
        expected = {
            study: by_next
            for study in known
            if (by_next := obviously_due(known[study], objects, study, now * 10)) is not None
        }
        if data.draw(st.booleans(), "a worker lets one go"):
            book.touch((0, openings[0]), now * 10)
        assert {due.study: due.by_next for due in book.due(now * 10)} == expected
        for study in known:
            due = book.judge(study, now * 10)
            assert (None if due is None else due.by_next) == expected.get(study)
        for study in data.draw(
            st.sets(st.sampled_from(sorted(expected))) if expected else st.just(set()), "sealed"
        ):
            book.close(study)
            openings[study[0]] += 1
        next_one = first_due_after(now * 10, book, known, objects)
        asked = book.next_time()
        assert next_one is None or (asked is not None and asked <= next_one)
        assert_nothing_is_kept_of_closed_studies(book)


def first_due_after(
    now: int, book: Rulebook, known: dict[tuple[int, int], Rules], objects: list[Object]
) -> int | None:
    """Give the next second at which a study will be complete if nothing comes any more."""
    for second in range(now + 1, now + 50):
        for study, rules in known.items():
            if study in book and obviously_due(rules, objects, study, second) is not None:
                return second
    return None


def assert_nothing_is_kept_of_closed_studies(book: Rulebook) -> None:
    assert all(study in book for study, _ in book._lasts.values())
    for study, state in book._open.items():
        assert state.peers == {peer for peer, (last, _) in book._lasts.items() if last == study}


# What it costs.


def test_nothing_is_left_of_closed_studies() -> None:
    book = Rulebook()
    for number in range(5000):
        book.open(number, Rules(timeout=LONG), number)
        book.stored(number, f"peer {number}", number)
        book.close(number)
    assert len(book) == 0
    assert len(book._lasts) == 0
    assert len(book._heap) < 200


@pytest.mark.parametrize("peers", ["p", "pq"])
def test_what_is_kept_does_not_grow_with_the_number_of_objects(peers: str) -> None:
    """Neither of one study nor of two that are sent object by object while somebody holds both."""
    book = Rulebook()
    for study in "AB":
        book.open(study, Rules(timeout=LONG, max_age=2 * LONG), 0)
    for number in range(5000):
        book.stored("AB"[number % 2], peers[number % len(peers)], number)
        book.touch("AB"[number % 2], number)
        book.due(number)
    assert len(book._heap) < 200
    assert len(book._lasts) <= len(peers) + 1
    assert book.deadline("A") == 4998 + LONG


def test_a_forgotten_entry_makes_no_study_due() -> None:
    """What is thrown away as too much leaves each open study its next look."""
    book = Rulebook()
    for number in range(1000):
        book.open(number, Rules(timeout=2000 - number), 0)
        book.stored(number, "p" if number % 2 else f"peer {number}", 0)
    for now in range(1, 500):
        for number in range(0, 1000, 7):
            book.touch(number, now)
        for due in book.due(now):
            assert due.by_next
    assert sorted(due.study for due in book.due(2000) if not due.by_next) == list(range(1000))


def test_the_next_time_is_the_first_of_all_whatever_was_thrown_away() -> None:
    book = Rulebook()
    for number in range(100):
        book.open(number, Rules(timeout=2000 - number), 0)
        book.stored(number, f"peer {number}", 0)
    for time in range(1900, 1000, -1):
        book.touch(0, time)
        assert book.next_time() == time
    assert book.due(1001) == []
    assert [book.due(time)[0].study for time in range(1901, 2001)] == list(range(99, -1, -1))


def test_studies_need_no_order() -> None:
    book, studies = Rulebook(), [object() for _ in range(10)]
    for study in studies:
        book.open(study, Rules(timeout=5), 0)
        book.stored(study, "p", 0)
    for now in (4, 3, 2, 1) * 100:
        for study in studies:
            book.touch(study, now)
        book.due(now)
    assert [due.study for due in book.due(5) if not due.by_next] == studies


# As words.


some_seconds = st.none() | st.integers(0, 10**9) | st.integers(0, 10**9).map(lambda it: it / 1000)


@given(
    st.builds(
        Rules,
        timeout=some_seconds,
        by=st.sampled_from((EITHER, TIMEOUT, NEXT)),
        max_age=some_seconds,
        any_peer=st.booleans(),
        renames=st.booleans(),
        runs=st.booleans(),
    )
)
def test_any_rules_survive_as_words(rules: Rules) -> None:
    read = Rules.decode(rules.encode())
    assert read is not None
    assert fields(read) == fields(rules)


def fields(rules: Rules) -> dict[str, object]:
    return {name: getattr(rules, name) for name in Rules.__slots__}


@pytest.mark.parametrize("number", [5, 5.0])
def test_a_number_has_one_spelling(number: float) -> None:
    assert Rules(timeout=number).encode() == "5 either - each-peer - -"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5 either -",
        "5 either - each-peer - - -",
        "5 sometimes - each-peer - -",
        "-5 either - each-peer - -",
        "nan either - each-peer - -",
        "inf either - each-peer - -",
        "5 either soon each-peer - -",
        "5 either - some-peer - -",
        "5 either - each-peer perhaps -",
        "5 either - each-peer - perhaps",
    ],
)
def test_rules_that_nobody_can_have_written_are_none(text: str) -> None:
    assert Rules.decode(text) is None


@given(st.text())
def test_any_text_is_rules_or_none(text: str) -> None:
    read = Rules.decode(text)
    assert read is None or Rules.decode(read.encode()) is not None
