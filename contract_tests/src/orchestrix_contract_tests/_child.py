"""What the contract does in other processes; each function is the main one of a child."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from orchestrix_contract_tests.domain import deposits
from orchestrix_contract_tests.driver import Driver, Stores
from orchestrix_core import ConcurrencyError, ContractSubject, StreamWrite

__all__ = ["append_until_killed", "change_until_killed", "count_up", "increment", "race"]

BATCH = 3
COUNTS = 15


def append_until_killed(subject: ContractSubject, directory: Path, parent: Connection) -> None:
    """Append batches without end; tell the parent the ids of each before and after its save."""
    _run(subject, directory, lambda store: _append_for_ever(store, parent))


async def _append_for_ever(store: Driver, parent: Connection) -> None:
    version = 0
    while True:
        events = deposits(BATCH)
        ids = [event.id for event in events]
        parent.send(("trying", ids))
        await store.save("acc", events, version)
        parent.send(("stored", ids))
        version += BATCH


def race(subject: ContractSubject, directory: Path, parent: Connection) -> None:
    """Try each version the parent names, once it says so; answer whether this process won."""
    _run(subject, directory, lambda store: _race(store, parent))


async def _race(store: Driver, parent: Connection) -> None:
    parent.send("ready")
    while (version := parent.recv()) is not None:
        try:
            await store.save("acc", deposits(1), version)
        except ConcurrencyError:
            parent.send("lost")
        else:
            parent.send("won")


def change_until_killed(subject: ContractSubject, directory: Path, parent: Connection) -> None:
    """Change two documents and append, again and again; tell the parent the number of each."""
    _run(subject, directory, lambda store: _change_for_ever(store, parent))


async def _change_for_ever(store: Driver, parent: Connection) -> None:
    version = 0
    while True:
        async with store.transaction() as tx:
            await tx.put("c", "a", {"n": version + BATCH})
            await tx.put("c", "b", {"n": version + BATCH})
            await tx.append([StreamWrite("acc", deposits(BATCH), version)])
        version += BATCH
        parent.send(version)


def count_up(subject: ContractSubject, directory: Path, parent: Connection) -> None:
    """Once the parent says so, add one to a document, `COUNTS` times, a transaction each."""
    _run(subject, directory, lambda store: _count_up(store, parent))


async def _count_up(store: Driver, parent: Connection) -> None:
    parent.send("ready")
    parent.recv()
    for _ in range(COUNTS):
        await increment(store, "n")
    parent.send("done")


async def increment(store: Driver, key: str) -> None:
    """Add one to a document, which need not be there, in a transaction."""
    async with store.transaction() as tx:
        document = await tx.get("counters", key)
        await tx.put("counters", key, {"n": document.body["n"] + 1 if document else 1})


def _run(subject: ContractSubject, directory: Path, work: Any) -> None:
    async def main() -> None:
        async with Stores(subject, directory) as stores:
            task: Coroutine[Any, Any, None] = work(await stores.open())
            await task

    asyncio.run(main())
