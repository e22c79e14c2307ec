"""What is left when all is over: the log, and everything that is kept beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any, Self

import attrs

from fulfilment.catalogue import PRICES
from fulfilment.stock import Shelf, shelf_of, stock
from fulfilment.views import OrderStatus, SalesReport
from orchestrix_core import Document, Orchestrix, RecordedEvent
from orchestrix_core.subscriptions import DeadLetters, lags

__all__ = ["VIEWS", "Asked", "Evidence", "collect", "settled"]

VIEWS = (OrderStatus, SalesReport)
PATIENCE = 300.0  # no measure of speed: an end to waiting for what never comes


@attrs.frozen(kw_only=True)
class Asked:
    """
    What a client asked for and got an answer to.

    Attributes:
        orders: ids of the orders that it placed.
        received: pieces of each product that it brought.
        paid: what it paid by itself, by order.
    """

    orders: Collection[str]
    received: Mapping[str, int]
    paid: Mapping[str, Decimal]

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """Return what the client told."""
        paid = {order_id: Decimal(amount) for order_id, amount in told["paid"].items()}
        return cls(orders=frozenset(told["orders"]), received=told["received"], paid=paid)


@attrs.frozen(kw_only=True)
class Evidence:
    """
    What a checker looks at.

    Attributes:
        asked: what the client knows of.
        records: the whole log.
        views: all documents of each projection, by its name.
        shelves: the shelf of each product, as a repository loads it: from a snapshot, perhaps.
        handled: ids of the commands whose results are kept.
        timers: what is still to come, by id: which command, for when.
        letters: subscription and stream of each dead letter.
    """

    asked: Asked
    records: Sequence[RecordedEvent]
    views: Mapping[str, Mapping[str, Any]]
    shelves: Mapping[str, Shelf]
    handled: Collection[str]
    timers: Mapping[str, str]
    letters: Sequence[str]


async def settled(app: Orchestrix, asked: Asked) -> Evidence:
    """Wait until nothing is left to do, and look at what there is."""
    async with asyncio.timeout(PATIENCE):
        await app.caught_up(timeout=PATIENCE)
        # Who claimed a timer and was killed leaves it to others only after a while.
        while await _documents(app, "timers"):  # noqa: ASYNC110 - of other processes
            await asyncio.sleep(0.1)
        await app.caught_up(timeout=PATIENCE)  # with what the last timers brought about
        return await collect(app, asked)


async def collect(app: Orchestrix, asked: Asked) -> Evidence:
    """Read everything; nothing may change meanwhile."""
    shelves = app.repository(stock, snapshot_every=100)
    timers = await _documents(app, "timers")
    return Evidence(
        asked=asked,
        records=await _whole_log(app),
        views={view.name: await _view(app, view) for view in VIEWS},
        shelves={sku: (await shelves.load(shelf_of(sku))).state for sku in PRICES},
        handled={one.key for one in await _documents(app, "commands")},
        timers={one.key: f"{one.body['type']} for {one.body['scheduled_for']}" for one in timers},
        letters=await _letters(app),
    )


async def _whole_log(app: Orchestrix) -> list[RecordedEvent]:
    """Read the log from its beginning to its end."""
    records: list[RecordedEvent] = []
    while page := await app.log.read_log(records[-1].position if records else 0):
        records += page
    return records


async def _documents(app: Orchestrix, collection: str) -> list[Document]:
    """Read a collection."""
    store: Any = app.store
    found: list[Document] = []
    while page := await store.find_documents(collection, after=found[-1].key if found else ""):
        found += page
    return found


async def _view(app: Orchestrix, projection: Any) -> dict[str, Any]:
    reader = app.view(projection)
    found: dict[str, Any] = {}
    while page := await reader.find(after=max(found, default="")):
        found |= page
    return found


async def _letters(app: Orchestrix) -> list[str]:
    names = {lag.name for lag in await lags(app.store)}
    return [
        f"{name}: {letter.aggregate_id} ({letter.state}: {letter.error})"
        for name in sorted(names)
        for letter in await DeadLetters(app.store, name).list()
    ]
