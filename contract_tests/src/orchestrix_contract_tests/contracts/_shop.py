"""A small application for the contracts about applications: stock that is reserved."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
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
    "LEASE",
    "Move",
    "OutOfStock",
    "Receipt",
    "Reserve",
    "Reserved",
    "Shop",
    "Stock",
    "shop",
]

LEASE = 0.5


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
        pause: what a handler waits for before it reserves.
    """

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


@asynccontextmanager
async def shop(store: Driver, *things: Any, **settings: Any) -> AsyncIterator[Orchestrix]:
    """Run an application on a store that stays open after it; no bus, no worker unless asked."""
    defaults: dict[str, Any] = {"worker": False, "lease": LEASE}
    app = Orchestrix(store=_Kept(store.store), **(defaults | settings))
    app.register(*(things or (Shop(),)))
    async with app:
        yield app


class _Kept:
    """A store that is opened and closed by others."""

    def __init__(self, store: Any) -> None:
        for name in dir(store):
            if not name.startswith("_") and name not in ("initialize", "close"):
                setattr(self, name, getattr(store, name))

    async def initialize(self) -> None:
        pass

    async def close(self) -> None:
        pass
