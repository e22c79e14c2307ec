"""Disks that are full: a clear error, nothing by half, and a store that goes on with room again."""

from __future__ import annotations

import asyncio
import os
import subprocess

import pytest

from orchestrix.infrastructure.postgres import PostgreSQLEventStore
from orchestrix_core import StorageError, StreamWrite
from postgres_databases import execute, in_database

from ._children import Noted
from ._conditions import PATIENCE

BALLAST = 4 * 2**20
# Reads are to be possible on a full disk: their sorts must not need it.
SETTINGS = {"work_mem": "64MB"}


@pytest.fixture
def small_disk(start_server, request):
    """Return a function that starts a server with a small disk, and says where that is."""

    def start(name, size):
        if os.geteuid() != 0:
            pytest.skip("a small disk can be mounted by root alone")
        try:
            if name == "data":
                server = start_server(disk=size, **SETTINGS)
                return server, server.data
            server = start_server(**SETTINGS)
            return server, server.mount(name, size)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"this system mounts no tmpfs: {error.stderr.decode().strip()}")

    return start


def events(number, size=20):
    return [Noted(id=f"{number}-{i}", text=os.urandom(1500).hex()) for i in range(size)]


async def fill(store):
    """Append until there is no room; return the ids that were acknowledged, and the error."""
    stored, error = [], None
    for number in range(2000):
        batch = events(number)
        async with asyncio.timeout(PATIENCE):
            save = store.save("a", batch, len(stored))
            (error,) = await asyncio.gather(save, return_exceptions=True)
        if error is not None:
            break
        stored += [event.id for event in batch]
    assert isinstance(error, StorageError)
    return stored, batch, error


async def ids_of(store, stream):
    return [event.id for event in await store.load(stream)]


async def test_full_tablespace(small_disk):
    server, disk = small_disk("small", "28m")
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(BALLAST))
    await asyncio.to_thread(
        execute,
        server.dsn(),
        f"CREATE TABLESPACE small LOCATION '{server.owned(disk / 'space')}'",
        "CREATE DATABASE small TABLESPACE small",
    )
    dsn = in_database(server.dsn(), "small")
    async with PostgreSQLEventStore(dsn, pool_min_size=1, pool_max_size=3) as store:
        stored, refused, error = await fill(store)
        assert "disk is full" in str(error)
        assert error.__cause__ is not None
        assert stored
        assert await ids_of(store, "a") == stored
        both = [StreamWrite("b", events("b", 40), 0), StreamWrite("c", events("c", 40), 0)]
        with pytest.raises(StorageError, match="disk is full"):
            await store.save_all(both)
        outcomes = await asyncio.gather(
            store.save("large", events("large", 60), 0),
            *(store.save(f"s{i}", [Noted(id=f"s{i}", text="")], 0) for i in range(5)),
            return_exceptions=True,
        )
        assert isinstance(outcomes[0], StorageError)
        kept = [await ids_of(store, f"s{i}") for i in range(5)]
        for number, (ids, outcome) in enumerate(zip(kept, outcomes[1:], strict=True)):
            assert ids == ([] if outcome else [f"s{number}"])
        assert await store.load("b") == await store.load("c") == await store.load("large") == []
        ballast.unlink()
        await store.save_all(both)
        await store.save("a", refused, len(stored))
        assert await ids_of(store, "a") == [*stored, *(event.id for event in refused)]
        assert len(await store.load("b")) == len(await store.load("c")) == 40


async def test_full_disk_of_the_servers_own_log(small_disk):
    """Without room for its log the server crashes, and comes back when there is some."""
    server, disk = small_disk("data", "100m")
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(5 * BALLAST))  # more than a file of the log
    await asyncio.to_thread(
        execute,
        server.dsn(),
        f"CREATE TABLESPACE roomy LOCATION '{server.owned(server.home / 'roomy')}'",
        "CREATE DATABASE roomy TABLESPACE roomy",
    )
    dsn = in_database(server.dsn(), "roomy")
    async with PostgreSQLEventStore(dsn, pool_min_size=1, pool_max_size=3) as store:
        stored, refused, error = await fill(store)
        assert error.__cause__ is not None
        assert stored
        assert "PANIC" in (server.home / "log").read_text()
        ballast.unlink()
        # It may still be ending, be gone, or have recovered by itself.
        await asyncio.to_thread(server.restart)
        now = await ids_of(store, "a")
        assert now in (stored, stored + [event.id for event in refused])
        for _ in range(2):
            await store.save("a", refused, len(stored))
        assert await ids_of(store, "a") == stored + [event.id for event in refused]
