"""Sagas: time-outs come when they are due, to who still waits for them, whatever restarts."""

from __future__ import annotations

import asyncio

import pytest

from orchestrix_contract_tests import driver
from orchestrix_contract_tests.contracts._shop import shop
from orchestrix_contract_tests.contracts._store import StoreContract
from orchestrix_contract_tests.contracts._trips import (
    Desk,
    Late,
    Left,
    Lost,
    Seated,
    Trip,
    ask,
    instance,
    ledger,
    seat,
    settled,
)
from orchestrix_contract_tests.contracts._workers import until
from orchestrix_contract_tests.driver import Driver, Stores
from orchestrix_core import Event, Orchestrix
from orchestrix_core.testing import frozen
from orchestrix_core.timers import TIMERS

__all__ = ["SagaTimeoutContract"]

BOOKED = ["+flight", "+hotel"]
LATE = Late.__message_type__


class Patient(Trip, name="Trip"):
    """The same; having a seat is being in time."""

    async def seated(self, event: Seated) -> None:
        assert self.cancel(Late)


async def fire(app: Orchestrix) -> None:
    """Do what the worker does each time it looks."""
    await app._engine.timers.fire()


async def timers(store: Driver) -> list[str]:
    """Return the stored names of what is scheduled."""
    return sorted(found.body["type"] for found in await store.find_documents(TIMERS))


