"""What the contracts about workers share: a handler, a checker of what it did, and waiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final

from orchestrix_contract_tests import driver
from orchestrix_contract_tests.domain import Noted
from orchestrix_contract_tests.driver import Driver
from orchestrix_core import Document, Event, RecordedEvent, StorageError, StreamWrite, Transaction
from orchestrix_core.subscriptions import (
    RetryPolicy,
    Subscription,
    Worker,
    caught_up,
    lags,
)

__all__ = [
    "EFFECTS",
    "QUICK",
    "LateClaim",
    "Wrapped",
    "all_done",
    "count",
    "counting",
    "fill",
    "held",
    "mistakes",
    "notes",
    "owners",
    "repeating",
    "running",
    "until",
    "versions",
]

EFFECTS: Final = "effects"
QUICK: Final = RetryPolicy(attempts=3, first=0.001, longest=0.002)


def notes(count: int) -> list[Event]:
    """Return `count` new events."""
    return [Noted(notes={"n": n}) for n in range(count)]


async def fill(store: Driver, streams: Iterable[str], rounds: int = 2, size: int = 3) -> None:
    """Append to all streams, in turns."""
    names = list(streams)
    for _ in range(rounds):
        for name in names:
            await store.save(name, notes(size))


async def count(record: RecordedEvent, transaction: Transaction | None) -> None:
    """Note, in the transaction, that an event of a stream was handled."""
    assert transaction is not None
    seen = await transaction.get(EFFECTS, record.aggregate_id)
    known = [] if seen is None else seen.body["versions"]
    await transaction.put(EFFECTS, record.aggregate_id, {"versions": [*known, record.version]})


def counting(**settings: Any) -> Subscription:
    """Return a subscription whose effect is what `mistakes` checks."""
    defaults: dict[str, Any] = {"name": "counting", "handle": count, "retry": QUICK}
    return Subscription(**(defaults | settings))


async def versions(store: Driver) -> dict[str, list[int]]:
    """Return which events of each stream had their effect, in the order in which they had it."""
    found: list[Document] = await store.find_documents(EFFECTS, limit=10_000)
    return {document.key: document.body["versions"] for document in found}


async def mistakes(store: Driver, *, without: Collection[str] = ()) -> list[str]:
    """Return what was lost, doubled or out of order, of all streams but some."""
    log: dict[str, list[int]] = {}
    for record in await store.read_log(limit=100_000):
        log.setdefault(record.aggregate_id, []).append(record.version)
    seen = await versions(store)
    return [
        f"stream {name!r}: {seen.get(name)} instead of {log.get(name)}"
        for name in sorted({*log, *seen} - set(without))
        if seen.get(name) != log.get(name)
    ]


@asynccontextmanager
async def running(*workers: Worker) -> AsyncIterator[None]:
    """Run workers beside the block, and stop them after it; what they raise is raised."""
    tasks = [asyncio.create_task(worker.run()) for worker in workers]
    try:
        yield
    finally:
        for worker in workers:
            worker.stop()
        await driver.bounded(asyncio.gather(*tasks), "the end of a worker")


@asynccontextmanager
async def repeating(step: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Do something again and again beside the block; when that ends, nothing is under way."""
    stopping = asyncio.Event()

    async def repeat() -> None:
        while not stopping.is_set():
            await step()
            await asyncio.sleep(0)  # a store in memory waits for nothing

    task = asyncio.create_task(repeat())
    await asyncio.sleep(0)
    try:
        yield
    finally:
        # Not cancelled: a save that is may still take effect, between two looks at the log.
        stopping.set()
        await driver.bounded(task, "what was beside the block")


async def all_done(store: Driver, *names: Subscription | str) -> None:
    """Wait until subscriptions have got to the present end of the log."""
    await caught_up(store.store, names, timeout=driver.PATIENCE)


async def held(store: Driver, worker: Worker, count: int = 1, name: str = "counting") -> bool:
    """Whether a worker holds so many partitions."""
    return (await owners(store, name)).count(worker.owner) == count


