"""Promise 3: a save may be repeated, and an event id may not be used again."""

from __future__ import annotations

import asyncio

import pytest

from orchestrix_contract_tests.contracts._store import StoreContract
from orchestrix_contract_tests.domain import Opened, deposits
from orchestrix_contract_tests.driver import Driver, Stores
from orchestrix_core import DuplicateEventError

__all__ = ["RetryContract"]

UUID_TEXT = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"


class RetryContract(StoreContract):
    """Repeating the very same save appends nothing; any other reuse of an id is refused."""

    async def test_same_save_again_appends_nothing(self, store: Driver) -> None:
        """Promise 3: same ids, same explicit expectation: it succeeds, once stored."""
        events = deposits(2)
        for _ in range(3):
            await store.save("acc", events, 0)
        assert await store.load("acc") == events

    async def test_same_save_again_in_the_middle_of_a_stream(self, store: Driver) -> None:
        """Promise 3: the expectation need not be 0."""
        before, events = deposits(3), deposits(2)
        await store.save("acc", before)
        await store.save("acc", events, 3)
        await store.save("acc", events, 3)
        assert await store.load("acc") == [*before, *events]

    async def test_same_save_again_after_the_stream_moved_on(self, store: Driver) -> None:
        """Promise 3: a late retry is still a retry, not a conflict."""
        events, later = deposits(2), deposits(3)
        await store.save("acc", events, 0)
        await store.save("acc", later, 2)
        await store.save("acc", events, 0)
        assert await store.load("acc") == [*events, *later]

    async def test_same_save_from_racing_retries(self, store: Driver, stores: Stores) -> None:
        """Promise 3: retries that race each other all succeed, and store it once."""
        events = deposits(2)
        rivals = await stores.rivals(store, 4)
        await asyncio.gather(*(rival.save("acc", events, 0) for rival in rivals))
        assert await store.load("acc") == events

    @pytest.mark.parametrize("expected", [None, 0, 2, 9])
    async def test_retry_with_another_expectation_is_refused(
        self, store: Driver, expected: int | None
    ) -> None:
        """Promise 3: with None, or another number, it is not the very same save."""
        first, events = deposits(1), deposits(1)
        await store.save("acc", first, 0)
        await store.save("acc", events, 1)
        with pytest.raises(DuplicateEventError) as caught:
            await store.save("acc", events, expected)
        assert (caught.value.event_id, caught.value.aggregate_id) == (events[0].id, "acc")
        assert await store.load("acc") == [*first, *events]

    @pytest.mark.parametrize("expected", [None, 0, 5])
    async def test_id_of_another_stream_is_refused(
        self, store: Driver, expected: int | None
    ) -> None:
        """Promise 3: ids are unique over all streams; a duplicate outranks a conflict."""
        events = deposits(1)
        await store.save("acc", events, 0)
        with pytest.raises(DuplicateEventError) as caught:
            await store.save("other", events, expected)
        assert (caught.value.event_id, caught.value.aggregate_id) == (events[0].id, "other")
        assert await store.load("other") == []

    async def test_id_twice_in_one_save_is_refused(self, store: Driver) -> None:
        """Promise 3: also within one save an id stands once; nothing of it is stored."""
        event, other = deposits(2)
        with pytest.raises(DuplicateEventError) as caught:
            await store.save("acc", [event, other, event], 0)
        assert caught.value.event_id == event.id
        assert await store.load("acc") == []

    @pytest.mark.parametrize("expected", [None, 0, 1, 2])
    async def test_partial_overlap_is_refused(self, store: Driver, expected: int | None) -> None:
        """Promise 3: a save with stored and new events is no retry; nothing of it is stored."""
        stored = deposits(2)
        await store.save("acc", stored, 0)
        for events in ([*stored, *deposits(1)], [stored[1], *deposits(1)], [*deposits(1), *stored]):
            with pytest.raises(DuplicateEventError):
                await store.save("acc", events, expected)
        assert await store.load("acc") == stored

    async def test_any_text_is_an_event_id(self, store: Driver) -> None:
        """Promise 3: case, dashes, braces and spaces tell ids apart, also those of UUIDs."""
        bare = UUID_TEXT.replace("-", "")
        ids = [UUID_TEXT, UUID_TEXT.upper(), bare, f"{{{UUID_TEXT}}}", f"{UUID_TEXT} ", "e1", "é"]
        events = [Opened(id=event_id, owner="Ada") for event_id in ids]
        await store.save("acc", events, 0)
        await store.save("acc", events, 0)
        assert [event.id for event in await store.load("acc")] == ids
        for event in events:
            with pytest.raises(DuplicateEventError) as caught:
                await store.save("other", [event], 0)
            assert caught.value.event_id == event.id

    @pytest.mark.parametrize("stream", ["acc", "other"])
    @pytest.mark.parametrize("expected", [None, 0, 2])
    async def test_stored_event_is_named_behind_new_ones(
        self, store: Driver, stream: str, expected: int | None
    ) -> None:
        """Promise 3: the error has the id that is stored, wherever it stands in the save."""
        stored = deposits(2)
        await store.save("acc", stored, 0)
        with pytest.raises(DuplicateEventError) as caught:
            await store.save(stream, [*deposits(2), stored[1]], expected)
        assert (caught.value.event_id, caught.value.aggregate_id) == (stored[1].id, stream)

    async def test_same_events_in_another_order_are_refused(self, store: Driver) -> None:
        """Promise 3: the order belongs to the save."""
        events = deposits(2)
        await store.save("acc", events, 0)
        with pytest.raises(DuplicateEventError):
            await store.save("acc", events[::-1], 0)
        assert await store.load("acc") == events

    async def test_refused_events_may_be_saved_later(self, store: Driver) -> None:
        """Promise 3: an id counts as used only once it is stored."""
        stored, fresh = deposits(1), deposits(1)
        await store.save("acc", stored, 0)
        with pytest.raises(DuplicateEventError):
            await store.save("acc", [*fresh, *stored], 1)
        await store.save("acc", fresh, 1)
        assert await store.load("acc") == [*stored, *fresh]
