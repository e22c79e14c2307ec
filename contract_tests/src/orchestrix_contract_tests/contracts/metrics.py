"""Section 8: metrics tell what happened, by exact names, and never change it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any, Final

import pytest

from orchestrix_contract_tests.contracts._measured import (
    GAUGES,
    INSTRUMENTS,
    TRACKERS,
    MeasuredContract,
    Read,
    Tracks,
    counted,
    exposed,
)
from orchestrix_core import ConcurrencyError
from orchestrix_core.instrumentation import Gauge

__all__ = ["MetricsContract"]

each_tracker = pytest.mark.parametrize("tracks", TRACKERS, ids=lambda tracks: tracks.method)
FAILURES: Final = (ValueError("v"), KeyboardInterrupt(), asyncio.CancelledError(), StopIteration(1))
each_failure = pytest.mark.parametrize("failure", FAILURES, ids=lambda f: type(f).__name__)


class MetricsContract(MeasuredContract):
    """
    The trackers, gauges and names of the reference.

    `subject.create` returns an instrumentation whose `metrics` has the trackers, a registry and
    an exposition in the text format; whoever exposes otherwise replaces the fixture `read`.
    """

    @each_tracker
    def test_success_is_counted_and_timed(self, metrics: Any, read: Read, tracks: Tracks) -> None:
        """Section 8: once each, under its own label and `status="success"`."""
        for value in ("A", "B", "B"):
            with getattr(metrics, tracks.method)(value):
                pass
        seen = read()
        assert counted(seen, tracks, "A") == {"success": 1, "error": 0}
        assert counted(seen, tracks, "B") == {"success": 2, "error": 0}
        assert seen.total(f"{tracks.timer}_count", status="success") == 3

    @each_tracker
    @each_failure
    def test_failure_is_counted_and_goes_on(
        self, metrics: Any, read: Read, tracks: Tracks, failure: BaseException
    ) -> None:
        """Section 8: the very same exception comes out, and it was counted and timed."""
        with pytest.raises(type(failure)) as caught, getattr(metrics, tracks.method)("A"):
            raise failure
        assert caught.value is failure
        seen = read()
        assert counted(seen, tracks, "A") == {"success": 0, "error": 1}
        assert seen.total(f"{tracks.timer}_count", status="error") == 1

    @each_tracker
    async def test_async_trackers(self, metrics: Any, read: Read, tracks: Tracks) -> None:
        """Section 8: the same with `async with`, for success and failure."""
        async with getattr(metrics, tracks.async_method)("A"):
            pass
        failure = LookupError()
        with pytest.raises(LookupError) as caught:
            async with getattr(metrics, tracks.async_method)("A"):
                raise failure
        assert caught.value is failure
        assert counted(read(), tracks, "A") == {"success": 1, "error": 1}

    @each_tracker
    def test_time_is_that_of_the_operation(self, metrics: Any, read: Read, tracks: Tracks) -> None:
        """Section 8: in seconds, no less than the operation took and no more than all of it."""
        before = perf_counter()
        with getattr(metrics, tracks.method)("A"):
            began = perf_counter()
            while (took := perf_counter() - began) < 0.002:
                pass
        whole = perf_counter() - before
        assert took <= read().total(f"{tracks.timer}_sum") <= whole

    def test_a_conflict_is_told_from_a_failure(self, metrics: Any, read: Read) -> None:
        """Section 8: an alert on conflicts must not be one on failures."""
        for error in (ConcurrencyError("a", 1, 2), OSError()):
            with pytest.raises(type(error)), metrics.track_storage_operation("append"):
                raise error
        seen = read()
        name = "storage_operations_total"
        assert seen.total(name, status="error") == 2
        assert seen.total(name, status="error", error_type="ConcurrencyError") == 1
        assert seen.total(name, status="error", error_type="OSError") == 1

    def test_names_are_exact(self, measured: Any, metrics: Any, read: Read) -> None:
        """Section 8: the thirteen names, and none beside them."""
        self._do_everything(measured, metrics)
        seen = read()
        assert set(seen.types) == INSTRUMENTS
        made = {name for name, _ in seen.samples}
        suffixes = ("_bucket", "_count", "_sum")
        bases = {next((n[: -len(s)] for s in suffixes if n.endswith(s)), n) for n in made}
        assert bases == INSTRUMENTS

    def test_labels_are_bounded(self, measured: Any, metrics: Any, read: Read) -> None:
        """Section 8: types and statuses, never ids: a thousand of them make no new series."""
        self._do_everything(measured, metrics)
        before = read()
        for number in range(1000):
            ids = {
                "aggregate_id": f"a{number}",
                "message_id": f"m{number}",
                "saga_id": f"s{number}",
            }
            for tracks in TRACKERS:
                with measured.operation(tracks.operation, {tracks.attribute: "A", **ids}):
                    pass
        after = read()
        assert after.samples.keys() == before.samples.keys()
        for tracks in TRACKERS:
            labels = after.labels(tracks.counter)
            assert labels.pop("status") <= {"success", "error"}
            assert labels.keys() <= {tracks.label, "error_type"}

    @each_tracker
    def test_operations_are_measured(self, measured: Any, read: Read, tracks: Tracks) -> None:
        """Section 8: what the core watches is counted as by hand."""
        with measured.operation(tracks.operation, {tracks.attribute: "A", "backend": "x"}):
            pass
        with (
            pytest.raises(ValueError, match="inside"),
            measured.operation(tracks.operation, {tracks.attribute: "A"}),
        ):
            raise ValueError("inside")
        assert counted(read(), tracks, "A") == {"success": 1, "error": 1}

    @pytest.mark.parametrize("gauge", GAUGES)
    def test_gauges_show_the_last_value(self, measured: Any, read: Read, gauge: Gauge) -> None:
        """Section 8: a gauge goes up and down, for each name alone, and never below nothing."""
        attribute, name, label = GAUGES[gauge]
        for value, expected in ((5, 5), (2, 2), (-1, 0)):
            measured.record(gauge, value, {attribute: "A"})
            measured.record(gauge, 7, {attribute: "B"})
            seen = read()
            assert seen.total(name, **{label: "A"}) == expected
            assert seen.total(name, **{label: "B"}) == 7

    def test_projection_lag_by_hand(self, metrics: Any, read: Read) -> None:
        """Section 8: `record_projection_lag` of the reference."""
        metrics.record_projection_lag("orders", 42)
        assert read().total("projection_events_behind", projection_name="orders") == 42

    def test_instances_are_separate(self, make: Callable[[], Any]) -> None:
        """Section 8: each has its own figures, and making a second one does not clash."""
        first, second = make().metrics, make().metrics
        with first.track_event_publish("A"):
            pass
        assert exposed(first).total("events_total") == 1
        assert exposed(second).total("events_total") == 0

    def test_threads_lose_no_count(self, metrics: Any, read: Read) -> None:
        """Section 8: threads that measure at once are all counted."""

        def work(_: int) -> None:
            for _ in range(200):
                with metrics.track_storage_operation("append"):
                    pass

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(8)))
        assert counted(read(), TRACKERS[3], "append") == {"success": 1600, "error": 0}

    async def test_overlapping_tasks_are_timed_apart(self, metrics: Any, read: Read) -> None:
        """Section 8: operations that run at once, of one type, do not share a clock."""
        gate = asyncio.Event()

        async def slow() -> tuple[float, float]:
            """Return how long it was at least and at most."""
            before = perf_counter()
            async with metrics.track_async_command_handle("A"):
                began = perf_counter()
                await gate.wait()
                inside = perf_counter() - began
            return inside, perf_counter() - before

        tasks = [asyncio.create_task(slow()) for _ in range(3)]
        await asyncio.sleep(0)
        began = perf_counter()
        while perf_counter() - began < 0.002:
            pass
        async with metrics.track_async_command_handle("B"):
            pass
        gate.set()
        least, most = map(sum, zip(*await asyncio.gather(*tasks), strict=True))
        seen = read()
        assert counted(seen, TRACKERS[1], "A") == {"success": 3, "error": 0}
        assert least <= seen.total("commands_latency_seconds_sum", command_type="A") <= most

    @pytest.mark.parametrize("value", ['a"b', "back\\slash", "two\nlines", "ä😀", "v" * 500])
    def test_odd_types_are_exposed_as_they_are(self, metrics: Any, read: Read, value: str) -> None:
        """Section 8: any stored name can be counted, and comes back the same."""
        with metrics.track_event_publish(value):
            pass
        assert read().total("events_total", event_type=value) == 1

    def _do_everything(self, measured: Any, metrics: Any) -> None:
        for tracks in TRACKERS:
            with getattr(metrics, tracks.method)("A"):
                pass
        for gauge, (attribute, _, _) in GAUGES.items():
            measured.record(gauge, 1, {attribute: "A"})
