"""What the contract does not ask: names in both formats, registries, limits, faults, exemplars."""

from __future__ import annotations

import asyncio
import logging

import pytest
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from orchestrix.infrastructure.observability.prometheus import (
    MetricConfig,
    MetricOperationType,
    PrometheusMetrics,
    PrometheusSettings,
)
from orchestrix.infrastructure.observability.prometheus._instruments import INSTRUMENTS
from orchestrix_core import ConcurrencyError, StorageError
from orchestrix_core.context import use_trace

TRACE = "0af7651916cd43dd8448eb211c80319c"


def everything(metrics):
    for kind in ("event_publish", "command_handle", "aggregate_load", "storage_operation"):
        with getattr(metrics, f"track_{kind}")("A"):
            pass
    with metrics.track_projection_update("A"), metrics.track_saga_execution("A"):
        pass
    metrics.record_projection_lag("A", 1)
    metrics.record_aggregates_in_memory("A", 1)


def text(metrics, **how):
    return metrics.generate_exposition(metrics.get_prometheus_registry(), **how).decode()


def families(metrics):
    return list(text_string_to_metric_families(text(metrics, openmetrics=True)))


def value(metrics, name, **labels):
    return metrics.get_prometheus_registry().get_sample_value(name, labels)


def test_the_reference_as_printed():
    metrics = PrometheusMetrics(MetricConfig(namespace="myapp"))
    with metrics.track_command_handle("CreateOrder"):
        pass
    with metrics.track_storage_operation(MetricOperationType.APPEND):
        pass
    labels = {"command_type": "CreateOrder", "status": "success"}
    assert value(metrics, "myapp_core_commands_total", **labels) == 1
    labels = {"operation_type": "append", "status": "success"}
    assert value(metrics, "myapp_core_storage_operations_total", **labels) == 1
    assert value(metrics, "myapp_core_storage_operation_seconds_count", **labels) == 1


def test_openmetrics_has_the_same_names_and_no_others():
    metrics = PrometheusMetrics(MetricConfig("shop", "orders"))
    everything(metrics)
    kinds = {family.name: family.type for family in families(metrics)}
    expected = {f"shop_orders_{i.name.removesuffix('_total')}": i.kind for i in INSTRUMENTS}
    assert kinds == expected
    assert len(kinds) == 13
    samples = {sample.name for family in families(metrics) for sample in family.samples}
    assert {name for name in samples if name.endswith(("_total", "_created"))} == {
        f"shop_orders_{i.name}" for i in INSTRUMENTS if i.kind == "counter"
    }
    assert "_created" not in text(metrics)


def test_without_summaries():
    metrics = PrometheusMetrics(MetricConfig(enable_summary_metrics=False))
    everything(metrics)
    names = {family.name for family in families(metrics)}
    assert len(names) == 11
    assert "orchestrix_core_projection_update_seconds" not in names
    labels = {"saga_type": "A", "status": "success"}
    assert value(metrics, "orchestrix_core_saga_executions_total", **labels) == 1


def test_a_given_registry_is_used_as_it_is():
    registry = CollectorRegistry()
    metrics = PrometheusMetrics(MetricConfig(registry=registry))
    assert metrics.get_prometheus_registry() is registry
    PrometheusMetrics(MetricConfig(registry=registry, subsystem="other"))


@pytest.mark.parametrize("first", ["events", "saga_executions"])
def test_a_registry_with_these_names_is_refused_and_left_as_it_was(first):
    registry = CollectorRegistry()
    Counter(f"orchestrix_core_{first}", "Ours, but not from here.", registry=registry)
    with pytest.raises(
        ValueError, match=r"metrics named orchestrix_core_\.\.\. already.*none, which"
    ):
        PrometheusMetrics(MetricConfig(registry=registry))
    assert [metric.name for metric in registry.collect()] == [f"orchestrix_core_{first}"]


