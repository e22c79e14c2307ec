"""Commands: handled once, all or nothing, whoever sends them and however often."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from orchestrix_contract_tests.contracts._shop import (
    Kept,
    Move,
    OutOfStock,
    Receipt,
    Reserve,
    Reserved,
    Shop,
    Stock,
    others,
    shop,
)
from orchestrix_contract_tests.contracts._store import StoreContract
from orchestrix_contract_tests.driver import Driver, Stores, bounded
from orchestrix_core import (
    Command,
    ConcurrencyError,
    Orchestrix,
    Snapshot,
    StorageError,
    StreamWrite,
    handles,
)
from orchestrix_core.commands import COMMANDS, purge
from orchestrix_core.testing import frozen

__all__ = ["ApplicationCommandContract"]


class Both(Command, type="contract.both"):
    fail: bool = False


class Twice(Command, type="contract.twice"):
    pass


class Show(Command, type="contract.show"):
    pass


class ApplicationCommandContract(StoreContract, needs=("documents", "global_log", "async")):
    """`Orchestrix.send`."""

    async def test_command_is_handled_and_its_result_returned(self, store: Driver) -> None:
        """Commands: the handler's events are stored, its result returned."""
        async with shop(store) as app:
            assert await app.send(Reserve(item="pen", amount=3)) == Receipt("pen", 7)
        (event,) = await store.load("pen")
        assert isinstance(event, Reserved)
        assert event.amount == 3

    async def test_events_inherit_from_their_command(self, store: Driver) -> None:
        """Commands: what a handler stores says which command caused it."""
        command = Reserve(item="pen")
        async with shop(store) as app:
            await app.send(command)
        (event,) = await store.load("pen")
        assert (event.causation_id, event.correlation_id) == (command.id, command.id)

    async def test_repeated_command_gets_the_first_result(self, store: Driver) -> None:
        """Commands: one that comes again gets the first result and changes nothing."""
        handlers, command = Shop(), Reserve(item="pen")
        async with shop(store, handlers) as app:
            first = await app.send(command)
            head = await store.head()
            await app.send(Reserve(item="pen"))
            assert await app.send(command) == first == Receipt("pen", 9)
        assert handlers.runs == 2
        assert len(await store.read_log(head)) == 1

    async def test_repeated_command_after_a_restart(self, store: Driver, stores: Stores) -> None:
        """Commands: the first result is there after a restart, of its type."""
        command = Reserve(item="pen")
        async with shop(store) as app:
            first = await app.send(command)
        again = (await stores.rivals(store, 1))[0]
        handlers = Shop()
        async with shop(again, handlers) as app:
            assert await app.send(command) == first
        assert handlers.runs == 0
        assert len(await again.load("pen")) == 1

    async def test_two_at_once_in_one_process(self, store: Driver) -> None:
        """Commands: sent by two tasks at once, one is handled and both get its result."""
        handlers, command = Shop(), Reserve(item="pen")
        handlers.pause = asyncio.Event()
        async with shop(store, handlers) as app:
            sending = [asyncio.create_task(app.send(command)) for _ in range(5)]
            await bounded(handlers.entered.wait(), "a handler")
            await others()
            handlers.pause.set()
            results = await bounded(asyncio.gather(*sending), "send")
        assert results == [Receipt("pen", 9)] * 5
        assert handlers.runs == 1
        assert len(await store.load("pen")) == 1

    async def test_two_at_once_in_two_applications(self, store: Driver, stores: Stores) -> None:
        """Commands: handled by two applications at once, one takes effect, both get its result."""
        first, second = await stores.rivals(store, 2)
        command, shops = Reserve(item="pen"), [Shop(), Shop()]
        async with shop(first, shops[0]) as one, shop(second, shops[1]) as other:
            for each in shops:
                each.pause, each.blind = asyncio.Event(), True
            sending = [asyncio.create_task(app.send(command)) for app in (one, other)]
            for each in shops:  # both have looked, and found nothing; both have decided
                await bounded(each.entered.wait(), "a handler")
            for each in shops:
                each.pause.set()  # type: ignore[union-attr]  # it is set above
            results = await bounded(asyncio.gather(*sending), "send")
        assert results == [Receipt("pen", 9)] * 2
        assert [each.runs for each in shops] == [1, 1]
        assert len(await store.load("pen")) == 1

    async def test_handler_that_fails_because_another_was_faster(
        self, store: Driver, stores: Stores
    ) -> None:
        """Commands: what fails since the same command was done meanwhile gets its result."""
        first, second = await stores.rivals(store, 2)
        command = Reserve(item="pen", amount=10)
        fast, slow = Shop(), _Late()
        async with shop(first, fast) as one, shop(second, slow) as other:
            sending = asyncio.create_task(other.send(command))
            await bounded(slow.entered.wait(), "a handler")
            result = await one.send(command)
            slow.go.set()
            assert await bounded(sending, "send") == result
        assert len(await store.load("pen")) == 1

    async def test_id_of_another_command_is_refused(self, store: Driver) -> None:
        """Commands: an id that was another command's is an error, not that one's result."""
        command = Reserve(item="pen")
        async with shop(store) as app:
            await app.send(command)
            with pytest.raises(ValueError, match=r"contract\.reserve"):
                await app.send(Move(id=command.id, first="a", second="b"))
        assert await store.load("a") == []

    async def test_handler_that_raises_leaves_nothing(self, store: Driver) -> None:
        """Commands: after an error nothing is stored, and the same command is handled anew."""
        async with shop(store, _Pair()) as app:
            command = Both(fail=True)
            for _ in range(2):
                with pytest.raises(OutOfStock):
                    await app.send(command)
        assert await store.head() == 0
        assert await store.find_documents(COMMANDS) == []

    async def test_two_streams_are_stored_together(self, store: Driver) -> None:
        """Commands: what a handler saves to two streams is stored all or nothing."""
        handlers = _Pair()
        async with shop(store, handlers, attempts=2) as app:
            await store.save("b", [Reserved(item="b", amount=1)])
            handlers.expected = 0  # of the second one, and wrong
            with pytest.raises(ConcurrencyError):
                await app.send(Both())
            assert await store.load("a") == []
            assert await store.find_documents(COMMANDS) == []
            handlers.expected = 1
            await app.send(Both())
        assert [len(await store.load(name)) for name in "ab"] == [1, 2]

    async def test_commit_that_fails_leaves_nothing(self, store: Driver) -> None:
        """Commands: when the result cannot be stored, the events are not either."""
        async with shop(store, wrap=_Refusing) as app:
            with pytest.raises(StorageError):
                await app.send(Reserve(item="pen"))
        assert await store.head() == 0
        assert await store.find_documents(COMMANDS) == []

    async def test_commit_in_doubt_is_looked_up(self, store: Driver) -> None:
        """Commands: when the answer to a commit is lost, what it did is found out."""
        handlers = Shop()
        async with shop(store, handlers, wrap=_Forgetful) as app:
            assert await app.send(Reserve(item="pen")) == Receipt("pen", 9)
        assert handlers.runs == len(await store.load("pen")) == 1

    async def test_conflict_runs_the_handler_again(self, store: Driver) -> None:
        """Commands: when another was faster the handler decides anew, and appends once."""
        rival = _Rival(store)
        async with shop(store, rival) as app:
            assert await app.send(Reserve(item="pen")) == 8
        assert rival.runs == 2
        amounts = [event.amount for event in await store.load("pen")]  # type: ignore[attr-defined]
        assert amounts == [1, 1]

    async def test_conflicts_end(self, store: Driver) -> None:
        """Commands: when others are faster each time, the conflict is raised at last."""
        rival = _Rival(store, rounds=99)
        async with shop(store, rival, attempts=3) as app:
            with pytest.raises(ConcurrencyError):
                await app.send(Reserve(item="pen"))
        assert rival.runs == 3

    async def test_many_at_once_lose_nothing(self, store: Driver) -> None:
        """Commands: ten reserve of one item at once, and each takes effect once."""
        async with shop(store, attempts=40) as app:
            await asyncio.gather(*(app.send(Reserve(item="pen")) for _ in range(10)))
            with pytest.raises(OutOfStock):
                await app.send(Reserve(item="pen"))
        assert len(await store.load("pen")) == 10

    async def test_command_within_a_command(self, store: Driver) -> None:
        """Commands: what a handler sends is part of what it does: all or nothing."""
        async with shop(store) as app:
            assert await app.send(Move(first="pen", second="ink")) == [
                Receipt("pen", 9),
                Receipt("ink", 9),
            ]
            head = await store.head()
            await app.send(Reserve(item="ink", amount=9))
            with pytest.raises(OutOfStock):
                await app.send(Move(first="pen", second="ink"))
            assert await app.send(Move(first="pen", second="pen")) == [
                Receipt("pen", 8),
                Receipt("pen", 7),
            ]
        assert head == (await store.read_log())[1].position
        assert [len(await store.load(name)) for name in ("pen", "ink")] == [3, 2]

    async def test_loads_see_what_was_saved(self, store: Driver) -> None:
        """Commands: in a handler loads see what it has saved, and nobody else does."""
        await store.save("a", [Reserved(item="a", amount=5)])
        seen: list[Any] = []

        @handles(Show)
        async def look(command: Show, app: Orchestrix) -> None:
            events = [Reserved(item="a", amount=n, trace_id="f" * 32) for n in range(3)]
            await app.store.save("a", events[:1], 1)
            await app.store.save("a", events[1:2], 2)
            await app.store.save_all([StreamWrite("b", events[2:], 0)])  # type: ignore[attr-defined]
            with pytest.raises(ConcurrencyError):
                await app.store.save("a", [Reserved(item="a", amount=9)], 1)
            await app.store.save("a", events[1:2], 2)  # the very same again
            whole = await app.store.load("a")
            seen.append([event.amount for event in whole])  # type: ignore[attr-defined]
            seen.append(len(await app.store.load("a", 2)))
            seen.append(await app.store.load_by_trace("f" * 32) == events)
            seen.append([len(await store.load(name)) for name in "ab"])
            await app.store.save_snapshot_async(Snapshot(aggregate_id="a", version=3, state={}))
            seen.append(await store.load_snapshot("a"))

        async with shop(store, look) as app:
            await app.send(Show())
        assert seen == [[5, 0, 1], 1, True, [1, 0], None]
        assert [len(await store.load(name)) for name in "ab"] == [3, 1]
        snapshot = await store.load_snapshot("a")
        assert snapshot is not None
        assert snapshot.version == 3

    async def test_cache_holds_nothing_that_is_not_stored(self, store: Driver) -> None:
        """Commands: an aggregate that is kept in memory never shows what a handler dropped."""

        class Cached:
            repository: Any = None

            @handles(Twice, idempotent=False)
            async def twice(self, command: Twice, app: Orchestrix) -> None:
                stock = await self.repository.load("pen")
                stock.reserve(1)
                await self.repository.save(stock)
                stock = await self.repository.load("pen")
                stock.reserve(9)
                await self.repository.save(stock)
                raise OutOfStock

        handlers = Cached()
        async with shop(store, handlers) as app:
            stocks = handlers.repository = app.repository(Stock, cache=5)
            await stocks.execute("pen", lambda stock: stock.reserve(2))
            assert (await stocks.load("pen")).left == 8
            with pytest.raises(OutOfStock):
                await app.send(Twice())
            assert ((await stocks.load("pen")).left, len(await store.load("pen"))) == (8, 1)
            await stocks.execute("pen", lambda stock: stock.reserve(2))
            assert (await stocks.load("pen")).left == 6

    async def test_without_results_each_time_counts(self, store: Driver) -> None:
        """Commands: with `idempotent=False` a command that comes again is handled again."""

        @handles(Twice, idempotent=False)
        async def twice(command: Twice, app: Orchestrix) -> object:
            await app.store.save("a", [Reserved(item="a", amount=1)])
            return object()

        command = Twice()
        async with shop(store, twice) as app:
            assert await app.send(command) is not await app.send(command)
        assert len(await store.load("a")) == 2
        assert await store.find_documents(COMMANDS) == []

    async def test_results_are_forgotten_in_time(self, store: Driver) -> None:
        """Commands: results that are old enough are removed, and no others."""
        with frozen() as world:
            async with shop(store) as app:
                old, new = Reserve(item="pen"), Reserve(item="pen")
                await app.send(old)
                world.advance(days=6)
                await app.send(new)
                assert await purge(store.store) == 0
                world.advance(days=2)
                assert await purge(store.store) == 1
        assert [found.key for found in await store.find_documents(COMMANDS)] == [new.id]


