"""
Judge what processes did to a store by what they wrote down and what is stored afterwards.

Writers note each attempt before they make it and its outcome after it; readers note what they were
given, in that order. `violations` compares all of this with the log as it stands in the end, in
time linear in the history. Moments come from one monotonic clock (`time.monotonic` is the same for
all processes of a machine).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from math import inf
from pathlib import Path
from typing import Any, Literal, TypeAlias

import attrs

Outcome: TypeAlias = Literal["acknowledged", "refused", "unknown"]


@attrs.frozen
class Attempt:
    """
    One call of `save`.

    Attributes:
        writer: who called; the attempts of a writer follow each other.
        expected: the expected version, None for any.
        ids: the ids of the events, in order. A repeated append has the same ids again.
        outcome: "refused" is a `ConcurrencyError`; "unknown" is any other error, or no answer.
        began, ended: moments before the call and after it; an unknown outcome has no end.
    """

    writer: str
    stream: str
    expected: int | None
    ids: tuple[str, ...]
    outcome: Outcome
    began: float = -inf
    ended: float = inf


@attrs.frozen
class Row:
    """An event as a reader was given it."""

    position: int
    stream: str
    version: int
    id: str


def read_attempts(path: Path) -> list[Attempt]:
    """Read what a writer noted: ["try", number, stream, expected, ids, moment], then its end."""
    tried: dict[str, Attempt] = {}
    for line in path.read_text().splitlines(keepends=True):
        if not line.endswith("\n"):
            break  # killed in the middle of a note: what it was about has no outcome
        word, number, *facts = json.loads(line)
        if word == "try":
            stream, expected, ids, moment = facts
            writer = f"{path.name}/{number.partition('-')[0]}"
            tried[number] = Attempt(writer, stream, expected, tuple(ids), "unknown", moment)
        else:
            tried[number] = attrs.evolve(tried[number], outcome=word, ended=facts[0])
    return list(tried.values())


def violations(
    attempts: Sequence[Attempt], log: Sequence[Row], readers: Mapping[str, Sequence[Row]]
) -> list[str]:
    """Return every promise that was broken, in words; `[]` when all were kept."""
    found = {row.id: row for row in log}
    appends = _by_append(attempts)
    return list(
        chain(
            _check_log(log),
            _check_origin(appends, log),
            chain.from_iterable(_check_append(tries, found) for tries in appends.values()),
            _check_writers(attempts, found),
            _check_moments(appends, log),
            _check_refusals(attempts, appends, log),
            chain.from_iterable(_check_reader(*reader, log) for reader in readers.items()),
        )
    )


def _by_append(attempts: Iterable[Attempt]) -> dict[tuple[str, ...], list[Attempt]]:
    appends: dict[tuple[str, ...], list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        appends[attempt.ids].append(attempt)
    return appends


def _check_log(log: Iterable[Row]) -> Iterator[str]:
    """Positions rise, versions count from 1 in each stream, no id comes twice."""
    versions: dict[str, int] = defaultdict(int)
    seen: set[str] = set()
    last = 0
    for row in log:
        if row.position <= last:
            yield f"position goes back: {row} comes after position {last}"
        if row.version != versions[row.stream] + 1:
            yield f"version out of turn: {row} follows version {versions[row.stream]}"
        if row.id in seen:
            yield f"doubled: {row} is stored already"
        last, versions[row.stream] = row.position, row.version
        seen.add(row.id)


def _check_origin(appends: Mapping[Any, Sequence[Attempt]], log: Iterable[Row]) -> Iterator[str]:
    """What is stored was asked for, in that stream."""
    streams = {event: tries[0].stream for ids, tries in appends.items() for event in ids}
    for row in log:
        if row.id not in streams:
            yield f"from nowhere: nobody appended {row}"
        elif streams[row.id] != row.stream:
            yield f"astray: {row} belongs to stream {streams[row.id]!r}"


def _check_append(tries: Sequence[Attempt], found: Mapping[str, Row]) -> Iterator[str]:
    """An acknowledged append is there, a refused one is not, and none is there by half."""
    rows = [found[event] for event in tries[0].ids if event in found]
    outcomes = {attempt.outcome for attempt in tries}
    if not rows:
        if "acknowledged" in outcomes:
            yield f"lost: acknowledged and not stored: {tries[-1]}"
        return
    if len(rows) < len(tries[0].ids):
        yield f"half-written: of {tries[-1]} only {[row.id for row in rows]} are stored"
        return
    if outcomes == {"refused"}:
        yield f"refused and stored all the same: {tries[-1]}"
        return
    if [row.version for row in rows] != [rows[0].version + i for i in range(len(rows))]:
        yield f"reordered: {tries[-1]} is stored as {rows}"
        return
    allowed = {_first_version(attempt) for attempt in tries if attempt.outcome == "acknowledged"}
    allowed |= (
        {_first_version(a) for a in tries if a.outcome == "unknown"} if not allowed else set()
    )
    if not allowed & {None, rows[0].version}:
        yield f"wrong version: {tries[-1]} is stored from {rows[0]} on"


def _first_version(attempt: Attempt) -> int | None:
    return None if attempt.expected is None else attempt.expected + 1


def _check_writers(attempts: Iterable[Attempt], found: Mapping[str, Row]) -> Iterator[str]:
    """What a writer appended after an acknowledgement stands after it in the log."""
    last: dict[str, tuple[int, Attempt]] = {}
    for attempt in attempts:
        row = found.get(attempt.ids[0])
        if row is None or attempt.outcome != "acknowledged":
            continue
        position, earlier = last.get(attempt.writer, (0, None))
        # A repeated append is acknowledged again, where it stands.
        if earlier is not None and row.position < position and earlier.ids != attempt.ids:
            yield f"order of a writer is changed: {attempt} stands before {earlier}"
        last[attempt.writer] = (row.position, attempt)


def _check_moments(
    appends: Mapping[tuple[str, ...], Sequence[Attempt]], log: Iterable[Row]
) -> Iterator[str]:
    """What was acknowledged before another append began stands before it in the log."""
    spans = {
        ids[0]: (min(a.began for a in tries), _acknowledged(tries))
        for ids, tries in appends.items()
    }
    latest = -inf
    for row in log:
        if row.id in spans:
            began, ended = spans[row.id]
            if ended < latest:
                yield f"overtaken: {row} was acknowledged before an event above it was tried"
            latest = max(latest, began)


def _acknowledged(tries: Iterable[Attempt]) -> float:
    return min((a.ended for a in tries if a.outcome == "acknowledged"), default=inf)


def _check_refusals(
    attempts: Iterable[Attempt],
    appends: Mapping[tuple[str, ...], Sequence[Attempt]],
    log: Iterable[Row],
) -> Iterator[str]:
    """
    A refusal has a reason: the stream was elsewhere at some moment of the attempt.

    What is stored right there already is none: the very same append may be repeated.
    """
    spans: dict[str, tuple[float, float]] = {}
    for ids, tries in appends.items():
        span = (min(a.began for a in tries), _acknowledged(tries))
        spans.update(dict.fromkeys(ids, span))
    stored = {(row.stream, row.version): row.id for row in log}
    for attempt in attempts:
        if attempt.outcome != "refused":
            continue
        if attempt.expected is None:
            yield f"refused though any version was right: {attempt}"
            continue
        here = stored.get((attempt.stream, attempt.expected))
        following = stored.get((attempt.stream, attempt.expected + 1))
        arrived = spans[here][1] if here in spans else inf if attempt.expected else -inf
        left = spans[following][0] if following in spans else inf
        if arrived < attempt.began and (attempt.ended < left or following == attempt.ids[0]):
            yield f"refused without a reason: the stream was there all the time: {attempt}"


def _check_reader(name: str, given: Sequence[Row], log: Sequence[Row]) -> Iterator[str]:
    """A reader that stopped somewhere was given everything up to there, once and in order."""
    expected = iter(log)
    for row in given:
        for due in expected:
            if due == row:
                break
            if due.position >= row.position:
                yield f"reader {name} was given {row} where {due} was due"
                return
            yield f"reader {name} missed {due}"
        else:
            yield f"reader {name} was given {row}, again or out of order"
            return
