"""Transactions: lost connections, killed processes, deadlocks, closing, and who is woken."""

from __future__ import annotations

import asyncio
import types

import pytest

from orchestrix.infrastructure.postgres import PostgreSQLEventStore
from orchestrix_core import Snapshot, StorageError, StoreClosedError, StreamWrite

from ._conditions import PATIENCE, observe, until
from ._proxy import Proxy


def open_store(dsn, size=2, **settings):
    return PostgreSQLEventStore(dsn, pool_min_size=1, pool_max_size=size, **settings)


@pytest.fixture
async def store(dsn):
    async with asyncio.timeout(2 * PATIENCE), open_store(dsn, 4) as store:
        yield store


async def body_of(store, key="k"):
    document = await store.get_document("c", key)
    return document and document.body


async def bounded(call):
    async with asyncio.timeout(PATIENCE):
        return await call


async def put(store, key, body):
    async with store.transaction() as transaction:
        return await transaction.put("c", key, body)


STEPS = {
    "get": lambda transaction, notes: transaction.get("c", "k"),
    "put": lambda transaction, notes: transaction.put("c", "k", {"n": 2}),
    "delete": lambda transaction, notes: transaction.delete("c", "k"),
    "find": lambda transaction, notes: transaction.find("c"),
    "execute": lambda transaction, notes: transaction.execute("DELETE FROM documents"),
    "fetch": lambda transaction, notes: transaction.fetch("SELECT key FROM documents"),
    "append": lambda transaction, notes: transaction.append([StreamWrite("a", notes("1"))]),
}


@pytest.mark.parametrize("step", STEPS)
async def test_a_connection_that_is_lost_in_the_block(store, dsn, notes, step):
    await put(store, "k", {"n": 1})

    async def change():
        async with store.transaction() as transaction:
            await transaction.put("c", "k", {"n": 2})
            await transaction.append([StreamWrite("b", notes("0"))])
            await observer.terminate(await observer.others("state LIKE 'idle in%'"))
            for _ in range(2):  # also when the first error is caught
                with pytest.raises(StorageError):
                    await STEPS[step](transaction, notes)

    async with observe(dsn) as observer:
        with pytest.raises(StorageError, match="a call in this transaction failed") as caught:
            await change()
    assert caught.value.__cause__ is not None
    assert await body_of(store) == {"n": 1}
    assert await store.head() == 0
    assert await put(store, "k", {"n": 2}) == 2
    await store.save("b", notes("0"), 0)


async def test_a_program_that_stands_still_in_a_transaction_holds_nobody_up(dsn, notes):
    """It has appended, so every other append waits: until the server undoes it."""

    async def change(store):
        async with store.transaction() as transaction:
            await transaction.append([StreamWrite("a", notes("1"))])
            await bounded(other.save("b", notes("2"), 0))
            with pytest.raises(StorageError, match="idle_timeout"):
                await transaction.get("c", "k")

    async with open_store(dsn) as other, open_store(dsn, idle_timeout=2.0) as store:
        with pytest.raises(StorageError, match="a call in this transaction failed"):
            await change(store)
        assert [record.event.id for record in await store.read_log()] == ["2"]
        await store.save("a", notes("3"), 0)


async def test_a_connection_that_is_lost_before_the_commit(store, dsn, notes):
    async def change():
        async with store.transaction() as transaction:
            await transaction.put("c", "k", {})
            await transaction.append([StreamWrite("b", notes("0"))])
            await observer.terminate(await observer.others("state LIKE 'idle in%'"))

    async with observe(dsn) as observer:
        with pytest.raises(StorageError, match="lost while this transaction was committed"):
            await change()
    assert await store.find_documents("c") == []
    await store.save("b", notes("0"), 0)


