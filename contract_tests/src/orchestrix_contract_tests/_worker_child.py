"""Workers in processes of their own, to be killed and stopped; each function is a child's main."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from orchestrix_contract_tests.contracts._workers import Wrapped, count, counting
from orchestrix_contract_tests.driver import Driver, Stores
from orchestrix_core import ContractSubject, RecordedEvent, Subscription, Transaction, Worker

__all__ = [
    "LEASE",
    "PARTITIONS",
    "stop_before_transaction",
    "stop_in_handler",
    "stuck_before_commit",
    "work",
]

LEASE = 1.0
PARTITIONS = 8
TRAP = "trap"
"""The stream whose first event is the fatal one."""


def work(subject: ContractSubject, directory: Path, parent: Connection) -> None:
    """Run a worker until told to stop; tell the parent of it first, and of each event live."""

    async def handle(record: RecordedEvent, transaction: Transaction | None) -> None:
        await count(record, transaction)
        if record.aggregate_id == "live":
            parent.send(record.version)

    async def main(store: Driver) -> None:
        worker = Worker(store.store, [counting(handle=handle, partitions=PARTITIONS)], lease=LEASE)
        parent.send(worker.owner)
        run = asyncio.create_task(worker.run())
        await asyncio.to_thread(parent.recv)
        worker.stop()
        await run

    _run(subject, directory, main)


def stuck_before_commit(subject: ContractSubject, directory: Path, parent: Connection) -> None:
    """Have an effect, and never come to its commit."""

    async def handle(record: RecordedEvent, transaction: Transaction | None) -> None:
        await count(record, transaction)
        if record.aggregate_id == TRAP:
            parent.send("in hand")
            await asyncio.Event().wait()

    _run(subject, directory, lambda store: _work(store.store, counting(handle=handle)))


def stop_in_handler(subject: ContractSubject, directory: Path, parent: Connection) -> None:
    """Stop the whole process within a transaction, in front of the effect."""

    async def main(store: Driver) -> None:
        halting = _Halting(store, parent)

        async def handle(record: RecordedEvent, transaction: Transaction | None) -> None:
            if record.aggregate_id == TRAP:
                await halting.halt_once()
            await count(record, transaction)

        await _work(halting, counting(handle=handle))

    _run(subject, directory, main)


def stop_before_transaction(subject: ContractSubject, directory: Path, parent: Connection) -> None:
    """Stop the whole process between reading an event and the transaction of its effect."""

    class Store(_Halting):
        async def before(self) -> None:
            if await self._store.load(TRAP):
                await self.halt_once()

    _run(subject, directory, lambda store: _work(Store(store, parent), counting()))


class _Halting(Wrapped):
    """
    Can stop the process, and tells how the next transaction of the partition ended after that.

    Until then there is no heart-beat, which might find out first that the lease was lost.
    """

    def __init__(self, store: Driver, parent: Connection) -> None:
        super().__init__(store)
        self._parent = parent
        self._halted = False
        self._under_way = 0
        self._ended = asyncio.Event()

    async def halt_once(self) -> None:
        """Stop, with no heart-beat under way: its locks would be kept for as long."""
        if not self._halted:
            self._halted = True
            self.others.clear()
            while self._under_way:
                self._ended.clear()
                await self._ended.wait()
            self._parent.send("stopped")
            os.kill(os.getpid(), signal.SIGSTOP)

    async def before(self) -> None:
        """Do something before a transaction of the partition."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        if not self.is_partition():
            async with self._beat() as transaction:
                yield transaction
            return
        await self.before()
        try:
            async with self._store.transaction() as transaction:
                yield transaction
        except Exception as error:
            if self._halted:
                self._parent.send(type(error).__name__)
                self.others.set()
            raise

    @asynccontextmanager
    async def _beat(self) -> AsyncIterator[Transaction]:
        await self.others.wait()
        self._under_way += 1
        try:
            async with super().transaction() as transaction:
                yield transaction
        finally:
            self._under_way -= 1
            self._ended.set()


async def _work(store: Any, subscription: Subscription) -> None:
    await Worker(store, [subscription], lease=LEASE).run()


def _run(
    subject: ContractSubject, directory: Path, main: Callable[[Driver], Awaitable[None]]
) -> None:
    async def whole() -> None:
        async with Stores(subject, directory) as stores:
            await main(await stores.open())

    asyncio.run(whole())
