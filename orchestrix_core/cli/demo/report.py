"""What the demonstration prints: tables for people, one document for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
from rich.console import Console
from rich.table import Table

from orchestrix_core.cli.demo.delays import Delays
from orchestrix_core.cli.demo.tour import Rebuilt, Refused, Traced

__all__ = ["Report"]


@attrs.frozen(kw_only=True)
class Report:
    """Everything one run saw; seconds are wall-clock, sizes are bytes."""

    backend: str
    rows: int
    rows_new: int
    events_new: int
    load_seconds: float
    follow_events: int
    follow_seconds: float
    delays: Delays
    expected: dict[str, int]
    rebuilt: Sequence[Rebuilt]
    refused: Refused | None
    traced: Traced
    file: str | None
    file_size: int | None
    peak_memory: int

    @property
    def complete(self) -> bool:
        """Whether the store holds exactly the events that the data set gives."""
        return all(self.delays.events[name] == count for name, count in self.expected.items())

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON values."""
        plain = attrs.asdict(self, recurse=False)
        return plain | {
            "delays": self.delays.to_state(),
            "rebuilt": [attrs.asdict(each) for each in self.rebuilt],
            "refused": None if self.refused is None else attrs.asdict(self.refused),
            "traced": {
                "trace_id": self.traced.trace_id,
                "flight": self.traced.flight,
                "events": [[e.timestamp.isoformat(), e.type, e.id] for e in self.traced.events],
            },
            "complete": self.complete,
        }

    def print_to(self, console: Console) -> None:
        """Print it as tables."""
        for table in self._tables():
            console.print(table)
        if self.refused is not None:
            console.print(f"Conflicting append refused: {self.refused.error}")
            console.print(
                f"  {self.refused.aircraft} held {self.refused.version_before} events before "
                f"and {self.refused.version_after} after.\n"
            )
        for line in self._summary():
            console.print(line)

    def _tables(self) -> list[Table]:
        return [self._counts(), self._carriers(), self._rebuilds(), self._trace()]

    def _counts(self) -> Table:
        table = _table("Events in the store, and in the data set", "event", "store", "data set")
        for name, count in self.expected.items():
            table.add_row(name, f"{self.delays.events[name]:,}", f"{count:,}")
        return table

    def _carriers(self) -> Table:
        columns = ("carrier", "departures", "mean minutes late", "15 or more late", "miles flown")
        table = _table("Read model: delay by carrier", *columns)
        for carrier, departures in self.delays.departures.most_common():
            mean = self.delays.minutes[carrier] / departures
            late = self.delays.delayed[carrier] / departures
            miles = self.delays.miles[carrier]
            table.add_row(carrier, f"{departures:,}", f"{mean:.1f}", f"{late:.1%}", f"{miles:,}")
        return table

    def _rebuilds(self) -> Table:
        columns = ("aircraft", "events", "snapshot at", "from snapshot", "from all events", "miles")
        table = _table("Aggregates rebuilt; both ways give the same state", *columns)
        for each in self.rebuilt:
            table.add_row(
                each.aircraft,
                f"{each.version:,}",
                f"{each.snapshot_version:,}",
                f"{each.from_snapshot * 1000:.2f} ms",
                f"{each.from_events * 1000:.2f} ms",
                f"{each.state['miles']:,}",
            )
        return table

    def _trace(self) -> Table:
        title = f"Trace {self.traced.trace_id}: flight {self.traced.flight}"
        table = _table(title, "time (UTC)", "event", "event id")
        for event in self.traced.events:
            table.add_row(f"{event.timestamp:%Y-%m-%d %H:%M}", event.type, event.id)
        return table

    def _summary(self) -> list[str]:
        load = f"Loaded {self.rows_new:,} rows as {self.events_new:,} events"
        if self.events_new:
            rate = self.events_new / self.load_seconds
            load += f" in {self.load_seconds:.1f} s ({rate:,.0f} events/s)"
        followed = f"Followed the log: {self.follow_events:,} events"
        if self.follow_events:
            rate = self.follow_events / self.follow_seconds
            followed += f" in {self.follow_seconds:.1f} s ({rate:,.0f} events/s)"
        size = "" if self.file_size is None else f"{self.file}: {self.file_size / 1e6:,.1f} MB; "
        return [
            f"{load}; {self.rows:,} rows are in the store ({self.backend}).",
            f"{followed}.",
            f"{size}peak memory {self.peak_memory / 1e6:,.0f} MB.",
            "Counts equal the data set's." if self.complete else "COUNTS DIFFER FROM THE DATA SET.",
        ]


def _table(title: str, first: str, *others: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right", overflow="fold")
    return table
