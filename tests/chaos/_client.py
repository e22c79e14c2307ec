"""
The client, a process of its own: `python _client.py SECONDS SEED`.

It places orders for so many seconds, `OPEN` at a time, sends some of them twice, pays for some when
it is asked to, and brings new pieces now and then. It says "placing" when it begins, "placed" when
it places no more, and when every order has ended, or should have, what it asked for, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from time import monotonic
from typing import Any

from fulfilment.catalogue import PRICES
from fulfilment.messages import (
    OrderCancelled,
    OrderCompleted,
    PaymentRequested,
    PayOrder,
    ReceiveStock,
)
from fulfilment.story import Customer, customers
from orchestrix_core import Orchestrix

OPEN = 30  # orders that wait for their end at the same time: the load is bounded
MOST = 10_000
PIECES = 8  # of each product for ten orders, which want a few more
PAY_WITHIN = timedelta(seconds=1)
PATIENCE = 240.0  # no measure of speed: an end to waiting for what never comes


class Client:
    """Whoever orders."""

    def __init__(self, app: Orchestrix, seed: int, most: int = MOST) -> None:
        self._app = app
        self._room = asyncio.Semaphore(OPEN)
        self._open: dict[str, Customer] = {}
        self._everybody = customers(most, seed=seed, pay_within=PAY_WITHIN)
        self._placed: list[str] = []
        self._received: Counter[str] = Counter()
        self._paid: dict[str, Decimal] = {}

    async def run(self, seconds: float) -> dict[str, Any]:
        """Do it all, and return what was asked for."""
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(self._follow())
            say("placing")
            await self._place(monotonic() + seconds)
            say("placed")
            with suppress(TimeoutError):  # then the checker will tell what was left undone
                async with asyncio.timeout(PATIENCE):
                    for _ in range(OPEN):  # all the room: nobody waits any more
                        await self._room.acquire()
            following.cancel()
        paid = {order_id: str(amount) for order_id, amount in self._paid.items()}
        return {"orders": self._placed, "received": self._received, "paid": paid}

    async def _place(self, end: float) -> None:
        for number, customer in enumerate(self._everybody):
            try:
                async with asyncio.timeout(end - monotonic()):
                    await self._room.acquire()
            except TimeoutError:
                return
            if number % 10 == 0:
                await self._bring()
            self._open[customer.order.order_id] = customer
            await self._order(customer, twice=number % 5 == 0)

    async def _order(self, customer: Customer, *, twice: bool) -> None:
        order = customer.order
        answers = [await self._app.send(order) for _ in range(2 if twice else 1)]
        assert set(answers) == {order.order_id}
        self._placed.append(order.order_id)

    async def _bring(self) -> None:
        for sku in PRICES:
            await self._app.send(ReceiveStock(sku=sku, pieces=PIECES))
            self._received[sku] += PIECES

    async def _follow(self) -> None:
        async for record in self._app.log.subscribe():
            match record.event:
                case PaymentRequested(order_id=order_id, card=None, amount=amount):
                    if self._open[order_id].pays:
                        await self._app.send(PayOrder(order_id=order_id, amount=amount))
                        self._paid[order_id] = amount
                case OrderCompleted(order_id=order_id) | OrderCancelled(order_id=order_id):
                    del self._open[order_id]
                    self._room.release()
                case _:
                    pass


def say(line: str) -> None:
    print(line, flush=True)


async def main(seconds: float, seed: int) -> None:
    async with Orchestrix.from_config(worker=False) as app:
        say(json.dumps(await Client(app, seed).run(seconds)))


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]), int(sys.argv[2])))
