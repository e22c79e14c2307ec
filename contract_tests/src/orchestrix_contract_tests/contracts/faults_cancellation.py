"""A call that is cancelled at any moment: all or nothing, and the store goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeAlias

import pytest

from orchestrix_contract_tests.contracts._base import requires
from orchestrix_contract_tests.contracts._faults import FaultContract, cancelled_at, ids_of
from orchestrix_contract_tests.domain import deposits
from orchestrix_contract_tests.driver import Driver, bounded
from orchestrix_core import Event, StreamWrite

__all__ = ["CancellationContract"]

_MOST: Final = 2000
"""Awaits in one call; whoever needs more of them waits for something in a loop."""
_AGAIN: Final = 8
"""How often at each await: a pool of less connections is empty if each takes one with it."""

Append: TypeAlias = Callable[[Any, str, list[Event]], Coroutine[Any, Any, None]]


def _save(store: Any, stream: str, events: list[Event]) -> Coroutine[Any, Any, None]:
    result: Coroutine[Any, Any, None] = store.save(stream, events, expected_version=0)
    return result


def _save_all(store: Any, stream: str, events: list[Event]) -> Coroutine[Any, Any, None]:
    halves = (StreamWrite(stream, events[:1], 0), StreamWrite(f"{stream}+", events[1:], 0))
    result: Coroutine[Any, Any, None] = store.save_all(halves)
    return result


async def _stored(store: Driver, stream: str) -> list[str]:
    return ids_of([*await store.load(stream), *await store.load(f"{stream}+")])


class CancellationContract(FaultContract, needs=("async",)):
    """Cancelled at each of its awaits in turn, until the call is done before that."""

    @pytest.mark.parametrize(
        "append",
        [
            pytest.param(_save, id="save"),
            pytest.param(_save_all, id="save_all", marks=requires("multi_stream")),
        ],
    )
    async def test_cancelled_append_is_whole_or_absent(self, store: Driver, append: Append) -> None:
        """Cancellation: at every await of an append; it is whole or absent, and repeated once."""

        async def cancel(number: int) -> bool:
            events, stream = deposits(3), f"s{number}"
            done = not await cancelled_at(append(store.store, stream, events), number)
            await _goes_on(store, number)
            found = await _stored(store, stream)
            assert found in ([], ids_of(events)), f"a half, cancelled at await {number}"
            assert found or not done, "acknowledged, and not there"
            for _ in range(2):
                await bounded(append(store.store, stream, events), "a repeated append")
                assert await _stored(store, stream) == ids_of(events), "repeated, not there once"
            return done

        await _at_every_await(cancel)

    @requires("global_log")
    async def test_cancelled_appends_leave_the_log_whole(self, store: Driver) -> None:
        """Cancellation: the log has each event once, whatever was cancelled and repeated."""
        saved: list[str] = []

        async def cancel(number: int) -> bool:
            outcomes = []
            for turn in range(_AGAIN):
                events, stream = deposits(2), f"s{number}-{turn}"
                outcomes.append(await cancelled_at(_save(store.store, stream, events), number))
                await store.save(stream, events, 0)
                saved.extend(ids_of(events))
            return not any(outcomes)

        await _at_every_await(cancel)
        records = await store.read_log(limit=len(saved) + 1)
        assert ids_of([record.event for record in records]) == saved
        assert await store.head() == records[-1].position

    @requires("documents", "multi_stream")
    async def test_cancelled_transaction_is_whole_or_absent(self, store: Driver) -> None:
        """Cancellation: at every await of a transaction; documents and events, or neither."""

        async def cancel(number: int) -> bool:
            events, name = deposits(2), f"s{number}"

            async def change() -> None:
                async with store.store.transaction() as tx:
                    await tx.put("c", name, {})
                    await tx.append([StreamWrite(name, events, 0)])
                    await tx.put("c", f"{name}+", {})

            done = not await cancelled_at(change(), number)
            await _goes_on(store, number)
            async with store.transaction() as tx:  # after the end of the one that was cancelled
                kept = [await tx.get("c", key) is not None for key in (name, f"{name}+")]
            found = ids_of(await store.load(name))
            assert (found, kept) in (([], [False] * 2), (ids_of(events), [True] * 2)), "a half"
            assert found or not done, "acknowledged, and not there"
            return done

        await _at_every_await(cancel)

    async def test_cancelled_reads_leave_the_store_usable(self, store: Driver) -> None:
        """Cancellation: at every await of a read; nothing that the store needs is lost with it."""
        events = deposits(3)
        await store.save("acc", events, 0)

        async def cancel(number: int) -> bool:
            outcomes = [await cancelled_at(store.store.load("acc"), number) for _ in range(_AGAIN)]
            found = await asyncio.gather(*(store.load("acc") for _ in range(10)))
            assert [ids_of(one) for one in found] == [ids_of(events)] * 10
            return not any(outcomes)

        await _at_every_await(cancel)


async def _goes_on(store: Driver, number: int) -> None:
    """Whoever comes next is not held up by what was cancelled."""
    await store.save("next", deposits(1), number - 1)
    assert len(await store.load("next")) == number


async def _at_every_await(cancel: Callable[[int], Awaitable[bool]]) -> None:
    number = 1
    while not await cancel(number):
        number += 1
        assert number < _MOST, f"not done after {_MOST} awaits"
