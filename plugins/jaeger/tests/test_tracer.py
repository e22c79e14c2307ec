"""Tracers in a process: which is current, which service a span belongs to, and odd blocks."""

from __future__ import annotations

import asyncio

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from orchestrix.infrastructure.observability.jaeger import (
    JaegerInstrumentation,
    TracingConfig,
    _current,
    get_tracer,
    init_tracing,
    use_tracer,
)
from orchestrix.infrastructure.observability.jaeger._conventions import describe
from orchestrix_core import Event, OrchestrixError, current_traceparent, handling, use_trace

TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"


class Placed(Event, type="jaeger.placed"):
    text: str = ""


def spans(tracer):
    assert tracer.flush()
    return {span.name: span for span in tracer.exporter.get_finished_spans()}


@pytest.fixture
def nothing_open():
    """Begin without a tracer, whatever ran before, and put that back."""
    before = list(_current._tracers)
    _current._tracers.clear()
    yield
    _current._tracers[:] = before


def test_by_keywords_or_by_config(nothing_open, memory):
    by_keyword = init_tracing(service_name="shop", jaeger_agent_port=7000, exporter=memory)
    with by_keyword:
        assert by_keyword.config == TracingConfig("shop", jaeger_agent_port=7000)
        assert get_tracer() is by_keyword
        with init_tracing(config=TracingConfig("other"), exporter=memory) as by_config:
            assert get_tracer() is by_config
        assert get_tracer() is by_keyword  # the other one is closed
    with init_tracing("shop", exporter=memory) as by_position:
        assert by_position.config.service_name == "shop"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "needs service_name"),
        ({"config": TracingConfig("a"), "service_name": "b"}, "not both: service_name"),
        ({"config": TracingConfig("a"), "transport": "otlp"}, "not both: transport"),
        ({"service_name": "a", "jaeger_port": 1}, "jaeger_port"),
    ],
)
def test_a_call_that_makes_no_sense_is_refused(nothing_open, given, said):
    with pytest.raises(TypeError, match=said):
        init_tracing(**given)
    with pytest.raises(OrchestrixError, match=r"call init_tracing\(service_name="):
        get_tracer()


def test_use_tracer_restores(nothing_open, make_tracer, memory):
    one, two = make_tracer(exporter=memory), make_tracer(exporter=memory)
    with use_tracer(one):
        with use_tracer(two) as inside:
            assert get_tracer() is inside is two
            left_open = init_tracing("left open", exporter=memory)
            assert get_tracer() is left_open
        assert get_tracer() is one
    with pytest.raises(OrchestrixError, match="no tracer is open"):
        get_tracer()
    left_open.close()


def test_use_tracer_restores_after_a_failure(nothing_open, make_tracer, memory):
    with pytest.raises(LookupError), use_tracer(make_tracer(exporter=memory)):
        raise LookupError
    with pytest.raises(OrchestrixError, match="no tracer is open"):
        get_tracer()


async def test_while_an_application_runs_its_tracer_is_current(nothing_open, memory):
    backend = JaegerInstrumentation(TracingConfig("shop"), exporter=memory)
    backend.initialize()
    assert get_tracer() is backend.tracer
    await backend.close()
    await backend.close()
    assert backend.tracer.closed
    with pytest.raises(OrchestrixError, match="no tracer is open"):
        get_tracer()


def test_the_global_provider_of_opentelemetry_stays_as_it_is(nothing_open, memory):
    before = trace.get_tracer_provider()
    with init_tracing("shop", exporter=memory), get_tracer().span("inside"):
        assert trace.get_tracer_provider() is before
        assert trace.get_current_span().get_span_context().is_valid