async def until(condition: Callable[[], Awaitable[Any]]) -> Any:
    """Ask until the answer is true; return it."""
    async with asyncio.timeout(driver.PATIENCE):
        while not (answer := await condition()):  # noqa: ASYNC110 - what is awaited is elsewhere
            await asyncio.sleep(0.005)
    return answer


async def owners(store: Driver, name: str) -> list[str | None]:
    """Return who holds each partition."""
    return [lag.owner for lag in await lags(store.store, [name])]


class Wrapped:
    """
    A store that can be cut off, for a worker whose process would be.

    Attributes:
        partitions: clear it, and no transaction of a partition begins until it is set.
        others: the same for all others, those of the heart-beat among them.
        forgets: so many commits take effect and fail all the same.
        away: whether it does not answer to `ping`.
        pings: how often it was asked.
        begun: how many transactions were begun.
        undone: the names of the exceptions that ended transactions.
    """

    def __init__(self, store: Driver) -> None:
        self._store = store.store
        self.partitions, self.others = asyncio.Event(), asyncio.Event()
        self.thaw()
        self.begun = 0
        self.undone: list[str] = []
        self.forgets = 0
        self.away = False
        self.pings = 0

    def freeze(self) -> None:
        """Let no transaction begin."""
        self.partitions.clear()
        self.others.clear()

    def thaw(self) -> None:
        """Let all go on."""
        self.partitions.set()
        self.others.set()

    def is_partition(self) -> bool:
        """Whether it is used by the task of a partition, which is named for its checkpoint."""
        task = asyncio.current_task()
        return task is not None and "/" in task.get_name()

    async def ping(self) -> bool:
        self.pings += 1
        if self.away:
            msg = "away"
            raise StorageError(msg)
        return bool(await self._store.ping())

    async def head(self) -> int:
        return int(await self._store.head())

    async def read_log(self, *args: Any, **kwargs: Any) -> list[RecordedEvent]:
        return list(await self._store.read_log(*args, **kwargs))

    def subscribe(self, after: int = 0) -> AsyncIterator[RecordedEvent]:
        return self._store.subscribe(after)  # type: ignore[no-any-return]  # it does what that does

    async def save_all(self, writes: Collection[StreamWrite]) -> None:
        await self._store.save_all(writes)

    async def get_document(self, collection: str, key: str) -> Document | None:
        found: Document | None = await self._store.get_document(collection, key)
        return found

    async def find_documents(self, collection: str, **how: Any) -> list[Document]:
        return list(await self._store.find_documents(collection, **how))

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        self.begun += 1
        await (self.partitions if self.is_partition() else self.others).wait()
        try:
            async with self._store.transaction() as transaction:
                yield transaction
        except Exception as error:
            self.undone.append(type(error).__name__)
            raise
        if self.forgets > 0:
            self.forgets -= 1
            msg = "the answer to a commit is lost"
            raise StorageError(msg)


class LateClaim(Wrapped):
    """
    A store whose commit of a claim is still under way when the caller has been cancelled.

    It takes effect when the next transaction has begun.

    Attributes:
        claimed: set when a claim of the subscription `counting` is being committed.
    """

    def __init__(self, store: Driver) -> None:
        super().__init__(store)
        self.claimed = asyncio.Event()
        self._next = asyncio.Event()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        self._next.set()
        loop = asyncio.get_running_loop()
        begun: asyncio.Future[Transaction] = loop.create_future()
        ended: asyncio.Future[None] = loop.create_future()
        kept = asyncio.create_task(self._keep(begun, ended))
        transaction = await begun
        try:
            yield transaction
        except Exception as error:
            ended.set_exception(error)
        else:
            ended.set_result(None)
        await asyncio.shield(kept)

    async def _keep(self, begun: asyncio.Future[Transaction], ended: asyncio.Future[None]) -> None:
        """Hold a transaction in a task of its own, which nobody cancels."""
        async with self._store.transaction() as transaction:
            begun.set_result(transaction)
            await ended
            seen = await transaction.get("subscriptions", "counting/0")
            is_claim = seen is not None and seen.body["owner"] is not None
            if is_claim and not self.claimed.is_set():
                self._next.clear()
                self.claimed.set()
                await self._next.wait()
