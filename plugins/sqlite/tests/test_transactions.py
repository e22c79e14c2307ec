"""Transactions of the async store: who waits, who is cancelled, and what a crash leaves."""

from __future__ import annotations

import asyncio
import types

import pytest

from orchestrix.infrastructure.sqlite import SQLiteEventStore
from orchestrix_contract_tests.contracts._faults import cancelled_at
from orchestrix_core import Snapshot, StorageError, StoreClosedError, StreamWrite

PATIENCE = 120  # no measure of speed: an end to waiting for what never comes


@pytest.fixture
async def store(path):
    async with SQLiteEventStore(path) as store:
        yield store


async def ids_of(store):
    return [record.event.id for record in await store.read_log()]


async def body_of(store, key="k"):
    document = await store.get_document("c", key)
    return document and document.body


async def put(store, key, body):
    async with store.transaction() as transaction:
        return await transaction.put("c", key, body)


async def settled(tasks):
    """Let the tasks go as far as they get: each is at an await that something else must end."""
    for _ in range(20):
        await asyncio.sleep(0)
    assert not any(task.done() for task in tasks)


async def test_appends_of_others_wait_in_order_and_are_written_together(store, notes):
    async with store.transaction() as transaction:
        saves = [asyncio.ensure_future(store.save(f"s{n}", notes(f"{n}"), 0)) for n in range(20)]
        await transaction.put("c", "k", {"n": 1})
        await transaction.append([StreamWrite("own", notes("own"), 0)])
        await settled(saves)
        saves[7].cancel()
        assert await ids_of(store) == []
    await asyncio.wait(saves)
    assert await ids_of(store) == ["own", *(f"{n}" for n in range(20) if n != 7)]
    assert await body_of(store) == {"n": 1}


async def test_transactions_and_appends_take_turns(store, notes):
    async def change(n):
        async with store.transaction() as transaction:
            before = await transaction.get("c", "k")
            await transaction.put("c", "k", {"n": before.body["n"] + 1 if before else 1})
            await transaction.append([StreamWrite("a", notes(f"t{n}"))])

    appends = [store.save("a", notes(f"s{n}")) for n in range(60)]
    changes = [change(n) for n in range(30)]
    mixed = [work for n in range(30) for work in (changes[n], *appends[2 * n : 2 * n + 2])]
    await asyncio.gather(*mixed)
    found = await ids_of(store)
    assert found == [name for n in range(30) for name in (f"t{n}", f"s{2 * n}", f"s{2 * n + 1}")]
    assert await body_of(store) == {"n": 30}


async def test_calls_of_one_transaction_at_the_same_time(store):
    async with store.transaction() as transaction:
        puts = (transaction.put("c", f"{n}", {"n": n}) for n in range(20))
        assert await asyncio.gather(*puts) == [1] * 20
        assert len(await transaction.find("c")) == 20
    assert len(await store.find_documents("c")) == 20


async def test_cancelled_at_each_await_it_is_whole_or_absent(store, notes):
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

        neighbour = asyncio.ensure_future(store.save("n", notes(f"n{number}"), number - 1))
        task = asyncio.ensure_future(cancelled_at(change(), number))
        await asyncio.wait([task, neighbour])
        await neighbour
        await put(store, "after", {"n": number})
        found = [event.id for event in await store.load(f"s{number}")]
        there = [await body_of(store, name) == {} for name in names]
        assert (found, there) in (([], [False, False]), (names, [True, True]))
        done = not task.result()
        cancelled += not done
        assert found == names or not done
    assert cancelled > 6
    assert await store.integrity_check() == []


async def test_after_a_cancelled_call_nothing_is_stored(store):
    async def interrupted():
        async with store.transaction() as transaction:
            await transaction.put("c", "k", {})
            call = asyncio.ensure_future(transaction.put("c", "l", {}))
            await asyncio.sleep(0)
            call.cancel()
            await asyncio.wait([call])

    with pytest.raises(StorageError, match="was cancelled, and may have been done or not"):
        await interrupted()
    assert await store.find_documents("c") == []
    assert await put(store, "k", {}) == 1


async def test_a_transaction_that_fails_to_begin(path, start, notes):
    async with SQLiteEventStore(path, busy_timeout=0.05) as store:
        holder = start("hold_lock", path)
        assert holder.next() == ["locked"]
        with pytest.raises(StorageError, match="busy_timeout"):
            await put(store, "k", {})
        holder.kill()
        holder.rest()
        assert await put(store, "k", {}) == 1
        await store.save("a", notes("1"), 0)


