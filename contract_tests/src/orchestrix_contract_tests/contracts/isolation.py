"""Promise 7: what a caller does later changes nothing stored."""

from __future__ import annotations

import copy
from typing import cast

from orchestrix_contract_tests.contracts._base import requires
from orchestrix_contract_tests.contracts._store import StoreContract
from orchestrix_contract_tests.domain import Noted, deposits, example_order
from orchestrix_contract_tests.driver import Driver
from orchestrix_core import Event

__all__ = ["IsolationContract"]

TRACE = "c" * 32


def _note(**metadata: str) -> Noted:
    return Noted(notes={"list": [1], "dict": {"k": "v"}}, **metadata)  # type: ignore[arg-type]  # metadata is text


def _scribble(event: Event) -> None:
    notes = cast("Noted", event).notes
    notes["list"].append("scribble")
    notes["dict"].clear()
    notes["new"] = True


class IsolationContract(StoreContract):
    """Lists are copies, and so is everything mutable inside an event."""

    async def test_given_list_may_be_changed_afterwards(self, store: Driver) -> None:
        """Promise 7: the store keeps no hold of the list that was passed in."""
        events = deposits(2)
        kept = list(events)
        await store.save("acc", events)
        events.reverse()
        events.append(deposits(1)[0])
        assert await store.load("acc") == kept

    async def test_returned_list_may_be_changed(self, store: Driver) -> None:
        """Promise 7: a loaded list is the caller's own."""
        events = deposits(3, trace_id=TRACE)
        await store.save("acc", events)
        for returned in (await store.load("acc"), await store.load_by_trace(TRACE)):
            returned.clear()
        assert await store.load("acc") == events
        assert await store.load_by_trace(TRACE) == events
        assert await store.load("acc", 3) == []

    async def test_list_returned_for_an_unknown_stream_may_be_changed(self, store: Driver) -> None:
        """Promise 7: also an empty list is a fresh one."""
        (await store.load("nobody")).append(deposits(1)[0])
        assert await store.load("nobody") == []
        (await store.load_by_trace(TRACE)).append(deposits(1)[0])
        assert await store.load_by_trace(TRACE) == []

    async def test_value_inside_a_given_event_may_be_changed(self, store: Driver) -> None:
        """Promise 7: a dict or list inside an event is stored as it was at the save."""
        event = _note()
        kept = copy.deepcopy(event)
        await store.save("acc", [event])
        _scribble(event)
        assert await store.load("acc") == [kept]

    async def test_value_inside_a_loaded_event_may_be_changed(self, store: Driver) -> None:
        """Promise 7: a dict or list inside a loaded event is the caller's own, on every path."""
        event = _note(trace_id=TRACE)
        kept = copy.deepcopy(event)
        await store.save("acc", [event])
        for _ in range(2):
            for loaded in (await store.load("acc"), await store.load_by_trace(TRACE)):
                assert loaded == [kept]
                _scribble(loaded[0])

    async def test_list_inside_a_rich_event_may_be_changed(self, store: Driver) -> None:
        """Promise 7: a list in a typed field is no exception."""
        order = example_order(tags=["a"])
        await store.save("order", [order])
        order.tags.append("scribble")
        (loaded,) = await store.load("order")
        assert cast("type(order)", loaded).tags == ["a"]  # type: ignore[valid-type]  # reads as said

    @requires("global_log")
    async def test_what_the_log_returns_may_be_changed(self, store: Driver) -> None:
        """Promise 7: records and their events are the caller's own."""
        event = _note()
        kept = copy.deepcopy(event)
        await store.save("acc", [event])
        for _ in range(2):
            records = await store.read_log()
            assert [record.event for record in records] == [kept]
            _scribble(records[0].event)
            records.clear()
