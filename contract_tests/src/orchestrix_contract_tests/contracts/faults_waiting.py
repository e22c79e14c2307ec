"""What has an append wait: a commit that takes long, a pool that is used up."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from typing import Final

import pytest

from orchestrix_contract_tests.contracts._base import requires
from orchestrix_contract_tests.contracts._faults import FaultContract, Staging, ids_of, outcome_of
from orchestrix_contract_tests.domain import deposits

__all__ = ["WaitingContract"]

_LOOK: Final = 0.2
"""
Seconds that a save has to be acknowledged wrongly. A store that waits, as it must, passes however
slow the machine is.
"""
_TURNS: Final = 50
"""Turns of the event loop, in which what needs no time comes as far as it can."""
_MANY: Final = 8
"""Calls at a time, more than there are connections in a small pool."""


class WaitingContract(FaultContract):
    """Nothing is acknowledged before it is kept, nothing hangs, and afterwards all is well."""

    async def test_slow_commit_is_not_acknowledged_before_its_end(self, staged: Staging) -> None:
        """Slow commit: a save returns when it is committed, and not before."""
        async with staged("slow_commit") as stage:
            store, events = stage.store, deposits(3)
            await store.save("acc", events[:1], 0)
            async with stage.struck():
                save = asyncio.create_task(outcome_of(store.save("acc", events[1:], 1)))
                await _come_far([save])
                assert not _acknowledged([save]), "acknowledged, and not committed yet"
            await save
            await store.save("acc", events[1:], 1)
            for reader in await stage.readers():
                assert ids_of(await reader.load("acc")) == ids_of(events)

    async def test_many_slow_commits_lose_nothing(self, staged: Staging) -> None:
        """Slow commit: saves that wait together are each acknowledged when they are there."""
        async with staged("slow_commit") as stage:
            store = stage.store
            batches = {f"acc-{number}": deposits(2) for number in range(_MANY)}
            async with stage.struck():
                saves = [
                    asyncio.create_task(outcome_of(store.save(name, events, 0)))
                    for name, events in batches.items()
                ]
                await _come_far(saves)
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
                await _come_far([save])
                save.cancel()
                await _come_far([save])  # some wait for the end of the commit
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
                saves = [store.save("acc", events[1:], 1)]
                saves += [store.save(f"acc-{n}", deposits(1), 0) for n in range(_MANY)]
                outcomes = await asyncio.gather(*map(outcome_of, saves))
                assert not any(outcomes), "acknowledged, without a connection"
            assert await store.load("acc") == events[:1]
            assert [await store.load(f"acc-{n}") for n in range(_MANY)] == [[]] * _MANY
            await store.save("acc", events[1:], 1)
            for reader in await stage.readers():
                assert ids_of(await reader.load("acc")) == ids_of(events)

    @requires("async")
    async def test_pool_is_whole_after_its_exhaustion(self, staged: Staging) -> None:
        """Pool exhaustion: those who were cancelled while they waited have taken nothing."""
        async with staged("pool_exhaustion") as stage:
            store = stage.store
            await store.save("acc", deposits(1), 0)
            async with stage.struck():
                loads = [asyncio.create_task(store.load("acc")) for _ in range(_MANY)]
                await _turns()
                for load in loads:
                    load.cancel()
                await asyncio.gather(*loads, return_exceptions=True)
            found = await asyncio.gather(*(store.load("acc") for _ in range(2 * _MANY)))
            assert [len(events) for events in found] == [1] * (2 * _MANY)


def _acknowledged(saves: Iterable[asyncio.Task[bool]]) -> bool:
    return any(save.done() and save.result() for save in saves)


async def _turns() -> None:
    for _ in range(_TURNS):
        await asyncio.sleep(0)


async def _come_far(saves: Collection[asyncio.Task[bool]]) -> None:
    """Let saves come as far as they can without being committed."""
    await _turns()
    await asyncio.wait(saves, timeout=_LOOK)