async def test_killed_inside_its_block_a_process_leaves_nothing(path, start, notes):
    async with SQLiteEventStore(path, busy_timeout=0.05) as store:
        await put(store, "k", {"n": 1})
        for _ in range(3):
            child = start("stay_in_transaction", path)
            assert child.next() == ["inside"]
            with pytest.raises(StorageError, match="another writer held the lock"):
                await store.save("a", notes("1"), 0)
            assert await body_of(store) == {"n": 1}
            child.kill()
            child.rest()
            assert await store.find_documents("c", prefix="new") == []
            assert await ids_of(store) == []
            assert await put(store, "k", {"n": 1}) > 1
        await store.save("a", notes("1"), 0)
        assert await store.integrity_check() == []


async def test_a_full_disk_ends_the_transaction(store, notes):
    await put(store, "k", {"n": 1})
    writer = store._database.require_open()
    writer.execute("PRAGMA max_page_count = 24")

    async def fill():
        async with store.transaction() as transaction:
            await transaction.put("c", "k", {"n": 2})
            with pytest.raises(StorageError, match="disk is full"):
                await transaction.put("c", "large", {"text": "x" * 200_000})
            if not writer.in_transaction:
                with pytest.raises(StorageError, match="gave this transaction up"):
                    await transaction.put("c", "small", {})

    ended = False
    try:
        await fill()
    except StorageError as error:
        ended = "gave this transaction up" in str(error)
        assert ended
    assert await body_of(store) == {"n": 1 if ended else 2}
    assert await body_of(store, "large") is None
    writer.execute("PRAGMA max_page_count = 100000")
    assert await put(store, "large", {"text": "x" * 200_000}) == 1
    await store.save("a", notes("1"), 0)
    assert await store.integrity_check() == []


async def test_closed_inside_a_block_the_store_undoes_it(path, notes):
    for how in ("itself", "another") * 5:
        store = SQLiteEventStore(path)
        await store.initialize()
        inside = asyncio.Event()

        async def change(store=store, inside=inside, how=how):
            async with store.transaction() as transaction:
                await transaction.put("c", "k", {})
                inside.set()
                if how == "itself":
                    await store.close()
                else:
                    await asyncio.Event().wait()
                with pytest.raises(StoreClosedError):
                    await transaction.put("c", "l", {})

        async with asyncio.timeout(PATIENCE):
            task = asyncio.ensure_future(change())
            await inside.wait()
            behind = [asyncio.ensure_future(store.save("a", notes(how)))]
            behind += [asyncio.ensure_future(put(store, "m", {}))]
            await store.close()
            if how == "another":
                task.cancel()
            await asyncio.wait([task, *behind])
        if how == "itself":
            assert isinstance(task.exception(), StoreClosedError)
        assert isinstance(behind[1].exception(), StoreClosedError)
    async with SQLiteEventStore(path) as store:
        assert await store.find_documents("c") == []


@types.coroutine
def stand_still():
    """Stop here, so that whoever drives the coroutine by hand can throw it away."""
    yield "here"


async def test_a_block_that_is_thrown_away_is_undone(store):
    async def change():
        async with store.transaction() as transaction:
            await transaction.put("c", "k", {})
            await stand_still()

    steps = change().__await__()
    while (future := next(steps)) != "here":
        await asyncio.wait([future])
        future._asyncio_future_blocking = False
    steps.close()
    assert await put(store, "k", {}) == 1


@pytest.mark.parametrize("method", ["save", "save_all", "save_snapshot_async", "transaction"])
async def test_what_would_wait_for_its_own_transaction_is_refused(store, notes, method):
    async with store.transaction() as transaction:
        await transaction.put("c", "k", {})
        with pytest.raises(RuntimeError, match=r"inside a transaction: append with .*append\(\)"):
            await {
                "save": lambda: store.save("a", notes("1")),
                "save_all": lambda: store.save_all([StreamWrite("a", notes("1"))]),
                "save_snapshot_async": lambda: store.save_snapshot_async(
                    Snapshot(aggregate_id="a", version=1, state={})
                ),
                "transaction": lambda: put(store, "l", {}),
            }[method]()
        assert await store.load("a") == []  # reads go on
    assert await body_of(store) == {}
