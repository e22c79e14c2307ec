"""
A story to tell: many customers order, some of what is gone, some without paying.

The demo prints how it ends, and the tests check it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from random import Random
from uuid import uuid4

import attrs

from fulfilment.catalogue import PRICES
from fulfilment.messages import (
    Line,
    OrderCancelled,
    OrderCompleted,
    PaymentRequested,
    PayOrder,
    PlaceOrder,
    ReceiveStock,
)
from orchestrix_core import Orchestrix

__all__ = ["Customer", "customers", "fill_shelves", "place_orders", "see_it_through"]


@attrs.frozen
class Customer:
    """
    Somebody who orders.

    Attributes:
        order: what is ordered.
        pays: whether they pay when they are asked, if they gave no card.
    """

    order: PlaceOrder
    pays: bool


def customers(
    count: int, *, seed: int = 1, pay_within: timedelta = timedelta(minutes=15)
) -> list[Customer]:
    """Make customers up: the same ones for the same seed, but for the ids of their orders."""
    chance = Random(seed)  # noqa: S311 - no secret
    series = uuid4().hex[:6]
    return [
        _customer(chance, f"ORD-{series}-{number:04}", pay_within) for number in range(1, count + 1)
    ]


def _customer(chance: Random, order_id: str, pay_within: timedelta) -> Customer:
    products = chance.sample(sorted(PRICES), k=chance.choice((1, 1, 2, 3)))
    order = PlaceOrder(
        order_id=order_id,
        customer=chance.choice(("Ada", "Grace", "Edsger", "Barbara")),
        address=chance.choices(("Main St 1", "Crater 7, Moon"), weights=(19, 1))[0],
        lines=tuple(Line(sku, chance.randint(1, 3)) for sku in products),
        card=chance.choices(("card-1", "declined-1", None), weights=(14, 2, 4))[0],
        pay_within=pay_within,
    )
    return Customer(order, pays=chance.random() < 0.5)


async def fill_shelves(app: Orchestrix, pieces: int) -> None:
    """Receive so many pieces of each product."""
    for sku in PRICES:
        await app.send(ReceiveStock(sku=sku, pieces=pieces))


async def place_orders(app: Orchestrix, everybody: Iterable[Customer]) -> None:
    """Let everybody order, one after another."""
    for customer in everybody:
        await app.send(customer.order)


async def see_it_through(app: Orchestrix, everybody: Sequence[Customer], after: int) -> None:
    """
    Let customers pay when they are asked, until every order is completed or cancelled.

    `after` is the position of the log from which on they look.
    """
    waiting = {customer.order.order_id: customer for customer in everybody}
    async for record in app.log.subscribe(after):
        match record.event:
            case PaymentRequested(order_id=order_id, card=None, amount=amount):
                if order_id in waiting and waiting[order_id].pays:
                    await app.send(PayOrder(order_id=order_id, amount=amount))
            case OrderCompleted(order_id=order_id) | OrderCancelled(order_id=order_id):
                waiting.pop(order_id, None)
            case _:
                pass
        if not waiting:
            break
