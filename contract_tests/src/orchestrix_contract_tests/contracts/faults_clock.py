"""Clocks that go back: order is that of versions and positions."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from orchestrix_contract_tests.contracts._base import requires
from orchestrix_contract_tests.contracts._faults import FaultContract
from orchestrix_contract_tests.domain import deposits
from orchestrix_contract_tests.driver import Driver
from orchestrix_core import Event, Snapshot

__all__ = ["ClockContract"]

_TRACE = "c" * 32
_NOW = datetime(2030, 1, 1, tzinfo=UTC)


def _backwards(count: int) -> list[Event]:
    """Return events each of which is an hour older than the one before, by its id as well."""
    ids = [f"00000000-{count - n:04}-7000-8000-{'0' * 12}" for n in range(count)]
    moments = [_NOW - timedelta(hours=n) for n in range(count)]
    pairs = zip(ids, moments, strict=True)
    return [deposits(1, id=i, timestamp=t, trace_id=_TRACE)[0] for i, t in pairs]


class ClockContract(FaultContract):
    """The clock of the process goes back, while events are saved."""

    @pytest.fixture(autouse=True)
    def clock_that_goes_back(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let each look at the clock, but not at the one that only measures, be a second before."""
        begun = time.time_ns()
        looks = 0

        def time_ns() -> int:
            nonlocal looks
            looks += 1
            return begun - looks * 1_000_000_000

        monkeypatch.setattr(time, "time_ns", time_ns)
        monkeypatch.setattr(time, "time", lambda: time_ns() / 1e9)

    async def test_streams_are_in_the_order_of_their_saves(self, store: Driver) -> None:
        """Clock going back: a stream is in the order of its versions, in one save and over many."""
        events = _backwards(6)
        await store.save("acc", events[:3], 0)
        for version, event in enumerate(events[3:], start=3):
            await store.save("acc", [event], version)
        assert await store.load("acc") == events
        assert await store.load("acc", 4) == events[4:]

    async def test_a_trace_is_in_the_order_of_its_saves(self, store: Driver) -> None:
        """Clock going back: a trace is in log order over all its streams."""
        events = _backwards(4)
        for number, event in enumerate(events):
            await store.save(f"acc-{number % 2}", [event])
        assert await store.load_by_trace(_TRACE) == events

    @requires("global_log")
    async def test_the_log_grows_at_its_end(self, store: Driver) -> None:
        """Clock going back: what is saved later has the higher position, whatever its time."""
        events = _backwards(4)
        position = 0
        for number, event in enumerate(events):
            await store.save(f"acc-{number % 2}", [event])
            (record,) = await store.read_log(position)
            assert record.event == event
            position = record.position
        assert [record.event for record in await store.read_log()] == events

    async def test_the_newer_snapshot_is_the_one_of_the_higher_version(self, store: Driver) -> None:
        """Clock going back: a snapshot is newer by its version, not by its time."""
        for version in (1, 2):
            await store.save_snapshot(
                Snapshot(
                    aggregate_id="acc",
                    version=version,
                    state={"n": version},
                    timestamp=_NOW - timedelta(hours=version),
                )
            )
        found = await store.load_snapshot("acc")
        assert found is not None
        assert (found.version, found.state) == (2, {"n": 2})
