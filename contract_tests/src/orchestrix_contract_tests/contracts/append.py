"""Promise 1, atomic append, and what a stream gives back."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from orchestrix_contract_tests.contracts._base import requires
from orchestrix_contract_tests.contracts._store import StoreContract, rejected
from orchestrix_contract_tests.domain import (
    Card,
    Deposited,
    Measured,
    Noted,
    Opened,
    deposits,
    exact,
    example_order,
    unstorable,
)
from orchestrix_contract_tests.driver import Driver
from orchestrix_core import ConcurrencyError, DuplicateEventError, Event, SerializationError

__all__ = ["AppendContract"]


class AppendContract(StoreContract):
    """All events of a save or none, in order, and exactly as they were."""

    async def test_unknown_stream_is_empty(self, store: Driver) -> None:
        """Promise 4: an unknown stream has no events, and that is no error."""
        assert await store.load("nobody") == []

    async def test_saved_events_are_loaded_in_order(self, store: Driver) -> None:
        """Promise 1: the events of one save are there, in the given order."""
        events = [Opened(owner="Ada"), *deposits(5)]
        await store.save("acc", events)
        assert await store.load("acc") == events

    async def test_save_appends_and_never_replaces(self, store: Driver) -> None:
        """Promise 1: a later save follows the earlier ones."""
        first, second, third = deposits(2), deposits(1), deposits(3)
        for events in (first, second, third):
            await store.save("acc", events)
        assert await store.load("acc") == [*first, *second, *third]

    async def test_order_is_the_given_one_not_the_one_of_ids_or_times(self, store: Driver) -> None:
        """Promise 1: neither ids nor timestamps sort a stream."""
        events = deposits(4)[::-1]
        await store.save("acc", events)
        assert await store.load("acc") == events

    async def test_streams_are_apart(self, store: Driver) -> None:
        """Promise 1: a save touches its own stream alone."""
        streams = {f"acc-{n}": deposits(n % 3 + 1) for n in range(60)}
        for name, events in streams.items():
            await store.save(name, events)
        assert {name: await store.load(name) for name in streams} == streams

    async def test_any_sequence_of_events_may_be_saved(self, store: Driver) -> None:
        """Promise 1: a tuple is as good as a list."""
        events = tuple(deposits(2))
        await store.save("acc", events)
        assert await store.load("acc") == list(events)

    async def test_versions_need_not_be_said(self, store: Driver) -> None:
        """Promise 1: without them a save goes to the end, and a load begins at the start."""
        events = deposits(3)
        await store.call("save", "acc", events[:2])
        await store.call("save", "acc", events[2:])
        assert await store.call("load", "acc") == events
        assert await store.call("load", "acc", None) == events

    async def test_from_version_skips_the_first_n(self, store: Driver) -> None:
        """Promise 4: `from_version=n` skips n events; None is 0; beyond the end is empty."""
        events = deposits(4)
        await store.save("acc", events[:3])
        await store.save("acc", events[3:])
        loaded = {n: await store.load("acc", n) for n in (None, 0, 1, 3, 4, 5, 10**9)}
        expected = {n: events[n or 0 :] for n in loaded}
        assert loaded == expected

    async def test_rich_values_read_back_exactly(self, store: Driver) -> None:
        """Section 4: what is loaded equals what was saved, types, scale and zone included."""
        orders = [example_order(), example_order(payment=Card("4711"), comment=None, gift=True)]
        await store.save("order", orders)
        loaded = await store.load("order")
        assert loaded == orders
        assert [exact(order) for order in loaded] == [exact(order) for order in orders]

    async def test_metadata_reads_back_exactly(self, store: Driver) -> None:
        """Section 3: every metadata field is kept, set or not."""
        full = Measured(
            value=0.5,
            source="/plant/7",
            subject="boiler",
            datacontenttype="application/json",
            dataschema="https://example.com/s",
            correlation_id="c",
            causation_id="d",
            trace_id="0123456789abcdef" * 2,
        )
        plain = Measured(value=-0.0)
        await store.save("sensor", [full, plain])
        loaded = await store.load("sensor")
        assert [exact(event) for event in loaded] == [exact(full), exact(plain)]

    async def test_large_event(self, store: Driver) -> None:
        """Promise 1: a megabyte in one event is no problem."""
        event = Noted(notes={"text": "ä" * 500_000})
        await store.save("acc", [event])
        assert await store.load("acc") == [event]

    async def test_large_batch(self, store: Driver) -> None:
        """Promise 1: a thousand events in one save stay together and in order."""
        events = deposits(1000)
        await store.save("acc", events, 0)
        assert await store.load("acc") == events
        assert await store.load("acc", 999) == events[999:]

    @pytest.mark.parametrize(
        "stream",
        ["Ähre 😀", "x" * 1000, "a'b\"c;--", "50%_*?", " padded ", "line\nbreak", "../up/\\down"],
        ids=["unicode", "long", "quotes", "wildcards", "spaces", "newline", "path"],
    )
    async def test_stream_ids_are_taken_as_they_are(self, store: Driver, stream: str) -> None:
        """Promise 1: any text that is not empty names a stream."""
        events = deposits(2)
        await store.save(stream, events)
        assert await store.load(stream) == events

    async def test_similar_stream_ids_are_different_streams(self, store: Driver) -> None:
        """Promise 1: case, spaces, accents and their composition tell streams apart."""
        names = ["acc", "ACC", "acc ", " acc", "acç", "ac\u0327c", "acc%", "ac_"]
        streams = {name: deposits(1) for name in names}
        for name, events in streams.items():
            await store.save(name, events, 0)
        assert {name: await store.load(name) for name in names} == streams

    async def test_nul_is_kept_or_refused_by_name(self, store: Driver) -> None:
        """Section 4: a NUL character reads back, or `SerializationError` names its field."""
        event = Opened(owner="a\0b")
        try:
            await store.save("acc", [event])
        except SerializationError:
            await rejected(store, (SerializationError,), [event], "acc", names="owner")
        else:
            assert await store.load("acc") == [event]

    async def test_unstorable_last_event_leaves_nothing(self, store: Driver) -> None:
        """Promise 1: the events before a bad one are not stored either."""
        with pytest.raises(SerializationError):
            await store.save("acc", [*deposits(3), unstorable()])
        assert await store.load("acc") == []
        await _takes_a_first_event(store)

    async def test_duplicate_last_event_leaves_nothing(self, store: Driver) -> None:
        """Promises 1 and 3: a reused id in the last place undoes the whole save."""
        stored = deposits(1)
        await store.save("other", stored)
        with pytest.raises(DuplicateEventError):
            await store.save("acc", [*deposits(3), *stored])
        assert await store.load("acc") == []
        await _takes_a_first_event(store)

    async def test_refused_append_leaves_nothing(self, store: Driver) -> None:
        """Promises 1 and 2: a conflict is found before anything is stored."""
        with pytest.raises(ConcurrencyError):
            await store.save("acc", deposits(3), 2)
        assert await store.load("acc") == []
        await _takes_a_first_event(store)

    @requires("async")
    async def test_cancelled_append_is_whole_or_absent(self, store: Driver) -> None:
        """Promise 1: wherever a cancellation strikes, all events of the save are there or none."""
        for steps in range(25):
            stream, events = f"acc-{steps}", deposits(3)
            await _cancel_after(steps, store, stream, events)
            assert await store.load(stream) in ([], events)
            await store.save(stream, events, 0)  # the outcome is unknown: repeat it
            assert await store.load(stream) == events

    async def test_event_of_the_same_class_and_value_is_another_event(self, store: Driver) -> None:
        """Promise 3: the id alone tells events apart."""
        twins = [Deposited(amount=Decimal(1)), Deposited(amount=Decimal(1))]
        await store.save("acc", twins)
        assert [event.id for event in await store.load("acc")] == [event.id for event in twins]


async def _takes_a_first_event(store: Driver) -> None:
    """A refused append must leave the stream new, and the store in working order."""
    events = deposits(1)
    await store.save("acc", events, 0)
    assert await store.load("acc") == events


async def _cancel_after(steps: int, store: Driver, stream: str, events: list[Event]) -> None:
    saving = asyncio.ensure_future(store.save(stream, events, 0))
    for _ in range(steps):
        await asyncio.sleep(0)  # one turn of the loop
    saving.cancel()
    await asyncio.wait({saving})
    if not saving.cancelled():
        saving.result()
