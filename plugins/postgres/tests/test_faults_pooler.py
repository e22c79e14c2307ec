"""Through PgBouncer in transaction mode: each statement may meet another session of the server."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from contextlib import suppress

import pytest

from orchestrix.infrastructure.postgres import PostgreSQLEventStore
from orchestrix_core import ConcurrencyError, Snapshot, StorageError, StreamWrite
from postgres_server import as_owner

from ._conditions import PATIENCE, observe, until

SESSIONS, CALLERS, ROUNDS = 2, 4, 25

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


async def check_reads(store, ids, notes):
    for _ in range(2):
        await store.save_all([StreamWrite(stream, notes(stream), 0) for stream in "bc"])
    assert [event.id for event in await store.load("a")] == ids
    assert [record.event.id for record in await store.read_log()] == [*ids, "b", "c"]
    await store.save_snapshot_async(Snapshot(aggregate_id="a", version=9, state={"x": 1}))
    snapshot = await store.load_snapshot_async("a")
    assert snapshot is not None
    assert snapshot.version == 9


async def check_race(stores, notes):
    """Let callers race for one stream; return the ids in their order."""
    callers = [(store, f"{n}-{i}") for n, store in enumerate(stores) for i in range(CALLERS)]
    await asyncio.gather(*(increase(store, name, notes) for store, name in callers))
    ids = [event.id for event in await stores[0].load("a")]
    for _, name in callers:
        mine = [event for event in ids if event.startswith(f"{name}-")]
        assert mine == [f"{name}-{i}" for i in range(ROUNDS)]
    assert len(ids) == len(callers) * ROUNDS
    return ids


async def count_up(store, name, notes):
    """Add to a document that others add to, and append, in one transaction each time."""
    for number in range(ROUNDS // 5):
        async with store.transaction() as transaction:
            before = await transaction.get("c", "k")
            await transaction.put("c", "k", {"n": before.body["n"] + 1 if before else 1})
            await transaction.execute("UPDATE documents SET due = now() WHERE key = $1", "k")
            await transaction.append([StreamWrite("counted", notes(f"{name}-{number}"))])


async def check_transactions(stores, notes):
    callers = [(store, f"c{n}-{i}") for n, store in enumerate(stores) for i in range(CALLERS)]
    await asyncio.gather(*(count_up(store, name, notes) for store, name in callers))
    document = await stores[0].get_document("c", "k")
    count = len(callers) * (ROUNDS // 5)
    assert document is not None
    assert (document.body, document.revision) == ({"n": count}, count)
    assert len(await stores[1].load("counted")) == count


async def check_locks(observer):
    async def unlocked():
        query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        return await observer.connection.fetchval(query) == 0

    await until(unlocked)


async def check_all(stores, observer, notes):
    one, two = stores
    records = one.subscribe()
    waiting = asyncio.create_task(anext(records))
    ids = await check_race(stores, notes)
    await check_reads(two, ids, notes)
    seen = [await waiting, *[await anext(records) for _ in range(len(ids) + 1)]]
    assert [record.event.id for record in seen] == [*ids, "b", "c"]
    await records.aclose()
    await check_transactions(stores, notes)
    await check_locks(observer)
    await observer.terminate(await observer.others())  # the pooler's own sessions
    with suppress(StorageError):
        await one.save("d", notes("d"), 0)
    await one.save("d", notes("d"), 0)
    assert [event.id for event in await two.load("d")] == ["d"]


async def test_everything_through_transaction_pooling(pooler, own_server, notes):
    async with (
        observe(own_server.dsn()) as observer,
        open_store(pooler) as one,
        open_store(pooler) as two,
    ):
        try:
            async with asyncio.timeout(PATIENCE):
                await check_all((one, two), observer, notes)
        except TimeoutError:
            own_server.stop("immediate")  # whatever waits for a lock ends, and so does the test
            raise
