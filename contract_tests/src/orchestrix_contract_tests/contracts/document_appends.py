"""Documents: events appended in a transaction are stored with its changes, or not at all."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

import pytest

from orchestrix_contract_tests.contracts._base import requires
from orchestrix_contract_tests.contracts._documents import (
    Undone,
    as_far_as_they_get,
    put,
    state,
    whole,
)
from orchestrix_contract_tests.contracts._store import StoreContract
from orchestrix_contract_tests.contracts.subscriptions import waiting_for
from orchestrix_contract_tests.domain import Noted, deposits, unstorable
from orchestrix_contract_tests.driver import Driver, Stores
from orchestrix_core import (
    ConcurrencyError,
    DuplicateEventError,
    Event,
    RevisionConflictError,
    SerializationError,
    StreamWrite,
)

__all__ = ["DocumentAppendContract"]

Save: TypeAlias = Callable[[Driver, str, list[Event], int], Coroutine[Any, Any, None]]


async def _save_all(store: Driver, stream: str, events: list[Event], expected: int) -> None:
    await store.save_all([StreamWrite(stream, events, expected)])


_save_or_save_all = pytest.mark.parametrize(
    "save",
    [
        pytest.param(Driver.save, id="save"),
        pytest.param(_save_all, id="save_all", marks=requires("multi_stream")),
    ],
)


class DocumentAppendContract(StoreContract, needs=("documents",)):
    """`append` keeps the promises of `save_all`, as a part of the transaction."""

    async def test_documents_and_events_are_stored_together(self, store: Driver) -> None:
        """Documents: after the block there are both; before its end there is neither."""
        a, b = deposits(2), deposits(1)
        await store.save("acc", a[:1], 0)
        async with store.transaction() as tx:
            await tx.put("c", "k", {"n": 1})
            await tx.append([StreamWrite("acc", a[1:], 1), StreamWrite("b", b, 0)])
            assert await store.load("acc") == a[:1]
            assert await store.load("b") == []
            assert await store.get_document("c", "k") is None
        assert await store.load("acc") == a
        assert await store.load("b") == b
        assert await whole(store) == {"k": {"n": 1}}

    @requires("global_log")
    async def test_appended_events_go_on_with_the_log(self, store: Driver) -> None:
        """Documents: positions go on growing, and the log has the writes in the given order."""
        before, b, a, after = deposits(2), deposits(2), deposits(1), deposits(1)
        await store.save("acc", before)
        async with store.transaction() as tx:
            await tx.append([StreamWrite("b", b, 0), StreamWrite("acc", a, 2)])
            assert [record.event for record in await store.read_log()] == before
        await store.save("acc", after, 3)
        records = await store.read_log()
        assert [record.event for record in records] == [*before, *b, *a, *after]
        assert [record.position for record in records] == sorted({r.position for r in records})
        assert [record.version for record in records] == [1, 2, 1, 2, 3, 4]
        assert await store.head() == records[-1].position

    @requires("global_log")
    async def test_exception_after_an_append_undoes_it(self, store: Driver) -> None:
        """Documents: events of a block that failed are in no stream, no log and no index."""
        events = deposits(2, trace_id="a" * 32)
        with pytest.raises(Undone):
            async with store.transaction() as tx:
                await tx.put("c", "k", {})
                await tx.append([StreamWrite("acc", events, 0)])
                raise Undone
        assert await state(store) == ([], 0)
        assert await store.read_log() == []
        assert await store.load_by_trace("a" * 32) == []
        await store.save("acc", events, 0)  # neither the version nor an id is taken
        assert await store.load("acc") == events

    async def test_conflict_of_an_append_undoes_the_documents(self, store: Driver) -> None:
        """Documents: a stream that moved undoes the transaction; the error has its facts."""
        await store.save("acc", deposits(2))
        before = await state(store)
        with pytest.raises(ConcurrencyError) as caught:
            async with store.transaction() as tx:
                await tx.put("c", "k", {})
                await tx.append([StreamWrite("b", deposits(1), 0), StreamWrite("acc", [], 1)])
        error = caught.value
        facts = (error.aggregate_id, error.expected_version, error.actual_version)
        assert facts == ("acc", 1, 2)
        assert await state(store) == before
        assert await store.load("b") == []

    async def test_event_id_that_is_taken_undoes_the_documents(self, store: Driver) -> None:
        """Documents: a duplicate undoes the transaction; the error has its facts."""
        stored = deposits(1)
        await store.save("acc", stored)
        before = await state(store)
        with pytest.raises(DuplicateEventError) as caught:
            async with store.transaction() as tx:
                await tx.put("c", "k", {})
                await tx.append([StreamWrite("a", deposits(1), 0), StreamWrite("b", stored, 0)])
        assert (caught.value.event_id, caught.value.aggregate_id) == (stored[0].id, "b")
        assert await state(store) == before
        assert await store.load("a") == []

    async def test_refused_append_that_is_caught_leaves_the_rest(self, store: Driver) -> None:
        """Documents: nothing of a refused append is stored; the documents are."""
        stored = deposits(2)
        await store.save("acc", stored)
        fresh = StreamWrite("b", deposits(1), 0)
        async with store.transaction() as tx:
            await tx.put("c", "k", {"n": 1})
            with pytest.raises(ConcurrencyError):
                await tx.append([fresh, StreamWrite("acc", deposits(1), 5)])
            with pytest.raises(DuplicateEventError):
                await tx.append([fresh, StreamWrite("other", stored, 0)])
            with pytest.raises(SerializationError):
                await tx.append([fresh, StreamWrite("other", [unstorable()])])
            with pytest.raises(ValueError, match="writes"):
                await tx.append([fresh, fresh])
        assert await whole(store) == {"k": {"n": 1}}
        assert await store.load("acc") == stored
        assert await store.load("b") == []

    async def test_append_after_a_refused_one_is_stored(self, store: Driver) -> None:
        """Documents: who catches a conflict may append anew, with the right version."""
        first, events = deposits(1), deposits(2)
        await store.save("acc", first)
        async with store.transaction() as tx:
            await tx.put("c", "k", {"n": 1})
            with pytest.raises(ConcurrencyError):
                await tx.append([StreamWrite("acc", events, 0)])
            await tx.append([StreamWrite("acc", events, 1)])
        assert await store.load("acc") == [*first, *events]
        assert await whole(store) == {"k": {"n": 1}}

    async def test_same_append_again_appends_nothing(self, store: Driver) -> None:
        """Documents: a retry of the events succeeds, also after the stream moved on."""
        events, later = deposits(2), deposits(1)
        writes = [StreamWrite("acc", events, 0)]
        for n in range(3):
            async with store.transaction() as tx:
                await tx.put("c", "k", {"n": n})
                await tx.append(writes)
            if n == 1:
                await store.save("acc", later, 2)
        assert await store.load("acc") == [*events, *later]
        document = await store.get_document("c", "k")
        assert document
        assert (document.revision, document.body) == (3, {"n": 2})
        await store.save("acc", events, 0)

    async def test_partly_stored_append_is_refused(self, store: Driver) -> None:
        """Documents: where only some streams hold their part, it was another append."""
        stored = StreamWrite("a", deposits(1), 0)
        await store.save("a", stored.events, 0)
        with pytest.raises(DuplicateEventError):
            async with store.transaction() as tx:
                await tx.put("c", "k", {})
                await tx.append([stored, StreamWrite("b", deposits(1), 0)])
        assert await store.load("b") == []
        assert await whole(store) == {}

    async def test_append_without_expectation_never_conflicts(
        self, store: Driver, stores: Stores
    ) -> None:
        """Documents: appends with None, in transactions and outside, all get their place."""
        rivals = await stores.rivals(store, 4)

        async def change(rival: Driver, n: int) -> None:
            async with rival.transaction() as tx:
                await tx.put("c", str(n), {})
                await tx.append([StreamWrite("acc", deposits(2))])

        await asyncio.gather(
            *(change(rival, n) for n, rival in enumerate(rivals)),
            *(rival.save("acc", deposits(1)) for rival in rivals),
        )
        assert len(await store.load("acc")) == 12
        assert len(await whole(store)) == 4

    async def test_empty_append_still_checks(self, store: Driver) -> None:
        """Documents: nothing to append is fine, and a wrong expectation a conflict."""
        async with store.transaction() as tx:
            await tx.put("c", "k", {})
            await tx.append([])
            await tx.append([StreamWrite("acc", []), StreamWrite("b", [], 0)])
            with pytest.raises(ConcurrencyError):
                await tx.append([StreamWrite("acc", [], 1)])
        assert await whole(store) == {"k": {}}

    async def test_of_equal_appends_in_transactions_one_wins(
        self, store: Driver, stores: Stores
    ) -> None:
        """Documents: of racers for one version one commits; no trace is left of the others."""
        rivals = await stores.rivals(store, 6)

        async def change(rival: Driver, n: int) -> None:
            async with rival.transaction() as tx:
                await tx.put("c", str(n), {"n": n})
                await tx.append([StreamWrite("acc", deposits(n + 1), 0)])

        outcomes = await asyncio.gather(
            *(change(rival, n) for n, rival in enumerate(rivals)), return_exceptions=True
        )
        (winner,) = [n for n, outcome in enumerate(outcomes) if outcome is None]
        assert sum(isinstance(o, ConcurrencyError) for o in outcomes) == 5, outcomes
        assert await whole(store) == {str(winner): {"n": winner}}
        assert len(await store.load("acc")) == winner + 1

    async def test_conflict_of_a_document_undoes_the_append(self, store: Driver) -> None:
        """Documents: a revision that is refused after the append undoes the events with it."""
        with pytest.raises(RevisionConflictError):
            async with store.transaction() as tx:
                await tx.append([StreamWrite("acc", deposits(1), 0)])
                await tx.put("c", "k", {}, expect=3)
        assert await state(store) == ([], 0)

    @requires("global_log")
    async def test_slow_transaction_is_not_overtaken(self, store: Driver, stores: Stores) -> None:
        """Documents: who resumes after the highest position it saw misses nothing of it."""
        (other,) = await stores.rivals(store, 1)
        slow, quick = deposits(2), deposits(1)
        async with store.transaction() as tx:
            await tx.put("c", "k", {})
            await tx.append([StreamWrite("slow", slow, 0)])
            saving = asyncio.create_task(other.save("quick", quick, 0))
            await as_far_as_they_get(saving)  # it may have to wait, or be through
            seen = await other.read_log()
        await saving
        assert slow[0] not in [record.event for record in seen]
        resumed = await other.read_log(after=seen[-1].position if seen else 0)
        events = [record.event for record in (*seen, *resumed)]
        assert sorted(e.id for e in events) == sorted(e.id for e in (*slow, *quick))

    async def test_value_inside_an_appended_event_may_be_changed(self, store: Driver) -> None:
        """Documents: an event is stored as it was at the append, also when that commits later."""
        given = [Noted(notes={"n": [1]})]
        kept = copy.deepcopy(given)
        async with store.transaction() as tx:
            await tx.append([StreamWrite("acc", given, 0)])
            given[0].notes["n"].append(2)
            given.clear()
        assert await store.load("acc") == kept

    @_save_or_save_all
    async def test_save_beside_an_append_has_its_own_version(
        self, store: Driver, stores: Stores, save: Save
    ) -> None:
        """Documents: an append that meets a save at its version is stored whole, or not at all."""
        (other,) = await stores.rivals(store, 1)
        elsewhere, inside, beside = deposits(1), deposits(2), deposits(1)
        outcomes: list[Any] = []
        try:
            async with store.transaction() as tx:
                await tx.append([StreamWrite("elsewhere", elsewhere, 0)])
                await tx.append([StreamWrite("acc", inside, 0)])
                saving = asyncio.create_task(save(other, "acc", beside, 0))
                await as_far_as_they_get(saving)  # it may have to wait, or be through
            outcomes.append(None)
        except ConcurrencyError as error:
            outcomes.append(error)
        outcomes += await asyncio.gather(saving, return_exceptions=True)
        assert sum(isinstance(outcome, ConcurrencyError) for outcome in outcomes) == 1, outcomes
        committed = outcomes[0] is None
        assert await store.load("acc") == (inside if committed else beside)
        assert await store.load("elsewhere") == (elsewhere if committed else [])

    @_save_or_save_all
    async def test_save_after_an_append_is_refused_or_apart(
        self, store: Driver, save: Save
    ) -> None:
        """Documents: a `save` of the store behind an append of the block never hangs, either."""
        inside, events = deposits(1), deposits(2)
        async with store.transaction() as tx:
            await tx.append([StreamWrite("acc", inside, 0)])
            try:
                await save(store, "apart", events, 0)
            except RuntimeError as error:
                assert "transaction" in str(error)
                events = []
        assert await store.load("acc") == inside
        assert await store.load("apart") == events

    @requires("global_log")
    async def test_transaction_wakes_a_subscriber(self, store: Driver) -> None:
        """Documents: who follows the log gets the events, and finds the documents there."""
        follower = store.subscribe()
        for n in range(3):
            waiting = await waiting_for(follower)
            events = deposits(1)
            async with store.transaction() as tx:
                await tx.put("c", "k", {"n": n})
                await tx.append([StreamWrite("acc", events, n)])
            assert (await waiting).event == events[0]
            assert await whole(store) == {"k": {"n": n}}
        await follower.close()

    @requires("global_log")
    async def test_undone_append_reaches_no_subscriber(self, store: Driver) -> None:
        """Documents: what did not commit is not heard of, and stalls nobody."""
        follower = store.subscribe()
        waiting = await waiting_for(follower)
        with pytest.raises(Undone):
            async with store.transaction() as tx:
                await tx.append([StreamWrite("acc", deposits(1), 0)])
                raise Undone
        await put(store, "k")
        events = deposits(1)
        await store.save("acc", events, 0)
        assert (await waiting).event == events[0]
        await follower.close()
