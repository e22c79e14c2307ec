"""Promise 5: trace lookup."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrix_contract_tests.contracts._base import requires
from orchestrix_contract_tests.contracts._store import StoreContract
from orchestrix_contract_tests.domain import deposits
from orchestrix_contract_tests.driver import Driver
from orchestrix_core import ConcurrencyError, use_trace

__all__ = ["TraceContract"]

TRACE, OTHER = "a" * 32, "b" * 32


class TraceContract(StoreContract):
    """The events of a trace over all aggregates, in log order."""

    async def test_unknown_trace_is_empty(self, store: Driver) -> None:
        """Promise 5: nothing is known of a trace: an empty list."""
        await store.save("acc", deposits(1))
        assert await store.load_by_trace(TRACE) == []

    async def test_trace_over_all_aggregates_in_log_order(self, store: Driver) -> None:
        """Promise 5: in the order of the log, not by stream, id or time."""
        batches = [("b", deposits(2, trace_id=TRACE)), ("a", deposits(1, trace_id=TRACE)[::-1])]
        batches += [("c", deposits(2, trace_id=TRACE)[::-1]), ("b", deposits(1, trace_id=TRACE))]
        for stream, events in reversed(batches):
            await store.save(stream, [*deposits(1, trace_id=OTHER), *events, *deposits(1)])
        expected = [event for _, events in reversed(batches) for event in events]
        assert await store.load_by_trace(TRACE) == expected

    async def test_trace_follows_later_saves(self, store: Driver) -> None:
        """Promise 5: a lookup sees what was saved since the last one."""
        first, second = deposits(1, trace_id=TRACE), deposits(1, trace_id=TRACE)
        await store.save("acc", first)
        assert await store.load_by_trace(TRACE) == first
        await store.save("other", second)
        assert await store.load_by_trace(TRACE) == [*first, *second]

    async def test_active_trace_is_found(self, store: Driver) -> None:
        """Section 3: events made under an active trace are found by it."""
        with use_trace(OTHER):
            events = deposits(2)
        await store.save("acc", [*deposits(1), *events])
        assert await store.load_by_trace(OTHER) == events

    async def test_refused_events_are_in_no_trace(self, store: Driver) -> None:
        """Promises 1 and 5: a refused save leaves nothing in the trace index."""
        await store.save("acc", deposits(1))
        with pytest.raises(ConcurrencyError):
            await store.save("acc", deposits(1, trace_id=TRACE), 0)
        assert await store.load_by_trace(TRACE) == []

    async def test_trace_longer_than_a_page(self, store: Driver) -> None:
        """Promise 5: a trace is given whole, however long."""
        events = deposits(1200, trace_id=TRACE)
        await store.save("acc", events[:600])
        await store.save("other", events[600:])
        assert await store.load_by_trace(TRACE) == events

    @pytest.mark.parametrize("trace", ["", None, 7])
    async def test_trace_id_must_be_text(self, store: Driver, trace: Any) -> None:
        """Promise 9: what is no trace id is refused by name."""
        with pytest.raises((ValueError, TypeError), match="trace_id"):
            await store.load_by_trace(trace)

    @requires("global_log")
    async def test_trace_agrees_with_the_log(self, store: Driver) -> None:
        """Promises 4 and 5: the trace is the log, filtered."""
        for n in range(6):
            await store.save(f"acc-{n % 3}", deposits(2, trace_id=(TRACE, OTHER)[n % 2]))
        log = [record.event for record in await store.read_log()]
        assert await store.load_by_trace(TRACE) == [e for e in log if e.trace_id == TRACE]