def test_a_registry_can_be_used_again_after_unregister():
    registry = CollectorRegistry()
    for _ in range(2):
        metrics = PrometheusMetrics(MetricConfig(registry=registry))
        metrics.unregister()
    assert list(registry.collect()) == []


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"namespace": ""}, "namespace must be part of a metric's name.*not ''"),
        ({"namespace": "my-app"}, "namespace .* not 'my-app'"),
        ({"subsystem": "9to5"}, "subsystem .* not '9to5'"),
        ({"subsystem": None}, "subsystem .* not None"),
        ({"buckets": ()}, "buckets must be"),
        ({"buckets": (2.0, 1.0)}, "buckets must be"),
        ({"buckets": (0, 1)}, "buckets must be"),
        ({"buckets": (1.0, float("inf"))}, "buckets must be"),
        ({"max_label_values": 0}, "max_label_values must be a whole number from 1"),
    ],
)
@pytest.mark.parametrize("config", [MetricConfig, PrometheusSettings])
def test_bad_settings_are_named(config, settings, says):
    with pytest.raises(ValueError, match=says):
        config(**settings)


@pytest.mark.parametrize(
    ("settings", "says"),
    [({"port": -1}, "port must be"), ({"port": 70000}, "port must"), ({"address": ""}, "address")],
)
def test_bad_addresses_are_named(settings, says):
    with pytest.raises(ValueError, match=says):
        PrometheusSettings(**settings)


def test_a_registry_of_another_kind_is_refused():
    with pytest.raises(TypeError, match="registry must be a CollectorRegistry"):
        MetricConfig(registry="default")  # type: ignore[arg-type]


def test_label_values_end_at_the_limit():
    metrics = PrometheusMetrics(MetricConfig(max_label_values=3))
    for number in range(10):
        with metrics.track_event_publish(f"T{number}"):
            pass
    for number, count in ((0, 1), (2, 1), (3, None)):
        labels = {"event_type": f"T{number}", "status": "success"}
        assert value(metrics, "orchestrix_core_events_total", **labels) == count
    labels = {"event_type": "other", "status": "success"}
    assert value(metrics, "orchestrix_core_events_total", **labels) == 7


class OutOfStock(ValueError):
    """An application's own."""


class DiskFull(StorageError):
    """A plugin's own."""


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (ConcurrencyError("a", 1, 2), "ConcurrencyError"),
        (DiskFull(), "StorageError"),
        (OutOfStock(), "ValueError"),
        (type("Made", (RuntimeError,), {})(), "RuntimeError"),
        (asyncio.CancelledError(), "CancelledError"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
    ],
)
def test_error_types_are_bounded(error, name):
    metrics = PrometheusMetrics()
    with pytest.raises(type(error)), metrics.track_command_handle("A"):
        raise error
    labels = {"command_type": "A", "status": "error", "error_type": name}
    assert value(metrics, "orchestrix_core_commands_total", **labels) == 1


def test_a_metric_that_fails_is_reported_once_and_breaks_nothing(caplog, monkeypatch):
    metrics = PrometheusMetrics()

    def broken(*arguments):
        raise RuntimeError("out of order")

    monkeypatch.setattr(metrics._meter, "_pair", broken)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            with metrics.track_event_publish("A"):
                pass
            with pytest.raises(LookupError), metrics.track_event_publish("A"):
                raise LookupError
        metrics.record_projection_lag("A", "many")
    assert len(caplog.records) == 1
    assert "out of order" in caplog.text


def test_exemplars_carry_the_trace_where_openmetrics_allows_them():
    metrics = PrometheusMetrics()
    with use_trace(TRACE):
        everything(metrics)
    with metrics.track_event_publish("untraced"):
        pass
    found = {}
    for family in families(metrics):
        for sample in family.samples:
            if sample.exemplar:
                assert sample.exemplar.labels == {"trace_id": TRACE}
                assert "untraced" not in sample.labels.values()
                found.setdefault(family.name, sample)
    with_room = {i.name for i in INSTRUMENTS if i.kind in {"counter", "histogram"}}
    assert found.keys() == {f"orchestrix_core_{name.removesuffix('_total')}" for name in with_room}
    assert TRACE not in text(metrics), "the text format has no room for them"