class SagaTimeoutContract(StoreContract, needs=("documents", "global_log", "async")):
    """`schedule` and `cancel`."""

    async def test_time_out_comes_after_a_restart(self, store: Driver, stores: Stores) -> None:
        """Sagas: scheduled by one process, it comes in another, by itself."""
        with frozen() as world:
            async with shop(store, Trip, Desk(), worker=True) as app:
                await ask(store, "a")
                await settled(app)
                await fire(app)
                assert await ledger(store, "a") == BOOKED
            world.advance(minutes=61)
            (again,) = await stores.rivals(store, 1)
            async with shop(again, Trip, Desk(), worker=True):
                await until(lambda: _ended(again))
        assert await ledger(again, "a") == [*BOOKED, "-hotel", "-flight"]
        assert (await again.load("saga-Trip-a"))[2].type == LATE

    async def test_nothing_comes_before_what_was_sent(self, store: Driver) -> None:
        """Sagas: a process dies before it has sent the commands, and the rest is long overdue."""
        desk = Desk()
        desk.stuck = "flight"
        with frozen() as world:
            async with shop(store, Trip, desk, worker=True, grace=0) as app:
                await ask(store, "a")
                async with asyncio.timeout(driver.PATIENCE):
                    await desk.at_it.wait()
                world.advance(hours=3)
                await fire(app)
                assert await ledger(store, "a") == []
            async with shop(store, Trip, Desk(), worker=True) as app:
                await settled(app)
                await fire(app)
                await settled(app)
        done = await ledger(store, "a")
        assert done[:2] == BOOKED
        assert sorted(done[2:]) == ["-flight", "-hotel", "=reminder"]

    async def test_command_that_fails_holds_nothing_up(self, store: Driver) -> None:
        """Sagas: the time-out is there for the case that a command is a dead letter."""
        desk = Desk()
        desk.full = {"flight"}
        async with shop(store, Trip, desk, worker=True) as app:
            await ask(store, "a")
            await settled(app)
        assert await ledger(store, "a") == []
        assert await timers(store) == ["contract.trip.remind", "orchestrix.saga.time-out.Trip"]

    async def test_time_out_that_was_cancelled_does_not_come(self, store: Driver) -> None:
        """Sagas: its timer goes with the reaction that cancels it; a command's stays."""
        with frozen() as world:
            async with shop(store, Patient, Desk(), worker=True) as app:
                await ask(store, "a")
                await seat(store, "a", 1)
                await settled(app)
                assert await timers(store) == ["contract.trip.remind"]
                world.advance(minutes=61)
                await fire(app)
                await settled(app)
        assert await ledger(store, "a") == BOOKED
        assert (await instance(store, "a")).status == "running"

    async def test_instance_that_has_ended_has_no_time_out(self, store: Driver) -> None:
        """Sagas: the end of an instance cancels its time-outs; its scheduled commands are sent."""
        with frozen() as world:
            async with shop(store, Trip, Desk(), worker=True) as app:
                await ask(store, "a", "b")
                await seat(store, "a", 1, Left(trip="a"))
                await seat(store, "b", 1, Lost(trip="b"))
                await settled(app)
                assert await timers(store) == ["contract.trip.remind"] * 2
                world.advance(hours=3)
                await fire(app)
                await settled(app)
                assert await timers(store) == []
        assert await ledger(store, "a") == [*BOOKED, "=all", "=reminder"]
        assert await ledger(store, "b") == [*BOOKED, "-hotel", "-flight", "=reminder"]

    @pytest.mark.parametrize(
        ("saga", "event"), [(Patient, Seated(trip="a")), (Trip, Left(trip="a"))]
    )
    async def test_time_out_on_its_way_is_ignored_once_it_is_cancelled(
        self, store: Driver, saga: type[Trip], event: Event
    ) -> None:
        """Sagas: it is in the log already, behind the event that cancels it or ends the saga."""
        with frozen() as world:
            async with shop(store, saga, Desk(), worker=True) as app:
                await ask(store, "a")
                await settled(app)
            async with shop(store, saga, Desk()) as app:  # nobody hears anything
                await seat(store, "a", 1, event)
                world.advance(minutes=61)
                await fire(app)
            assert (await store.load("saga-Trip-a"))[-1].type == LATE
            async with shop(store, saga, Desk(), worker=True) as app:
                await settled(app)
        assert "-flight" not in await ledger(store, "a")

    async def test_time_out_comes_once(self, store: Driver, stores: Stores) -> None:
        """Sagas: fired by two, and again by one that died before it removed the timer."""
        one, other = await stores.rivals(store, 2)
        with frozen() as world:
            async with shop(one, Trip, Desk(), worker=True) as app:
                await ask(store, "a")
                await settled(app)
                world.advance(minutes=61)
                (timer,) = await store.find_documents(TIMERS, due=world.now)
            async with shop(one, Trip, Desk()) as left, shop(other, Trip, Desk()) as right:
                command = left._engine.timers._command(timer)
                await left.send(command)
                await asyncio.gather(fire(left), fire(right))
            async with shop(one, Trip, Desk(), worker=True) as app:
                await settled(app)
        types = [event.type for event in await store.load("saga-Trip-a")]
        assert types.count(LATE) == 1
        assert await ledger(store, "a") == [*BOOKED, "-hotel", "-flight"]

    async def test_time_outs_of_other_sagas_are_none_of_ours(self, store: Driver) -> None:
        """Sagas: two sagas may have time-outs of one class; each hears its own."""

        class Watch(Trip, name="Watch", start="beginning"):
            def lost(self, event: Lost) -> None: ...

            def late(self, event: Late) -> None:
                self.complete()

        with frozen() as world:
            async with shop(store, Trip, Watch, Desk(), worker=True) as app:
                await ask(store, "a")
                await settled(app)
                assert len(await ledger(store, "a")) == 4
                await seat(store, "a", 1, Lost(trip="a"))
                await settled(app)
                world.advance(minutes=61)
                await fire(app)
                await settled(app)
        (heard,) = [each for each in await store.load("saga-Watch-a") if each.type == LATE]
        assert heard.causation_id == (await store.load("trip-a"))[0].id
        assert len(await ledger(store, "a")) == 6
        assert (await instance(store, "a")).status == "compensated"


async def _ended(store: Driver) -> bool:
    return (await instance(store, "a")).status == "compensated" and (
        len(await ledger(store, "a")) == 4
    )
