"""
From rows to events, so that an interrupted load goes on where it was: nothing lost or doubled.

Each append holds the events of a run of rows and, in a stream of its own, the fact that these rows
are loaded. Both are stored or neither, so the last such fact says where to go on; and since the
append expects that stream to be where it was, of two loaders at once one is refused.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from itertools import islice
from typing import Final, Protocol

from orchestrix_core.cli.demo.domain import (
    FlightArrived,
    FlightCancelled,
    FlightDelayed,
    FlightDeparted,
    FlightScheduled,
    RowsLoaded,
)
from orchestrix_core.cli.demo.flights import Flight, read_flights
from orchestrix_core.messages import Event
from orchestrix_core.records import StreamWrite
from orchestrix_core.stores import AsyncEventLog, AsyncEventStore

__all__ = ["LATE", "PROGRESS", "LogStore", "load_flights", "rows_loaded", "trace_of"]

LATE: Final = 15
"""Minutes after the timetable from which a departure counts as delayed."""

PROGRESS: Final = "demo-load"
"""The stream that says which rows are loaded."""

_ROWS_AT_ONCE: Final = 1000


class LogStore(AsyncEventStore, AsyncEventLog, Protocol):
    """An event store with a log over all streams."""


async def rows_loaded(store: AsyncEventStore) -> int:
    """Return how many rows of the data set are in the store."""
    loads = await store.load(PROGRESS)
    last = loads[-1] if loads else None
    return last.last if isinstance(last, RowsLoaded) else 0


async def load_flights(
    store: LogStore, limit: int, progress: Callable[[int, int], None]
) -> tuple[int, int]:
    """
    Load the rows up to number `limit` that are not loaded yet; return counts of rows and events.

    `progress` is told after each append how many rows and events it stored.
    """
    appends = len(await store.load(PROGRESS))
    rows = events = 0
    flights = read_flights(after=await rows_loaded(store), limit=limit)
    async for batch, stored in _appended(store, flights, appends):
        rows, events = rows + len(batch), events + stored
        progress(len(batch), stored)
    return rows, events


async def _appended(
    store: LogStore, flights: Iterator[Flight], appends: int
) -> AsyncIterator[tuple[list[Flight], int]]:
    """Append batch after batch, and make the next one while the store writes; yield what is in."""
    batch, writes = _next_append(flights, appends)
    while batch:
        saving = asyncio.ensure_future(store.save_all(writes))
        await asyncio.sleep(0)  # hand it over before this thread goes on
        appends += 1
        following = _next_append(flights, appends)
        await saving
        yield batch, sum(len(write.events) for write in writes)
        batch, writes = following


def _next_append(flights: Iterator[Flight], appends: int) -> tuple[list[Flight], list[StreamWrite]]:
    batch = list(islice(flights, _ROWS_AT_ONCE))
    return batch, [*_writes(batch), _loaded(batch, appends)] if batch else []


def _loaded(batch: list[Flight], appends: int) -> StreamWrite:
    fact = RowsLoaded(first=batch[0].row, last=batch[-1].row)
    return StreamWrite(PROGRESS, [fact], expected_version=appends)


def _writes(batch: list[Flight]) -> list[StreamWrite]:
    streams: dict[str, list[Event]] = defaultdict(list)
    for flight in batch:
        for stream, event in _events(flight):
            streams[stream].append(event)
    return [StreamWrite(stream, events) for stream, events in streams.items()]


def trace_of(flight: Flight) -> str:
    """Return the trace that a flight's events share."""
    return f"{flight.row:032x}"


def _events(flight: Flight) -> Iterator[tuple[str, Event]]:
    """Yield what happened: the timetable's part in one stream, the aircraft's in another."""
    name, trace = flight.name, trace_of(flight)
    timetable = f"timetable-{flight.carrier}-{flight.departure:%Y-%m-%d}"
    yield (
        timetable,
        FlightScheduled(
            flight=name,
            tail_number=flight.tail_number,
            origin=flight.origin,
            destination=flight.destination,
            departure=flight.departure,
            miles=flight.miles,
            timestamp=flight.departure,
            trace_id=trace,
        ),
    )
    if not flight.departed:
        yield timetable, FlightCancelled(flight=name, timestamp=flight.departure, trace_id=trace)
        return
    for event in _flown(flight, name, trace):
        yield f"aircraft-{flight.tail_number or 'unknown'}", event


def _flown(flight: Flight, name: str, trace: str) -> Iterator[Event]:
    late = flight.departure_delay or 0
    left = flight.departure + timedelta(minutes=late)
    if late >= LATE:
        yield FlightDelayed(
            flight=name,
            carrier=flight.carrier,
            minutes=late,
            timestamp=flight.departure,
            trace_id=trace,
        )
    yield FlightDeparted(
        flight=name,
        carrier=flight.carrier,
        origin=flight.origin,
        minutes_late=late,
        timestamp=left,
        trace_id=trace,
    )
    if flight.arrived:
        yield FlightArrived(
            flight=name,
            carrier=flight.carrier,
            destination=flight.destination,
            miles=flight.miles,
            minutes_late=flight.arrival_delay,
            minutes_in_air=flight.air_time,
            timestamp=left + timedelta(minutes=flight.air_time or 0),
            trace_id=trace,
        )
