"""A small application for the contracts about applications: stock that is reserved."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs

from orchestrix_contract_tests.driver import Driver
from orchestrix_core import (
    AggregateRoot,
    Command,
    Event,
    Orchestrix,
    handles,
    when,
)

__all__ = [
    "HEARING",
    "LEASE",
    "SHORT",
    "Kept",
    "Move",
    "OutOfStock",
    "Receipt",
    "Reserve",
    "Reserved",
    "Shop",
    "Stock",
    "others",
    "shop",
]

LEASE = 10.0
SHORT = 0.5
"""The lease of who is to be killed, so that others soon take over; never of who goes on."""
HEARING = "contract-child-hearing"
"""What a listener is called in the children, and in the process that goes on for them."""


class Reserved(Event, type="contract.reserved"):
    item: str
    amount: int


class Reserve(Command, type="contract.reserve"):
    item: str
    amount: int = 1


class Move(Command, type="contract.move"):
    """Reserve of one item, then of another: by commands of its own."""

    first: str
    second: str
    amount: int = 1


@attrs.frozen
class Receipt:
    item: str
    left: int


class OutOfStock(Exception):
    pass


class Stock(AggregateRoot):
    """Ten of each item."""

    def __init__(self, id: str) -> None:
        super().__init__(id)
        self.left = 10

    def reserve(self, amount: int) -> int:
        if amount > self.left:
            raise OutOfStock(self.id)
        self.record(Reserved(item=self.id, amount=amount))
        return self.left

    @when(Reserved)
    def _reserved(self, event: Reserved) -> None:
        self.left -= event.amount


class Shop:
    """
    The handlers, and what they do by the way.

    Attributes:
        runs: how often a handler was called.
        pause: what a handler waits for when it has reserved.
        blind: whether it saves whatever the version is, so that nothing but the id keeps it apart.
    """

    blind = False

    def __init__(self) -> None:
        self.runs = 0
        self.pause: asyncio.Event | None = None
        self.entered = asyncio.Event()

    @handles(Reserve)
    async def reserve(self, command: Reserve, app: Orchestrix) -> Receipt:
        self.runs += 1
        stocks = app.repository(Stock, snapshot_every=None)
        stock = await stocks.load(command.item)
        left = stock.reserve(command.amount)
        if self.blind:
            await app.store.save(stock.id, stock.uncommitted_events)
        else:
            await stocks.save(stock)
        self.entered.set()
        if self.pause is not None:
            await self.pause.wait()
        return Receipt(command.item, left)

    @handles(Move)
    async def move(self, command: Move, app: Orchestrix) -> list[Receipt]:
        self.runs += 1
        items = (command.first, command.second)
        return [await app.send(Reserve(item=item, amount=command.amount)) for item in items]


async def others() -> None:
    """Let the other tasks run for as long as they need no other thread or process."""
    for _ in range(50):
        await asyncio.sleep(0)


@asynccontextmanager
async def shop(
    store: Driver, *things: Any, wrap: Callable[[Any], Any] | None = None, **settings: Any
) -> AsyncIterator[Orchestrix]:
    """Run an application on a store that stays open after it; no bus, no worker unless asked."""
    defaults: dict[str, Any] = {"worker": False, "lease": LEASE}
    kept: Any = (wrap or Kept)(store.store)
    app = Orchestrix(store=kept, **(defaults | settings))
    app.register(*(things or (Shop(),)))
    async with app:
        yield app


class Kept:
    """A store that is opened and closed by others."""

    def __init__(self, store: Any) -> None:
        self.opened = store
        for name in dir(store):
            if not name.startswith("_") and name not in dir(type(self)):
                setattr(self, name, getattr(store, name))

    async def initialize(self) -> None:
        pass

    async def close(self) -> None:
        pass
