"""Rules about what loads and pages of the log have shown, in the order in which they began."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence

from orchestrix_contract_tests.history._evidence import Evidence, Sequenced
from orchestrix_contract_tests.history.findings import Finding, Rule
from orchestrix_contract_tests.history.operations import Load, Read, Row

__all__ = ["look_findings"]


def look_findings(evidence: Evidence) -> Iterator[Finding]:
    """Compare each look with what is stored in the end, and with what was known when it began."""
    arrivals = _Arrivals(evidence)
    for look in sorted(evidence.history.looks, key=lambda look: look.began):
        arrivals.advance(look.began)
        if isinstance(look, Load):
            order = evidence.stream(look.stream)
            due = arrivals.streams[look.stream]
            yield from _load(evidence, look, order, due)
        elif evidence.log.rows or look.rows:
            yield from _read(evidence, look, arrivals.log)


class _Arrivals:
    """How many events of each stream, and of the log, are known to be stored at a moment."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        known = evidence.known
        rows = (row for row in evidence.history.stored if row.id in known)
        self._coming = sorted(((known[row.id], row) for row in rows), key=lambda pair: -pair[0])
        self.streams: defaultdict[str, int] = defaultdict(int)
        self.log = 0

    def advance(self, moment: float) -> None:
        """Take in what was known before this moment."""
        while self._coming and self._coming[-1][0] < moment:
            row = self._coming.pop()[1]
            number = self._evidence.streams[row.stream].index[row.id] + 1
            self.streams[row.stream] = max(self.streams[row.stream], number)
            self.log = max(self.log, self._evidence.log.index.get(row.id, -1) + 1)


def _load(evidence: Evidence, load: Load, order: Sequenced, due: int) -> Iterator[Finding]:
    number = _first_difference(load.ids, order.rows, load.after)
    if number is not None:
        yield _difference(evidence, load, load.ids, order, number)
        return
    end = load.after + len(load.ids)
    if load.ids and order.is_inside(end):
        yield _torn(evidence, load, order, end)
    elif end < due:
        yield _stale(evidence, load, order, end)


def _read(evidence: Evidence, page: Read, due: int) -> Iterator[Finding]:
    order = evidence.log
    falling = _falling(page)
    if falling is not None:
        yield falling
        return
    start = _start(order, page.after)
    ids = [row.id for row in page.rows]
    number = _first_difference(ids, order.rows, start)
    if number is not None:
        yield _difference(evidence, page, ids, order, number)
        return
    moved = next((row for row in page.rows if row != evidence.place[row.id]), None)
    if moved is not None:
        yield _moved(evidence, page, moved)
        return
    end = start + len(ids)
    if len(ids) >= page.limit:
        return  # there may have been more: nobody asked
    if ids and order.is_inside(end):
        yield _torn(evidence, page, order, end)
    elif end < due:
        yield _stale(evidence, page, order, end)


def _start(order: Sequenced, after: int) -> int:
    """Return how many rows stand at or below a position."""
    return bisect_right(order.rows, after, key=lambda row: row.position or 0)


def _falling(page: Read) -> Finding | None:
    last = page.after
    for row in page.rows:
        if row.position is None or row.position <= last:
            what = f"a reader that has passed {last} was given position {row.position}"
            return Finding(
                rule="position regression", what=what, events=(row.id,), operations=(page,)
            )
        last = row.position
    return None


def _moved(evidence: Evidence, page: Read, row: Row) -> Finding:
    return Finding(
        rule="reordered event",
        what="an event was seen at another place than where it is in the end",
        events=(row.id,),
        operations=(page, *evidence.attempts(row.id)),
        around=(row, evidence.place[row.id]),
    )


def _first_difference(ids: Sequence[str], rows: Sequence[Row], start: int) -> int | None:
    """Return the first of `ids` that is not what is stored there in the end."""
    for number, event in enumerate(ids):
        if start + number >= len(rows) or rows[start + number].id != event:
            return number
    return None


def _difference(
    evidence: Evidence, look: Load | Read, ids: Sequence[str], order: Sequenced, number: int
) -> Finding:
    """Say what is wrong with the first event that is not where it should be."""
    event = ids[number]
    if event in ids[:number]:
        return _finding("doubled event", "an event was seen twice at once", evidence, look, event)
    if event not in evidence.place:
        return _vanished(evidence, look, event)
    if event not in order.index:
        what = "an event was seen in a stream in which it is not stored"
        return _finding("event from nowhere", what, evidence, look, event)
    start = order.index[ids[number - 1]] + 1 if number else _begin(look, order)
    return _skipped(evidence, look, ids, order, start, event)


def _begin(look: Load | Read, order: Sequenced) -> int:
    return look.after if isinstance(look, Load) else _start(order, look.after)


def _skipped(
    evidence: Evidence,
    look: Load | Read,
    ids: Sequence[str],
    order: Sequenced,
    start: int,
    event: str,
) -> Finding:
    around = order.around(start)
    missed = order.rows[start].id if start < len(order.rows) else event
    if order.index[event] < start or missed in ids:
        what = "events were seen in another order than the one that they are stored in"
        return _finding("reordered event", what, evidence, look, event, around=around)
    if evidence.known_at(missed) < look.began:
        what = "an event was not seen, though it was known to be stored before"
        return _finding("stale read", what, evidence, look, missed, around=around)
    what = "an event appeared below one that a reader had seen already"
    return _finding("position regression", what, evidence, look, missed, event, around=around)


def _vanished(evidence: Evidence, look: Load | Read, event: str) -> Finding:
    effort = evidence.efforts.get(event)
    if effort is None:
        what = "an event was seen that nobody appended"
        return _finding("event from nowhere", what, evidence, look, event)
    if effort.was_refused:
        what = "an event was seen the append of which was refused"
        return _finding("refused event", what, evidence, look, event)
    return _finding("lost event", "an event was seen, and is not stored", evidence, look, event)


def _torn(evidence: Evidence, look: Load | Read, order: Sequenced, end: int) -> Finding:
    what = "a part of an append was seen without the rest"
    event = order.rows[end - 1].id
    return _finding("torn append", what, evidence, look, event, around=order.around(end))


def _stale(evidence: Evidence, look: Load | Read, order: Sequenced, end: int) -> Finding:
    what = "an event was not seen, though it was known to be stored before"
    event = order.rows[end].id
    return _finding("stale read", what, evidence, look, event, around=order.around(end))


def _finding(
    rule: Rule,
    what: str,
    evidence: Evidence,
    look: Load | Read,
    *events: str,
    around: tuple[Row, ...] = (),
) -> Finding:
    operations = (look, *evidence.attempts(*events))
    return Finding(rule=rule, what=what, events=events, operations=operations, around=around)
