"""
One async face over sync and async stores, so that each contract test is written once.

A sync store lives in a thread of its own: it is made, used and closed there. So a call that never
returns fails its test instead of stopping the run, and several sync stores really race.
"""

from __future__ import annotations

import asyncio
import inspect
import queue
import threading
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from orchestrix_core import (
    ContractSubject,
    Document,
    Event,
    RecordedEvent,
    Snapshot,
    StreamInfo,
    StreamWrite,
)
from orchestrix_core.documents import SQLTransaction
from orchestrix_core.stores import ASYNC, MULTI_PROCESS

__all__ = ["PATIENCE", "Driver", "Follower", "Stores", "bounded"]

PATIENCE = 60.0
"""Seconds until a call counts as hanging; no promise is about being faster than that."""


async def bounded(awaitable: Any, what: str) -> Any:
    """Await, and fail with the name of `what` when nothing comes."""
    try:
        async with asyncio.timeout(PATIENCE) as limit:
            return await awaitable
    except TimeoutError as error:
        if not limit.expired():
            raise
        msg = f"{what} did not return within {PATIENCE:.0f} s"
        raise AssertionError(msg) from error


class Worker:
    """A daemon thread that calls one function after another."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        threading.Thread(target=self._run, daemon=True, name="contract-sync-store").start()

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            call()

    def stop(self) -> None:
        """End the thread after the calls it has."""
        self._calls.put(None)

    async def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Return what `function` returns in the thread."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()

        def settle(set_outcome: Callable[[Any], None], outcome: Any) -> None:
            if not future.done():
                set_outcome(outcome)

        def run() -> None:
            try:
                result = function(*args, **kwargs)
            except BaseException as error:  # it belongs to who awaits
                _post(loop, settle, future.set_exception, error)
            else:
                _post(loop, settle, future.set_result, result)

        self._calls.put(run)
        return await future


def _post(loop: asyncio.AbstractEventLoop, *call: Any) -> None:
    """Hand over to the loop, unless the test has given up and closed it."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(*call)


class Follower:
    """A live subscription, read with a bound on each step."""

    def __init__(self, records: AsyncIterator[RecordedEvent]) -> None:
        self._records = records

    async def take(self, count: int) -> list[RecordedEvent]:
        """Return the next `count` records."""
        return [await self.next() for _ in range(count)]

    async def next(self) -> RecordedEvent:
        """Return the next record, as soon as there is one."""
        record: RecordedEvent = await bounded(anext(self._records), "subscribe")
        return record

    async def close(self) -> None:
        """End the subscription."""
        await bounded(self._records.aclose(), "aclose of a subscription")  # type: ignore[attr-defined]


class _Transaction:
    """A transaction, every method of which returns in time."""

    def __init__(self, opened: Any) -> None:
        self._opened = opened

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._opened, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await bounded(method(*args, **kwargs), f"{name} in a transaction")

        return call


