"""OTLP to real receivers, over HTTP and gRPC; and what is said when the extra is missing."""

from __future__ import annotations

import socket
import sys

import pytest

from orchestrix.infrastructure.observability.jaeger import JaegerTracer, TracingConfig
from orchestrix.infrastructure.observability.jaeger._otlp import _endpoint
from orchestrix_core import OrchestrixError

from ._agent import nobody

pytest.importorskip("opentelemetry.exporter.otlp.proto.grpc", reason="the extra is not installed")

from ._collector import RECEIVERS  # needs the extra

each_protocol = pytest.mark.parametrize("protocol", RECEIVERS)


@each_protocol
def test_spans_arrive_whole(protocol, make_tracer):
    with RECEIVERS[protocol]() as collector:
        tracer = make_tracer(
            "shop", transport="otlp", otlp_protocol=protocol, otlp_endpoint=collector.endpoint
        )
        with tracer.span_command("PlaceOrder", "ORD-7"), tracer.span("inner", {"number": 7}):
            trace_id = tracer.get_trace_id()
        assert tracer.flush()
        (of_inner, inner), (of_outer, outer) = collector.count(2)
        tracer.close()
    assert of_inner == of_outer == "shop"
    assert (inner.name, outer.name) == ("inner", "handle PlaceOrder")
    assert inner.trace_id.hex() == outer.trace_id.hex() == trace_id
    assert inner.parent_span_id == outer.span_id
    assert {tag.key: tag.value.int_value for tag in inner.attributes} == {"number": 7}
    assert outer.kind == 5  # SPAN_KIND_CONSUMER
    assert collector.paths == (["/v1/traces"] if protocol == "http" else [])


@each_protocol
def test_the_last_spans_are_sent_when_it_is_closed(protocol, make_tracer):
    with RECEIVERS[protocol]() as collector:
        tracer = make_tracer(
            transport="otlp",
            otlp_protocol=protocol,
            otlp_endpoint=collector.endpoint,
            schedule_delay=3_600.0,
            shutdown_timeout=30.0,
        )
        with tracer.span("last"):
            pass
        tracer.close()
        assert [span.name for _, span in collector.count(1)] == ["last"]


@each_protocol
def test_no_receiver_is_no_error_and_closing_ends(protocol, make_tracer):
    with nobody(socket.SOCK_STREAM) as port:
        tracer = make_tracer(
            transport="otlp",
            otlp_protocol=protocol,
            otlp_endpoint=f"http://127.0.0.1:{port}",
            shutdown_timeout=0.05,
        )
        with tracer.span("lost"):
            pass
        tracer.close()
    assert tracer.closed


@pytest.mark.parametrize(
    ("protocol", "given", "expected"),
    [
        ("http", "http://collector:4318", "http://collector:4318/v1/traces"),
        ("http", "https://collector/", "https://collector/v1/traces"),
        ("http", "http://proxy/jaeger/v1/traces", "http://proxy/jaeger/v1/traces"),
        ("grpc", "http://collector:4317", "http://collector:4317"),
        ("http", None, None),
    ],
)
def test_an_endpoint_without_a_path_gets_the_usual_one(protocol, given, expected):
    config = TracingConfig("shop", transport="otlp", otlp_protocol=protocol, otlp_endpoint=given)
    assert _endpoint(config) == expected


@each_protocol
def test_a_missing_extra_is_named(protocol, monkeypatch):
    exporter = f"opentelemetry.exporter.otlp.proto.{protocol}.trace_exporter"
    monkeypatch.setitem(sys.modules, exporter, None)  # as if it were not installed
    with pytest.raises(OrchestrixError, match=r"pip install 'orchestrix-jaeger\[otlp\]'"):
        JaegerTracer(TracingConfig("shop", transport="otlp", otlp_protocol=protocol))
