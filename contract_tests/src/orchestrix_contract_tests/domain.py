"""
The events that all contracts speak: a bank account, an order, and some that cannot be stored.

They live in the default registry, so that a store with the default serializer reads them; their
stored names begin with `contract.`, so that they meet no application's.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import attrs

from orchestrix_core import Command, Event

__all__ = [
    "Address",
    "Card",
    "Cash",
    "Channel",
    "Deposit",
    "Deposited",
    "Line",
    "Measured",
    "Noted",
    "Opened",
    "OrderPlaced",
    "Paid",
    "PaidByCard",
    "deposits",
    "exact",
    "example_order",
    "unstorable",
]


class Deposit(Command, type="contract.account.deposit"):
    """Money shall come in."""

    amount: Decimal


class Opened(Event, type="contract.account.opened"):
    """An account was opened."""

    owner: str


class Deposited(Event, type="contract.account.deposited"):
    """Money came in."""

    amount: Decimal


class Noted(Event, type="contract.account.noted"):
    """Somebody wrote something down; the only event with a value that can change."""

    notes: dict[str, Any]


class Channel(enum.Enum):
    """Where an order came from."""

    WEB = "web"
    SHOP = "shop"


@attrs.frozen(kw_only=True)
class Line:
    """One line of an order, in attrs."""

    sku: str
    quantity: int
    price: Decimal
    discount: Decimal | None = None


@dataclasses.dataclass(frozen=True)
class Address:
    """Where an order goes, as a dataclass."""

    street: str
    city: str
    floor: int | None = None


@attrs.frozen
class Card:
    """Paid by card."""

    number: str


@attrs.frozen
class Cash:
    """Paid in coins."""

    amount: Decimal


class OrderPlaced(Event, type="contract.order.placed"):
    """An order with one field of each kind that an application is likely to use."""

    order_id: UUID
    total: Decimal
    lines: tuple[Line, ...]
    address: Address
    payment: Card | Cash
    channel: Channel
    ordered: datetime
    due: date
    slot: time
    patience: timedelta
    tags: list[str]
    labels: frozenset[str]
    weights: Mapping[str, float]
    pair: tuple[int, str]
    signature: bytes
    gift: bool = False
    comment: str | None = None


class Paid(Event, type="contract.order.paid"):
    """An order was paid; some events say more."""

    order: str = ""


class PaidByCard(Paid, type="contract.order.paid.card"):
    """An order was paid by card: a subclass, for handlers of its base."""

    number: str = ""


class Measured(Event, type="contract.sensor.measured", version=3):
    """Its schema version is not 1."""

    value: float


def deposits(count: int, **metadata: Any) -> list[Event]:
    """Return `count` new deposits of 1, 2, 3..., so that their order shows."""
    return [Deposited(amount=Decimal(n), **metadata) for n in range(1, count + 1)]


def unstorable() -> Event:
    """Return an event that has no exact JSON form, deep inside."""
    return Noted(notes={"inner": [object()]})


def example_order(**changes: Any) -> OrderPlaced:
    """Return an order whose every value is one that a careless store changes on the way."""
    values: dict[str, Any] = {
        "order_id": UUID("018f2f43-6a5e-7cc1-9f2b-6d1f7a0c1b2d"),
        "total": Decimal("10.500"),  # the scale counts
        "lines": (Line(sku="A-1", quantity=2, price=Decimal("5.250"), discount=Decimal("0E-3")),),
        "address": Address("Straße des 17. Juni", "München", 3),
        "payment": Cash(Decimal("1E+2")),
        "channel": Channel.SHOP,
        "ordered": datetime(2024, 2, 29, 23, 59, 59, 999999, timezone(timedelta(hours=5.5))),
        "due": date(2024, 3, 1),
        "slot": time(8, 30, 0, 1),
        "patience": timedelta(days=2, microseconds=1),
        "tags": ["b", "a", ""],
        "labels": frozenset({"x", "y"}),
        "weights": {"gross": 1e-7, "net": 0.1 + 0.2},
        "pair": (2**62, "two"),
        "signature": bytes(range(256)),
        "comment": 'quote " backslash \\ emoji \U0001f600 line\u2028end',
    }
    return OrderPlaced(**(values | changes))


def exact(event: Event) -> dict[str, str]:
    """Return what `==` does not tell: 1 from 1.0, 10.50 from 10.5, a time zone from another."""
    return {
        name: repr(sorted(value)) if isinstance(value, frozenset) else repr(value)
        for name, value in vars(event).items()
    }
