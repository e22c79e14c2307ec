"""Sagas in real processes, killed at every point between an event and its position."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from orchestrix_contract_tests import _saga_child
from orchestrix_contract_tests.contracts._processes import children, receive
from orchestrix_contract_tests.contracts._shop import shop
from orchestrix_contract_tests.contracts._store import StoreContract
from orchestrix_contract_tests.contracts._trips import (
    Desk,
    Left,
    Lost,
    Spread,
    ask,
    instance,
    ledger,
    seat,
    settled,
)
from orchestrix_contract_tests.driver import Driver, Stores

__all__ = ["SagaProcessContract"]

DONE = ["+flight", "+hotel", "+seat 1", "+seat 2"]
UNDONE = ["-seat 2", "-seat 1", "-hotel", "-flight"]


class SagaProcessContract(
    StoreContract, needs=("documents", "global_log", "async", "multi_process", "persistent")
):
    """Real processes, real signals."""

    async def test_killed_at_any_point_everything_is_done_once(
        self, store: Driver, stores: Stores
    ) -> None:
        """Sagas: processes share the work, each dies at another point; the rest is done once."""
        with children(_saga_child.run, stores, 1) as [(_, pipe)]:
            async with _load(store) as trips:
                ends = [await receive(pipe) for _ in _saga_child.POINTS]
            assert set(ends) == {-signal.SIGKILL}
        async with shop(store, Spread, Desk(), worker=True) as app:
            await settled(app)
        for number, trip in enumerate(trips):
            status = "compensated" if number % 2 else "completed"
            expected = [*DONE, *UNDONE] if number % 2 else [*DONE, "=all"]
            assert (trip, await ledger(store, trip)) == (trip, expected)
            assert (await instance(store, trip)).status == status


@asynccontextmanager
async def _load(store: Driver) -> AsyncIterator[list[str]]:
    """Let trips begin and end beside the block; tell which ones."""
    trips: list[str] = []
    stopping = asyncio.Event()

    async def load() -> None:
        while not stopping.is_set():
            trip = f"t{len(trips)}"
            await ask(store, trip)
            await seat(store, trip, 0)
            await seat(store, trip, 1)
            end = Lost(trip=trip) if len(trips) % 2 else Left(trip=trip)
            await seat(store, trip, 2, end)
            trips.append(trip)
            await asyncio.sleep(0 if len(trips) < 10 else 0.2)

    task = asyncio.create_task(load())
    try:
        yield trips
    finally:
        stopping.set()
        await task
