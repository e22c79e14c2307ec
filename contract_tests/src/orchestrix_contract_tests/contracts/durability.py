"""What was acknowledged outlives the store, the process, and the classes it was made with."""

from __future__ import annotations

import asyncio

import pytest

from orchestrix_contract_tests import _child
from orchestrix_contract_tests.contracts._base import requires
from orchestrix_contract_tests.contracts._processes import children, receive, rest
from orchestrix_contract_tests.contracts._store import StoreContract
from orchestrix_contract_tests.domain import Noted, deposits, example_order
from orchestrix_contract_tests.driver import Driver, Stores
from orchestrix_core import (
    ConcurrencyError,
    DuplicateEventError,
    RecordedEvent,
    Snapshot,
    StoreClosedError,
)

__all__ = ["DurabilityContract"]

TRACE = "d" * 32


class DurabilityContract(StoreContract, needs=("persistent",)):
    """A store opened again, here or elsewhere, goes on where it was."""

    async def test_reopened_store_has_everything(self, store: Driver, stores: Stores) -> None:
        """`persistent`: streams, traces and snapshots are there after `close`."""
        events = [example_order(trace_id=TRACE), Noted(notes={"k": [1]}), *deposits(3)]
        snapshot = Snapshot(aggregate_id="acc", version=4, state={"k": [1.5, None]})
        await store.save("acc", events)
        await store.save_snapshot(snapshot)
        await store.close()
        again = await stores.open()
        assert await again.load("acc") == events
        assert await again.load_by_trace(TRACE) == events[:1]
        assert await again.load_snapshot("acc") == snapshot

    @requires("global_log")
    async def test_reopened_log_goes_on(self, store: Driver, stores: Stores) -> None:
        """Promise 4: positions go on growing over a reopening, and old ones stay."""
        records: list[RecordedEvent] = []
        for stream in "bacb":
            await store.save(stream, deposits(2))
            longer = await store.read_log()
            assert longer[:-2] == records
            assert [r.position for r in longer] == sorted({r.position for r in longer})
            await store.close()
            store = await stores.open()
            records = await store.read_log()
            assert records == longer
            assert await store.head() == records[-1].position

    async def test_expectations_and_ids_outlive_the_store(
        self, store: Driver, stores: Stores
    ) -> None:
        """Promises 2 and 3: a conflict, a retry and a duplicate are known after a reopening."""
        events = deposits(2)
        await store.save("acc", events, 0)
        await store.close()
        again = await stores.open()
        await again.save("acc", events, 0)
        with pytest.raises(ConcurrencyError):
            await again.save("acc", deposits(1), 0)
        with pytest.raises(DuplicateEventError):
            await again.save("other", events[:1], 0)
        assert await again.load("acc") == events

    async def test_old_snapshot_stays_old(self, store: Driver, stores: Stores) -> None:
        """Promise 6: an older snapshot does not replace a newer one after a reopening."""
        newer = Snapshot(aggregate_id="acc", version=5, state={})
        await store.save_snapshot(newer)
        await store.close()
        again = await stores.open()
        await again.save_snapshot(Snapshot(aggregate_id="acc", version=4, state={}))
        assert await again.load_snapshot("acc") == newer

    @requires("async")
    async def test_what_a_racing_close_acknowledged_is_there(
        self, store: Driver, stores: Stores
    ) -> None:
        """Promises 1 and 8: of saves that race a `close`, exactly the successful ones are there."""
        batches = {f"acc-{n}": deposits(2) for n in range(20)}
        outcomes = await asyncio.gather(
            *(store.save(name, events, 0) for name, events in batches.items()),
            store.close(),
            return_exceptions=True,
        )
        again = await stores.open()
        for (name, events), outcome in zip(batches.items(), outcomes, strict=False):
            expected = [] if isinstance(outcome, StoreClosedError) else events
            assert await again.load(name) == expected

    @requires("multi_process")
    async def test_stores_on_one_data_see_each_other(self, store: Driver, stores: Stores) -> None:
        """`multi_process`: a commit of one store is seen by the next read of another."""
        (other,) = await stores.rivals(store, 1)
        events = deposits(4)
        for version, event in enumerate(events):
            await (store, other)[version % 2].save("acc", [event], version)
            for reader in (store, other):
                assert await reader.load("acc") == events[: version + 1]

    @requires("multi_process")
    async def test_one_of_many_processes_wins(self, store: Driver, stores: Stores) -> None:
        """Promise 2: also of processes that race, exactly one wins each time."""
        with children(_child.race, stores, 2) as rivals:
            for _, pipe in rivals:
                assert await receive(pipe) == "ready"
            for version in range(10):
                for _, pipe in rivals:
                    pipe.send(version)
                answers = [await receive(pipe) for _, pipe in rivals]
                assert sorted(answers) == ["lost", "won"]
                assert len(await store.load("acc")) == version + 1
            for _, pipe in rivals:
                pipe.send(None)

    async def test_killed_process_loses_nothing_acknowledged(self, stores: Stores) -> None:
        """`persistent`: after a kill, every acknowledged save is there, and none in halves."""
        with children(_child.append_until_killed, stores, 1) as [(child, pipe)]:
            said = [await receive(pipe) for _ in range(21)]
            child.kill()
            await asyncio.to_thread(child.join)
            said += rest(pipe)
        tried = [id for word, ids in said if word == "trying" for id in ids]
        acknowledged = [id for word, ids in said if word == "stored" for id in ids]
        store = await stores.open()
        stored = [event.id for event in await store.load("acc")]
        assert stored[: len(acknowledged)] == acknowledged
        assert stored == tried[: len(stored)]
        assert len(stored) % _child.BATCH == 0
        # No expectation: a server may still commit what it had received from the dead process.
        await store.save("acc", deposits(1))
