"""
The read model: how late each carrier is, and how many events of each type there are.

It follows the log. Its state and the position it has reached are kept together, as one snapshot,
so that it goes on where it was and counts no event twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

from orchestrix_core.cli.demo.domain import FlightArrived, FlightDelayed, FlightDeparted
from orchestrix_core.cli.demo.loading import LogStore
from orchestrix_core.messages import Event
from orchestrix_core.records import Snapshot

__all__ = ["Delays", "follow_log"]

_NAME: Final = "demo-delays"
_PAGE: Final = 5000


class Delays:
    """Counts by event type, and departures, minutes late and delayed flights by carrier."""

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        state = state or {}
        self.events: Counter[str] = Counter(state.get("events", {}))
        self.departures: Counter[str] = Counter(state.get("departures", {}))
        self.minutes: Counter[str] = Counter(state.get("minutes", {}))
        self.delayed: Counter[str] = Counter(state.get("delayed", {}))
        self.miles: Counter[str] = Counter(state.get("miles", {}))

    def apply(self, event: Event) -> None:
        """Count one event."""
        self.events[event.type] += 1
        if isinstance(event, FlightDeparted):
            self.departures[event.carrier] += 1
            self.minutes[event.carrier] += event.minutes_late
        elif isinstance(event, FlightDelayed):
            self.delayed[event.carrier] += 1
        elif isinstance(event, FlightArrived):
            self.miles[event.carrier] += event.miles

    def to_state(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        return {name: dict(counter) for name, counter in vars(self).items()}


async def follow_log(store: LogStore, progress: Callable[[int], None]) -> tuple[Delays, int]:
    """Bring the read model up to the head; return it and how many events were new to it."""
    kept = await store.load_snapshot_async(_NAME)
    delays = Delays(kept.state if kept else None)
    position = kept.version if kept else 0
    new = 0
    while page := await store.read_log(after=position, limit=_PAGE):
        for record in page:
            delays.apply(record.event)
        position, new = page[-1].position, new + len(page)
        progress(len(page))
    state = delays.to_state()
    await store.save_snapshot_async(Snapshot(aggregate_id=_NAME, version=position, state=state))
    return delays, new
