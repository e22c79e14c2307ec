"""The events that all cases speak of: a small one, and an order with three lines."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import attrs

from orchestrix_core import Event


@attrs.frozen
class OrderLine:
    sku: str
    quantity: int
    price: Decimal


class ItemAdded(Event):
    sku: str
    quantity: int


class OrderPlaced(Event):
    order_id: str
    total: Decimal
    placed_at: datetime
    lines: tuple[OrderLine, ...] = ()
    note: str | None = None


TOTAL = Decimal("214.35")
PLACED_AT = datetime(2025, 3, 14, 15, 9, 26, 535897, tzinfo=UTC)
LINES = (
    OrderLine("SKU-10472", 2, Decimal("49.95")),
    OrderLine("SKU-00815", 1, Decimal("89.50")),
    OrderLine("SKU-31337", 5, Decimal("4.99")),
)
NOTE = "Please ring twice; the bell of flat 7 is broken"


def item() -> ItemAdded:
    """Make a small event; its values are there already, so that only the event is made."""
    return ItemAdded(sku="SKU-10472", quantity=2)


def order() -> OrderPlaced:
    """Make a realistic event; its values are there already, so that only the event is made."""
    return OrderPlaced(
        order_id="order-4711", total=TOTAL, placed_at=PLACED_AT, lines=LINES, note=NOTE
    )


def traced(trace_id: str) -> OrderPlaced:
    """Make a realistic event of one trace."""
    return OrderPlaced(
        order_id="order-4711",
        total=TOTAL,
        placed_at=PLACED_AT,
        lines=LINES,
        note=NOTE,
        trace_id=trace_id,
    )
