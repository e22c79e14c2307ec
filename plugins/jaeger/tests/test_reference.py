"""The API reference: what it prints runs as printed, and every name and argument is there."""

from __future__ import annotations

import inspect
from contextlib import AbstractAsyncContextManager, AbstractContextManager

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from orchestrix.infrastructure.observability.jaeger import (
    JaegerTracer,
    TracingConfig,
    get_tracer,
    init_tracing,
)
from orchestrix_core import Event

ARGUMENTS = {
    "span": ["operation_name", "attributes"],
    "span_event": ["event_type", "event_id", "aggregate_id"],
    "span_command": ["command_type", "aggregate_id"],
    "span_saga": ["saga_type", "saga_id"],
}


class OrderCreated(Event, type="reference.order.created"):
    order_id: str


class Store:
    """Notes which span was active when it saved."""

    def save(self, aggregate_id, events):
        self.saved = aggregate_id, events, get_tracer().get_trace_id()


def test_the_example(memory):
    event, store = OrderCreated(order_id="ORD-001"), Store()

    tracer = init_tracing(service_name="my-service")

    tracer.provider.add_span_processor(SimpleSpanProcessor(memory))  # to look at them
    with tracer.span_command("CreateOrder", "ORD-001"):  # noqa: SIM117  # as it is printed
        # … handle command
        with tracer.span_event("OrderCreated", event.id, "ORD-001"):
            store.save("ORD-001", [event])

    tracer.close()
    processed, handled = memory.get_finished_spans()
    trace_id = f"{handled.context.trace_id:032x}"
    assert store.saved == ("ORD-001", [event], trace_id)
    assert processed.parent.span_id == handled.context.span_id
    assert handled.resource.attributes["service.name"] == "my-service"
    assert handled.attributes["orchestrix.aggregate.id"] == "ORD-001"
    assert processed.attributes["messaging.message.id"] == event.id
    assert tracer.config == TracingConfig("my-service")


@pytest.mark.parametrize("name", ARGUMENTS)
def test_the_methods_take_what_is_printed(name, tracer):
    for method in (getattr(JaegerTracer, name), getattr(JaegerTracer, f"async_{name}")):
        assert list(inspect.signature(method).parameters)[1:] == ARGUMENTS[name]
    given = dict(zip(ARGUMENTS[name], ["a", {}] if name == "span" else "abc", strict=False))
    assert isinstance(getattr(tracer, name)(**given), AbstractContextManager)
    assert isinstance(getattr(tracer, f"async_{name}")(**given), AbstractAsyncContextManager)


def test_the_utility_methods_take_what_is_printed(tracer):
    with tracer.span("outer") as span:
        tracer.set_attribute(key="k", value="v")
        tracer.add_event(name="noted", attributes={"a": 1})
        tracer.add_event("noted again")
    assert span.attributes["k"] == "v"
    assert [event.name for event in span.events] == ["noted", "noted again"]
    assert tracer.get_trace_id() is None
