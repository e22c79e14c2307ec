"""
What is read: how each order is, and what was sold.

Both views are documents, so they are the same on every store.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from fulfilment.messages import (
    OrderCancelled,
    OrderCompleted,
    OrderPlaced,
    OrderShipped,
    PaymentRefunded,
    PaymentRequested,
    PaymentTaken,
    StockReserved,
    StockTaken,
)
from orchestrix_core import Event, Projection, View, on

__all__ = ["OrderStatus", "SalesReport"]


class OrderStatus(Projection):
    """For each order, by its id: who ordered what, and how it stands."""

    @on(OrderPlaced)
    async def _placed(self, event: OrderPlaced, view: View) -> None:
        await view.put(
            event.order_id,
            {
                "customer": event.customer,
                "total": str(event.total),
                "lines": {line.sku: line.pieces for line in event.lines},
                "reserved": [],
                "status": "placed",
                "reason": None,
            },
        )

    @on(StockReserved)
    async def _reserved(self, event: StockReserved, view: View) -> None:
        order = await self._order(event.order_id, view)
        await view.put(event.order_id, order | {"reserved": [*order["reserved"], event.sku]})

    @on(PaymentRequested)
    async def _requested(self, event: PaymentRequested, view: View) -> None:
        await self._change(view, event.order_id, status="to be paid")

    @on(PaymentTaken)
    async def _paid(self, event: PaymentTaken, view: View) -> None:
        order = await self._order(event.order_id, view)
        if order["status"] != "cancelled":  # else it came too late, and goes back
            await view.put(event.order_id, order | {"status": "paid"})

    @on(OrderShipped)
    async def _shipped(self, event: OrderShipped, view: View) -> None:
        await self._change(view, event.order_id, status="shipped")

    @on(OrderCompleted)
    async def _completed(self, event: OrderCompleted, view: View) -> None:
        await self._change(view, event.order_id, status="completed")

    @on(OrderCancelled)
    async def _cancelled(self, event: OrderCancelled, view: View) -> None:
        await self._change(view, event.order_id, status="cancelled", reason=event.reason)

    async def _change(self, view: View, order_id: str, **changes: str) -> None:
        await view.put(order_id, await self._order(order_id, view) | changes)

    async def _order(self, order_id: str, view: View) -> dict[str, Any]:
        order = await view.get(order_id)
        assert order is not None, f"{order_id} was never placed"
        return order


class SalesReport(Projection):
    """
    What was sold: for each day (`day/2026-01-31`), and for each product (`product/chair`).

    The day is that on which it happened, in UTC.
    """

    @on(OrderPlaced)
    async def _placed(self, event: OrderPlaced, view: View) -> None:
        await self._count(view, event, "placed")

    @on(OrderCompleted)
    async def _completed(self, event: OrderCompleted, view: View) -> None:
        await self._count(view, event, "completed")

    @on(OrderCancelled)
    async def _cancelled(self, event: OrderCancelled, view: View) -> None:
        await self._count(view, event, "cancelled")

    @on(PaymentTaken)
    async def _taken(self, event: PaymentTaken, view: View) -> None:
        await self._add(view, event, "taken", event.amount)

    @on(PaymentRefunded)
    async def _refunded(self, event: PaymentRefunded, view: View) -> None:
        await self._add(view, event, "refunded", event.amount)

    @on(StockTaken)
    async def _sold(self, event: StockTaken, view: View) -> None:
        key = f"product/{event.sku}"
        product = await view.get(key) or {"pieces": 0, "orders": 0}
        pieces, orders = product["pieces"] + event.pieces, product["orders"] + 1
        await view.put(key, {"pieces": pieces, "orders": orders})

    async def _count(self, view: View, event: Event, what: str) -> None:
        day = await self._day(view, event)
        await view.put(_key_of(event), day | {what: day[what] + 1})

    async def _add(self, view: View, event: Event, what: str, amount: Decimal) -> None:
        day = await self._day(view, event)
        await view.put(_key_of(event), day | {what: str(Decimal(day[what]) + amount)})

    async def _day(self, view: View, event: Event) -> dict[str, Any]:
        nothing = {"placed": 0, "completed": 0, "cancelled": 0, "taken": "0", "refunded": "0"}
        return await view.get(_key_of(event)) or nothing


def _key_of(event: Event) -> str:
    return f"day/{event.timestamp.date().isoformat()}"
