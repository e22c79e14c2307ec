"""Workers whose server crashes, is away, and comes back; sessions that end in a transaction."""

from __future__ import annotations

import asyncio
import logging
from functools import partial

from orchestrix.infrastructure.postgres import PostgreSQLEventStore
from orchestrix_core import RetryPolicy, StorageError, Subscription, Worker
from orchestrix_core.subscriptions import DeadLetters, caught_up

from ._conditions import PATIENCE, observe, until

STREAMS = [f"s{number}" for number in range(8)]


async def count(record, transaction):
    seen = await transaction.get("effects", record.aggregate_id)
    known = seen.body["versions"] if seen else []
    versions = [*known, record.version]
    await transaction.put("effects", record.aggregate_id, {"versions": versions})


async def effects(store):
    return {one.key: one.body["versions"] for one in await store.find_documents("effects")}


async def answers(store):
    try:
        return await store.ping()
    except StorageError:
        return False


async def says(caplog, text):
    return any(text in record.getMessage() for record in caplog.records)


async def test_worker_survives_its_server(own_server, notes, caplog):
    caplog.set_level(logging.WARNING, "orchestrix_core.subscriptions")
    # One attempt: whatever the crash were taken for, it would leave a dead letter.
    subscription = Subscription(
        name="counting", handle=count, partitions=2, batch=3, retry=RetryPolicy(attempts=1)
    )
    async with PostgreSQLEventStore(own_server.dsn(), 1, 4) as store:
        worker = Worker(store, [subscription], lease=1.0)
        running = asyncio.create_task(worker.run())
        for stream in STREAMS:
            await store.save(stream, notes(*(f"{stream}-{n}" for n in range(10))), 0)
        await until(partial(effects, store))  # in the middle of it
        await asyncio.to_thread(own_server.stop, "immediate")
        await until(partial(says, caplog, "waits"))
        await asyncio.to_thread(own_server.start)
        await until(partial(answers, store))
        for stream in STREAMS:
            await store.save(stream, notes(*(f"{stream}-{n}" for n in range(10, 13))))
        await caught_up(store, [subscription], timeout=PATIENCE)
        assert not running.done()
        worker.stop()
        await running
        assert await DeadLetters(store, "counting").list() == []
        assert await effects(store) == {stream: [*range(1, 14)] for stream in STREAMS}


async def test_sessions_that_end_in_a_transaction(dsn, notes):
    begun = asyncio.Event()

    async def slow(record, transaction):
        await count(record, transaction)
        if record.version == 5:
            begun.set()
            await asyncio.sleep(0)

    subscription = Subscription(name="counting", handle=slow, retry=RetryPolicy(first=0.01))
    async with PostgreSQLEventStore(dsn, 1, 4) as store, observe(dsn) as observer:
        worker = Worker(store, [subscription], lease=1.0)
        running = asyncio.create_task(worker.run())
        for round in range(3):
            begun.clear()
            stream = f"s{round}"
            await store.save(stream, notes(*(f"{stream}-{n}" for n in range(10))), 0)
            async with asyncio.timeout(PATIENCE):
                await begun.wait()
            await observer.terminate(await observer.others())
        await until(partial(answers, store))
        await caught_up(store, [subscription], timeout=PATIENCE)
        worker.stop()
        await running
        assert await DeadLetters(store, "counting").list() == []
        assert await effects(store) == {f"s{round}": [*range(1, 11)] for round in range(3)}
