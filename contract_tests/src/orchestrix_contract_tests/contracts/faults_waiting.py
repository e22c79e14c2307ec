"""What has an append wait: a commit that takes long, a pool that is used up."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Final

import pytest

from orchestrix_contract_tests.contracts._base import requires
from orchestrix_contract_tests.contracts._faults import FaultContract, Staging, ids_of, outcome_of
from orchestrix_contract_tests.domain import deposits
from orchestrix_core import StorageError

__all__ = ["WaitingContract"]

_LOOK: Final = 0.2
"""
Seconds that a save has to be acknowledged wrongly. A store that waits, as it must, passes however
slow the machine is.
"""


class WaitingContract(FaultContract):
    """Nothing is acknowledged before it is kept, nothing hangs, and afterwards all is well."""

    async def test_slow_commit_is_not_acknowledged_before_its_end(self, staged: Staging) -> None:
        """Slow commit: a save returns when it is committed, and not before."""
        async with staged("slow_commit") as stage:
            store, events = stage.store, deposits(3)
            await store.save("acc", events[:1], 0)
            async with stage.struck():
                save = asyncio.create_task(outcome_of(store.save("acc", events[1:], 1)))
                await asyncio.wait([save], timeout=_LOOK)
                assert not _acknowledged([save]), "acknowledged, and not committed yet"
            await save
            await store.save("acc", events[1:], 1)
            for reader in await stage.readers():
                assert ids_of(await reader.load("acc")) == ids_of(events)

    async def test_many_slow_commits_lose_nothing(self, staged: Staging) -> None:
        """Slow commit: saves that wait together are each acknowledged when they are there."""
        async with staged("slow_commit") as stage:
            store = stage.store
            batches = {f"acc-{number}": deposits(2) for number in range(8)}
            async with stage.struck():
                saves = [
                    asyncio.create_task(outcome_of(store.save(name, events, 0)))
                    for name, events in batches.items()
                ]
                await asyncio.wait(saves, timeout=_LOOK)
                assert not _acknowledged(saves), "acknowledged, and not committed yet"
            outcomes = await asyncio.gather(*saves)
            for (name, events), acknowledged in zip(batches.items(), outcomes, strict=True):
                assert await store.load(name) in (events, *([] if acknowledged else [[]]))
                await store.save(name, events, 0)
                assert await store.load(name) == events

    @requires("async")
    async def test_save_cancelled_in_a_slow_commit(self, staged: Staging) -> None:
        """Slow commit: a save that is cancelled meanwhile is whole or absent, and repeated once."""
        async with staged("slow_commit") as stage:
            store, events = stage.store, deposits(3)
            async with stage.struck():
                save = asyncio.create_task(outcome_of(store.save("acc", events, 0)))
                await asyncio.wait([save], timeout=_LOOK)
                save.cancel()
            with pytest.raises(asyncio.CancelledError):
                await save
            assert await store.load("acc") in ([], events), "a half"
            await store.save("next", deposits(1), 0)
            await store.save("acc", events, 0)
            for reader in await stage.readers():
                assert ids_of(await reader.load("acc")) == ids_of(events)

    async def test_save_on_an_exhausted_pool_is_refused_in_time(self, staged: Staging) -> None:
        """Pool exhaustion: a save ends with an error that says so; nothing of it is stored."""
        async with staged("pool_exhaustion") as stage:
            store, events = stage.store, deposits(3)
            await store.save("acc", events[:1], 0)
            async with stage.struck():
                with pytest.raises(StorageError):
                    await store.save("acc", events[1:], 1)
                assert not await outcome_of(store.save("other", deposits(1), 0))
            assert await store.load("acc") == events[:1]
            assert await store.load("other") == []
            await store.save("acc", events[1:], 1)
            for reader in await stage.readers():
                assert ids_of(await reader.load("acc")) == ids_of(events)

    @requires("async")
    async def test_pool_is_whole_after_its_exhaustion(self, staged: Staging) -> None:
        """Pool exhaustion: those who gave up waiting, or were cancelled, have taken nothing."""
        async with staged("pool_exhaustion") as stage:
            store = stage.store
            await store.save("acc", deposits(1), 0)
            for _ in range(2):
                async with stage.struck():
                    refused = [asyncio.create_task(_load(store)) for _ in range(4)]
                    cancelled = [asyncio.create_task(_load(store)) for _ in range(4)]
                    await asyncio.wait(cancelled, timeout=_LOOK / 4)
                    for load in cancelled:
                        load.cancel()
                    await asyncio.gather(*cancelled, return_exceptions=True)
                    await asyncio.gather(*refused)
                found = await asyncio.gather(*(store.load("acc") for _ in range(20)))
                assert [len(events) for events in found] == [1] * 20


def _acknowledged(saves: Iterable[asyncio.Task[bool]]) -> bool:
    return any(save.done() and save.result() for save in saves)


async def _load(store: Any) -> bool:
    """Read, or be refused as a save is."""
    return await outcome_of(_read(store))


async def _read(store: Any) -> None:
    await store.load("acc")
