"""What happens to a flight, and the aircraft that flies it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from orchestrix_core.aggregates import AggregateRoot, when
from orchestrix_core.messages import Event

__all__ = [
    "Aircraft",
    "FlightArrived",
    "FlightCancelled",
    "FlightDelayed",
    "FlightDeparted",
    "FlightScheduled",
    "RowsLoaded",
]


class FlightScheduled(Event, type="demo.flight.scheduled"):
    """A flight stands in the timetable; `departure` is aware, UTC."""

    flight: str
    tail_number: str | None
    origin: str
    destination: str
    departure: datetime
    miles: int


class FlightCancelled(Event, type="demo.flight.cancelled"):
    """A scheduled flight did not leave."""

    flight: str


class FlightDelayed(Event, type="demo.flight.delayed"):
    """A flight left at least a quarter of an hour late."""

    flight: str
    carrier: str
    minutes: int


class FlightDeparted(Event, type="demo.flight.departed"):
    """A flight left its gate, `minutes_late` after the timetable (negative: early)."""

    flight: str
    carrier: str
    origin: str
    minutes_late: int


class FlightArrived(Event, type="demo.flight.arrived"):
    """A flight reached its gate; what was not recorded is None."""

    flight: str
    carrier: str
    destination: str
    miles: int
    minutes_late: int | None
    minutes_in_air: int | None


class RowsLoaded(Event, type="demo.rows.loaded"):
    """Rows of the data set, numbered from 1, whose events were stored in the same append."""

    first: int
    last: int


class Aircraft(AggregateRoot):
    """One aircraft: how often, how far and how late it flew."""

    departures = 0
    arrivals = 0
    miles = 0
    delays = 0
    airport: str | None = None

    @when(FlightDeparted)
    def _departed(self, event: FlightDeparted) -> None:
        self.departures += 1
        self.airport = None

    @when(FlightDelayed)
    def _delayed(self, event: FlightDelayed) -> None:
        self.delays += 1

    @when(FlightArrived)
    def _arrived(self, event: FlightArrived) -> None:
        self.arrivals += 1
        self.miles += event.miles
        self.airport = event.destination

    def to_state(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        return {name: getattr(self, name) for name in _STATE}

    def from_state(self, state: Mapping[str, Any]) -> None:
        """Take over a state."""
        for name in _STATE:
            setattr(self, name, state[name])


_STATE = ("departures", "arrivals", "miles", "delays", "airport")
