"""The thirteen instruments, in one table, and how they are made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from threading import Lock
from typing import Any, Final, Literal, TypeAlias

import attrs
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, Summary
from prometheus_client.registry import Collector

from orchestrix.infrastructure.observability.prometheus._config import MetricConfig
from orchestrix.infrastructure.observability.prometheus._multiprocess import is_multiprocess

__all__ = ["INSTRUMENTS", "TRACKED", "Instrument", "Tracked", "make_instruments"]

Kind: TypeAlias = Literal["counter", "histogram", "summary", "gauge"]
Mode: TypeAlias = Literal["livesum", "mostrecent"]


@attrs.frozen
class Instrument:
    """
    One instrument.

    `mode` says what several processes make of a gauge: their sum while they live, or what was
    said last, whoever said it and whether or not it lives.
    """

    name: str
    kind: Kind
    help: str
    label: str
    mode: Mode = "mostrecent"

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of all labels: which error it was is told by the counters alone."""
        more = {"counter": ("status", "error_type"), "gauge": ()}
        return (self.label, *more.get(self.kind, ("status",)))


# What somebody waits for has a histogram, for its quantiles; the work in the background a summary.
INSTRUMENTS: Final = (
    Instrument("events_total", "counter", "Events published.", "event_type"),
    Instrument("events_processing_seconds", "histogram", "Time to publish.", "event_type"),
    Instrument("commands_total", "counter", "Commands handled.", "command_type"),
    Instrument("commands_latency_seconds", "histogram", "Time to handle.", "command_type"),
    Instrument("aggregates_loaded_total", "counter", "Aggregates loaded.", "aggregate_type"),
    Instrument("aggregates_load_time_seconds", "histogram", "Time to load.", "aggregate_type"),
    Instrument("aggregates_in_memory", "gauge", "Aggregates cached.", "aggregate_type", "livesum"),
    Instrument("storage_operations_total", "counter", "Storage operations.", "operation_type"),
    Instrument("storage_operation_seconds", "histogram", "Time each took.", "operation_type"),
    Instrument("projection_events_behind", "gauge", "Events to catch up.", "projection_name"),
    Instrument("projection_update_seconds", "summary", "Time to update.", "projection_name"),
    Instrument("saga_executions_total", "counter", "Sagas executed.", "saga_type"),
    Instrument("saga_duration_seconds", "summary", "Time to execute.", "saga_type"),
)


@attrs.frozen
class Tracked:
    """What an operation is counted and timed by; a projection has no counter but its summary's."""

    counter: str | None
    timer: str


TRACKED: Final[Mapping[str, Tracked]] = {
    "publish": Tracked("events_total", "events_processing_seconds"),
    "handle_command": Tracked("commands_total", "commands_latency_seconds"),
    "load_aggregate": Tracked("aggregates_loaded_total", "aggregates_load_time_seconds"),
    "storage": Tracked("storage_operations_total", "storage_operation_seconds"),
    "update_projection": Tracked(None, "projection_update_seconds"),
    "execute_saga": Tracked("saga_executions_total", "saga_duration_seconds"),
}
"""By the names that the core has for its operations."""


class _Plain(Collector):
    """
    Exposes the names of the table and no others.

    The library adds a series `..._created` to each, as an own gauge in the text format. An empty
    label is, for Prometheus, no label at all; so it is not written.
    """

    def collect(self) -> Iterable[Metric]:
        for metric in super().collect():  # type: ignore[safe-super]  # the instrument's own
            metric.samples = [
                sample._replace(labels={k: v for k, v in sample.labels.items() if v})
                for sample in metric.samples
                if not sample.name.endswith("_created")
            ]
            yield metric


class _Counter(_Plain, Counter):
    pass


class _Histogram(_Plain, Histogram):
    pass


class _Summary(_Plain, Summary):
    pass


_shared: Final[dict[tuple[Any, ...], Mapping[str, Any]]] = {}
_lock: Final = Lock()


def make_instruments(config: MetricConfig, registry: CollectorRegistry | None) -> Mapping[str, Any]:
    """
    Return the instruments by name, registered with `registry`.

    Processes that share a directory expose the sum of its files, in which a name of a process
    stands once: there, instruments without a registry are made once for all who ask.
    """
    if registry is not None or not is_multiprocess():
        return _make(config, registry)
    key = (config.prefix, config.enable_summary_metrics, config.buckets)
    with _lock:
        if key not in _shared:
            _shared[key] = _make(config, None)
        return _shared[key]


def _make(config: MetricConfig, registry: CollectorRegistry | None) -> Mapping[str, Any]:
    wanted = [i for i in INSTRUMENTS if i.kind != "summary" or config.enable_summary_metrics]
    made: dict[str, Any] = {}
    try:
        for instrument in wanted:
            made[instrument.name] = _instrument(instrument, config, registry)
    except ValueError as exc:
        for registered in made.values():
            if registry is not None:
                registry.unregister(registered)
        msg = (
            f"the registry has metrics named {config.prefix}... already: use another namespace "
            "or subsystem, another registry, or none, which gives each its own"
        )
        raise ValueError(msg) from exc
    return made


def _instrument(
    instrument: Instrument, config: MetricConfig, registry: CollectorRegistry | None
) -> Any:
    name = config.prefix + instrument.name
    if instrument.kind == "counter":
        return _Counter(name, instrument.help, instrument.labels, registry=registry)
    if instrument.kind == "summary":
        return _Summary(name, instrument.help, instrument.labels, registry=registry)
    if instrument.kind == "gauge":
        mode = instrument.mode
        labels = instrument.labels
        return Gauge(name, instrument.help, labels, registry=registry, multiprocess_mode=mode)
    labels = instrument.labels
    return _Histogram(name, instrument.help, labels, registry=registry, buckets=config.buckets)