def test_two_services_in_one_process(agent, make_tracer):
    shop = make_tracer("shop", jaeger_agent_port=agent.port)
    bank = make_tracer("bank", jaeger_agent_port=agent.port)
    with shop.span("order"):
        with bank.span("pay"), shop.span("note"):
            trace_id = bank.get_trace_id()
        assert shop.get_trace_id() == trace_id
    assert shop.flush()
    assert bank.flush()
    agent.count(3)
    found = agent.by_name()
    assert {span.trace_id for span in agent.spans} == {trace_id}
    assert {name: span.service for name, span in found.items()} == {
        "order": "shop",
        "pay": "bank",
        "note": "shop",
    }
    assert found["pay"].parent_id == found["order"].span_id
    assert found["note"].parent_id == found["pay"].span_id


def test_a_closed_tracer_does_no_harm(make_tracer, memory):
    tracer = make_tracer(exporter=memory)
    with tracer.span("before"):
        pass
    tracer.shutdown()
    tracer.close()
    with tracer.span("after"):
        assert tracer.get_trace_id() is not None
    assert [span.name for span in memory.get_finished_spans()] == ["before"]


def test_an_unspeakable_exception_is_not_replaced(tracer):
    class Unspeakable(Exception):
        def __str__(self):
            raise RuntimeError("no text")

    failure = Unspeakable()
    with pytest.raises(Unspeakable) as caught, tracer.span("fails"):
        raise failure
    assert caught.value is failure
    assert spans(tracer)["fails"].end_time is not None


async def test_a_cancelled_block_is_told_but_has_not_failed(tracer):
    async def wait():
        async with tracer.async_span("waits"):
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    span = spans(tracer)["waits"]
    assert [event.name for event in span.events] == ["exception"]
    assert span.status.status_code.name == "UNSET"


def test_the_recorded_exception_is_told_in_full(tracer):
    with pytest.raises(LookupError), tracer.span("fails"):
        raise LookupError("not there")
    span = spans(tracer)["fails"]
    (event,) = span.events
    assert event.attributes["exception.type"] == "LookupError"
    assert event.attributes["exception.message"] == "not there"
    assert "test_tracer.py" in event.attributes["exception.stacktrace"]
    assert span.status.description == "LookupError: not there"


def test_without_a_span_it_goes_on_from_the_message_being_handled(tracer):
    message = Placed(trace_id=TRACE, traceparent=TRACEPARENT)
    with handling(message), tracer.span("handles"):
        assert tracer.get_trace_id() == TRACE
    span = spans(tracer)["handles"]
    assert f"{span.parent.span_id:016x}" == "b7ad6b7169203331"


def test_a_trace_that_is_active_without_a_span_is_taken_over(tracer):
    with use_trace(TRACE), tracer.span("first"):
        assert tracer.get_trace_id() == TRACE
    with handling(Placed(trace_id=TRACE, traceparent=None)), tracer.span("second"):
        assert tracer.get_trace_id() == TRACE
    assert spans(tracer)["first"].parent is None


@pytest.mark.parametrize("odd", ["no-trace", "0" * 32, TRACE.upper(), ""])
def test_a_trace_id_of_another_kind_is_left_alone(tracer, odd):
    with handling(Placed(trace_id=odd)), tracer.span("new"):
        assert len(tracer.get_trace_id()) == 32
        assert tracer.get_trace_id() != odd


def test_where_opentelemetry_is_switched_off_blocks_still_run(monkeypatch, make_tracer, memory):
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    tracer = make_tracer(exporter=memory)
    with tracer.span("nothing") as span:
        span.set_attribute("key", "value")
        assert tracer.get_trace_id() is None
        assert (Placed().trace_id, current_traceparent()) == (None, None)
    assert spans(tracer) == {}


def test_what_two_tracers_keep_apart(make_tracer):
    one, two = InMemorySpanExporter(), InMemorySpanExporter()
    first, second = make_tracer("one", exporter=one), make_tracer("two", exporter=two)
    with first.span("a"), second.span("b"):
        pass
    assert set(spans(first)) == {"a"}
    assert set(spans(second)) == {"b"}


def test_the_settings_stand_over_the_environment(monkeypatch, make_tracer, memory):
    monkeypatch.setenv("OTEL_SERVICE_NAME", "elsewhere")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=staging")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    tracer = make_tracer("here", exporter=memory)
    with tracer.span("inside"):
        pass
    told = spans(tracer)["inside"].resource.attributes
    assert told["service.name"] == "here"
    assert told["deployment.environment.name"] == "staging"


