"""Documents: changes become visible together, when the block ends without an exception."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import pytest

from orchestrix_contract_tests._child import increment
from orchestrix_contract_tests.contracts._documents import (
    Undone,
    as_far_as_they_get,
    put,
    settle,
    state,
    whole,
)
from orchestrix_contract_tests.contracts._store import StoreContract
from orchestrix_contract_tests.domain import deposits
from orchestrix_contract_tests.driver import Driver, Stores
from orchestrix_core import RevisionConflictError, SerializationError, StoreClosedError, StreamWrite

__all__ = ["DocumentTransactionContract"]


EVERY_USE: Final[list[Callable[[Any], Awaitable[Any]]]] = [
    lambda tx: tx.get("c", "k"),
    lambda tx: tx.find("c"),
    lambda tx: tx.put("c", "k", {"n": 2}),
    lambda tx: tx.delete("c", "k"),
    lambda tx: tx.append([StreamWrite("acc", deposits(1))]),
]


class DocumentTransactionContract(StoreContract, needs=("documents",)):
    """All or nothing; unseen until the end; undone by whatever breaks the block."""

    async def test_changes_are_seen_by_nobody_before_the_end(
        self, store: Driver, stores: Stores
    ) -> None:
        """Documents: a transaction sees its own changes; who reads meanwhile sees what was."""
        await put(store, "changed", {"n": 1})
        await put(store, "gone", {"n": 1})
        (other,) = await stores.rivals(store, 1)
        before = await state(store)
        async with store.transaction() as tx:
            await tx.put("c", "changed", {"n": 2})
            await tx.put("c", "new", {"n": 2})
            await tx.delete("c", "gone")
            own = [await tx.get("c", key) for key in ("changed", "gone", "new")]
            assert [document and document.body for document in own] == [{"n": 2}, None, {"n": 2}]
            for reader in (store, other):
                assert await state(reader) == before
                assert await asyncio.create_task(state(reader)) == before
                assert await reader.get_document("c", "new") is None
        for reader in (store, other):
            assert await whole(reader) == {"changed": {"n": 2}, "new": {"n": 2}}

    async def test_exception_undoes_everything(self, store: Driver) -> None:
        """Documents: the exception of the block goes on as it is, and nothing is left."""
        await put(store, "a", {"n": 1})
        await put(store, "b", {"n": 1})
        before = await state(store)
        failure = Undone()
        with pytest.raises(Undone) as caught:
            async with store.transaction() as tx:
                await _change_everything(tx)
                raise failure
        assert caught.value is failure
        assert await state(store) == before
        assert await put(store, "a", expect=1) == 2

    async def test_error_of_a_change_undoes_everything(self, store: Driver) -> None:
        """Documents: a refusal that leaves the block undoes what went before it."""
        await put(store, "a", {"n": 1})
        await put(store, "b", {"n": 1})
        before = await state(store)
        with pytest.raises(RevisionConflictError):
            async with store.transaction() as tx:
                await _change_everything(tx)
                await tx.put("c", "b", {}, expect=7)
        assert await state(store) == before

    async def test_refused_change_leaves_the_rest_to_commit(self, store: Driver) -> None:
        """Documents: a refusal that is caught inside changes nothing; the rest commits."""
        await put(store, "old", {"n": 1})
        async with store.transaction() as tx:
            await tx.put("c", "first", {"n": 1})
            with pytest.raises(RevisionConflictError):
                await tx.put("c", "old", {"n": 2}, expect=0)
            with pytest.raises(RevisionConflictError):
                await tx.delete("c", "old", expect=5)
            with pytest.raises(SerializationError):
                await tx.put("c", "old", {"n": object()})
            with pytest.raises(RevisionConflictError):
                await tx.put("c", "none", {}, expect=1)
            kept = await tx.get("c", "old")
            assert kept
            assert (kept.body, kept.revision) == ({"n": 1}, 1)
            await tx.put("c", "last", {"n": 1}, expect=0)
        assert await whole(store) == {key: {"n": 1} for key in ("first", "last", "old")}

    async def test_empty_transaction_changes_nothing(self, store: Driver) -> None:
        """Documents: who only reads, or does nothing, ends well."""
        await put(store, "k")
        before = await state(store)
        async with store.transaction():
            pass
        async with store.transaction() as tx:
            await tx.get("c", "k")
            await tx.find("c")
        assert await state(store) == before

    async def test_large_transaction_is_whole(self, store: Driver) -> None:
        """Documents: a thousand changes are one."""
        with pytest.raises(Undone):
            async with store.transaction() as tx:
                for n in range(300):
                    await tx.put("c", f"{n:04}", {"n": n})
                raise Undone
        assert await whole(store) == {}
        async with store.transaction() as tx:
            for n in range(1000):
                await tx.put("c", f"{n:04}", {"n": n})
        assert await whole(store) == {f"{n:04}": {"n": n} for n in range(1000)}

    async def test_cancelled_block_leaves_nothing(self, store: Driver) -> None:
        """Documents: a cancellation in the block undoes it; who waited for its keys goes on."""
        await put(store, "a", {"n": 1})
        await put(store, "b", {"n": 1})
        before = await state(store)
        inside = asyncio.Event()

        async def stuck() -> None:
            async with store.transaction() as tx:
                await _change_everything(tx)
                inside.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(stuck())
        await asyncio.wait(
            {task, asyncio.create_task(inside.wait())}, return_when="FIRST_COMPLETED"
        )
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await state(store) == before
        assert await put(store, "a", {"n": 2}, expect=1) == 2

    async def test_cancelled_transaction_is_whole_or_absent(self, store: Driver) -> None:
        """Documents: wherever a cancellation strikes, all of it is there or none."""
        for steps in range(24):
            names = [f"{key}-{steps}" for key in ("a", "b")]
            writes = [StreamWrite(f"s-{steps}", deposits(2), 0)]

            async def change(names: list[str] = names, writes: Any = writes) -> None:
                async with store.transaction() as tx:
                    for name in names:
                        await tx.put("c", name, {})
                    await tx.append(writes)

            task = asyncio.create_task(change())
            for _ in range(steps):
                await asyncio.sleep(0)  # one turn of the loop
            task.cancel()
            await asyncio.wait({task})
            await settle(store, names[0])  # the end of it may still be under way
            documents = [await store.get_document("c", name) for name in names]
            events = await store.load(f"s-{steps}")
            there = {document is not None for document in documents} | {bool(events)}
            assert len(there) == 1, (steps, documents, events)
            assert len(events) in (0, 2)

    async def test_who_is_cancelled_while_it_waits_holds_nothing(
        self, store: Driver, stores: Stores
    ) -> None:
        """Documents: a cancelled wait for somebody else's key leaves the key free."""
        (other,) = await stores.rivals(store, 1)
        async with store.transaction() as tx:
            await tx.put("counters", "n", {"n": 1})
            waiting = [asyncio.create_task(increment(other, "n")) for _ in range(3)]
            await as_far_as_they_get(*waiting)
            waiting[0].cancel()
            waiting[1].cancel()
            await asyncio.wait(waiting[:2])
        await asyncio.wait(waiting)
        assert [task.cancelled() for task in waiting] == [True, True, False]
        await increment(store, "n")
        assert await whole(store, "counters") == {"n": {"n": 3}}

    async def test_readers_see_all_of_it_or_nothing(self, store: Driver, stores: Stores) -> None:
        """Documents: changes become visible together; what is moved is never seen twice."""
        (reader,) = await stores.rivals(store, 1)
        await put(store, "a", {"n": 100})
        await put(store, "b", {"n": 0})
        moving = asyncio.create_task(_move(store, 20))
        sums = set()
        while not moving.done():
            sums.add(sum(body["n"] for body in (await whole(reader)).values()))
            await asyncio.sleep(0)  # one turn of the loop
        await moving
        assert sums == {100}
        assert await whole(store) == {"a": {"n": 80}, "b": {"n": 20}}

    async def test_second_transaction_in_one_task_is_refused(self, store: Driver) -> None:
        """Documents: one task has one transaction at a time; the first one is unharmed."""
        async with store.transaction() as tx:
            await tx.put("c", "k", {"n": 1})
            with pytest.raises(RuntimeError, match="transaction"):
                await put(store, "inner")
            await tx.put("c", "l", {"n": 1})
        assert await whole(store) == {"k": {"n": 1}, "l": {"n": 1}}
        await put(store, "k", {"n": 2}, expect=1)

    async def test_task_made_in_a_transaction_may_have_its_own(self, store: Driver) -> None:
        """Documents: it is the task that has one; a task it starts is another."""
        async with store.transaction() as tx:
            await tx.put("c", "outer", {})
            task = asyncio.create_task(put(store, "inner"))
            await as_far_as_they_get(task)
        assert await task == 1
        assert await whole(store) == {"inner": {"key": "inner"}, "outer": {}}

    async def test_transactions_one_after_another_in_one_task(self, store: Driver) -> None:
        """Documents: one at a time, but as many as one likes, however each of them ended."""
        for n in range(5):
            with pytest.raises(Undone):
                async with store.transaction() as tx:
                    await tx.put("c", "k", {})
                    raise Undone
            assert await put(store, "k", {"n": n}, expect=n) == n + 1

    async def test_save_in_a_transaction_is_refused_or_apart(self, store: Driver) -> None:
        """Documents: a `save` of the store inside is refused, or waits for nothing; never hangs."""
        events = deposits(2)
        refused = False
        with pytest.raises(Undone):
            async with store.transaction() as tx:
                await tx.put("c", "k", {})
                try:
                    await store.save("apart", events)
                except RuntimeError as error:
                    assert "transaction" in str(error)
                    refused = True
                raise Undone
        assert await store.load("apart") == ([] if refused else events)
        assert await store.get_document("c", "k") is None
        await store.save("apart", events, 0)

    async def test_transaction_is_of_no_use_after_its_block(self, store: Driver) -> None:
        """Documents: after the end, every use is refused and changes nothing."""
        async with store.transaction() as committed:
            await committed.put("c", "k", {"n": 1})
        with pytest.raises(Undone):
            async with store.transaction() as undone:
                raise Undone
        before = await state(store)
        for tx in (committed, undone):
            for use in EVERY_USE:
                with pytest.raises(RuntimeError, match="transaction"):
                    await use(tx)
        assert await state(store) == before
        assert await put(store, "k", expect=1) == 2

    async def test_transaction_that_races_a_close(self, store: Driver, stores: Stores) -> None:
        """Documents: closing the store commits an open transaction or ends it; none hangs."""
        inside = asyncio.Event()

        async def change() -> None:
            async with store.transaction() as tx:
                await tx.put("c", "a", {})
                inside.set()
                for _ in range(10):
                    await asyncio.sleep(0)  # one turn of the loop
                await tx.put("c", "b", {})

        changing = asyncio.create_task(change())
        await inside.wait()
        outcome, closed = await asyncio.gather(changing, store.close(), return_exceptions=True)
        assert closed is None
        assert outcome is None or isinstance(outcome, StoreClosedError), outcome
        again = await stores.open() if "persistent" in stores.subject.capabilities else store
        await again.initialize()
        assert await whole(again) == ({} if outcome else {"a": {}, "b": {}})


async def _change_everything(tx: Any) -> None:
    await tx.put("c", "a", {"n": 2})
    await tx.delete("c", "b")
    await tx.put("c", "new", {"n": 2})
    await tx.append([StreamWrite("acc", deposits(2), 0)])


async def _move(store: Driver, times: int) -> None:
    for _ in range(times):
        async with store.transaction() as tx:
            a, b = await tx.get("c", "a"), await tx.get("c", "b")
            assert a
            assert b
            await tx.put("c", "a", {"n": a.body["n"] - 1})
            await tx.put("c", "b", {"n": b.body["n"] + 1})
