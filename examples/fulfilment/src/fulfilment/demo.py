"""The whole story on a terminal: what was ordered, what became of it, what was sold."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from time import perf_counter

from rich.console import Console
from rich.table import Table

from fulfilment.catalogue import PRICES
from fulfilment.stock import shelf_of, stock
from fulfilment.story import (
    Customer,
    customers,
    fill_shelves,
    place_orders,
    see_it_through,
)
from fulfilment.views import OrderStatus, SalesReport
from orchestrix_core import Orchestrix

__all__ = ["run_demo"]

_PIECES_PER_ORDER = 0.8
"""About four in five orders can be served."""


async def run_demo(console: Console, *, orders: int, seed: int, pay_within: float) -> None:
    """Run the story with the configured store, and print how it ended."""
    everybody = customers(orders, seed=seed, pay_within=timedelta(seconds=pay_within))
    async with Orchestrix.from_config() as app:
        begin = perf_counter()
        after = await app.log.head()
        await fill_shelves(app, max(1, round(_PIECES_PER_ORDER * orders)))
        with console.status(f"{orders} customers order, and some of them pay"):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(see_it_through(app, everybody, after))
                tasks.create_task(place_orders(app, everybody))
            await app.caught_up()
        events = await app.log.head() - after
        console.print(f"{orders} orders, {events} events, {perf_counter() - begin:.1f} s")
        console.print(await _outcomes(app, everybody))
        console.print(await _days(app), await _products(app))


async def _outcomes(app: Orchestrix, everybody: Sequence[Customer]) -> Table:
    count: Counter[tuple[str, str]] = Counter()
    worth: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    status = app.view(OrderStatus)
    for customer in everybody:
        order = await status.get(customer.order.order_id)
        assert order is not None, "the view has caught up"
        outcome = order["status"], _kind_of(order["reason"])
        count[outcome] += 1
        worth[outcome] += Decimal(order["total"])
    table = Table("status", "reason", "orders", "worth", title="What became of the orders")
    for outcome, number in count.most_common():
        table.add_row(*outcome, str(number), str(worth[outcome]))
    return table


def _kind_of(reason: str | None) -> str:
    return "out of stock" if reason and reason.endswith("in stock") else reason or ""


async def _days(app: Orchestrix) -> Table:
    columns = "placed", "completed", "cancelled", "taken", "refunded"
    table = Table("day", *columns, title="Sales by day")
    for key, day in (await app.view(SalesReport).find(prefix="day/")).items():
        table.add_row(key.removeprefix("day/"), *(str(day[column]) for column in columns))
    return table


async def _products(app: Orchestrix) -> Table:
    table = Table("product", "sold", "orders", "left", "kept", title="Products")
    report, shelves = app.view(SalesReport), app.repository(stock)
    for sku in PRICES:
        sold = await report.get(f"product/{sku}") or {"pieces": 0, "orders": 0}
        shelf = (await shelves.load(shelf_of(sku))).state
        kept = sum(shelf.kept.values())
        table.add_row(sku, *map(str, (sold["pieces"], sold["orders"], shelf.free, kept)))
    return table
