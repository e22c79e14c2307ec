"""What must be true of the log at the end, and what it says that the views should show."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from fulfilment.messages import (
    Line,
    OrderCancelled,
    OrderCompleted,
    OrderPlaced,
    OrderShipped,
    PaymentFailed,
    PaymentRefunded,
    PaymentRequested,
    PaymentTaken,
    StockReceived,
    StockReleased,
    StockReserved,
    StockTaken,
)
from orchestrix_core import Event, Orchestrix, RecordedEvent


async def whole_log(app: Orchestrix) -> list[RecordedEvent]:
    """Read the log from its beginning to its end."""
    records: list[RecordedEvent] = []
    while page := await app.log.read_log(records[-1].position if records else 0):
        records += page
    return records


class Books:
    """
    All that happened, by what it is about.

    Attributes:
        of_order: the events of each order, in the order of the log.
        free: the pieces of each product that are neither kept nor sold.
        kept: the pieces that are kept, by order and product.
        sold: the pieces that left, by order and product.
    """

    def __init__(self, records: Iterable[RecordedEvent]) -> None:
        self.events = [record.event for record in records]
        self.of_order: dict[str, list[Event]] = defaultdict(list)
        self.free: Counter[str] = Counter()
        self.kept: dict[tuple[str, str], int] = {}
        self.sold: dict[tuple[str, str], int] = {}
        for event in self.events:
            if hasattr(event, "order_id"):
                self.of_order[event.order_id].append(event)
            self._move(event)

    def _move(self, event: Event) -> None:
        """Move pieces; what is not there cannot be moved."""
        match event:
            case StockReceived(sku=sku, pieces=pieces):
                self.free[sku] += pieces
            case StockReserved(order_id=order_id, sku=sku, pieces=pieces):
                assert (order_id, sku) not in self.kept, f"{order_id} reserved {sku} twice"
                self.free[sku] -= pieces
                assert self.free[sku] >= 0, f"{sku} is oversold"
                self.kept[order_id, sku] = pieces
            case StockReleased(order_id=order_id, sku=sku, pieces=pieces):
                assert self.kept.pop((order_id, sku)) == pieces
                self.free[sku] += pieces
            case StockTaken(order_id=order_id, sku=sku, pieces=pieces):
                assert self.kept.pop((order_id, sku)) == pieces
                assert (order_id, sku) not in self.sold
                self.sold[order_id, sku] = pieces

    def check(self) -> None:
        """Every order has ended as it should, and nothing is left over."""
        assert self.kept == {}, "reserved, and neither released nor shipped"
        for events in self.of_order.values():
            self._check_order(events)

    def _check_order(self, events: list[Event]) -> None:
        count = Counter(type(event) for event in events)
        placed, ended = events[0], count[OrderCompleted] + count[OrderCancelled]
        assert isinstance(placed, OrderPlaced)
        assert (count[OrderPlaced], ended) == (1, 1), placed.order_id
        assert count[PaymentRequested] <= 1, "asked to pay twice"
        assert count[PaymentTaken] <= 1, "charged twice"
        settled = count[PaymentTaken] or count[PaymentFailed]  # both, if the money came too late
        assert settled == count[PaymentRequested], "neither paid nor given up"
        assert count[PaymentTaken] == count[OrderShipped] + count[PaymentRefunded], "money is lost"
        assert count[OrderShipped] == count[OrderCompleted]
        assert not (count[OrderShipped] and count[PaymentFailed]), "shipped, and never paid"
        money = {e.amount for e in events if isinstance(e, PaymentTaken | PaymentRefunded)}
        assert money <= {placed.total}
        sold = {Line(sku, n) for (order, sku), n in self.sold.items() if order == placed.order_id}
        assert sold == (set(placed.lines) if count[OrderShipped] else set())

    def outcomes(self) -> dict[str, tuple[str, str | None]]:
        """Return how each order ended, and why."""
        found: dict[str, tuple[str, str | None]] = {}
        for event in self.events:
            if isinstance(event, OrderCompleted):
                found[event.order_id] = "completed", None
            elif isinstance(event, OrderCancelled):
                found[event.order_id] = "cancelled", event.reason
        return found

    def report(self) -> dict[str, dict[str, Any]]:
        """Count again what the sales report says."""
        days: dict[str, Any] = defaultdict(lambda: dict.fromkeys(_DAY, 0))
        for event in self.events:
            if type(event) in _COLUMNS:
                what = _COLUMNS[type(event)]
                days[f"day/{event.timestamp:%Y-%m-%d}"][what] += getattr(event, "amount", 1)
        for day in days.values():
            day |= {what: str(Decimal(day[what])) for what in ("taken", "refunded")}
        products: dict[str, Any] = defaultdict(lambda: {"pieces": 0, "orders": 0})
        for (_, sku), pieces in self.sold.items():
            products[f"product/{sku}"]["pieces"] += pieces
            products[f"product/{sku}"]["orders"] += 1
        return {**days, **products}


_COLUMNS = {
    OrderPlaced: "placed",
    OrderCompleted: "completed",
    OrderCancelled: "cancelled",
    PaymentTaken: "taken",
    PaymentRefunded: "refunded",
}
_DAY = tuple(_COLUMNS.values())
