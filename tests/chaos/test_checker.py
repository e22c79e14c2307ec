"""The checker finds nothing in a history that is sound, and what is wrong in forged ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import attrs
import pytest

from fulfilment.messages import (
    OrderCompleted,
    OrderPlaced,
    PaymentFailed,
    PaymentTaken,
    StockReserved,
)
from fulfilment.stock import Shelf
from orchestrix_core import Event, Orchestrix, RecordedEvent
from orchestrix_core.sagas import Reacted

from ._checker import faults
from ._client import Client
from ._evidence import Asked, Evidence, settled

E = TypeVar("E", bound=Event)

MANY = 40
_told: list[Evidence] = []


@pytest.fixture
async def history(shop: Path) -> Evidence:
    """Return a history that is sound; it is made once."""
    if not _told:
        async with Orchestrix.from_config() as app:
            asked = Asked.from_json(await Client(app, seed=1, most=MANY).run(seconds=60))
            _told.append(await settled(app, asked))
    return _told[0]


def numbered(records: Iterable[RecordedEvent]) -> list[RecordedEvent]:
    """Number anew, so that no gap and no double tells what was done."""
    versions: dict[str, int] = {}
    result = []
    for position, record in enumerate(records, 1):
        version = versions[record.aggregate_id] = versions.get(record.aggregate_id, 0) + 1
        result.append(moved(record, position, version))
    return result


def moved(record: RecordedEvent, position: int, version: int) -> RecordedEvent:
    return RecordedEvent(
        position=position, version=version, aggregate_id=record.aggregate_id, event=record.event
    )


def telling(record: RecordedEvent, event: Event) -> RecordedEvent:
    return RecordedEvent(
        position=record.position,
        version=record.version,
        aggregate_id=record.aggregate_id,
        event=event,
    )


def without(history: Evidence, gone: Callable[[RecordedEvent], bool]) -> Evidence:
    left = [record for record in history.records if not gone(record)]
    assert len(left) < len(history.records)
    return attrs.evolve(history, records=numbered(left))


def again(history: Evidence, record: RecordedEvent) -> Evidence:
    """Let an event happen twice, with an id of its own."""
    twice = telling(record, attrs.evolve(record.event, id="twice"))
    records = list(history.records)
    records.insert(records.index(record) + 1, twice)
    return attrs.evolve(history, records=numbered(records))


def replaced(history: Evidence, record: RecordedEvent, event: Event) -> Evidence:
    changed = telling(record, event)
    records = [changed if one is record else one for one in history.records]
    return attrs.evolve(history, records=records)


def last(history: Evidence, kind: type[E], **wanted: Any) -> tuple[RecordedEvent, E]:
    """Return the last event of a class whose fields have these values, and where it stands."""
    found = [
        (record, record.event)
        for record in history.records
        if isinstance(record.event, kind)
        and all(getattr(record.event, name) == value for name, value in wanted.items())
    ]
    return found[-1]


def finds(history: Evidence, text: str) -> bool:
    found = faults(history)
    assert any(text in fault for fault in found), found
    return True


def test_a_sound_history_has_no_faults(history: Evidence) -> None:
    assert faults(history) == []
    assert len(history.asked.orders) == MANY
    reasons = {record.event.reason for record in history.records if hasattr(record.event, "reason")}
    assert reasons >= {"card declined", "not paid in time", "no delivery to Crater 7, Moon"}
    types = {record.event.type for record in history.records}
    assert types >= {"StockRefused", "OrderCompleted", "PaymentRefunded", "StockReleased"}
    assert history.asked.paid


def test_whatever_event_is_lost_is_missed(history: Evidence) -> None:
    kinds = {type(record.event) for record in history.records}
    assert len(kinds) > 15
    for kind in kinds:
        lost, _ = last(history, kind)
        left = [record for record in history.records if record is not lost]
        assert faults(attrs.evolve(history, records=numbered(left))) != [], kind
        assert faults(again(history, lost)) != [], kind


def test_a_lost_event_leaves_a_gap(history: Evidence) -> None:
    stream = last(history, OrderCompleted)[0].aggregate_id
    lost = next(record for record in history.records if record.aggregate_id == stream)
    left = [record for record in history.records if record is not lost]
    gap = attrs.evolve(history, records=left)
    assert finds(gap, f"stream {stream} has the versions [2]")


def test_a_doubled_charge(history: Evidence) -> None:
    twice = again(history, last(history, PaymentTaken)[0])
    assert finds(twice, "PaymentTaken 2 times")
    assert finds(twice, "is in the till")


def test_a_line_that_is_reserved_twice(history: Evidence) -> None:
    reserved, _ = last(history, StockReserved)
    twice = again(history, reserved)
    assert finds(twice, "is reserved 2 times")
    assert finds(twice, "had the effects ['StockReserved', 'StockReserved']")


def test_an_unfinished_saga(history: Evidence) -> None:
    end, reacted = last(history, Reacted, status="completed")
    about = reacted.correlation_id
    unfinished = without(
        history, lambda one: one.position >= end.position and one.event.correlation_id == about
    )
    assert finds(unfinished, "its saga is running")
    assert finds(unfinished, "it has not come to one end")
    assert finds(unfinished, "its saga did not react to OrderShipped")


def test_commands_that_were_stored_and_never_sent(history: Evidence) -> None:
    _, reacted = last(history, Reacted, status="completed")
    (command,) = reacted.commands
    unsent = attrs.evolve(history, handled=set(history.handled) - {command.id})
    assert finds(unsent, f"CompleteOrder {command.id} was never handled")


def test_compensation_in_the_wrong_order(history: Evidence) -> None:
    end, reacted = next(
        (record, record.event)
        for record in history.records
        if isinstance(record.event, Reacted) and len(record.event.commands) > 2
    )
    turned = attrs.evolve(reacted, commands=reacted.commands[::-1])
    assert finds(replaced(history, end, turned), "undone")


def test_a_timer_that_never_came(history: Evidence) -> None:
    _, expired = last(history, PaymentFailed, reason="not paid in time")
    forged = attrs.evolve(history, handled=set(history.handled) - {expired.causation_id})
    end, reacted = last(history, Reacted, cause_id=expired.id)
    forged = replaced(forged, end, attrs.evolve(reacted, cancelled=()))
    assert finds(forged, "ExpirePayment was due at")
    assert finds(attrs.evolve(history, timers={"t": "ExpirePayment for noon"}), "timer t is left")


def test_stale_views(history: Evidence) -> None:
    (status, report) = (dict(history.views[name]) for name in ("OrderStatus", "SalesReport"))
    order_id = last(history, OrderCompleted)[1].order_id
    status[order_id] = status[order_id] | {"status": "shipped"}
    stale = attrs.evolve(history, views={**history.views, "OrderStatus": status})
    assert finds(stale, f"OrderStatus has {order_id} as")
    day = next(key for key in report if key.startswith("day/"))
    report[day] = report[day] | {"placed": report[day]["placed"] + 1}
    counted_twice = attrs.evolve(history, views={**history.views, "SalesReport": report})
    assert finds(counted_twice, f"SalesReport has {day} as")
    missing = {key: body for key, body in status.items() if key != order_id}
    assert finds(attrs.evolve(history, views={**history.views, "OrderStatus": missing}), "as None")


def test_a_snapshot_that_is_not_what_the_events_make(history: Evidence) -> None:
    forged = attrs.evolve(history, shelves={**history.shelves, "chair": Shelf(free=10**6)})
    assert finds(forged, "the shelf of chair is")


def test_dead_letters(history: Evidence) -> None:
    assert finds(attrs.evolve(history, letters=["saga: order-1"]), "dead letter of saga: order-1")


def test_what_the_client_was_told(history: Evidence) -> None:
    asked = history.asked
    more = attrs.evolve(asked, orders={*asked.orders, "ORD-lost"})
    assert finds(attrs.evolve(history, asked=more), "ORD-lost: it was never placed")
    fewer = attrs.evolve(asked, orders=set(asked.orders) - {last(history, OrderPlaced)[1].order_id})
    assert finds(attrs.evolve(history, asked=fewer), "nobody placed it")
    paid = dict.fromkeys(asked.paid, Decimal(1))
    assert finds(attrs.evolve(history, asked=attrs.evolve(asked, paid=paid)), "the customer paid 1")
    brought = {sku: pieces + 1 for sku, pieces in asked.received.items()}
    forged = attrs.evolve(asked, received=brought)
    assert finds(attrs.evolve(history, asked=forged), "and brought were")


def test_positions_out_of_order(history: Evidence) -> None:
    records = list(history.records)
    records[3], records[4] = records[4], records[3]
    assert finds(attrs.evolve(history, records=records), "comes after")
