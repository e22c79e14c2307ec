"""The metrics as an application uses them by hand."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from orchestrix.infrastructure.observability.prometheus._config import MetricConfig
from orchestrix.infrastructure.observability.prometheus._instruments import make_instruments
from orchestrix.infrastructure.observability.prometheus._multiprocess import (
    directory,
    is_multiprocess,
    registry_of_all,
)
from orchestrix.infrastructure.observability.prometheus._tracker import Meter, Tracker

__all__ = ["PrometheusMetrics"]


class PrometheusMetrics:
    """
    Counts, times and gauges of an application.

    Each tracker works with `with` and with `async with`. It counts an operation that fails as
    well, under `status="error"`, and lets the exception go on; nothing that goes wrong with a
    metric reaches the operation.

    Where `PROMETHEUS_MULTIPROC_DIR` is set, processes share the figures: the own registry then
    gives those of all of them.

    Raises:
        ValueError: the given registry has metrics of these names already.
    """

    def __init__(self, config: MetricConfig | None = None) -> None:
        self.config = MetricConfig() if config is None else config
        given = self.config.registry
        if given is not None:
            self._registry, registers_with = given, given
        elif is_multiprocess():
            self._registry, registers_with = registry_of_all(directory()), None
        else:
            self._registry = registers_with = CollectorRegistry()
        self._instruments = make_instruments(self.config, registers_with)
        self._meter = Meter(self._instruments, self.config.max_label_values)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.config.prefix + '...'!r})"

    def track(self, operation: str, value: str) -> Tracker:
        """Measure one of the core's operations; `value` says which: its type or name."""
        return Tracker(self._meter, operation, str(value))

    def track_event_publish(self, event_type: str) -> Tracker:
        """Measure how long an event takes to publish."""
        return self.track("publish", event_type)

    def track_command_handle(self, command_type: str) -> Tracker:
        """Measure how long a command takes to handle."""
        return self.track("handle_command", command_type)

    def track_aggregate_load(self, aggregate_type: str) -> Tracker:
        """Measure how long an aggregate takes to load."""
        return self.track("load_aggregate", aggregate_type)

    def track_storage_operation(self, operation_type: str) -> Tracker:
        """Measure an operation of the store, a `MetricOperationType` or the name of another."""
        return self.track("storage", operation_type)

    def track_projection_update(self, projection_name: str) -> Tracker:
        """Measure how long a projection takes for one event."""
        return self.track("update_projection", projection_name)

    def track_saga_execution(self, saga_type: str) -> Tracker:
        """Measure how long a saga takes for one event."""
        return self.track("execute_saga", saga_type)

    def track_async_event_publish(self, event_type: str) -> Tracker:
        """Measure how long an event takes to publish, with `async with`."""
        return self.track_event_publish(event_type)

    def track_async_command_handle(self, command_type: str) -> Tracker:
        """Measure how long a command takes to handle, with `async with`."""
        return self.track_command_handle(command_type)

    def track_async_aggregate_load(self, aggregate_type: str) -> Tracker:
        """Measure how long an aggregate takes to load, with `async with`."""
        return self.track_aggregate_load(aggregate_type)

    def track_async_storage_operation(self, operation_type: str) -> Tracker:
        """Measure an operation of the store, with `async with`."""
        return self.track_storage_operation(operation_type)

    def track_async_projection_update(self, projection_name: str) -> Tracker:
        """Measure how long a projection takes for one event, with `async with`."""
        return self.track_projection_update(projection_name)

    def track_async_saga_execution(self, saga_type: str) -> Tracker:
        """Measure how long a saga takes for one event, with `async with`."""
        return self.track_saga_execution(saga_type)

    def record_projection_lag(self, projection_name: str, events_behind: int) -> None:
        """Note how many events a projection has still to catch up with."""
        self._meter.set("projection_events_behind", projection_name, events_behind)

    def record_aggregates_in_memory(self, aggregate_type: str, count: int) -> None:
        """Note how many aggregates of a type are kept in memory."""
        self._meter.set("aggregates_in_memory", aggregate_type, count)

    def get_prometheus_registry(self) -> CollectorRegistry:
        """Return the registry to expose: the given one, or the own."""
        return self._registry

    @staticmethod
    def generate_exposition(registry: CollectorRegistry, *, openmetrics: bool = False) -> bytes:
        """
        Return what `/metrics` answers, in the text format of Prometheus.

        `openmetrics` gives the OpenMetrics format instead, which also has the exemplars: the
        traces of some operations.
        """
        if openmetrics:
            write: Any = generate_openmetrics  # it has no annotations
            return bytes(write(registry))
        return generate_latest(registry)

    def unregister(self) -> None:
        """Take the instruments out of a registry that was given, so that it can be used again."""
        if self.config.registry is not None:
            for instrument in self._instruments.values():
                self.config.registry.unregister(instrument)
