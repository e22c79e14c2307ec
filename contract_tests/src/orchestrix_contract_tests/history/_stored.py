"""Rules about what is stored in the end."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from orchestrix_contract_tests.history._evidence import Evidence, Sequenced
from orchestrix_contract_tests.history.findings import Finding
from orchestrix_contract_tests.history.operations import Row

__all__ = ["stored_findings"]


def stored_findings(evidence: Evidence) -> Iterator[Finding]:
    """Yield what is wrong with the log and the streams by themselves, and against time."""
    yield from _positions(evidence)
    yield from _versions(evidence)
    yield from _ids(evidence)
    if evidence.log.rows:
        yield from _time(evidence, evidence.log, "log")
    else:
        for name, stream in evidence.streams.items():
            yield from _time(evidence, stream, f"stream {name}")


def _positions(evidence: Evidence) -> Iterator[Finding]:
    """Positions rise."""
    last = 0
    for number, row in enumerate(evidence.log.rows):
        if row.position is None or row.position <= last:
            yield Finding(
                rule="position regression",
                what=f"position {row.position} comes after position {last}",
                events=(row.id,),
                around=evidence.log.around(number),
            )
        else:
            last = row.position


def _versions(evidence: Evidence) -> Iterator[Finding]:
    """The versions of a stream rise by one, in the order of the log."""
    for name, stream in evidence.streams.items():
        taken: dict[int, Row] = {}
        highest = 0
        for number, row in enumerate(stream.rows):
            if row.version in taken and taken[row.version].id != row.id:
                what = f"two events are version {row.version} of stream {name}"
                yield _misplaced(evidence, stream, number, what, taken[row.version].id)
            elif row.version < highest:
                what = f"version {row.version} of stream {name} comes after version {highest}"
                yield _misplaced(evidence, stream, number, what)
            taken.setdefault(row.version, row)
            highest = max(highest, row.version)
        yield from _holes(name, taken)


def _misplaced(
    evidence: Evidence, stream: Sequenced, number: int, what: str, other: str | None = None
) -> Finding:
    row = stream.rows[number]
    events = (row.id,) if other is None else (other, row.id)
    return Finding(
        rule="reordered event" if other is None else "broken version",
        what=what,
        events=events,
        operations=evidence.attempts(*events),
        around=stream.around(number),
    )


def _holes(name: str, taken: dict[int, Row]) -> Iterator[Finding]:
    """Versions are dense; a run of missing ones is told once, however long it is."""
    last = 0
    for version in sorted(taken):
        if version > last + 1:
            span = f"{last + 1}" if version == last + 2 else f"{last + 1} to {version - 1}"
            yield Finding(
                rule="lost event",
                what=f"nothing is stored as version {span} of stream {name}, which goes on",
                around=(taken[version],),
            )
        last = version


def _ids(evidence: Evidence) -> Iterator[Finding]:
    """An id is stored once, was appended, there, and not refused."""
    seen: set[str] = set()
    for row in evidence.history.stored:
        effort = evidence.efforts.get(row.id)
        attempts = () if effort is None else tuple(effort.attempts)
        if row.id in seen:
            first = evidence.place[row.id]
            yield Finding(
                rule="doubled event",
                what="an event is stored twice",
                events=(row.id,),
                operations=attempts,
                around=(first, row),
            )
        elif effort is None:
            what = "nobody appended what is stored"
            yield Finding(rule="event from nowhere", what=what, events=(row.id,), around=(row,))
        elif effort.stream != row.stream:
            yield Finding(
                rule="event from nowhere",
                what=f"what belongs to stream {effort.stream} is stored in stream {row.stream}",
                events=(row.id,),
                operations=attempts,
                around=(row,),
            )
        elif evidence.known_at(row.id) < effort.began:
            yield Finding(
                rule="event from nowhere",
                what="an event was seen before anybody appended it",
                events=(row.id,),
                operations=attempts,
                around=(row,),
            )
        seen.add(row.id)


def _time(evidence: Evidence, order: Sequenced, name: str) -> Iterator[Finding]:
    """What was known to be stored before another append began stands before it."""
    latest, late = -inf, ""
    told: set[int] = set()
    for number, row in enumerate(order.rows):
        effort = evidence.efforts.get(row.id)
        if effort is None:
            continue
        if evidence.known_at(row.id) < latest and id(effort) not in told:
            told.add(id(effort))
            yield Finding(
                rule="reordered event",
                what=f"the {name} has an event behind one that was appended when it was there",
                events=(late, row.id),
                operations=evidence.attempts(late, row.id),
                around=order.around(number),
            )
        if effort.began > latest:
            latest, late = effort.began, row.id