class _Refusing(Kept):
    """A store that keeps no results."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        async with self.opened.transaction() as transaction:
            yield _WithoutResults(transaction)


class _WithoutResults:
    def __init__(self, transaction: Any) -> None:
        self._transaction = transaction

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transaction, name)

    async def put(self, collection: str, *args: Any, **kwargs: Any) -> int:
        if collection == COMMANDS:
            msg = "no room"
            raise StorageError(msg)
        return int(await self._transaction.put(collection, *args, **kwargs))


class _Forgetful(Kept):
    """A store that commits, and does not say so."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        async with self.opened.transaction() as transaction:
            yield transaction
        msg = "the answer to a commit is lost"
        raise StorageError(msg)


class _Late(Shop):
    """Loads late: when the other has reserved already."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()

    @handles(Reserve)
    async def reserve(self, command: Reserve, app: Orchestrix) -> Receipt:
        self.entered.set()
        await self.go.wait()
        return await super().reserve(command, app)


class _Pair:
    """Saves to two streams, and may fail then."""

    expected: int | None = None

    @handles(Both)
    async def both(self, command: Both, app: Orchestrix) -> None:
        await app.store.save("a", [Reserved(item="a", amount=1)], 0)
        await app.store.save("b", [Reserved(item="b", amount=1)], self.expected)
        if command.fail:
            raise OutOfStock


class _Rival:
    """A handler that is overtaken by another process, at some of its runs."""

    def __init__(self, store: Driver, rounds: int = 1) -> None:
        self.store = store
        self.rounds = rounds
        self.runs = 0

    @handles(Reserve)
    async def reserve(self, command: Reserve, app: Orchestrix) -> int:
        stocks = app.repository(Stock)
        stock = await stocks.load(command.item)
        left = stock.reserve(command.amount)
        await stocks.save(stock)
        self.runs += 1
        if self.runs <= self.rounds:
            await self.store.save(command.item, [Reserved(item=command.item, amount=1)])
        return left
