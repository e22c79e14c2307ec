"""Projections in real processes, killed at any moment: each event has its effect once."""

from __future__ import annotations

import asyncio

from orchestrix_contract_tests import _projection_child
from orchestrix_contract_tests.contracts._processes import children, receive
from orchestrix_contract_tests.contracts._projections import (
    Rows,
    Spread,
    expected_versions,
    keeping,
    rows_of,
    settled,
    versions_of,
)
from orchestrix_contract_tests.contracts._store import StoreContract
from orchestrix_contract_tests.contracts._workers import fill, owners, until
from orchestrix_contract_tests.driver import Driver, Stores
from orchestrix_core import ProjectionReader, rebuild
from orchestrix_core.projections import health
from orchestrix_core.stores import SQL

__all__ = ["ProjectionProcessContract"]

STREAMS = [f"stream-{n}" for n in range(20)]


class ProjectionProcessContract(
    StoreContract, needs=("documents", "global_log", "async", "multi_process", "persistent")
):
    """Real processes, real signals."""

    async def test_killed_in_the_middle_of_batches_each_event_counts_once(
        self, store: Driver, stores: Stores
    ) -> None:
        """Projections: in documents, and in tables where there are any."""
        tables = SQL in stores.subject.capabilities
        for main in (_projection_child.halt, _projection_child.hurry, _projection_child.halt):
            await fill(store, STREAMS, rounds=5)
            with children(main, stores, 1) as [(child, pipe)]:
                assert await receive(pipe) == "now"
                child.kill()
                await asyncio.to_thread(child.join)
            found = versions_of(await ProjectionReader(store.store, Spread).find())
            rows = await rows_of(store)
            expected = await expected_versions(store)
            if main is _projection_child.halt:
                assert (found, rows) != (expected, expected)
            for view in (found, rows):
                assert all(seen == expected[one][: len(seen)] for one, seen in view.items())
        async with keeping(store, Spread, *([Rows] if tables else [])) as kept:
            await settled(store, kept)
        expected = await expected_versions(store)
        assert versions_of(await ProjectionReader(store.store, Spread).find()) == expected
        if tables:
            assert await rows_of(store) == expected

    async def test_rebuild_that_was_killed_is_resumed(self, store: Driver, stores: Stores) -> None:
        """Projections: another goes on with the same generation, where the first one was."""
        await fill(store, STREAMS, rounds=50)
        with children(_projection_child.rebuild_halfway, stores, 1) as [(child, pipe)]:
            assert await receive(pipe) == "now"
            child.kill()
            await asyncio.to_thread(child.join)
        (broken,) = await health(store.store, [Spread()])
        assert (broken.generation, broken.building) == (1, 2)
        done: list[int] = []
        found = await rebuild(store.store, Spread, progress=lambda p: done.append(p.done))
        assert found == 2
        assert done[0] > 0
        view = await ProjectionReader(store.store, Spread).find()
        assert versions_of(view) == await expected_versions(store)

    async def test_worker_of_another_process_changes_over(
        self, store: Driver, stores: Stores
    ) -> None:
        """Projections: nobody tells it but the pointer."""
        await fill(store, STREAMS)
        with children(_projection_child.keep, stores, 1) as [(child, pipe)]:
            assert await receive(pipe) == "running"
            await until(lambda: _held(store, "Spread@1"))
            (before,) = set(await owners(store, "Spread@1"))
            assert await rebuild(store.store, Spread) == 2
            await until(lambda: _held(store, "Spread@2"))
            assert set(await owners(store, "Spread@2")) == {before}
            await fill(store, STREAMS)
            await until(lambda: _is_whole(store))
            pipe.send("stop")
            await asyncio.to_thread(child.join)
            assert child.exitcode == 0


async def _held(store: Driver, name: str) -> bool:
    held = await owners(store, name)
    return bool(held) and None not in held


async def _is_whole(store: Driver) -> bool:
    view = await ProjectionReader(store.store, Spread).find()
    return versions_of(view) == await expected_versions(store)