async def test_the_answer_to_a_commit_is_lost(dsn, notes, tmp_path_factory):
    directory = tmp_path_factory.mktemp("p")
    async with (
        Proxy.run(dsn, directory) as (proxy, through),
        open_store(dsn) as direct,
        open_store(through, 1) as store,
    ):

        async def change():
            async with store.transaction() as transaction:
                await transaction.put("c", "k", {})
                await transaction.append([StreamWrite("a", notes("1"), 0)])
                proxy.lose_answer = True

        with pytest.raises(StorageError, match="stored whole or not at all; look which"):
            await change()
        assert proxy.lost == 1
        assert await body_of(direct) == {}
        assert len(await direct.load("a")) == 1
        assert await put(store, "k", {}) == 2


async def test_a_connection_that_is_lost_while_it_waits(store, dsn):
    async with open_store(dsn) as other, observe(dsn) as observer:
        async with other.transaction() as transaction:
            await transaction.put("c", "k", {"n": 1})
            waiting = asyncio.create_task(put(store, "k", {"n": 2}))
            await observer.terminate(await observer.waiting())
            with pytest.raises(StorageError, match="the connection"):
                await waiting
        assert await body_of(store) == {"n": 1}
        assert await put(store, "k", {"n": 2}) == 2


async def test_killed_inside_its_block_a_process_leaves_nothing(store, dsn, start, notes):
    await put(store, "k", {"n": 1})
    for number in range(3):
        child = start("stay_in_transaction", dsn)
        child.wait_for("inside")
        work = [put(store, "k", {"n": 1}), store.save("a", notes(f"{number}"), number)]
        waiting = [asyncio.create_task(step) for step in work]
        async with observe(dsn) as observer:
            await observer.waiting(2)
        assert await body_of(store) == {"n": 1}
        child.kill()
        child.rest()
        assert await asyncio.gather(*waiting) == [number + 2, None]
    assert [r.event.id for r in await store.read_log()] == ["0", "1", "2"]


async def test_a_deadlock_undoes_one_of_two(dsn):
    async with observe(dsn) as observer, open_store(dsn, 4) as warm:
        await warm.ping()
        name = await observer.connection.fetchval("SELECT quote_ident(current_database())")
        await observer.connection.execute(f"ALTER DATABASE {name} SET deadlock_timeout = '20ms'")

    async def cross(store, first, second):
        async with store.transaction() as transaction:
            await transaction.put("c", first, {"by": first})
            both.add(first)
            await until(both_are_there)
            (error,) = await asyncio.gather(
                transaction.put("c", second, {"by": first}), return_exceptions=True
            )
            if not isinstance(error, int):
                errors.append(error)

    async def both_are_there():
        return len(both) == 2

    both: set[str] = set()
    errors: list[BaseException] = []
    async with asyncio.timeout(PATIENCE), open_store(dsn, 4) as store:
        crossing = (cross(store, "x", "y"), cross(store, "y", "x"))
        outcomes = await asyncio.gather(*crossing, return_exceptions=True)
        (deadlock,) = errors
        assert isinstance(deadlock, StorageError)
        assert "let all transactions take their documents in one order" in str(deadlock)
        (victim,) = [outcome for outcome in outcomes if outcome is not None]
        assert isinstance(victim, StorageError)  # though the deadlock itself was caught
        assert "a call in this transaction failed: nothing" in str(victim)
        winner = "x" if outcomes[0] is None else "y"
        bodies = [document.body for document in await store.find_documents("c")]
        assert bodies == [{"by": winner}] * 2


async def test_after_a_cancelled_call_nothing_is_stored(store, dsn):
    async def interrupted():
        async with store.transaction() as transaction:
            await transaction.put("c", "k", {})
            call = asyncio.create_task(transaction.get("c", "held"))
            await observer.waiting()
            call.cancel()
            await asyncio.wait([call])

    async with open_store(dsn) as other, observe(dsn) as observer, other.transaction() as holder:
        await holder.get("c", "held")
        with pytest.raises(StorageError, match="a call in this transaction was cancelled"):
            await interrupted()
        assert await holder.put("c", "k", {}) == 1  # nobody holds it any more
    assert await put(store, "held", {}) == 1


