"""Orders, money and stock: what the business says of a log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from fulfilment.catalogue import price_of
from fulfilment.messages import (
    OrderCancelled,
    OrderCompleted,
    OrderPlaced,
    OrderShipped,
    PaymentFailed,
    PaymentRefunded,
    PaymentRequested,
    PaymentTaken,
    StockReceived,
    StockRefused,
    StockReleased,
    StockReserved,
    StockTaken,
)
from orchestrix_core import Event

__all__ = ["faults_of_order", "faults_of_stock"]

ONCE = (
    OrderPlaced, OrderCompleted, OrderCancelled, OrderShipped, PaymentRequested, PaymentTaken,
    PaymentFailed, PaymentRefunded, StockRefused,
)  # fmt: skip
"""What happens to an order once at most."""


def faults_of_order(events: Sequence[Event], paid: Decimal | None) -> Iterator[str]:
    """Yield what is wrong with an order, of which these are all the events."""
    count = Counter(type(event) for event in events)
    for kind in ONCE:
        if count[kind] > 1:
            yield f"{kind.__name__} {count[kind]} times"
    placed = next((event for event in events if isinstance(event, OrderPlaced)), None)
    if placed is None:
        yield "it was never placed"
        return
    if count[OrderCompleted] + count[OrderCancelled] != 1:
        yield "it has not come to one end"
    if placed.total != sum((line.pieces * price_of(line.sku) for line in placed.lines), Decimal(0)):
        yield f"its total is {placed.total}"
    yield from _faults_of_payment(placed, events, count, paid)
    yield from _faults_of_pieces(placed, events, shipped=count[OrderShipped] > 0)


def _faults_of_payment(
    placed: OrderPlaced, events: Sequence[Event], count: Counter[type[Event]], paid: Decimal | None
) -> Iterator[str]:
    taken, failed, refunded = count[PaymentTaken], count[PaymentFailed], count[PaymentRefunded]
    if taken + failed and not count[PaymentRequested]:
        yield "a payment that nobody asked for"
    if count[PaymentRequested] and not taken + failed:
        yield "its payment is neither taken nor failed"
    # Money that comes after the time is over goes back at once.
    if taken != count[OrderShipped] + refunded or (taken and failed and not refunded):
        yield f"taken {taken}, refunded {refunded}, shipped {count[OrderShipped]} times"
    if count[OrderShipped] != count[OrderCompleted]:
        yield "shipped, and not completed, or the other way round"
    money = PaymentRequested | PaymentTaken | PaymentRefunded
    amounts = {event.amount for event in events if isinstance(event, money)}
    if not amounts <= {placed.total}:
        yield f"its total is {placed.total}, and the amounts are {sorted(amounts)}"
    if paid is not None and (taken, paid) != (1, placed.total):
        yield f"the customer paid {paid}, and it was taken {taken} times"


def _faults_of_pieces(
    placed: OrderPlaced, events: Sequence[Event], *, shipped: bool
) -> Iterator[str]:
    """Each line is reserved once at most; then it is shipped with the whole order, or released."""
    wanted = {line.sku: line.pieces for line in placed.lines}
    reserved = [(e.sku, e.pieces) for e in events if isinstance(e, StockReserved)]
    released = [(e.sku, e.pieces) for e in events if isinstance(e, StockReleased)]
    taken = [(e.sku, e.pieces) for e in events if isinstance(e, StockTaken)]
    for sku, times in Counter(sku for sku, _ in reserved).items():
        if times > 1:
            yield f"{sku} is reserved {times} times"
    if not set(reserved) <= set(wanted.items()):
        yield f"reserved {reserved}, and wanted {wanted}"
    if sorted(reserved) != sorted(released + taken):
        yield f"reserved {reserved}, released {released}, taken {taken}"
    if sorted(taken) != (sorted(wanted.items()) if shipped else []):
        yield f"{taken} left the warehouse, wanted {wanted}, shipped: {shipped}"


def faults_of_stock(events: Iterable[Event]) -> Iterator[str]:
    """Yield where more goes out than is there, and whether the money adds up over all orders."""
    free, income, sold = Counter[str](), Decimal(0), Decimal(0)
    for event in events:
        match event:
            case StockReceived() | StockReleased():
                free[event.sku] += event.pieces
            case StockReserved():
                free[event.sku] -= event.pieces
                if free[event.sku] < 0:
                    yield f"{event.sku} is oversold at order {event.order_id}"
            case PaymentTaken():
                income += event.amount
            case PaymentRefunded():
                income -= event.amount
            case StockTaken():
                sold += event.pieces * price_of(event.sku)
    if income != sold:
        yield f"{income} is in the till, and what left the warehouse is worth {sold}"
