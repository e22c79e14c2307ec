"""What must be true at the end; every fault is a line of text."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from itertools import pairwise
from typing import Any

from fulfilment.messages import StockReceived
from fulfilment.stock import Shelf, evolve, shelf_of
from orchestrix_core import RecordedEvent
from orchestrix_core.testing import given

from ._evidence import VIEWS, Evidence
from ._orders import faults_of_order, faults_of_stock
from ._sagas import SAGAS, faults_of_saga

__all__ = ["faults"]


def faults(evidence: Evidence) -> list[str]:
    """Return all that is wrong; nothing, if all is well."""
    return [
        *_faults_of_log(evidence.records),
        *_faults_of_orders(evidence),
        *_faults_of_shelves(evidence),
        *_faults_of_views(evidence),
        *(f"dead letter of {letter}" for letter in evidence.letters),
        *(f"timer {id} is left: {what}" for id, what in evidence.timers.items()),
    ]


def _faults_of_log(records: Sequence[RecordedEvent]) -> Iterator[str]:
    for one, next_one in pairwise(records):
        if next_one.position <= one.position:
            yield f"position {next_one.position} comes after {one.position}"
    versions: dict[str, list[int]] = defaultdict(list)
    for record in records:
        versions[record.aggregate_id].append(record.version)
    for stream, found in versions.items():
        if found != list(range(1, len(found) + 1)):
            yield f"stream {stream} has the versions {found}"
    for id, times in Counter(record.event.id for record in records).items():
        if times > 1:
            yield f"event {id} is there {times} times"


def _faults_of_orders(evidence: Evidence) -> Iterator[str]:
    about: dict[str, list[RecordedEvent]] = defaultdict(list)
    effects: dict[str, list[RecordedEvent]] = defaultdict(list)
    for record in evidence.records:
        if (order_id := _order_of(record)) is not None:
            about[order_id].append(record)
        if record.event.causation_id is not None:
            effects[record.event.causation_id].append(record)
    for order_id in sorted({*evidence.asked.orders, *about}):
        known, paid = order_id in evidence.asked.orders, evidence.asked.paid.get(order_id)
        for fault in (
            *([] if known else ["nobody placed it"]),
            *faults_of_order([record.event for record in about[order_id]], paid),
            *faults_of_saga(about[order_id], effects, evidence.handled),
        ):
            yield f"{order_id}: {fault}"


def _order_of(record: RecordedEvent) -> str | None:
    """Return the order that an event is about, whichever stream it is in."""
    if record.aggregate_id.startswith(SAGAS):
        return record.aggregate_id.removeprefix(SAGAS)
    order_id: str | None = getattr(record.event, "order_id", None)
    return order_id


def _faults_of_shelves(evidence: Evidence) -> Iterator[str]:
    events = [record.event for record in evidence.records]
    yield from faults_of_stock(events)
    received = Counter[str]()
    for event in events:
        if isinstance(event, StockReceived):
            received[event.sku] += event.pieces
    if dict(received) != dict(evidence.asked.received):
        yield f"received {dict(received)}, and brought were {dict(evidence.asked.received)}"
    for sku, shelf in evidence.shelves.items():
        stream = shelf_of(sku)
        folded = _fold(record for record in evidence.records if record.aggregate_id == stream)
        if shelf != folded:
            yield f"the shelf of {sku} is {shelf}, and its events make it {folded}"
        if folded.kept:
            yield f"{sku} is kept at the end: {folded.kept}"


def _fold(records: Iterable[RecordedEvent]) -> Shelf:
    events: Any = (record.event for record in records)
    return reduce(evolve, events, Shelf())


def _faults_of_views(evidence: Evidence) -> Iterator[str]:
    """Compare each view with the one that the events of the log make anew."""
    events = [record.event for record in evidence.records]
    for projection in VIEWS:
        stored, fresh = evidence.views[projection.name], _fresh(projection, events)
        for key in sorted(stored.keys() | fresh.keys()):
            if stored.get(key) != fresh.get(key):
                yield (
                    f"{projection.name} has {key} as {stored.get(key)}, "
                    f"and the log makes it {fresh.get(key)}"
                )


def _fresh(projection: Any, events: Sequence[Any]) -> dict[str, Any]:
    try:
        return dict(given(projection, *events).views)
    except Exception as error:
        return {"the log itself": f"cannot be told: {error!r}"}
