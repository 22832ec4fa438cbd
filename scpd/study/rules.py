"""When is a study complete?  The rules, and who of many open studies is due when.

A study is complete when no worker is busy with it and either

1. `timeout` seconds have passed since its last object was stored, or
2. no live worker holds it, and the peer that sent its last object has since sent an object of another study,

or when it has been open for `max_age` seconds.  `by` chooses: `timeout` is the first rule, `next` the second, `either`
both.  With `any_peer` the second one asks for an object of another study from whomever: that is storescp's order, one
association after the other.

Whether a worker is busy or holds a study is not known here: what is due is tried, and comes again after `RETRY_SECONDS`
if it did not succeed, or when something has changed.  Pure: events and times in, decisions out; times are seconds of
one clock that never steps.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable

EITHER, TIMEOUT, NEXT = "either", "timeout", "next"
BY = (EITHER, TIMEOUT, NEXT)
RETRY_SECONDS = 1.0
_ANY = object()  # all peers together
_NONE = "-"
# False, True
_EACH_OR_ANY, _NONE_OR_RENAME, _NONE_OR_RUN = ("each-peer", "any-peer"), (_NONE, "rename"), (_NONE, "run")
_FEW_LOOKS = 64  # so many in vain cost nothing


class Rules:
    """The rules of a study, which it keeps as long as it is open; `renames` and `runs` say what its end brings."""

    __slots__ = ("any_peer", "by", "max_age", "renames", "runs", "timeout")

    def __init__(
        self,
        *,
        timeout: float | None,
        by: str = EITHER,
        max_age: float | None = None,
        any_peer: bool = False,
        renames: bool = False,
        runs: bool = False,
    ) -> None:
        self.timeout = timeout
        self.by = by
        self.max_age = max_age
        self.any_peer = any_peer
        self.renames = renames
        self.runs = runs

    def encode(self) -> str:
        """Give them as words."""
        return " ".join(
            (
                _number(self.timeout),
                self.by,
                _number(self.max_age),
                _EACH_OR_ANY[self.any_peer],
                _NONE_OR_RENAME[self.renames],
                _NONE_OR_RUN[self.runs],
            )
        )

    @classmethod
    def decode(cls, text: str) -> Rules | None:
        """Read these words; `None` if nobody can have written them."""
        try:
            timeout, by, max_age, peers, renames, runs = text.split(" ")
            return cls(
                timeout=_seconds(timeout),
                by=BY[BY.index(by)],
                max_age=_seconds(max_age),
                any_peer=bool(_EACH_OR_ANY.index(peers)),
                renames=bool(_NONE_OR_RENAME.index(renames)),
                runs=bool(_NONE_OR_RUN.index(runs)),
            )
        except ValueError:
            return None


def _number(seconds: float | None) -> str:
    return _NONE if seconds is None else f"{seconds:.15g}"  # 5 and 5.0 alike, and a week to the millisecond


def _seconds(text: str) -> float | None:
    if text == _NONE:
        return None
    seconds = float(text)
    if not 0 <= seconds < float("inf"):
        raise ValueError(text)
    return seconds


class Due:
    """A study that should be sealed; by the second rule only if nobody holds it."""

    __slots__ = ("by_next", "study")

    def __init__(self, study: Hashable, *, by_next: bool) -> None:
        self.study = study
        self.by_next = by_next


class _Open:
    """What the rules know of one open study."""

    __slots__ = ("is_ended", "is_left", "last", "last_peer", "opened", "peers", "rules", "wake")

    def __init__(self, rules: Rules, opened: float) -> None:
        self.rules = rules
        self.opened = self.last = opened
        self.last_peer: Hashable = None
        self.is_ended = False  # by an administrator
        self.is_left = False  # its last peer has sent an object of another study since
        self.peers: set[Hashable] = set()  # those whose last object is one of its
        self.wake = float("inf")  # the next time at which it is looked at

    def deadline(self) -> float:
        """Give the time from which on it may be sealed whoever holds it; never before it has an object."""
        rules, deadline = self.rules, float("inf")
        if self.last_peer is None:
            return deadline
        if self.is_ended:
            return self.opened
        if rules.timeout is not None and rules.by != NEXT:
            deadline = self.last + rules.timeout
        if rules.max_age is not None:
            deadline = min(deadline, self.opened + rules.max_age)
        return deadline


class Rulebook:
    """All open studies."""

    __slots__ = ("_heap", "_lasts", "_open", "_serial")

    def __init__(self) -> None:
        self._open: dict[Hashable, _Open] = {}
        self._heap: list[tuple[float, int, Hashable]] = []
        self._serial = 0
        # The study of each peer's last object, and its time; of all peers' under _ANY.
        self._lasts: dict[Hashable, tuple[Hashable, float]] = {}

    def __contains__(self, study: Hashable) -> bool:
        return study in self._open

    def __len__(self) -> int:
        return len(self._open)

    def open(self, study: Hashable, rules: Rules, now: float) -> None:
        """Note that a study was opened."""
        if study not in self._open:
            self._open[study] = _Open(rules, now)
            self._wake(study, self._open[study].deadline())

    def stored(self, study: Hashable, peer: Hashable, at: float) -> None:
        """Note that a peer has sent an object of an open study, which was stored at a time.

        Objects of several workers may be told in another order than they came.
        """
        state = self._open[study]
        if state.last_peer is None:
            state.opened = state.last = at
        state.opened = min(state.opened, at)
        if at >= state.last:
            state.last, state.last_peer, state.is_left = at, peer, False
        for whose in (peer, _ANY):
            self._go_on(whose, study, at)
        self._wake(study, state.deadline())

    def _go_on(self, peer: Hashable, study: Hashable, at: float) -> None:
        """Let a peer, or all of them, go on to a study, and leave the one before; or it went on before that already."""
        before, then = self._lasts.get(peer, (study, at))
        if at < then:
            if before != study:
                self._leave(study, peer, then)
            return
        self._lasts[peer] = study, at
        self._open[study].peers.add(peer)
        if before != study and before in self._open:
            self._open[before].peers.discard(peer)
            self._leave(before, peer, at)

    def _leave(self, study: Hashable, peer: Hashable, at: float) -> None:
        """Note that a study was left by a peer, if that matters to it."""
        state = self._open[study]
        matters = state.rules.any_peer if peer is _ANY else state.last_peer == peer
        if matters and state.last <= at and state.rules.by != TIMEOUT:
            state.is_left = True
            self._wake(study, at)

    def passed(self, peer: Hashable, at: float) -> None:
        """Note that a peer has sent an object of a study that is open no more."""
        for whose in (peer, _ANY):
            before, then = self._lasts.get(whose, (None, at))
            if before in self._open and at >= then:
                del self._lasts[whose]
                self._open[before].peers.discard(whose)
                self._leave(before, whose, at)

    def end(self, study: Hashable, now: float) -> None:
        """Have a study end by the will of an administrator, as soon as nobody is busy with it."""
        if study in self._open:
            self._open[study].is_ended = True
            self._wake(study, now)

    def close(self, study: Hashable) -> None:
        """Note that a study was sealed, or was nothing."""
        state = self._open.pop(study, None)
        if state is not None:
            for peer in state.peers:
                del self._lasts[peer]

    def touch(self, study: Hashable, now: float) -> None:
        """Have a study looked at: a worker has let it go."""
        if study in self._open:
            self._wake(study, now)

    def due(self, now: float) -> list[Due]:
        """Give the studies that should be sealed now; each comes again in `RETRY_SECONDS` unless it is closed."""
        found: list[Due] = []
        while self._heap and self._heap[0][0] <= now:
            wake, _, study = heappop(self._heap)
            state = self._open.get(study)
            if state is None or state.wake != wake:
                continue  # closed, or looked at at another time
            state.wake = float("inf")
            due = self.judge(study, now)
            if due is None:
                self._wake(study, state.deadline())
            else:
                self._wake(study, now + RETRY_SECONDS)
                found.append(due)
        return found

    def judge(self, study: Hashable, now: float) -> Due | None:
        """Tell whether a study should be sealed now, and how."""
        state = self._open.get(study)
        if state is None or state.last_peer is None:
            return None
        if now >= state.deadline():
            return Due(study, by_next=False)
        return Due(study, by_next=True) if state.is_left else None

    def next_time(self) -> float | None:
        """Give the time of the next look, `None` if there is nothing to look at."""
        while self._heap:
            wake, _, study = self._heap[0]
            state = self._open.get(study)
            if state is not None and state.wake == wake:
                return wake if wake != float("inf") else None
            heappop(self._heap)
        return None

    def deadline(self, study: Hashable) -> float | None:
        """Give the time at which a study ends by itself, `None` if it does not; for who is curious."""
        state = self._open.get(study)
        deadline = float("inf") if state is None else state.deadline()
        return None if deadline == float("inf") else deadline

    def _wake(self, study: Hashable, at: float) -> None:
        """Have a study looked at at a time, if not before."""
        state = self._open[study]
        if at >= state.wake:  # be it for ever
            return
        state.wake = at
        self._serial += 1
        heappush(self._heap, (at, self._serial, study))
        if len(self._heap) > 2 * len(self._open) + _FEW_LOOKS:
            self._forget_old_looks()

    def _forget_old_looks(self) -> None:
        """Drop from the heap what `due` would pass over; else each touch would leave one there until the timeout."""
        self._heap = [
            (state.wake, number, study)
            for number, (study, state) in enumerate(self._open.items())
            if state.wake != float("inf")
        ]
        self._serial = len(self._open)
        heapify(self._heap)