async def test_a_generator_may_be_closed_from_another_context(tracer):
    async def numbers():
        async with tracer.async_span("generator"):
            yield 1
            yield 2

    given_up = numbers()
    assert await asyncio.create_task(anext(given_up)) == 1
    await asyncio.create_task(given_up.aclose())
    assert tracer.get_trace_id() is None
    assert current_traceparent() is None
    assert spans(tracer)["generator"].events == ()


async def test_what_a_background_task_handles_belongs_to_its_own_trace(make_tracer, memory):
    """Not to the span in which the task was started, which has ended long ago."""
    tracer = make_tracer(exporter=memory)
    started = asyncio.Event()

    async def work():
        await started.wait()
        with tracer.described(describe("update_projection", {"projection": "P"}), TRACEPARENT):
            pass
        with tracer.span("other"):  # brings no trace of its own
            pass

    with tracer.span("start-up"):
        task = asyncio.create_task(work())
        start_up = tracer.get_trace_id()
    started.set()
    await task
    found = spans(tracer)
    assert f"{found['project P'].context.trace_id:032x}" == TRACE
    assert f"{found['other'].context.trace_id:032x}" == start_up


TRANSACTION = {"operation": "transaction", "backend": "sqlite"}
OTHER = f"00-{'ab' * 16}-{'cd' * 8}-01"


def test_messages_handled_in_one_transaction_stay_in_their_traces(tracer):
    with tracer.described(describe("storage", TRANSACTION)):
        for name, traceparent in (("one", TRACEPARENT), ("two", OTHER)):
            with tracer.described(describe("update_projection", {"projection": name}), traceparent):
                assert Placed().trace_id == traceparent[3:35]
                with tracer.span(f"inside {name}"):
                    pass
    found = spans(tracer)
    transaction = found["transaction"].context
    for name, traceparent in (("one", TRACEPARENT), ("two", OTHER)):
        projected, inside = found[f"project {name}"], found[f"inside {name}"]
        assert f"{projected.context.trace_id:032x}" == traceparent[3:35]
        assert f"{projected.parent.span_id:016x}" == traceparent[36:52]
        assert projected.links[1].context == transaction
        assert inside.parent.span_id == projected.context.span_id


def test_a_handler_in_a_transaction_hands_its_messages_trace_on(tracer):
    with tracer.described(describe("storage", TRANSACTION)):
        with handling(Placed(trace_id=TRACE, traceparent=TRACEPARENT)):
            assert Placed().trace_id == TRACE
            with tracer.span("handles"):
                made = Placed()
        with tracer.span("no message"):
            pass
    found = spans(tracer)
    assert made.trace_id == TRACE
    assert f"{found['handles'].parent.span_id:016x}" == "b7ad6b7169203331"
    assert found["no message"].parent.span_id == found["transaction"].context.span_id


def test_in_a_request_a_transaction_is_part_of_its_trace(tracer):
    with tracer.span("request"), tracer.described(describe("storage", TRANSACTION)):
        event = Placed()
        with tracer.described(
            describe("update_projection", {"projection": "P"}), event.traceparent
        ):
            pass
    found = spans(tracer)
    assert len({span.context.trace_id for span in found.values()}) == 1
    assert event.traceparent[36:52] == f"{found['transaction'].context.span_id:016x}"
    assert found["transaction"].parent.span_id == found["request"].context.span_id
    assert found["project P"].parent.span_id == found["transaction"].context.span_id


async def test_a_transaction_in_the_background_begins_a_trace_of_its_own(tracer):
    started = asyncio.Event()

    async def work():
        await started.wait()
        with tracer.described(describe("storage", TRANSACTION)):
            pass

    with tracer.span("start-up"):
        task = asyncio.create_task(work())
    started.set()
    await task
    assert spans(tracer)["transaction"].parent is None
