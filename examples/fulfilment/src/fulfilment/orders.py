"""Orders: what is ordered at which price, and how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from fulfilment.catalogue import price_of
from fulfilment.messages import (
    CancelOrder,
    CompleteOrder,
    Line,
    OrderCancelled,
    OrderCompleted,
    OrderPlaced,
    PlaceOrder,
    RefusedError,
)
from orchestrix_core import AggregateRoot, Orchestrix, handles, when

__all__ = ["Order", "cancel_order", "complete_order", "place_order"]


class Order(AggregateRoot):
    """
    One order; its id is that of its stream.

    Attributes:
        status: new, open, completed or cancelled.
    """

    status = "new"

    def place(self, asked: PlaceOrder) -> None:
        """Take the order at today's prices."""
        if self.status != "new":
            msg = f"order {self.id} was placed before"
            raise RefusedError(msg)
        self.record(
            OrderPlaced(
                order_id=self.id,
                customer=asked.customer,
                address=asked.address,
                lines=asked.lines,
                total=_total(asked.lines),
                card=asked.card,
                pay_within=asked.pay_within,
            )
        )

    def complete(self) -> None:
        """Close the order well."""
        self._must_be_open()
        self.record(OrderCompleted(order_id=self.id))

    def cancel(self, reason: str) -> None:
        """Close the order without a delivery."""
        self._must_be_open()
        self.record(OrderCancelled(order_id=self.id, reason=reason))

    def _must_be_open(self) -> None:
        if self.status != "open":
            msg = f"order {self.id} is {self.status}, not open"
            raise RefusedError(msg)

    @when(OrderPlaced)
    def _placed(self, event: OrderPlaced) -> None:
        self.status = "open"

    @when(OrderCompleted)
    def _completed(self, event: OrderCompleted) -> None:
        self.status = "completed"

    @when(OrderCancelled)
    def _cancelled(self, event: OrderCancelled) -> None:
        self.status = "cancelled"


def _total(lines: Sequence[Line]) -> Decimal:
    if not lines or any(line.pieces < 1 for line in lines):
        msg = "an order has at least one line, and each line at least one piece"
        raise RefusedError(msg)
    if len({line.sku for line in lines}) < len(lines):
        msg = "an order names each product once"
        raise RefusedError(msg)
    return sum((line.pieces * price_of(line.sku) for line in lines), Decimal(0))


@handles(PlaceOrder)
async def place_order(command: PlaceOrder, app: Orchestrix) -> str:
    """Place an order; return its id, the same one if the command comes again."""
    orders = app.repository(Order)
    await orders.execute(command.order_id, lambda order: order.place(command))
    return command.order_id


@handles(CompleteOrder)
async def complete_order(command: CompleteOrder, app: Orchestrix) -> None:
    """Close an order well."""
    await app.repository(Order).execute(command.order_id, Order.complete)


@handles(CancelOrder)
async def cancel_order(command: CancelOrder, app: Orchestrix) -> None:
    """Close an order without a delivery."""
    orders = app.repository(Order)
    await orders.execute(command.order_id, lambda order: order.cancel(command.reason))
