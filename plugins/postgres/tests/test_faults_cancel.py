"""A call that is cancelled at any moment: all or nothing, and the store goes on."""

from __future__ import annotations

import asyncio

import pytest

from orchestrix.infrastructure.postgres import PostgreSQLEventStore
from orchestrix_contract_tests.contracts._faults import cancelled_at
from orchestrix_core import Snapshot, StreamWrite

from ._conditions import PATIENCE, observe, until

SIZE = 3


@pytest.fixture
async def store(dsn):
    async with PostgreSQLEventStore(
        dsn, pool_min_size=1, pool_max_size=SIZE, pool_timeout=PATIENCE
    ) as store:
        yield store


async def cancel_after_turns(work, number):
    """Cancel after so many turns of the event loop; False when the work was done before."""
    task = asyncio.create_task(work)
    for _ in range(number):
        if task.done():
            break
        await asyncio.sleep(0)
    task.cancel()
    try:
        async with asyncio.timeout(PATIENCE):
            await task
    except asyncio.CancelledError:
        return True
    return False


async def stored_ids(store, stream):
    return [event.id for event in await store.load(stream)]


async def check_sessions(store, dsn):
    """Every connection of the pool is there to be used, and there are no others."""
    loads = [store.load("x") for _ in range(4 * SIZE)]
    assert await asyncio.gather(*loads) == [[]] * len(loads)
    async with observe(dsn) as observer:

        async def idle():
            return not await observer.others("state <> 'idle' OR wait_event_type = 'Lock'")

        await until(idle)
        assert len(await observer.others()) <= SIZE + 1  # one more listens


@pytest.mark.parametrize("cancel", [cancelled_at, cancel_after_turns])
@pytest.mark.parametrize("method", ["save", "save_all"])
async def test_cancelled_save(store, dsn, notes, cancel, method):
    cancelled = halves = 0
    number = 0
    while True:
        ids = [f"{number}-{i}" for i in range(3)]

        def save(ids=ids, number=number):
            if method == "save":
                return store.save(f"s{number}", notes(*ids), 0)
            parts = (ids[:1], ids[1:])
            return store.save_all(
                [
                    StreamWrite(f"s{number}{s}", notes(*p), 0)
                    for s, p in zip("+-", parts, strict=True)
                ]
            )

        neighbour = asyncio.create_task(store.save(f"n{number}", notes(f"n{number}"), 0))
        done = not await cancel(save(), number)
        await neighbour
        await store.save("after", notes(f"after-{number}"), number)
        streams = [f"s{number}"] if method == "save" else [f"s{number}+", f"s{number}-"]
        now = [event for stream in streams for event in await stored_ids(store, stream)]
        assert now in ([], ids), "all or nothing"
        assert now == ids or not done
        cancelled += not done
        halves += now == ids and not done
        await save()
        now = [event for stream in streams for event in await stored_ids(store, stream)]
        assert now == ids, "repeated: once"
        number += 1
        if done and number > 1:
            break
        assert number < 2000
    assert cancelled > 0
    log = [record.event.id for record in await store.read_log(limit=20 * number)]
    assert len(log) == len(set(log)) == 5 * number
    await check_sessions(store, dsn)


READS = {
    "load": lambda store: store.load("a"),
    "load_by_trace": lambda store: store.load_by_trace("t" * 32),
    "read_log": lambda store: store.read_log(),
    "head": lambda store: store.head(),
    "ping": lambda store: store.ping(),
    "load_snapshot_async": lambda store: store.load_snapshot_async("a"),
    "save_snapshot_async": lambda store: store.save_snapshot_async(
        Snapshot(aggregate_id="a", version=1, state={})
    ),
    "subscribe": lambda store: _first(store),
}


async def _first(store):
    records = store.subscribe()
    try:
        await anext(records)
    finally:
        await records.aclose()


@pytest.mark.parametrize("cancel", [cancelled_at, cancel_after_turns])
@pytest.mark.parametrize("method", READS)
async def test_cancelled_otherwise(store, dsn, notes, cancel, method):
    await store.save("a", notes("1", "2"), 0)
    number, cancelled = 1, 0
    while await cancel(READS[method](store), number):
        cancelled += 1
        number += 1
        assert number < 2000
    assert cancelled > 0
    assert await stored_ids(store, "a") == ["1", "2"]
    await check_sessions(store, dsn)


@pytest.mark.parametrize("cancel", [cancelled_at, cancel_after_turns])
async def test_cancelled_transaction(store, dsn, notes, cancel):
    number = cancelled = 0
    done = False
    while not done:
        number += 1
        names = [f"{number}-{part}" for part in "ab"]

        async def change(names=names, number=number):
            async with store.transaction() as transaction:
                await transaction.get("c", names[0])
                for name in names:
                    await transaction.put("c", name, {})
                await transaction.execute("DELETE FROM documents WHERE key = $1", "none")
                await transaction.append([StreamWrite(f"s{number}", notes(*names), 0)])

        neighbour = asyncio.create_task(store.save("n", notes(f"n{number}"), number - 1))
        done = not await cancel(change(), number)
        await neighbour
        async with store.transaction() as transaction:  # waits for the end of the other
            there = [await transaction.get("c", name) is not None for name in names]
        found = await stored_ids(store, f"s{number}")
        assert (found, there) in (([], [False, False]), (names, [True, True]))
        cancelled += not done
        assert found == names or not done
        assert number < 2000
    assert cancelled > 6
    await check_sessions(store, dsn)
