"""Rebuilds where connections are few: the last step of an inline one needs a second."""

from __future__ import annotations

import asyncio

import pytest

from orchestrix.infrastructure.postgres import PostgreSQLEventStore
from orchestrix_contract_tests.contracts._projections import Seen, Sums
from orchestrix_contract_tests.contracts._workers import notes
from orchestrix_core import ProjectionReader, Projections, StorageError, rebuild
from orchestrix_core.projections import _switch


async def test_one_connection_is_enough_beside_the_append(dsn):
    async with PostgreSQLEventStore(dsn, pool_min_size=1, pool_max_size=1) as store:
        await store.save("a", notes(3))
        assert await rebuild(store, Seen) == 2
        assert await ProjectionReader(store, Seen).get("a") == {"versions": [1, 2, 3]}


async def test_inline_rebuild_says_that_it_needs_two(dsn, monkeypatch):
    monkeypatch.setattr(_switch, "_READ", 0.1)
    async with PostgreSQLEventStore(dsn, pool_min_size=1, pool_max_size=1) as store:
        await store.save("a", notes(3))
        with pytest.raises(StorageError, match="one more connection"):
            await Projections(store, [Sums]).prepare()
        await asyncio.wait_for(store.save("a", notes(1)), 5)  # nobody holds the append any more
    async with PostgreSQLEventStore(dsn, pool_min_size=1, pool_max_size=2) as store:
        await Projections(store, [Sums]).prepare()
        total = await ProjectionReader(store, Sums).get("total")
        assert total is not None
        assert total["count"] == 4
