"""The API reference: what it prints runs as printed."""

from __future__ import annotations

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from orchestrix.infrastructure.observability.prometheus import (
    MetricConfig,
    MetricOperationType,
    PrometheusMetrics,
)
from orchestrix_core import Command, Event

memory = pytest.importorskip("orchestrix.infrastructure.memory", reason="no orchestrix-memory")
fastapi = pytest.importorskip("fastapi", reason="FastAPI is not installed")
httpx = pytest.importorskip("httpx", reason="httpx is not installed")


class CreateOrder(Command, type="reference.create-order"):
    order_id: str


class OrderCreated(Event, type="reference.order-created"):
    order_id: str


def samples_of(exposition: str) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(exposition)
        for sample in family.samples
    }


def test_measuring() -> None:
    handled: list[Command] = []
    handle_create_order, command = handled.append, CreateOrder(order_id="ORD-001")
    aggregate_id, events = "ORD-001", [OrderCreated(order_id="ORD-001")]
    store = memory.InMemoryEventStore()
    store.initialize()

    metrics = PrometheusMetrics(MetricConfig(namespace="myapp"))

    with metrics.track_command_handle("CreateOrder"):
        handle_create_order(command)

    with metrics.track_storage_operation(MetricOperationType.APPEND):
        store.save(aggregate_id, events)

    assert (handled, store.load("ORD-001")) == ([command], events)
    store.close()
    registry = metrics.get_prometheus_registry()
    samples = samples_of(PrometheusMetrics.generate_exposition(registry).decode())
    assert samples["myapp_core_commands_total", "CreateOrder", "success"] == 1
    assert samples["myapp_core_commands_latency_seconds_count", "CreateOrder", "success"] == 1
    assert samples["myapp_core_storage_operations_total", "append", "success"] == 1


async def test_exposing_the_metrics_endpoint() -> None:
    app, Response = fastapi.FastAPI(), fastapi.Response  # noqa: N806  # as it is printed
    metrics_provider = PrometheusMetrics(MetricConfig(namespace="myapp"))

    @app.get("/metrics")
    def metrics():  # type: ignore[no-untyped-def]  # as it is printed
        registry = metrics_provider.get_prometheus_registry()
        return Response(generate_latest(registry), media_type="text/plain")

    with metrics_provider.track_storage_operation(MetricOperationType.APPEND):
        pass
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    samples = samples_of(answer.text)
    assert samples["myapp_core_storage_operations_total", "append", "success"] == 1
    registry = metrics_provider.get_prometheus_registry()
    assert PrometheusMetrics.generate_exposition(registry) == answer.content
