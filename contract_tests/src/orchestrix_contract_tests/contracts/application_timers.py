"""Timers: commands that are sent later, once, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orchestrix_contract_tests.contracts._shop import (
    OutOfStock,
    Reserve,
    Reserved,
    Shop,
    others,
    shop,
)
from orchestrix_contract_tests.contracts._store import StoreContract
from orchestrix_contract_tests.contracts._workers import until
from orchestrix_contract_tests.driver import Driver, Stores, bounded
from orchestrix_core import Command, Orchestrix, handles
from orchestrix_core.testing import frozen
from orchestrix_core.timers import TIMERS

__all__ = ["ApplicationTimerContract"]

MINUTE = timedelta(minutes=1)


class Plan(Command, type="contract.plan"):
    cancel: str | None = None
    fail: bool = False


class Planning:
    @handles(Plan)
    async def plan(self, command: Plan, app: Orchestrix) -> str:
        if command.cancel:
            assert await app.cancel(command.cancel)
        timer = await app.schedule(Reserve(item="pen"), after=MINUTE)
        if command.fail:
            raise OutOfStock
        return timer


async def fire(app: Orchestrix) -> None:
    """Do what the worker does each time it looks."""
    await app._engine.timers.fire()


class ApplicationTimerContract(StoreContract, needs=("documents", "global_log", "async")):
    """`Orchestrix.schedule` and `cancel`."""

    async def test_timer_fires_when_it_is_due(self, store: Driver) -> None:
        """Timers: the command is handled when it is due, not before, and once."""
        command = Reserve(item="pen", amount=3)
        with frozen() as world:
            async with shop(store) as app:
                assert await app.schedule(command, after=MINUTE) == command.id
                await fire(app)
                assert await store.load("pen") == []
                world.advance(minutes=1)
                await fire(app)
                await fire(app)
        (event,) = await store.load("pen")
        assert isinstance(event, Reserved)
        assert (event.amount, event.causation_id) == (3, command.id)
        assert await store.find_documents(TIMERS) == []

    async def test_timer_fires_after_a_restart(self, store: Driver, stores: Stores) -> None:
        """Timers: what one process has scheduled, another one sends."""
        with frozen() as world:
            async with shop(store) as app:
                await app.schedule(Reserve(item="pen"), at=world.now + MINUTE)
            world.advance(minutes=2)
            again = (await stores.rivals(store, 1))[0]
            async with shop(again) as app:
                await fire(app)
        assert len(await again.load("pen")) == 1

    async def test_worker_fires_timers(self, store: Driver) -> None:
        """Timers: a running application sends what is due, without being asked."""
        async with shop(store, worker=True) as app:
            await app.schedule(Reserve(item="pen"), at=datetime(2020, 1, 1, tzinfo=UTC))
            await app.schedule(Reserve(item="pen"), after=timedelta(milliseconds=20))
            await until(lambda: _is_done(store, 2))

    async def test_two_workers_fire_once(self, store: Driver, stores: Stores) -> None:
        """Timers: two processes that find the same timer handle its command once."""
        one, other = await stores.rivals(store, 2)
        first, second = Shop(), Shop()
        first.entered = second.entered = asyncio.Event()
        first.pause = second.pause = asyncio.Event()
        with frozen() as world:
            async with shop(one, first) as left, shop(other, second) as right:
                for n in range(5):
                    await left.schedule(Reserve(item=f"item-{n}"), after=MINUTE)
                world.advance(minutes=1)
                firing = [asyncio.create_task(fire(app)) for app in (left, right)]
                await bounded(first.entered.wait(), "a handler")
                await others()
                first.pause.set()
                await bounded(asyncio.gather(*firing), "firing")
        assert first.runs + second.runs == len(await store.read_log()) == 5

    async def test_timer_of_a_process_that_died_fires_again(self, store: Driver) -> None:
        """Timers: taken by a process that dies before it sends, it is sent by another."""
        handlers = Shop()
        with frozen() as world:
            async with shop(store, handlers) as app:
                await app.schedule(Reserve(item="pen"), after=MINUTE)
                world.advance(minutes=1)
                (timer,) = await store.find_documents(TIMERS, due=world.now)
                timers = app._engine.timers
                assert await timers._claim(timer, MINUTE, timer.body) is not None
                await fire(app)
                assert handlers.runs == 0
                world.advance(minutes=1)
                await fire(app)
        assert len(await store.load("pen")) == 1

    async def test_timer_sent_by_a_process_that_died_is_handled_once(self, store: Driver) -> None:
        """Timers: sent by a process that dies before it removes the timer, it is handled once."""
        handlers, command = Shop(), Reserve(item="pen")
        with frozen() as world:
            async with shop(store, handlers) as app:
                await app.schedule(command, after=MINUTE)
                await app.send(command)
                world.advance(minutes=1)
                await fire(app)
        assert handlers.runs == len(await store.load("pen")) == 1
        assert await store.find_documents(TIMERS) == []

    async def test_cancelled_timer_never_fires(self, store: Driver) -> None:
        """Timers: a timer that was cancelled does nothing; there is none to cancel then."""
        with frozen() as world:
            async with shop(store) as app:
                timer = await app.schedule(Reserve(item="pen"), after=MINUTE)
                assert await app.cancel(timer)
                assert not await app.cancel(timer)
                world.advance(minutes=1)
                await fire(app)
        assert await store.head() == 0

    async def test_scheduled_again_it_has_the_new_time(self, store: Driver) -> None:
        """Timers: a command that is scheduled again gets the new time."""
        command = Reserve(item="pen")
        with frozen() as world:
            async with shop(store) as app:
                await app.schedule(command, after=MINUTE)
                await app.schedule(command, after=3 * MINUTE)
                world.advance(minutes=2)
                await fire(app)
                assert await store.head() == 0
                world.advance(minutes=1)
                await fire(app)
        assert len(await store.load("pen")) == 1

    async def test_timers_of_a_handler_go_with_what_it_does(self, store: Driver) -> None:
        """Timers: scheduled and cancelled in a handler, all or nothing with the rest."""
        async with shop(store, Shop(), Planning()) as app:
            with pytest.raises(OutOfStock):
                await app.send(Plan(fail=True))
            assert await store.find_documents(TIMERS) == []
            first = await app.send(Plan())
            with pytest.raises(OutOfStock):
                await app.send(Plan(cancel=first, fail=True))
            assert [found.key for found in await store.find_documents(TIMERS)] == [first]
            second = await app.send(Plan(cancel=first))
            assert [found.key for found in await store.find_documents(TIMERS)] == [second]

    async def test_command_that_fails_is_sent_again_later(self, store: Driver) -> None:
        """Timers: a command that fails is tried again, and is kept when it is given up."""
        handlers = Shop()
        with frozen() as world:
            async with shop(store, handlers) as app:
                timer = await app.schedule(Reserve(item="pen", amount=11), after=MINUTE)
                world.advance(minutes=1)
                await fire(app)
                await fire(app)
                assert handlers.runs == 1
                for _ in range(20):
                    world.advance(minutes=10)
                    await fire(app)
        assert handlers.runs == 10
        (kept,) = await store.find_documents(TIMERS)
        assert (kept.key, kept.due, kept.body["attempts"]) == (timer, None, 10)
        assert "OutOfStock" in kept.body["error"]

    async def test_commands_of_others_are_left_to_them(self, store: Driver) -> None:
        """Timers: who has no handler of a command leaves it to who has."""
        with frozen() as world:
            async with shop(store) as app:
                await app.schedule(Reserve(item="pen"), after=MINUTE)
            world.advance(minutes=1)
            async with shop(store, Planning()) as app:
                await fire(app)
            assert len(await store.find_documents(TIMERS, due=world.now)) == 1

    @pytest.mark.parametrize(
        ("when", "error"),
        [
            ({}, TypeError),
            ({"after": MINUTE, "at": datetime(2020, 1, 1, tzinfo=UTC)}, TypeError),
            ({"after": 60}, TypeError),
            ({"at": datetime(2020, 1, 1)}, ValueError),
        ],
    )
    async def test_when_must_be_clear(
        self, store: Driver, when: Any, error: type[Exception]
    ) -> None:
        """Timers: a time that says nothing, or two things, is refused."""
        async with shop(store) as app:
            with pytest.raises(error):
                await app.schedule(Reserve(item="pen"), **when)


async def _is_done(store: Driver, count: int) -> bool:
    stored = await store.load("pen")
    return len(stored) == count and not await store.find_documents(TIMERS)
