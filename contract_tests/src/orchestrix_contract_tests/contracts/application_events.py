"""Events of an application: who wants to hear them does, at least once, and can be waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from orchestrix_contract_tests import driver
from orchestrix_contract_tests.contracts._shop import Kept, Receipt, Reserve, Reserved, Shop, shop
from orchestrix_contract_tests.contracts._store import StoreContract
from orchestrix_contract_tests.contracts._workers import QUICK, owners, until
from orchestrix_contract_tests.driver import Driver, Stores, bounded
from orchestrix_core import (
    DeadLetters,
    Event,
    NotCaughtUpError,
    Orchestrix,
    OrchestrixError,
    current_trace_id,
    on,
)

__all__ = ["ApplicationEventContract"]

HEARING = "contract-hearing"


class Noticed(Event, type="contract.noticed"):
    item: str


class Hearing:
    """
    Hears what is reserved.

    Attributes:
        heard: the ids of the events.
        fails: items at which it raises.
    """

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.fails: set[str] = set()

    @on(Reserved, name=HEARING, retry=QUICK)
    async def hear(self, event: Reserved) -> None:
        self.heard.append(event.id)
        if event.item in self.fails:
            raise ValueError(event.item)


class Following:
    """Answers each event with another one, and that again with a command."""

    @on(Reserved, name="contract-following")
    async def notice(self, event: Reserved, app: Orchestrix) -> None:
        await app.store.save(f"notice-{event.item}", [Noticed(item=event.item)])

    @on(Noticed, name="contract-following-more")
    async def go_on(self, event: Noticed, app: Orchestrix) -> None:
        if event.item == "pen":
            await app.send(Reserve(item="ink"))


class Bus:
    """As little as a bus needs, to see what comes over it."""

    def __init__(self) -> None:
        self.handlers: list[Any] = []

    async def publish(self, message: Any) -> None:
        for kind, handler in self.handlers:
            if isinstance(message, kind):
                await handler(message)

    def subscribe(self, message_type: Any, handler: Any) -> None:
        self.handlers.append((message_type, handler))

    def unsubscribe(self, message_type: Any, handler: Any) -> None:
        self.handlers.remove((message_type, handler))


class ApplicationEventContract(StoreContract, needs=("documents", "global_log", "async")):
    """`@on`, the bus, `caught_up`, and the end of an application."""

    async def test_what_is_saved_is_heard(self, store: Driver) -> None:
        """Events: what commands or anybody stores reaches `@on` functions and bus subscribers."""
        hearing, bus = Hearing(), Bus()
        over_bus: list[str] = []

        async def listen(event: Event) -> None:
            over_bus.append(event.id)

        async with shop(store, Shop(), hearing, worker=True, bus=bus) as app:
            app.bus.subscribe(Event, listen)
            await app.send(Reserve(item="pen"))
            await app.store.save("ink", [Reserved(item="ink", amount=1)])
            await app.caught_up(timeout=driver.PATIENCE)
        ids = [record.event.id for record in await store.read_log()]
        assert hearing.heard == over_bus == ids

    async def test_what_was_saved_before_a_crash_is_heard(
        self, store: Driver, stores: Stores
    ) -> None:
        """Events: stored by a process that died before it told anybody, they are heard later."""
        async with shop(store, Shop(), Hearing()) as app:  # no worker: nobody is told
            await app.send(Reserve(item="pen"))
        hearing = Hearing()
        again = (await stores.rivals(store, 1))[0]
        async with shop(again, Shop(), hearing, worker=True) as app:
            await app.caught_up(timeout=driver.PATIENCE)
        assert hearing.heard == [event.id for event in await store.load("pen")]

    async def test_what_was_before_the_first_start_is_not_heard(self, store: Driver) -> None:
        """Events: a new function hears what is new; the past is no news."""
        await store.save("pen", [Reserved(item="pen", amount=1)])
        hearing = Hearing()
        async with shop(store, hearing, worker=True) as app:
            await app.store.save("ink", [Reserved(item="ink", amount=1)])
            await app.caught_up(timeout=driver.PATIENCE)
        assert hearing.heard == [event.id for event in await store.load("ink")]

    async def test_handler_that_fails_holds_up_its_own_stream(self, store: Driver) -> None:
        """Events: what cannot be handled is tried again, set aside, and can be replayed."""
        hearing = Hearing()
        hearing.fails = {"pen"}
        async with shop(store, Shop(), hearing, worker=True) as app:
            for item in ("pen", "ink", "pen"):
                await app.send(Reserve(item=item))
            await app.caught_up(timeout=driver.PATIENCE)
            pen, ink = await store.load("pen"), await store.load("ink")
            assert hearing.heard.count(pen[0].id) == QUICK.attempts
            assert hearing.heard.count(ink[0].id) == 1
            assert pen[1].id not in hearing.heard
            hearing.fails = set()
            letters = DeadLetters(store.store, HEARING)
            await letters.replay()
            await until(lambda: _none_left(letters))
            assert hearing.heard[-2:] == [event.id for event in pen]

    async def test_handling_goes_on_the_trace(self, store: Driver) -> None:
        """Events: in a handler the event's trace goes on, and what it makes says its cause."""
        seen: list[Any] = []

        class Tracing:
            @on(Reserved)
            def hear(self, event: Reserved) -> None:
                seen.append((event, Noticed(item="pen"), current_trace_id()))

        async with shop(store, Tracing(), worker=True) as app:
            await app.store.save("pen", [Reserved(item="pen", amount=1, trace_id="a" * 32)])
            await app.caught_up(timeout=driver.PATIENCE)
        ((event, made, trace),) = seen
        assert (made.causation_id, made.trace_id, trace) == (event.id, "a" * 32, "a" * 32)

    async def test_caught_up_waits_for_what_follows(self, store: Driver) -> None:
        """Events: `caught_up` waits for what handlers append and send, too."""
        async with shop(store, Shop(), Following(), worker=True) as app:
            await app.send(Reserve(item="pen"))
            await app.caught_up(timeout=driver.PATIENCE)
            assert [record.aggregate_id for record in await store.read_log()] == [
                "pen", "notice-pen", "ink", "notice-ink",
            ]  # fmt: skip

    async def test_caught_up_tells_how_far_each_has_got(self, store: Driver) -> None:
        """Events: when `caught_up` has waited long enough it shows who is behind."""
        gate = asyncio.Event()

        class Slow:
            @on(Reserved, name="contract-slow")
            async def hear(self, event: Reserved) -> None:
                await gate.wait()

        async with shop(store, Slow(), Hearing(), worker=True) as app:
            await app.store.save("pen", [Reserved(item="pen", amount=1)])
            position = await store.head()
            with pytest.raises(NotCaughtUpError, match=r"contract-slow/0 .*1") as caught:
                await app.caught_up(after=position, timeout=0.05)
            assert (caught.value.position, caught.value.timeout) == (position, 0.05)
            gate.set()
            await app.caught_up(after=position, timeout=driver.PATIENCE)

    async def test_what_fails_beside_the_application_is_raised(self, store: Driver) -> None:
        """Events: when a part of the application fails, who waits is told at once."""
        with pytest.raises(ZeroDivisionError):
            async with shop(store, _Failing(), worker=True) as app:
                await app.store.save("pen", [Reserved(item="pen", amount=1)])
                with pytest.raises(ZeroDivisionError):
                    await app.serve()

    async def test_in_hand_at_the_end_is_finished(self, store: Driver) -> None:
        """Events: at the end, commands in hand finish, positions are saved, leases given back."""
        handlers, hearing = Shop(), Hearing()
        handlers.pause = asyncio.Event()
        context = shop(store, handlers, hearing, worker=True)
        app = await context.__aenter__()
        sending = asyncio.create_task(app.send(Reserve(item="pen")))
        await bounded(handlers.entered.wait(), "a handler")
        leaving = asyncio.create_task(context.__aexit__(None, None, None))
        await until(lambda: _given_back(store))
        assert not leaving.done()
        handlers.pause.set()
        await bounded(leaving, "the end of an application")
        assert await sending == Receipt("pen", 9)
        assert len(await store.load("pen")) == 1
        with pytest.raises(OrchestrixError, match="not running"):
            await app.send(Reserve(item="pen"))

    async def test_in_hand_for_too_long_is_cut_off(self, store: Driver) -> None:
        """Events: what takes longer than the time of grace is cut off, and leaves nothing."""
        handlers = Shop()
        handlers.pause = asyncio.Event()
        async with shop(store, handlers, grace=0.01) as app:
            sending = asyncio.create_task(app.send(Reserve(item="pen")))
            await bounded(handlers.entered.wait(), "a handler")
        with pytest.raises(OrchestrixError, match="stored whole or not at all"):
            await bounded(sending, "send")
        assert await store.load("pen") == []

    async def test_cut_off_while_it_is_stored_it_may_be_there(self, store: Driver) -> None:
        """Events: cut off in its commit, nobody says that nothing is stored; sent again, once."""
        command = Reserve(item="pen")
        async with shop(store, grace=0.01, wrap=_Silent) as app:
            sending = asyncio.create_task(app.send(command))
            await until(lambda: store.load("pen"))
        with pytest.raises(OrchestrixError, match="stored whole or not at all"):
            await bounded(sending, "send")
        async with shop(store) as app:
            assert await app.send(command) == Receipt("pen", 9)
        assert len(await store.load("pen")) == 1


class _Silent(Kept):
    """A store that commits, and does not come to say so."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        async with self.opened.transaction() as transaction:
            yield transaction
        await asyncio.Event().wait()


class _Failing:
    def __orchestrix_component__(self, app: Any) -> Any:
        from orchestrix_core.components import Component

        class Broken(Component):
            name = "broken"

            async def work(self, worker: Any, stopping: Any) -> None:
                raise ZeroDivisionError

        return Broken()


async def _none_left(letters: DeadLetters) -> bool:
    return not await letters.list()


async def _given_back(store: Driver) -> bool:
    return await owners(store, HEARING) == [None]
