"""The whole story, on each store."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from datetime import timedelta

import pytest

from fulfilment.messages import PaymentFailed, PaymentRequested
from fulfilment.story import Customer, customers, fill_shelves, place_orders, see_it_through
from fulfilment.views import OrderStatus, SalesReport
from orchestrix_core import Orchestrix
from orchestrix_core.testing import frozen

from ._books import Books, whole_log

MANY = 30
PATIENCE = 240.0  # no measure of speed: an end to waiting for what never comes


async def tell(app: Orchestrix, everybody: list[Customer]) -> None:
    await fill_shelves(app, MANY // 2)
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as tasks:
        tasks.create_task(see_it_through(app, everybody, after=0))
        tasks.create_task(place_orders(app, everybody))


async def check_views(app: Orchestrix, books: Books) -> None:
    status = await app.view(OrderStatus).find()
    assert {id: (one["status"], one["reason"]) for id, one in status.items()} == books.outcomes()
    assert await app.view(SalesReport).find() == books.report()


@pytest.mark.parametrize("configured", ["memory", "sqlite", "postgres"], indirect=True)
@pytest.mark.usefixtures("configured")
async def test_all_orders_end_well_or_are_taken_back() -> None:
    everybody = customers(MANY, pay_within=timedelta(seconds=1))
    async with Orchestrix.from_config() as app:
        await tell(app, everybody)
        await app.caught_up(timeout=PATIENCE)
        books = Books(await whole_log(app))
        books.check()
        assert len(books.outcomes()) == MANY
        reasons = {reason or status for status, reason in books.outcomes().values()}
        assert reasons >= {
            "completed",
            "card declined",
            "not paid in time",
            "no delivery to Crater 7, Moon",
        }
        assert any(reason.endswith("in stock") for reason in reasons)
        await check_views(app, books)


@pytest.mark.parametrize("configured", ["sqlite", "postgres"], indirect=True)
@pytest.mark.usefixtures("configured")
async def test_the_time_to_pay_ends_though_nothing_ran() -> None:
    forgetful = next(one for one in customers(MANY) if one.order.card is None and not one.pays)
    with frozen() as world:
        async with Orchestrix.from_config() as app:
            await fill_shelves(app, MANY)
            await app.send(forgetful.order)
            await app.caught_up(timeout=PATIENCE)
            kinds = [type(record.event) for record in await whole_log(app)]
            assert PaymentRequested in kinds
        world.advance(minutes=15)
        async with Orchestrix.from_config() as app:
            async with asyncio.timeout(PATIENCE):
                await see_it_through(app, [forgetful], after=0)
            await app.caught_up(timeout=PATIENCE)
            books = Books(await whole_log(app))
            books.check()
            assert any(isinstance(event, PaymentFailed) for event in books.events)
            await check_views(app, books)


@pytest.mark.usefixtures("configured")
def test_the_demo_runs_again_and_again_and_shows_how_it_ended() -> None:
    for _ in range(2):
        command = [sys.executable, "-W", "error", "-m", "fulfilment", "demo"]
        done = subprocess.run(
            [*command, "--orders", "10", "--pay-within", "0.2"], capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert re.match(r"10 orders, \d+ events", done.stdout)
        titles = ("What became of the orders", "Sales by day", "Products", "completed", "cancelled")
        assert [title for title in titles if title not in done.stdout] == []
