"""How the contract sees metrics: what it calls, and how it reads what `/metrics` would answer."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from orchestrix_contract_tests.contracts._base import Contract
from orchestrix_core import ContractSubject
from orchestrix_core.instrumentation import Operation

__all__ = [
    "GAUGES",
    "INSTRUMENTS",
    "PREFIX",
    "TRACKERS",
    "Exposed",
    "MeasuredContract",
    "Read",
    "Tracks",
    "counted",
    "exposed",
]

PREFIX: Final = "orchestrix_core_"
INSTRUMENTS: Final = frozenset(
    {
        "events_total",
        "events_processing_seconds",
        "commands_total",
        "commands_latency_seconds",
        "aggregates_loaded_total",
        "aggregates_load_time_seconds",
        "aggregates_in_memory",
        "storage_operations_total",
        "storage_operation_seconds",
        "projection_events_behind",
        "projection_update_seconds",
        "saga_executions_total",
        "saga_duration_seconds",
    }
)


@attrs.frozen
class Tracks:
    """
    One tracker.

    Attributes:
        method, async_method: what it is called.
        operation, attribute: the core's name for it, and the attribute that says which.
        label: the same as a label.
        counter, timer: its instruments; `counter` may be the number of what was timed.
    """

    method: str
    async_method: str
    operation: Operation
    attribute: str
    label: str
    counter: str
    timer: str


def _tracks(what: str, operation: Operation, attribute: str, *names: str) -> Tracks:
    return Tracks(f"track_{what}", f"track_async_{what}", operation, attribute, *names)


TRACKERS: Final = (
    _tracks(
        *("event_publish", "publish", "message_type"),
        *("event_type", "events_total", "events_processing_seconds"),
    ),
    _tracks(
        *("command_handle", "handle_command", "message_type"),
        *("command_type", "commands_total", "commands_latency_seconds"),
    ),
    _tracks(
        *("aggregate_load", "load_aggregate", "aggregate_type"),
        *("aggregate_type", "aggregates_loaded_total", "aggregates_load_time_seconds"),
    ),
    _tracks(
        *("storage_operation", "storage", "operation"),
        *("operation_type", "storage_operations_total", "storage_operation_seconds"),
    ),
    _tracks(
        *("projection_update", "update_projection", "projection", "projection_name"),
        *("projection_update_seconds_count", "projection_update_seconds"),
    ),
    _tracks(
        *("saga_execution", "execute_saga", "saga"),
        *("saga_type", "saga_executions_total", "saga_duration_seconds"),
    ),
)
GAUGES: Final = {
    "projection_lag": ("projection", "projection_events_behind", "projection_name"),
    "aggregates_in_memory": ("aggregate_type", "aggregates_in_memory", "aggregate_type"),
}

_SAMPLE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)",?')
_ESCAPED = {r"\\": "\\", r"\n": "\n", r"\"": '"'}


class Exposed:
    """An exposition in the text format, read."""

    def __init__(self, text: str, prefix: str = PREFIX) -> None:
        self.types: dict[str, str] = {}
        self.samples: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
        for line in filter(None, text.split("\n")):
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                self.types[name.removeprefix(prefix)] = kind
            elif not line.startswith("#"):
                self._add(line, prefix)

    def _add(self, line: str, prefix: str) -> None:
        found = _SAMPLE.fullmatch(line)
        assert found, f"not a sample of the text format: {line!r}"
        labels = {name: _unescaped(value) for name, value in _LABEL.findall(found[2] or "")}
        present = frozenset((name, value) for name, value in labels.items() if value)
        key = (found[1].removeprefix(prefix), present)
        assert key not in self.samples, f"exposed twice: {line!r}"
        self.samples[key] = float(found[3])

    def total(self, name: str, **labels: str) -> float:
        """Add up the samples of a name that have these labels, among others."""
        wanted = set(labels.items())
        return sum(v for (n, have), v in self.samples.items() if n == name and wanted <= have)

    def labels(self, name: str) -> dict[str, set[str]]:
        """Return the values of each label."""
        found: dict[str, set[str]] = {}
        for sample, labels in self.samples:
            if sample == name:
                for label, value in labels:
                    found.setdefault(label, set()).add(value)
        return found


def _unescaped(value: str) -> str:
    return re.sub(r"\\.", lambda found: _ESCAPED[found[0]], value)


Read = Callable[[], Exposed]


class MeasuredContract(Contract):
    """What a contract on metrics begins with."""

    @pytest.fixture
    def make(self, subject: ContractSubject, tmp_path: Path) -> Iterator[Callable[[], Any]]:
        """Return a function that makes a new backend; all are closed in the end."""
        made: list[Any] = []

        def make() -> Any:
            made.append(subject.create(tmp_path))
            return made[-1]

        yield make
        for backend in made:
            closed = backend.close() if hasattr(backend, "close") else None
            if inspect.iscoroutine(closed):
                asyncio.run(closed)

    @pytest.fixture
    def measured(self, make: Callable[[], Any]) -> Any:
        """Return a new backend."""
        return make()

    @pytest.fixture
    def metrics(self, measured: Any) -> Any:
        """Return what measures by hand."""
        return measured.metrics

    @pytest.fixture
    def read(self, metrics: Any) -> Read:
        """Return a function that reads what is exposed; other metrics than ours replace it."""
        return lambda: exposed(metrics)


def exposed(metrics: Any) -> Exposed:
    """Read what `/metrics` would answer."""
    text: bytes = metrics.generate_exposition(metrics.get_prometheus_registry())
    return Exposed(text.decode())


def counted(seen: Exposed, tracks: Tracks, value: str) -> Mapping[str, float]:
    """Return how often a tracker counted success and error."""
    labels = {tracks.label: value}
    return {
        status: seen.total(tracks.counter, status=status, **labels)
        for status in ("success", "error")
    }