async def test_calls_of_one_transaction_at_the_same_time(store):
    async with store.transaction() as transaction:
        puts = (transaction.put("c", f"{n}", {"n": n}) for n in range(20))
        assert await asyncio.gather(*puts) == [1] * 20
    assert len(await store.find_documents("c")) == 20


async def test_a_subscriber_of_another_store_is_woken(store, dsn, notes):
    async with open_store(dsn, poll_interval=3600.0) as other, observe(dsn) as observer:
        await store.save("a", notes("0"), 0)
        records = other.subscribe()
        assert (await anext(records)).event.id == "0"
        for number in range(1, 4):
            waiting = asyncio.create_task(anext(records))
            await until(lambda: observer.others("query ILIKE 'LISTEN%'"))
            async with store.transaction() as transaction:
                await transaction.put("c", "k", {"n": number})
                await transaction.append([StreamWrite("a", notes(f"{number}"), number)])
            assert (await waiting).event.id == f"{number}"
            assert await body_of(other) == {"n": number}
        await records.aclose()


async def test_others_append_while_a_transaction_has_not(store, notes):
    async with store.transaction() as transaction:
        await transaction.put("c", "k", {})
        await asyncio.create_task(store.save("a", notes("1"), 0))
        await asyncio.create_task(put(store, "other", {}))
    assert await body_of(store) == await body_of(store, "other") == {}


@pytest.mark.parametrize("how", ["itself", "another"])
async def test_closed_inside_a_block_the_store_undoes_it(dsn, how):
    store = open_store(dsn, pool_timeout=100 * PATIENCE)
    await store.initialize()
    inside = asyncio.Event()

    async def change():
        async with store.transaction() as transaction:
            await transaction.put("c", "k", {})
            inside.set()
            if how == "itself":
                await store.close()
            else:
                await closed.wait()
            with pytest.raises(StoreClosedError):
                await transaction.put("c", "l", {})

    closed = asyncio.Event()
    task = asyncio.create_task(change())
    async with asyncio.timeout(PATIENCE):  # without the patience for what does not answer
        await inside.wait()
        await store.close()
        closed.set()
        await asyncio.wait([task])
    assert isinstance(task.exception(), StoreClosedError)
    async with open_store(dsn) as again, observe(dsn) as observer:
        assert await again.find_documents("c") == []
        assert await put(again, "k", {}) == 1
        assert not await observer.others("state LIKE 'idle in%'")


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
async def test_what_is_no_part_of_the_transaction_is_refused(store, notes, method):
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


@pytest.mark.parametrize(
    ("collection", "key", "reason"),
    [
        ("a\0b", "k", "collection must not hold a NUL character"),
        ("c", "a\0b", "key must not hold a NUL character"),
        ("c", "é" * 1001, "key must be at most 2000 bytes"),
        ("é" * 501, "k" * 1000, "collection and key must be at most 2000 bytes long together"),
    ],
)
async def test_names_that_no_index_holds_are_refused(store, collection, key, reason):
    with pytest.raises(ValueError, match=reason):
        await store.get_document(collection, key)
    async with store.transaction() as transaction:
        for call in (
            transaction.get(collection, key),
            transaction.put(collection, key, {}),
            transaction.delete(collection, key),
        ):
            with pytest.raises(ValueError, match=reason):
                await call
        await transaction.put("c", chr(0x10FFFF) * 499, {"longest": True}, due=None)
    (document,) = await store.find_documents("c", prefix=chr(0x10FFFF))
    assert document.body == {"longest": True}


async def test_prefix_and_after_with_nul_are_refused(store):
    for argument in ("prefix", "after"):
        with pytest.raises(ValueError, match=f"{argument} must not hold a NUL character"):
            await store.find_documents("c", **{argument: "a\0"})
