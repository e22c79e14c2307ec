"""What a store can do, shown on the flights: each step returns what it saw."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from time import perf_counter

import attrs

from orchestrix_core.aggregates import Repository
from orchestrix_core.cli.demo.domain import Aircraft, FlightDelayed
from orchestrix_core.cli.demo.flights import read_flights, read_rows
from orchestrix_core.cli.demo.loading import LATE, LogStore, trace_of
from orchestrix_core.errors import ConcurrencyError, OrchestrixError
from orchestrix_core.messages import Event

__all__ = [
    "Rebuilt",
    "Refused",
    "Traced",
    "append_in_conflict",
    "busiest_aircraft",
    "expected_counts",
    "find_trace",
    "rebuild",
]


@attrs.frozen(kw_only=True)
class Rebuilt:
    """An aircraft rebuilt from its snapshot and from all its events, with the seconds of each."""

    aircraft: str
    version: int
    snapshot_version: int
    state: dict[str, object]
    from_snapshot: float
    from_events: float


@attrs.frozen(kw_only=True)
class Refused:
    """An append that expected another version."""

    aircraft: str
    error: str
    version_before: int
    version_after: int


@attrs.frozen(kw_only=True)
class Traced:
    """The events of one flight, over all streams."""

    trace_id: str
    flight: str
    events: list[Event]


def expected_counts(rows: int) -> dict[str, int]:
    """Count, straight from the data set, the events that its first `rows` rows must have given."""
    counts: Counter[str] = Counter()
    for row in islice(read_rows(), rows):
        departed, delay = row["dep_time"] not in ("", "NA"), row["dep_delay"]
        counts["demo.flight.scheduled"] += 1
        counts["demo.flight.departed" if departed else "demo.flight.cancelled"] += 1
        counts["demo.flight.arrived"] += departed and row["arr_time"] not in ("", "NA")
        counts["demo.flight.delayed"] += departed and float(delay) >= LATE
    return dict(counts)


def busiest_aircraft(rows: int, most: int) -> list[str]:
    """Return the streams of the aircraft that fly most in the first `rows` rows."""
    tails = (row["tailnum"] for row in islice(read_rows(), rows) if row["dep_time"] != "NA")
    counts = Counter(tail for tail in tails if tail not in ("", "NA"))
    return [f"aircraft-{tail}" for tail, _ in counts.most_common(most)]


async def rebuild(store: LogStore, stream: str) -> Rebuilt:
    """Take a snapshot nine tenths of the way, rebuild from it, and compare with a full replay."""
    start = perf_counter()
    whole, events = Aircraft(stream), await store.load(stream)
    whole.replay(events)
    from_events = perf_counter() - start

    repository = Repository(store, Aircraft)
    early = Aircraft(stream)
    early.replay(events[: len(events) * 9 // 10])
    await repository.take_snapshot(early)

    start = perf_counter()
    rebuilt = await repository.load(stream)
    from_snapshot = perf_counter() - start
    if (rebuilt.version, rebuilt.to_state()) != (whole.version, whole.to_state()):
        msg = f"{stream}: the state from the snapshot differs from that of the full replay"
        raise OrchestrixError(msg)
    return Rebuilt(
        aircraft=stream,
        version=whole.version,
        snapshot_version=early.version,
        state=whole.to_state(),
        from_snapshot=from_snapshot,
        from_events=from_events,
    )


async def append_in_conflict(store: LogStore, stream: str) -> Refused:
    """Append as one who has not seen the newest event: it must be refused, and change nothing."""
    before = len(await store.load(stream))
    event = FlightDelayed(flight="none", carrier="none", minutes=LATE)
    try:
        await store.save(stream, [event], expected_version=before - 1)
    except ConcurrencyError as error:
        after = len(await store.load(stream))
        return Refused(
            aircraft=stream, error=str(error), version_before=before, version_after=after
        )
    msg = f"{stream}: an append with a stale version was accepted"
    raise OrchestrixError(msg)


async def find_trace(store: LogStore, rows: int) -> Traced:
    """Find all events of that flight among the first 1,000 that left latest and arrived."""
    first = read_flights(limit=min(rows, 1000))
    flight = max(first, key=lambda flight: (flight.arrived, flight.departure_delay or 0))
    trace_id = trace_of(flight)
    events = await store.load_by_trace(trace_id)
    return Traced(trace_id=trace_id, flight=flight.name, events=events)
