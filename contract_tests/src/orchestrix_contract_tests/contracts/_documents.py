"""What the contracts about documents share: short ways to write, read and look."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from orchestrix_contract_tests.driver import Driver
from orchestrix_core import Document

__all__ = [
    "NOON",
    "Undone",
    "as_far_as_they_get",
    "keys",
    "minutes",
    "put",
    "settle",
    "state",
    "whole",
]

NOON = datetime(2024, 2, 29, 12, 0, 0, 123457, UTC)


class Undone(Exception):
    """Raised inside a transaction, to end it without a commit."""


def minutes(count: float) -> datetime:
    """Return a moment that is so many minutes after noon."""
    return NOON + timedelta(minutes=count)


async def put(store: Driver, key: str, body: dict[str, Any] | None = None, **how: Any) -> int:
    """Write one document of the collection `c` in a transaction of its own."""
    async with store.transaction() as tx:
        return await tx.put("c", key, {"key": key} if body is None else body, **how)


def keys(documents: Iterable[Document]) -> list[str]:
    """Return the keys, in the order found."""
    return [document.key for document in documents]


async def whole(store: Driver, collection: str = "c") -> dict[str, dict[str, Any]]:
    """Return every body of a collection by its key."""
    return {d.key: d.body for d in await store.find_documents(collection, limit=10_000)}


async def state(store: Driver) -> tuple[list[Document], int]:
    """Return what a transaction may change: the documents of `c`, and how long the stream is."""
    documents = await store.find_documents("c", limit=10_000)
    return documents, len(await store.load("acc"))


async def as_far_as_they_get(*tasks: asyncio.Task[Any]) -> None:
    """Let tasks run until each waits for something that is still to come; a guess, on a server."""
    for _ in range(50):  # where nothing but the event loop is needed, no clock decides
        await asyncio.sleep(0)
    await asyncio.wait(tasks, timeout=0.05)


async def settle(store: Driver, key: str) -> None:
    """Wait until no transaction that changed `key` is under way any more."""
    async with store.transaction() as tx:
        await tx.get("c", key)
