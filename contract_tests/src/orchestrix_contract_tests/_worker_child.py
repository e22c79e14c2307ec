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

    async def handle(record: RecordedEvent, transaction: Transaction | None) -> None:
        if record.aggregate_id == TRAP and record.version == 1:
            _halt(parent)
        await count(record, transaction)

    async def main(store: Driver) -> None:
        await _work(_Telling(store, parent), counting(handle=handle))

    _run(subject, directory, main)


def stop_before_transaction(subject: ContractSubject, directory: Path, parent: Connection) -> None:
    """Stop the whole process between reading an event and the transaction of its effect."""

    async def main(store: Driver) -> None:
        await _work(_Halting(store, parent), counting())

    _run(subject, directory, main)


def _halt(parent: Connection) -> None:
    parent.send("stopped")
    os.kill(os.getpid(), signal.SIGSTOP)


class _Telling(Wrapped):
    """Tells the parent what the worker's transactions on a partition failed of."""

    def __init__(self, store: Driver, parent: Connection) -> None:
        super().__init__(store)
        self.parent = parent

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        try:
            async with super().transaction() as transaction:
                yield transaction
        except Exception as error:
            self.parent.send(type(error).__name__)
            raise


class _Halting(_Telling):
    """Stops once, where a partition begins the transaction for an event of the fatal stream."""

    halted = False

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        task = asyncio.current_task()
        is_partition = task is not None and task.get_name() == "counting/0"
        if is_partition and not self.halted and await self._store.load(TRAP):
            self.halted = True
            _halt(self.parent)
        async with super().transaction() as transaction:
            yield transaction


async def _work(store: Any, subscription: Subscription) -> None:
    await Worker(store, [subscription], lease=LEASE).run()


def _run(
    subject: ContractSubject, directory: Path, main: Callable[[Driver], Awaitable[None]]
) -> None:
    async def whole() -> None:
        async with Stores(subject, directory) as stores:
            await main(await stores.open())

    asyncio.run(whole())