class Driver:
    """A store, every method a coroutine that returns in time."""

    def __init__(self, store: Any, worker: Worker | None) -> None:
        self.store = store
        self._worker = worker

    async def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Call the method `name` of the store."""
        method = getattr(self.store, name)
        if self._worker is not None:
            return await bounded(self._worker.call(method, *args, **kwargs), name)
        result = method(*args, **kwargs)
        return await bounded(result, name) if inspect.isawaitable(result) else result

    async def __aenter__(self) -> Self:
        entered = await self.call("__enter__" if self._worker else "__aenter__")
        assert entered is self.store, "entering a store gives the store itself"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        swallowed = await self.call("__exit__" if self._worker else "__aexit__", kind, error, trace)
        assert not swallowed, "a store must not swallow the exception of its block"

    async def initialize(self) -> None:
        await self.call("initialize")

    async def close(self) -> None:
        await self.call("close")

    async def ping(self) -> bool:
        alive: bool = await self.call("ping")
        return alive

    async def save(
        self, aggregate_id: str, events: Sequence[Event], expected_version: int | None = None
    ) -> None:
        result = await self.call("save", aggregate_id, events, expected_version=expected_version)
        assert result is None, "save returns nothing"

    async def load(self, aggregate_id: str, from_version: int | None = 0) -> list[Event]:
        events: list[Event] = await self.call("load", aggregate_id, from_version=from_version)
        return events

    async def load_by_trace(self, trace_id: str) -> list[Event]:
        events: list[Event] = await self.call("load_by_trace", trace_id)
        return events

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        await self.call(self._snapshot_method("save_snapshot"), snapshot)

    async def load_snapshot(self, aggregate_id: str) -> Snapshot | None:
        method = self._snapshot_method("load_snapshot")
        snapshot: Snapshot | None = await self.call(method, aggregate_id)
        return snapshot

    def _snapshot_method(self, name: str) -> str:
        """Async stores say `..._async`; the plain name may be there as well."""
        return f"{name}_async" if hasattr(self.store, f"{name}_async") else name

    async def save_all(self, writes: Sequence[StreamWrite]) -> None:
        await self.call("save_all", writes)

    async def read_log(
        self, after: int = 0, limit: int = 1000, types: Collection[str] | None = None
    ) -> list[RecordedEvent]:
        records: list[RecordedEvent] = await self.call(
            "read_log", after=after, limit=limit, types=types
        )
        return records

    async def head(self) -> int:
        position: int = await self.call("head")
        return position

    async def streams(self, after: str = "", limit: int = 1000) -> list[StreamInfo]:
        infos: list[StreamInfo] = await self.call("streams", after=after, limit=limit)
        return infos

    async def get_document(self, collection: str, key: str) -> Document | None:
        document: Document | None = await self.call("get_document", collection, key)
        return document

    async def find_documents(self, collection: str, **how: Any) -> list[Document]:
        documents: list[Document] = await self.call("find_documents", collection, **how)
        return documents

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[SQLTransaction]:
        """Open a transaction for the block; whoever has no `sql` uses the rest of it."""
        context = self.store.transaction()
        opened = _Transaction(await bounded(context.__aenter__(), "the start of a transaction"))
        leave, end = context.__aexit__, "the end of a transaction"
        try:
            yield cast("SQLTransaction", opened)
        except BaseException as error:
            swallowed = await bounded(leave(type(error), error, error.__traceback__), end)
            assert not swallowed, "a transaction must not swallow the exception of its block"
            raise
        else:
            await bounded(leave(None, None, None), end)

    def subscribe(self, after: int = 0) -> Follower:
        return Follower(self.store.subscribe(after=after))


class Stores:
    """Makes stores of one subject on one directory, and closes them all in the end."""

    def __init__(self, subject: ContractSubject, directory: Path) -> None:
        self.subject = subject
        self.directory = directory
        self._made: list[tuple[Driver, Worker | None]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for driver, worker in reversed(self._made):
            await driver.close()
            if worker is not None:
                worker.stop()

    async def discard(self) -> None:
        """Remove what the subject keeps outside of the directory; nobody uses it any more."""
        if self.subject.discard is not None:
            removed = self.subject.discard(self.directory)
            if inspect.isawaitable(removed):
                await bounded(removed, "discard")

    async def make(self, **options: Any) -> Driver:
        """Return a new store, not yet initialized; `options` go to the subject's `create`."""
        if ASYNC in self.subject.capabilities:
            worker = None
            store = self.subject.create(self.directory, **options)
        else:
            worker = Worker()
            store = await worker.call(self.subject.create, self.directory, **options)
        driver = Driver(store, worker)
        self._made.append((driver, worker))
        return driver

    async def open(self, **options: Any) -> Driver:
        """Return a new store, ready for use."""
        driver = await self.make(**options)
        await driver.initialize()
        return driver

    async def rivals(self, store: Driver, count: int) -> list[Driver]:
        """Return `count` users of one data: as many stores where that is allowed, else `store`."""
        if MULTI_PROCESS in self.subject.capabilities:
            return [await self.open() for _ in range(count)]
        return [store] * count
