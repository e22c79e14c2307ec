"""Reference: spans by hand, nested right, also in tasks and threads, and the trace in messages."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest

from orchestrix_contract_tests.contracts._traced import (
    PRODUCER_SPAN,
    Finished,
    FinishedSpan,
    TracedContract,
    was_made_in,
)
from orchestrix_contract_tests.domain import Opened
from orchestrix_core.context import current_trace_id, current_traceparent, trace_of

__all__ = ["SpansByHandContract"]

PATIENCE: Final = 30.0
BY_HAND: Final[Mapping[str, tuple[str, ...]]] = {
    "span": ("find the price",),
    "span_event": ("OrderPlaced", "event-7", "ORD-7"),
    "span_command": ("PlaceOrder", "ORD-7"),
    "span_saga": ("OrderSaga", "saga-7"),
}
"""The methods that make spans by hand, with arguments; each has a twin for `async with`."""

each_by_hand = pytest.mark.parametrize("method", BY_HAND)


class SpansByHandContract(TracedContract):
    """Eight methods that make spans, and three that tell more of the active one."""

    @each_by_hand
    def test_a_span_by_hand(self, tracer: Any, finished: Finished, method: str) -> None:
        """Reference: each method gives one span, named for what it is given, told in full."""
        with getattr(tracer, method)(*BY_HAND[method]):
            assert finished() == []
        _is_told(finished(), BY_HAND[method])

    @each_by_hand
    async def test_a_span_by_hand_for_async_with(
        self, tracer: Any, finished: Finished, method: str
    ) -> None:
        """Reference: each method has a twin for `async with`."""
        async with getattr(tracer, f"async_{method}")(*BY_HAND[method]):
            await asyncio.sleep(0)
            assert finished() == []
        _is_told(finished(), BY_HAND[method])

    def test_attributes_are_kept(self, tracer: Any, finished: Finished) -> None:
        """Reference: attributes given at the start, and set later on the innermost span."""
        with tracer.span("outer", {"given": "ä", "number": 7}):
            with tracer.span("inner"):
                tracer.set_attribute("late", True)
                tracer.add_event("noted", {"why": "because"})
            tracer.set_attribute("later", 1.5)
        inner, outer = finished()
        assert outer.attributes["given"] == "ä"
        assert outer.attributes["number"] == 7
        assert outer.attributes["later"] == 1.5
        assert inner.attributes["late"] is True
        assert (list(inner.events), list(outer.events)) == (["noted"], [])

    def test_outside_of_every_span_nothing_is_told(self, tracer: Any, finished: Finished) -> None:
        """Reference: the utility methods do no harm where no span is active."""
        tracer.set_attribute("key", "value")
        tracer.add_event("noted", {})
        assert tracer.get_trace_id() is None
        assert finished() == []

    def test_the_trace_id_is_that_of_w3c(self, tracer: Any, finished: Finished) -> None:
        """Section 3: 32 lower-case hex digits, the same in the whole trace, none afterwards."""
        with tracer.span("outer"):
            outside = tracer.get_trace_id()
            with tracer.span("inner"):
                inside = tracer.get_trace_id()
        with tracer.span("another"):
            another = tracer.get_trace_id()
        assert tracer.get_trace_id() is None
        assert trace_of(f"00-{outside}-{PRODUCER_SPAN}-01") == outside
        assert inside == outside != another
        assert [span.trace_id for span in finished()] == [inside, outside, another]

    def test_spans_nest(self, tracer: Any, finished: Finished) -> None:
        """Section 8: a span inside another is its child, one after another is not."""
        with tracer.span("outer"):
            with tracer.span_command("First", "1"), tracer.span("deep"):
                pass
            with tracer.span_saga("Second", "2"):
                pass
        deep, first, second, outer = finished()
        assert outer.parent_id is None
        assert first.parent_id == second.parent_id == outer.span_id
        assert deep.parent_id == first.span_id
        assert len({span.span_id for span in finished()}) == 4
        assert {span.trace_id for span in finished()} == {outer.trace_id}

    @each_by_hand
    def test_an_exception_is_recorded_and_raised_again(
        self, tracer: Any, finished: Finished, method: str
    ) -> None:
        """Section 8: the very same exception comes out, and the span says that it failed."""
        failure = LookupError("not there")
        with pytest.raises(LookupError) as caught, getattr(tracer, method)(*BY_HAND[method]):
            raise failure
        assert caught.value is failure
        (span,) = finished()
        assert (list(span.exceptions), span.failed) == (["LookupError"], True)

    @each_by_hand
    async def test_an_exception_is_recorded_in_async_with(
        self, tracer: Any, finished: Finished, method: str
    ) -> None:
        """Section 8: the same for `async with`."""
        failure = LookupError("not there")
        with pytest.raises(LookupError) as caught:
            async with getattr(tracer, f"async_{method}")(*BY_HAND[method]):
                raise failure
        assert caught.value is failure
        (span,) = finished()
        assert (list(span.exceptions), span.failed) == (["LookupError"], True)

    def test_a_failure_inside_that_was_handled_fails_no_span_around(
        self, tracer: Any, finished: Finished
    ) -> None:
        """Section 8: only the spans that the exception leaves have failed."""
        with tracer.span("outer"):
            with pytest.raises(LookupError), tracer.span("inner"):
                raise LookupError
            with tracer.span("next"):
                pass
        assert [span.failed for span in finished()] == [True, False, False]
        assert finished()[1].parent_id == finished()[2].span_id

    def test_a_message_made_inside_carries_the_trace(self, tracer: Any, finished: Finished) -> None:
        """Section 3: `trace_id` of the trace, `traceparent` of the innermost span."""
        with tracer.span_command("PlaceOrder", "ORD-7"):
            with tracer.span("inner"):
                inner = Opened(owner="inner")
            outer = Opened(owner="outer")
        after = Opened(owner="after")
        inner_span, outer_span = finished()
        was_made_in(inner, inner_span)
        was_made_in(outer, outer_span)
        assert (after.trace_id, after.traceparent) == (None, None)

    def test_nothing_is_active_after_a_failure(self, tracer: Any) -> None:
        """Section 8: what a span made active ends with it, also when the block fails."""
        with pytest.raises(LookupError), tracer.span("fails"):
            raise LookupError
        assert tracer.get_trace_id() is None
        assert (current_trace_id(), current_traceparent()) == (None, None)

    async def test_tasks_do_not_disturb_each_other(self, tracer: Any, finished: Finished) -> None:
        """Section 8: spans of tasks that overlap are children of where each task began."""
        gates = [asyncio.Event() for _ in range(6)]

        async def work(number: int) -> Opened:
            async with tracer.async_span(f"task {number}"):
                await gates[number].wait()
                with tracer.span(f"part {number}"):
                    return Opened(owner=str(number))

        with tracer.span("all"):
            tasks = [asyncio.create_task(work(number)) for number in range(6)]
            await asyncio.sleep(0)  # all of them are inside now
            for number in (3, 0, 5, 1, 4, 2):
                gates[number].set()
                await asyncio.wait_for(asyncio.shield(tasks[number]), PATIENCE)
            events = await asyncio.gather(*tasks)
        spans = {span.name: span for span in finished()}
        for number, event in enumerate(events):
            task, part = spans[f"task {number}"], spans[f"part {number}"]
            assert task.parent_id == spans["all"].span_id
            assert part.parent_id == task.span_id
            was_made_in(event, part)

    async def test_a_thread_goes_on_from_where_it_was_asked(
        self, tracer: Any, finished: Finished
    ) -> None:
        """Section 8: `asyncio.to_thread` takes the active span along."""

        def work() -> None:
            with tracer.span("in the thread"):
                pass

        async with tracer.async_span("outer"):
            await asyncio.to_thread(work)
        inner, outer = finished()
        assert (inner.trace_id, inner.parent_id) == (outer.trace_id, outer.span_id)

    def test_threads_do_not_disturb_each_other(self, tracer: Any, finished: Finished) -> None:
        """Section 8: threads that overlap have a trace each."""
        meet = threading.Barrier(4, timeout=PATIENCE)

        def work(number: int) -> None:
            with tracer.span(f"thread {number}"):
                meet.wait()
                with tracer.span(f"part {number}"):
                    meet.wait()

        with ThreadPoolExecutor(4) as pool:  # the barrier has each of them be a thread of its own
            list(pool.map(work, range(4)))
        spans = {span.name: span for span in finished()}
        assert len({span.trace_id for span in spans.values()}) == 4
        for number in range(4):
            assert spans[f"thread {number}"].parent_id is None
            assert spans[f"part {number}"].parent_id == spans[f"thread {number}"].span_id


def _is_told(spans: Sequence[FinishedSpan], told: tuple[str, ...]) -> None:
    (span,) = spans
    assert told[0] in span.name
    assert set(told[1:]) <= set(span.attributes.values())
    assert not span.failed
