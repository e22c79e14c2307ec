"""Sagas: what an instance asks for is done, once, in order, whatever comes twice or at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from orchestrix_contract_tests.contracts._shop import shop
from orchestrix_contract_tests.contracts._store import StoreContract
from orchestrix_contract_tests.contracts._trips import (
    Asked,
    Desk,
    Left,
    Lost,
    Progress,
    Seated,
    Spread,
    Trip,
    ask,
    component,
    forget_position,
    instance,
    ledger,
    reactions,
    seat,
    settled,
)
from orchestrix_contract_tests.driver import Driver, Stores, bounded
from orchestrix_core import NO_INSTRUMENTATION
from orchestrix_core.commands import purge
from orchestrix_core.messages import now

__all__ = ["SagaReactionContract"]


class SagaReactionContract(StoreContract, needs=("documents", "global_log", "async")):
    """Events in, commands out."""

    async def test_saga_sends_its_commands_in_order(self, store: Driver) -> None:
        """Sagas: an event starts an instance; each reaction's commands are handled, in order."""
        async with shop(store, Trip, Desk(), worker=True) as app:
            await ask(store, "a", "b")
            await seat(store, "a", 1)
            await seat(store, "b", 1, Left(trip="b"))
            await settled(app)
        assert await ledger(store, "a") == ["+flight", "+hotel", "+seat 1"]
        assert await ledger(store, "b") == ["+flight", "+hotel", "=all"]
        assert (await instance(store, "a")).status == "running"
        assert (await instance(store, "b")).status == "completed"
        assert (await instance(store, "a")).state == {"seats": 1}

    async def test_what_follows_says_where_it_came_from(self, store: Driver) -> None:
        """Sagas: the reaction, the command and what it does belong to the event's conversation."""
        asked = Asked(trip="a", trace_id="5" * 32)
        async with shop(store, Trip, Desk(), worker=True) as app:
            await store.save("trip-a", [asked])
            await settled(app)
        (reacted,) = await reactions(store, "a")
        booked = (await store.load("ledger-a"))[0]
        assert reacted.causation_id == asked.id
        assert booked.causation_id == reacted.commands[0].id
        for event in (reacted, booked):
            assert (event.correlation_id, event.trace_id) == (asked.id, asked.trace_id)

    async def test_events_that_come_again_change_nothing(self, store: Driver) -> None:
        """Sagas: with its position lost, and the results of commands, nothing is done twice."""
        async with shop(store, Trip, Desk(), worker=True) as app:
            await ask(store, "a", "b", "c")
            for trip in "abc":
                await seat(store, trip, 1)
            await seat(store, "b", 2, Lost(trip="b"))
            await seat(store, "c", 2, Left(trip="c"))
            await settled(app)
        before = [await ledger(store, trip) for trip in "abc"]
        head = await store.head()
        await purge(store.store, now() + timedelta(days=30))
        await forget_position(store)
        desk = Desk()
        async with shop(store, Trip, desk, worker=True) as app:
            await settled(app)
        assert [await ledger(store, trip) for trip in "abc"] == before
        assert (await store.head(), desk.runs) == (head, {})

    async def test_event_for_no_instance_is_dropped(
        self, store: Driver, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Sagas: it is counted, and told once."""
        caplog.set_level(logging.WARNING, "orchestrix_core.sagas")
        async with shop(store, Trip, Desk(), worker=True) as app:
            for number in range(3):
                await seat(store, "nowhere", number)
            await ask(store, "a")
            await settled(app)
            assert component(app).runner.dropped == {"contract.trip.seated": 3}
        assert [record.name for record in caplog.records] == ["orchestrix_core.sagas"]
        assert await store.load("saga-Trip-nowhere") == []
        assert len(await ledger(store, "a")) == 2

    async def test_instance_that_has_ended_hears_nothing(self, store: Driver) -> None:
        """Sagas: what comes late is ignored, also what would start an instance."""
        async with shop(store, Trip, Desk(), worker=True) as app:
            await ask(store, "a", "b")
            await seat(store, "a", 1, Left(trip="a"))
            await seat(store, "b", 1, Lost(trip="b"))
            for trip in "ab":
                await seat(store, trip, 1)
                await ask(store, trip)
            await settled(app)
        assert await ledger(store, "a") == ["+flight", "+hotel", "=all"]
        assert await ledger(store, "b") == ["+flight", "+hotel", "-hotel", "-flight"]
        assert len(await reactions(store, "a")) == len(await reactions(store, "b")) == 2

    async def test_two_workers_keep_the_order_of_each_instance(
        self, store: Driver, stores: Stores
    ) -> None:
        """Sagas: an instance hears the events of several streams in the order of the log."""
        one, other = await stores.rivals(store, 2)
        trips = [f"t{number}" for number in range(12)]
        for trip in trips:
            await ask(store, trip)
            for number in range(4):
                await seat(store, trip, number)
            await seat(store, trip, 4, Left(trip=trip))
        async with (
            shop(one, Spread, Desk(), worker=True) as left,
            shop(other, Spread, Desk(), worker=True) as right,
        ):
            await settled(left)
            await settled(right)
        seats = [f"+seat {number}" for number in range(1, 5)]
        for trip in trips:
            assert await ledger(store, trip) == ["+flight", "+hotel", *seats, "=all"]

    async def test_two_at_once_on_one_instance(self, store: Driver, stores: Stores) -> None:
        """Sagas: reactions of one instance never overlap, even where two workers have it."""
        one, other = await stores.rivals(store, 2)
        await ask(store, "a")
        for number in range(10):
            await seat(store, "a", number)
        async with shop(one, Trip, Desk()) as left, shop(other, Trip, Desk()) as right:
            first, *rest = await store.read_log()
            await component(left).runner.handle(first, None)
            work = [
                component(app).runner.handle(record, None)
                for number, record in enumerate(rest)
                for app in ((left, right) if number % 2 else (right, left))
            ]
            await bounded(asyncio.gather(*work), "two at once")
        seats = sorted((await ledger(store, "a"))[2:], key=lambda done: int(done.split()[1]))
        assert seats == [f"+seat {number}" for number in range(1, 11)]
        assert (await instance(store, "a")).state == {"seats": 10}

    async def test_instrumentation_sees_each_reaction(self, store: Driver) -> None:
        """Sagas: `execute_saga`, with the commands inside; nothing for what is dropped."""
        seen = Seen()
        asked = Asked(trip="a")
        async with shop(store, Trip, Desk(), worker=True, instrumentation=seen) as app:
            await seat(store, "nowhere", 1)
            await store.save("trip-a", [asked])
            await settled(app)
        assert seen.sagas == [
            {
                "message_type": asked.type,
                "message_id": asked.id,
                "saga": "Trip",
                "saga_id": "a",
            }
        ]
        assert seen.inside == ["contract.trip.book", "contract.trip.book"]

    async def test_state_is_typed(self, store: Driver) -> None:
        """Sagas: the state comes back as what it is."""
        async with shop(store, Trip, Desk(), worker=True) as app:
            await ask(store, "a")
            await store.save("more", [Seated(trip="a"), Seated(trip="a")])
            await settled(app)
            state = component(app).runner._reactor.state_of(await instance(store, "a"))
        assert state == Progress(seats=2)


class Seen:
    """Notes which sagas run, and which commands are handled in them."""

    def __init__(self) -> None:
        self.sagas: list[Mapping[str, str]] = []
        self.inside: list[str] = []
        self._depth = 0

    @contextmanager
    def operation(self, name: str, attributes: Mapping[str, str]) -> Iterator[None]:
        if name == "execute_saga":
            self.sagas.append(attributes)
            self._depth += 1
        elif name == "handle_command" and self._depth:
            self.inside.append(attributes["message_type"])
        try:
            yield
        finally:
            self._depth -= name == "execute_saga"

    def record(self, *what: Any) -> None:
        NO_INSTRUMENTATION.record(*what)
