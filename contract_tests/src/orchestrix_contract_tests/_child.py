"""What the contract does in other processes; each function is the main one of a child."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from orchestrix_contract_tests.domain import deposits
from orchestrix_contract_tests.driver import Driver, Stores
from orchestrix_core import ConcurrencyError, ContractSubject

__all__ = ["append_until_killed", "race"]

BATCH = 3


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


def _run(subject: ContractSubject, directory: Path, work: Any) -> None:
    async def main() -> None:
        async with Stores(subject, directory) as stores:
            task: Coroutine[Any, Any, None] = work(await stores.open())
            await task

    asyncio.run(main())
