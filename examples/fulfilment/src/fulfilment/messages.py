"""
What can be asked (commands), and what can happen (events).

Money is `Decimal`; what happens to an order carries its `order_id`, whichever stream it is in.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import attrs

from orchestrix_core import Command, Event

__all__ = [
    "CancelOrder",
    "CompleteOrder",
    "DeclinePayment",
    "ExpirePayment",
    "Line",
    "OrderCancelled",
    "OrderCompleted",
    "OrderPlaced",
    "OrderShipped",
    "PayOrder",
    "PaymentFailed",
    "PaymentRefunded",
    "PaymentRequested",
    "PaymentTaken",
    "PlaceOrder",
    "ReceiveStock",
    "RefundPayment",
    "RefusedError",
    "ReleaseStock",
    "RequestPayment",
    "ReserveStock",
    "ShipOrder",
    "ShippingRefused",
    "StockReceived",
    "StockRefused",
    "StockReleased",
    "StockReserved",
    "StockTaken",
    "TakeStock",
]


class RefusedError(ValueError):
    """The rules of the business forbid what was asked; the text says why."""


@attrs.frozen
class Line:
    """So many pieces of one product."""

    sku: str
    pieces: int


# Orders


class PlaceOrder(Command):
    """
    A customer orders.

    `card` is the token by which the payment provider knows the customer's card; without one, the
    customer pays by themselves, within the time of `pay_within`.
    """

    order_id: str
    customer: str
    address: str
    lines: tuple[Line, ...]
    card: str | None = None
    pay_within: timedelta = timedelta(minutes=15)


class CompleteOrder(Command):
    """The parcel is on its way: nothing is left to do."""

    order_id: str


class CancelOrder(Command):
    """The order cannot be fulfilled."""

    order_id: str
    reason: str


class OrderPlaced(Event):
    """The order has its price, and waits for stock."""

    order_id: str
    customer: str
    address: str
    lines: tuple[Line, ...]
    total: Decimal
    card: str | None
    pay_within: timedelta


class OrderCompleted(Event):
    """The customer got what was ordered."""

    order_id: str


class OrderCancelled(Event):
    """The customer gets nothing, and has paid nothing or got it back."""

    order_id: str
    reason: str


# Stock


class ReceiveStock(Command):
    """Pieces arrive in the warehouse."""

    sku: str
    pieces: int


class ReserveStock(Command):
    """Pieces are to be kept for an order."""

    order_id: str
    sku: str
    pieces: int


class ReleaseStock(Command):
    """What is kept for an order may be sold to others."""

    order_id: str
    sku: str


class TakeStock(Command):
    """What is kept for an order leaves the warehouse."""

    order_id: str
    sku: str


class StockReceived(Event):
    """Pieces came in."""

    sku: str
    pieces: int


class StockReserved(Event):
    """Pieces are kept for an order."""

    order_id: str
    sku: str
    pieces: int


class StockRefused(Event):
    """There are not enough pieces for an order."""

    order_id: str
    sku: str
    pieces: int
    available: int


class StockReleased(Event):
    """Pieces that were kept for an order are free again."""

    order_id: str
    sku: str
    pieces: int


class StockTaken(Event):
    """Pieces that were kept for an order have left."""

    order_id: str
    sku: str
    pieces: int


# Payments


class RequestPayment(Command):
    """The customer is to pay, by this card or by themselves."""

    order_id: str
    amount: Decimal
    card: str | None = None


class PayOrder(Command):
    """The money is here."""

    order_id: str
    amount: Decimal


class DeclinePayment(Command):
    """The provider says no."""

    order_id: str


class ExpirePayment(Command):
    """The time for paying is over."""

    order_id: str


class RefundPayment(Command):
    """What was paid for the order, if anything was, goes back."""

    order_id: str


class PaymentRequested(Event):
    """The customer knows what to pay."""

    order_id: str
    amount: Decimal
    card: str | None


class PaymentTaken(Event):
    """The money is ours."""

    order_id: str
    amount: Decimal


class PaymentFailed(Event):
    """There will be no money."""

    order_id: str
    reason: str


class PaymentRefunded(Event):
    """The money is the customer's again."""

    order_id: str
    amount: Decimal


# Shipping


class ShipOrder(Command):
    """The parcel is to be sent."""

    order_id: str
    address: str
    lines: tuple[Line, ...]


class OrderShipped(Event):
    """The parcel is on its way."""

    order_id: str
    lines: tuple[Line, ...]


class ShippingRefused(Event):
    """The carrier does not deliver there."""

    order_id: str
    reason: str
