"""Through PgBouncer in transaction mode: each statement may meet another session of the server."""

from __future__ import annotations

import asyncio
import shutil
import subprocess

import pytest

from orchestrix.infrastructure.postgres import PostgreSQLEventStore
from orchestrix_core import ConcurrencyError, Snapshot, StorageError, StreamWrite

from ._conditions import PATIENCE, observe, until
from ._server import as_owner

SESSIONS, CALLERS, ROUNDS = 2, 8, 25

SETTINGS = """\
[databases]
* = host={home} user=postgres
[pgbouncer]
pool_mode = transaction
default_pool_size = {sessions}
max_client_conn = 200
listen_addr =
unix_socket_dir = {directory}
listen_port = 5432
auth_type = any
pidfile = {home}/pgbouncer.pid
ignore_startup_parameters = extra_float_digits
"""


def start_pooler(server, directory):
    program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")
    if program is None:
        pytest.skip("PgBouncer is not installed")
    file = server.home / "pgbouncer.ini"
    file.write_text(SETTINGS.format(home=server.home, directory=directory, sessions=SESSIONS))
    with (server.home / "pgbouncer.log").open("w") as log:
        return subprocess.Popen([program, file], stdout=log, stderr=log, **as_owner())


@pytest.fixture
async def pooler(own_server):
    """Return the URL of a database behind PgBouncer."""
    directory = own_server.owned(own_server.home / "pooler")
    process = start_pooler(own_server, directory)

    async def ready():
        assert process.poll() is None, (own_server.home / "pgbouncer.log").read_text()
        return (directory / ".s.PGSQL.5432").exists()

    try:
        await until(ready)
        yield f"postgresql://postgres@/postgres?host={directory}"
    finally:
        process.terminate()
        process.wait()


def open_store(dsn, **settings):
    return PostgreSQLEventStore(
        dsn, pool_min_size=1, pool_max_size=8, statement_cache_size=0, **settings
    )


async def increase(store, name, notes):
    """Append to a stream that others append to."""
    version = 0
    for number in range(ROUNDS):
        while True:
            try:
                await store.save("a", notes(f"{name}-{number}"), version)
                break
            except ConcurrencyError as error:
                version = error.actual_version
        version += 1


async def test_everything_through_transaction_pooling(pooler, own_server, notes):
    async with open_store(pooler) as one, open_store(pooler) as two:
        records = one.subscribe()
        waiting = asyncio.create_task(anext(records))
        callers = [(store, f"{n}-{i}") for n, store in enumerate((one, two)) for i in range(4)]
        await asyncio.gather(*(increase(store, name, notes) for store, name in callers))
        ids = [event.id for event in await one.load("a")]
        assert sorted(ids) == sorted(f"{name}-{i}" for _, name in callers for i in range(ROUNDS))
        for _, name in callers:
            mine = [event for event in ids if event.startswith(f"{name}-")]
            assert mine == [f"{name}-{i}" for i in range(ROUNDS)]
        assert [record.event.id for record in await two.read_log()] == ids
        await one.save_all([StreamWrite(s, notes(s), 0) for s in "bc"])
        await one.save_all([StreamWrite(s, notes(s), 0) for s in "bc"])
        await one.save_snapshot_async(Snapshot(aggregate_id="a", version=9, state={"x": 1}))
        snapshot = await two.load_snapshot_async("a")
        assert snapshot is not None
        assert snapshot.version == 9
        async with asyncio.timeout(PATIENCE):
            seen = [(await waiting).event.id]
            seen += [(await anext(records)).event.id for _ in range(len(ids) + 1)]
        assert seen == [*ids, "b", "c"]
        await records.aclose()
        async with observe(own_server.dsn()) as observer:

            async def unlocked():
                found = await observer.connection.fetchval(
                    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
                )
                return found == 0

            await until(unlocked)
            # The pooler's own sessions end; the store's go on.
            await observer.terminate(await observer.others())
        try:
            await one.save("d", notes("d"), 0)
        except StorageError:
            await one.save("d", notes("d"), 0)
        assert [event.id for event in await two.load("d")] == ["d"]
