"""Promises 1 to 3 over several streams at once: `save_all`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from orchestrix_contract_tests.contracts._base import requires
from orchestrix_contract_tests.contracts._store import StoreContract
from orchestrix_contract_tests.domain import deposits, unstorable
from orchestrix_contract_tests.driver import Driver, Stores
from orchestrix_core import (
    ConcurrencyError,
    DuplicateEventError,
    Event,
    SerializationError,
    StreamWrite,
)

__all__ = ["MultiStreamContract"]


class MultiStreamContract(StoreContract, needs=("multi_stream",)):
    """Appends to several streams, all or none."""

    async def test_save_all_appends_to_every_stream(self, store: Driver) -> None:
        """Promise 1: each stream gets its events, after those it has."""
        before, a, b = deposits(1), deposits(2), deposits(3)
        await store.save("a", before)
        await store.save_all([StreamWrite("a", a, 1), StreamWrite("b", b, 0)])
        assert await _loaded(store, "ab") == [[*before, *a], b]

    @requires("global_log")
    async def test_save_all_is_one_piece_of_the_log(self, store: Driver) -> None:
        """Promise 4: the log has the writes one after another, in the given order."""
        b, a = deposits(2), deposits(2)
        await store.save_all([StreamWrite("b", b), StreamWrite("a", a)])
        assert [record.event for record in await store.read_log()] == [*b, *a]

    @pytest.mark.parametrize("bad", [0, 1, 2])
    async def test_one_wrong_expectation_stores_nothing_anywhere(
        self, store: Driver, bad: int
    ) -> None:
        """Promises 1 and 2: the error is about the stream that moved; no stream changes."""
        writes = [StreamWrite(s, deposits(2), 3 if n == bad else 0) for n, s in enumerate("abc")]
        with pytest.raises(ConcurrencyError) as caught:
            await store.save_all(writes)
        error = caught.value
        facts = (error.aggregate_id, error.expected_version, error.actual_version)
        assert facts == ("abc"[bad], 3, 0)
        assert await _loaded(store, "abc") == [[], [], []]

    async def test_unstorable_last_event_stores_nothing_anywhere(self, store: Driver) -> None:
        """Promises 1 and 9: a bad value in the last stream undoes the first."""
        with pytest.raises(SerializationError):
            await store.save_all(
                [StreamWrite("a", deposits(2), 0), StreamWrite("b", [*deposits(1), unstorable()])]
            )
        assert await _loaded(store, "ab") == [[], []]
        await store.save_all([StreamWrite(s, deposits(1), 0) for s in "ab"])

    async def test_reused_id_stores_nothing_anywhere(self, store: Driver) -> None:
        """Promise 3: the error names the stream that the reused id was appended to."""
        stored = deposits(1)
        await store.save("other", stored)
        with pytest.raises(DuplicateEventError) as caught:
            await store.save_all([StreamWrite("a", deposits(1), 0), StreamWrite("b", stored, 0)])
        assert (caught.value.event_id, caught.value.aggregate_id) == (stored[0].id, "b")
        assert await _loaded(store, "ab") == [[], []]

    async def test_id_in_two_streams_is_refused(self, store: Driver) -> None:
        """Promise 3: one id stands once in all the writes."""
        events = deposits(1)
        with pytest.raises(DuplicateEventError):
            await store.save_all([StreamWrite("a", events), StreamWrite("b", events)])
        assert await _loaded(store, "ab") == [[], []]

    async def test_same_save_all_again_appends_nothing(self, store: Driver) -> None:
        """Promise 3: a retry succeeds, also after the streams moved on."""
        a, b, later = deposits(2), deposits(1), deposits(1)
        writes = [StreamWrite("a", a, 0), StreamWrite("b", b, 0)]
        await store.save_all(writes)
        await store.save_all(writes)
        await store.save("a", later, 2)
        await store.save_all(writes)
        assert await _loaded(store, "ab") == [[*a, *later], b]

    @pytest.mark.parametrize("expected", [None, 0])
    async def test_retry_may_hold_an_empty_write(self, store: Driver, expected: int | None) -> None:
        """Promise 3: a stream that gets nothing has all of its part."""
        events = deposits(2)
        writes = [StreamWrite("b", [], expected), StreamWrite("a", events, 0)]
        for _ in range(2):
            await store.save_all(writes)
            await store.save_all(writes[::-1])
        assert await _loaded(store, "ab") == [events, []]

    @pytest.mark.parametrize("stored_first", [True, False])
    async def test_partly_stored_save_all_is_refused(
        self, store: Driver, stored_first: bool
    ) -> None:
        """Promise 3: where only some streams hold their part, it was another save."""
        stored = StreamWrite("a", deposits(1), 0)
        await store.save_all([stored])
        fresh = StreamWrite("b", deposits(1), 0)
        with pytest.raises(DuplicateEventError) as caught:
            await store.save_all([stored, fresh] if stored_first else [fresh, stored])
        assert caught.value.aggregate_id == "a"
        assert await _loaded(store, "ab") == [list(stored.events), []]

    async def test_retry_without_expectation_is_refused(self, store: Driver) -> None:
        """Promise 3: only an explicit expectation makes a save repeatable."""
        writes = [StreamWrite("a", deposits(1)), StreamWrite("b", deposits(1))]
        await store.save_all(writes)
        with pytest.raises(DuplicateEventError):
            await store.save_all(writes)
        assert [len(events) for events in await _loaded(store, "ab")] == [1, 1]

    async def test_same_stream_twice_is_refused(self, store: Driver) -> None:
        """Promise 9: two writes to one stream are a mistake; the text names the argument."""
        with pytest.raises(ValueError, match="writes"):
            await store.save_all([StreamWrite("a", deposits(1)), StreamWrite("a", deposits(1))])
        assert await store.load("a") == []

    async def test_empty_writes(self, store: Driver) -> None:
        """Promise 2: nothing to write is fine, and still checks the expectations."""
        await store.save_all([])
        await store.save_all([StreamWrite("a", []), StreamWrite("b", [], 0)])
        with pytest.raises(ConcurrencyError):
            await store.save_all([StreamWrite("a", deposits(1), 0), StreamWrite("b", [], 1)])
        assert await _loaded(store, "ab") == [[], []]

    @pytest.mark.parametrize("writes", ["text", None, [("a", [])], [None], 7], ids=repr)
    async def test_writes_must_be_stream_writes(self, store: Driver, writes: Any) -> None:
        """Promise 9: the error names the argument, and the place in it."""
        with pytest.raises(TypeError, match="writes"):
            await store.save_all(writes)

    async def test_crossing_racers_neither_mix_nor_block(
        self, store: Driver, stores: Stores
    ) -> None:
        """Promises 1 and 2: of racers that name the streams in crossing order one wins whole."""
        rivals = await stores.rivals(store, 6)
        attempts = [_crossing(n) for n in range(len(rivals))]
        outcomes = await asyncio.gather(
            *(rival.save_all(writes) for rival, writes in zip(rivals, attempts, strict=True)),
            return_exceptions=True,
        )
        winners = [w for w, o in zip(attempts, outcomes, strict=True) if o is None]
        assert len(winners) == 1
        assert sum(isinstance(o, ConcurrencyError) for o in outcomes) == len(rivals) - 1, outcomes
        stored = {write.aggregate_id: list(write.events) for write in winners[0]}
        assert await _loaded(store, "ab") == [stored["a"], stored["b"]]

    @requires("async", "global_log")
    async def test_cancelled_save_all_is_whole_or_absent(self, store: Driver) -> None:
        """Promise 1: wherever a cancellation strikes, both streams have their part or neither."""
        for steps in range(15):
            writes = [StreamWrite(f"{s}-{steps}", deposits(2), 0) for s in "ab"]
            whole = [event for write in writes for event in write.events]
            before = await store.head()
            saving = asyncio.ensure_future(store.save_all(writes))
            for _ in range(steps):
                await asyncio.sleep(0)  # one turn of the loop
            saving.cancel()
            await asyncio.wait({saving})
            # One read: the append may still be under way, and be there between two of them.
            assert [r.event for r in await store.read_log(before)] in ([], whole)
            await store.save_all(writes)
            assert [r.event for r in await store.read_log(before)] == whole


def _crossing(racer: int) -> list[StreamWrite]:
    writes = [StreamWrite("a", deposits(1), 0), StreamWrite("b", deposits(1), 0)]
    return writes[::-1] if racer % 2 else writes


async def _loaded(store: Driver, streams: Sequence[str]) -> list[list[Event]]:
    return [await store.load(stream) for stream in streams]
