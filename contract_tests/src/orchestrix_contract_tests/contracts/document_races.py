"""Documents: what holds between those who change one document at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from orchestrix_contract_tests import _child
from orchestrix_contract_tests._child import increment
from orchestrix_contract_tests.contracts._base import requires
from orchestrix_contract_tests.contracts._documents import (
    NOON,
    as_far_as_they_get,
    put,
    settle,
    whole,
)
from orchestrix_contract_tests.contracts._processes import children, receive, rest
from orchestrix_contract_tests.contracts._store import StoreContract
from orchestrix_contract_tests.domain import deposits
from orchestrix_contract_tests.driver import Driver, Stores
from orchestrix_core import Document, RevisionConflictError, StorageError, StreamWrite

__all__ = ["DocumentRaceContract"]

RACERS = 6


class DocumentRaceContract(StoreContract, needs=("documents",)):
    """Nothing is lost between tasks, stores, processes, and lives of one process."""

    @pytest.mark.parametrize("there", [True, False])
    async def test_concurrent_increments_lose_none(
        self, store: Driver, stores: Stores, there: bool
    ) -> None:
        """Documents: `get` keeps others off the key, also where there is no document yet."""
        if there:
            async with store.transaction() as tx:
                await tx.put("counters", "n", {"n": 0})
        rivals = await stores.rivals(store, RACERS)

        async def count(rival: Driver) -> None:
            for _ in range(5):
                await increment(rival, "n")

        await asyncio.gather(*(count(rival) for rival in rivals))
        assert await whole(store, "counters") == {"n": {"n": RACERS * 5}}
        document = await store.get_document("counters", "n")
        assert document
        assert document.revision == RACERS * 5 + there

    async def test_document_that_was_read_stays_until_the_end(
        self, store: Driver, stores: Stores
    ) -> None:
        """Documents: between a `get` and the end of its transaction nobody else changes it."""
        (other,) = await stores.rivals(store, 1)
        await put(store, "k", {"n": 1})
        for change in (
            lambda tx: tx.put("c", "k", {"n": 3}),
            lambda tx: tx.put("c", "none", {"n": 3}),
            lambda tx: tx.delete("c", "k"),
        ):
            async with store.transaction() as tx:
                read = [await tx.get("c", "k"), await tx.get("c", "none")]
                changing = asyncio.create_task(_apply(other, change))
                await as_far_as_they_get(changing)
                assert not changing.done()
                assert [await tx.get("c", "k"), await tx.get("c", "none")] == read
            await changing
        assert await whole(store) == {"none": {"n": 3}}

    @pytest.mark.parametrize("there", [0, 1, 4])
    async def test_one_of_many_with_an_expectation_wins(
        self, store: Driver, stores: Stores, there: int
    ) -> None:
        """Documents: of racers with one `expect` exactly one writes; the others conflict."""
        for n in range(there):
            await put(store, "k", {"n": n})
        rivals = await stores.rivals(store, RACERS)
        outcomes = await asyncio.gather(
            *(put(rival, "k", {"by": n}, expect=there) for n, rival in enumerate(rivals)),
            return_exceptions=True,
        )
        (winner,) = [n for n, outcome in enumerate(outcomes) if outcome == there + 1]
        conflicts = [o for o in outcomes if isinstance(o, RevisionConflictError)]
        assert len(conflicts) == RACERS - 1, outcomes
        facts = {(conflict.expected, conflict.actual) for conflict in conflicts}
        assert facts == {(there, there + 1)}
        assert await whole(store) == {"k": {"by": winner}}

    async def test_one_of_many_deletes_wins(self, store: Driver, stores: Stores) -> None:
        """Documents: of racers that delete one revision exactly one had it."""
        await put(store, "k")
        rivals = await stores.rivals(store, RACERS)
        delete = [_apply(rival, lambda tx: tx.delete("c", "k", expect=1)) for rival in rivals]
        outcomes = await asyncio.gather(*delete, return_exceptions=True)
        assert sum(outcome is True for outcome in outcomes) == 1
        assert sum(isinstance(o, RevisionConflictError) for o in outcomes) == RACERS - 1, outcomes
        outcomes = await asyncio.gather(
            *(_apply(rival, lambda tx: tx.delete("c", "k")) for rival in rivals)
        )
        assert outcomes == [False] * RACERS

    async def test_writes_without_expectation_never_conflict(
        self, store: Driver, stores: Stores
    ) -> None:
        """Documents: None writes whatever is there, and each write counts."""
        rivals = await stores.rivals(store, RACERS)
        revisions = await asyncio.gather(*(put(rival, "k", {}) for rival in rivals))
        assert sorted(revisions) == list(range(1, RACERS + 1))

    async def test_keys_of_their_own_do_not_conflict(self, store: Driver, stores: Stores) -> None:
        """Documents: who changes other documents loses nothing and conflicts with nobody."""
        rivals = await stores.rivals(store, RACERS)

        async def change(rival: Driver, n: int) -> None:
            for times in range(4):
                await put(rival, f"k{n}", {"n": times}, expect=times)

        await asyncio.gather(*(change(rival, n) for n, rival in enumerate(rivals)))
        assert await whole(store) == {f"k{n}": {"n": 3} for n in range(RACERS)}

    async def test_crossing_transactions_end(self, store: Driver, stores: Stores) -> None:
        """Documents: who takes the same keys the other way round waits or fails; none hangs."""
        rivals = await stores.rivals(store, 2)
        outcomes = await asyncio.gather(
            *(_cross(rival, order) for rival, order in zip(rivals, ("ab", "ba"), strict=True)),
            return_exceptions=True,
        )
        done = sum(outcome is None for outcome in outcomes)
        assert done >= 1, outcomes
        assert all(o is None or isinstance(o, StorageError) for o in outcomes), outcomes
        assert await whole(store) == {"a": {"n": done}, "b": {"n": done}}

    @requires("persistent")
    async def test_documents_outlive_the_store(self, store: Driver, stores: Stores) -> None:
        """Documents: what a transaction committed is there after a reopening, and goes on."""
        await put(store, "k", {"n": 1})
        await put(store, "k", {"n": [2.5, None]}, due=NOON)
        await put(store, "gone")
        async with store.transaction() as tx:
            await tx.delete("c", "gone")
            await tx.append([StreamWrite("acc", deposits(2), 0)])
        await store.close()
        again = await stores.open()
        expected = Document(collection="c", key="k", body={"n": [2.5, None]}, revision=2, due=NOON)
        assert await again.find_documents("c") == [expected]
        assert await again.find_documents("c", due=NOON) == [expected]
        assert len(await again.load("acc")) == 2
        with pytest.raises(RevisionConflictError):
            await put(again, "k", expect=1)
        assert await put(again, "k", expect=2) == 3

    @requires("persistent")
    async def test_killed_process_leaves_whole_transactions(self, stores: Stores) -> None:
        """Documents: after a kill, what was acknowledged is there, and nothing in halves."""
        with children(_child.change_until_killed, stores, 1) as [(child, pipe)]:
            said = [await receive(pipe) for _ in range(15)]
            child.kill()
            await asyncio.to_thread(child.join)
            said += rest(pipe)
        store = await stores.open()
        await settle(store, "a")  # a server may still commit what it had received
        length = len(await store.load("acc"))
        assert await whole(store) == {"a": {"n": length}, "b": {"n": length}}
        assert length in (said[-1], said[-1] + _child.BATCH)
        assert await put(store, "a") == length // _child.BATCH + 1

    @requires("multi_process")
    async def test_increments_of_several_processes_lose_none(self, stores: Stores) -> None:
        """Documents: `get` keeps other processes off the key as well."""
        with children(_child.count_up, stores, 2) as rivals:
            for _, pipe in rivals:
                assert await receive(pipe) == "ready"
            for _, pipe in rivals:
                pipe.send("go")
            store = await stores.open()
            for _ in range(_child.COUNTS):
                await increment(store, "n")
            for _, pipe in rivals:
                assert await receive(pipe) == "done"
        assert await whole(store, "counters") == {"n": {"n": 3 * _child.COUNTS}}


async def _apply(store: Driver, change: Callable[[Any], Coroutine[Any, Any, Any]]) -> Any:
    async with store.transaction() as tx:
        return await change(tx)


async def _cross(store: Driver, order: str) -> None:
    async with store.transaction() as tx:
        for key in order:
            document = await tx.get("c", key)
            await tx.put("c", key, {"n": document.body["n"] + 1 if document else 1})
            await asyncio.sleep(0)  # one turn of the loop, for the other to take its first
