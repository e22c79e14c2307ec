"""A sound store on a server that can fail, all of it in memory, and the faults of that server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from orchestrix.infrastructure.memory import InMemoryAsyncEventStore
from orchestrix_core import ContractSubject, Fault, StorageError
from orchestrix_core.hookspecs import Faults
from orchestrix_core.stores import ASYNC, GLOBAL_LOG, MULTI_STREAM

SIZE: Final = 2
"""Connections in the pool."""


class ServedStore(InMemoryAsyncEventStore):
    """
    A pool of connections, over which the server is asked; what it commits is kept at once.

    Attributes:
        gate: closed, nothing is committed.
        meets: the fault that the next append meets, or None.
        patience: seconds that a call waits for a connection.
    """

    patience = 0.2

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()
        self.meets: str | None = None
        self.free = asyncio.Semaphore(SIZE)

    async def save(self, aggregate_id, events, expected_version=None):
        async with self.connection():
            try:
                await self.request(aggregate_id, events, expected_version)
            except ConnectionError as error:
                raise self.lost() from error

    async def load(self, aggregate_id, from_version=0):
        async with self.connection():
            return await super().load(aggregate_id, from_version)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self.patience):
                await self.free.acquire()
        except TimeoutError as error:
            msg = f"no connection became free in {self.patience} s: raise the size of the pool"
            raise StorageError(msg) from error
        try:
            yield
        finally:
            self.free.release()

    def lost(self) -> StorageError:
        return StorageError("the connection was lost: repeat the very same save")

    async def request(self, aggregate_id, events, expected_version):
        """Do what a server does; a request and its answer are on their way for a moment."""
        await asyncio.sleep(0)
        await self.gate.wait()
        self.fail("before")
        await self.commit(aggregate_id, events, expected_version)
        self.fail("after")
        await asyncio.sleep(0)

    async def commit(self, aggregate_id, events, expected_version):
        await InMemoryAsyncEventStore.save(self, aggregate_id, events, expected_version)

    def fail(self, when: str) -> None:
        if self.meets == when:
            self.meets = None
            raise ConnectionResetError("reset by peer")


def subject_of(store: type[ServedStore]) -> ContractSubject:
    return ContractSubject(
        kind="event_store",
        name=store.__name__,
        create=lambda _: store(),
        capabilities=frozenset({ASYNC, GLOBAL_LOG, MULTI_STREAM}),
        faults=faults,
    )


def faults(directory: Path) -> Faults:
    return {
        "connection_cut": partial(ready, partial(interrupt, "before")),
        "lost_answer": partial(ready, partial(interrupt, "after")),
        "server_restart": partial(ready, partial(interrupt, "before")),
        "slow_commit": partial(ready, close_the_gate),
        "pool_exhaustion": partial(ready, take_all),
    }


@asynccontextmanager
async def ready(strike: Any) -> AsyncIterator[Fault]:
    yield Fault(strike=strike)


@asynccontextmanager
async def interrupt(when: str, store: ServedStore) -> AsyncIterator[None]:
    store.meets = when
    yield


@asynccontextmanager
async def close_the_gate(store: ServedStore) -> AsyncIterator[None]:
    store.gate.clear()
    try:
        yield
    finally:
        store.gate.set()


@asynccontextmanager
async def take_all(store: ServedStore) -> AsyncIterator[None]:
    for _ in range(SIZE):
        await store.free.acquire()
    try:
        yield
    finally:
        for _ in range(SIZE):
            store.free.release()
