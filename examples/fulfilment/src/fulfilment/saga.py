"""
The way of an order: reserve its lines one by one, take the payment, ship.

Whatever fails, all that was done is taken back in reverse order, and then the order is cancelled.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import attrs

from fulfilment.messages import (
    CancelOrder,
    CompleteOrder,
    ExpirePayment,
    Line,
    OrderPlaced,
    OrderShipped,
    PaymentFailed,
    PaymentTaken,
    RefundPayment,
    ReleaseStock,
    RequestPayment,
    ReserveStock,
    ShipOrder,
    ShippingRefused,
    StockRefused,
    StockReserved,
)
from orchestrix_core import Saga, on

__all__ = ["Fulfilment", "Progress"]


@attrs.frozen(kw_only=True)
class Progress:
    """What the saga must know of an order; `reserved` counts the lines that are kept for it."""

    lines: tuple[Line, ...] = ()
    reserved: int = 0
    total: Decimal = Decimal(0)
    card: str | None = None
    pay_within: timedelta = timedelta(0)
    address: str = ""


class Fulfilment(Saga, key="order_id"):
    """One instance for each order."""

    state: Progress = Progress()

    @on(OrderPlaced, starts=True)
    def _placed(self, event: OrderPlaced) -> None:
        self.state = Progress(
            lines=event.lines,
            total=event.total,
            card=event.card,
            pay_within=event.pay_within,
            address=event.address,
        )
        self._reserve_next()

    @on(StockReserved)
    def _reserved(self, event: StockReserved) -> None:
        self.state = attrs.evolve(self.state, reserved=self.state.reserved + 1)
        if self.state.reserved < len(self.state.lines):
            self._reserve_next()
        else:
            self._request_payment()

    @on(PaymentTaken)
    def _paid(self, event: PaymentTaken) -> None:
        self.cancel(ExpirePayment)
        self.send(ShipOrder(order_id=self.key, address=self.state.address, lines=self.state.lines))

    @on(OrderShipped)
    def _shipped(self, event: OrderShipped) -> None:
        self.send(CompleteOrder(order_id=self.key))
        self.complete()

    @on(StockRefused)
    def _out_of_stock(self, event: StockRefused) -> None:
        self._give_up(f"{event.sku}: {event.pieces} wanted, {event.available} in stock")

    @on(PaymentFailed, ShippingRefused)
    def _failed(self, event: PaymentFailed | ShippingRefused) -> None:
        self._give_up(event.reason)

    def _reserve_next(self) -> None:
        line = self.state.lines[self.state.reserved]
        self.send(
            ReserveStock(order_id=self.key, sku=line.sku, pieces=line.pieces),
            undo=ReleaseStock(order_id=self.key, sku=line.sku),
        )

    def _request_payment(self) -> None:
        self.send(
            RequestPayment(order_id=self.key, amount=self.state.total, card=self.state.card),
            undo=RefundPayment(order_id=self.key),
        )
        self.schedule(ExpirePayment(order_id=self.key), after=self.state.pay_within)

    def _give_up(self, reason: str) -> None:
        self.cancel(ExpirePayment)
        self.compensate()
        self.send(CancelOrder(order_id=self.key, reason=reason))
