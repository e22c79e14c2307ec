"""Thrift over UDP, as an agent reads it: a real socket, the generated types, no agent, too much."""

from __future__ import annotations

import logging
import socket

import pytest

from orchestrix.infrastructure.observability.jaeger import TracingConfig, _thrift
from orchestrix.infrastructure.observability.jaeger._agent import AgentExporter
from orchestrix.infrastructure.observability.jaeger._thrift import encode

from ._agent import decoded, nobody

LIMIT = 65_000


def test_a_span_arrives_whole(agent, make_tracer):
    tracer = make_tracer("shop", jaeger_agent_host="127.0.0.1", jaeger_agent_port=agent.port)
    attributes = {"text": "ä😀", "whole": -7, "real": 1.5, "truth": True, "many": ("a", "b")}
    with tracer.span("outer"), tracer.span("inner", attributes) as inner:
        inner.add_event("noted", {"why": "because"})
        trace_id = tracer.get_trace_id()
    assert tracer.flush()
    agent.count(2)
    spans = agent.by_name()
    outer, inner = spans["outer"], spans["inner"]
    assert outer.service == inner.service == "shop"
    assert outer.trace_id == inner.trace_id == trace_id
    assert (outer.parent_id, inner.parent_id) == (None, outer.span_id)
    expected = {**attributes, "many": "('a', 'b')"}
    assert {key: inner.tags[key] for key in expected} == expected
    assert inner.tags["span.kind"] == "internal"
    assert inner.logs == ({"message": "noted", "why": "because"},)
    assert 0 <= inner.duration <= outer.duration


def test_the_default_host_is_this_machine(agent, make_tracer):
    tracer = make_tracer(jaeger_agent_port=agent.port)
    assert tracer.config.jaeger_agent_host == "localhost"
    with tracer.span("here"):
        pass
    assert tracer.flush()
    assert agent.count(1)[0].name == "here"


def test_an_oversize_batch_is_split_and_nothing_is_lost(agent, make_tracer):
    tracer = make_tracer(jaeger_agent_port=agent.port, max_batch_size=1_000)
    for number in range(350):
        with tracer.span(f"span {number}", {"filler": "x" * 100}):
            pass
    assert tracer.flush()
    agent.count(350)
    assert sorted(int(span.name.split()[1]) for span in agent.spans) == list(range(350))
    assert len(agent.sizes) > 2
    assert max(agent.sizes) <= LIMIT


def test_a_span_too_large_for_a_datagram_is_cut_with_one_warning(agent, make_tracer, caplog):
    tracer = make_tracer(jaeger_agent_port=agent.port)
    for name in ("first", "second"):
        with tracer.span(name, {"long": "ä" * 200_000, "short": "kept"}):
            pass
    with tracer.span("small"):
        pass
    assert tracer.flush()
    agent.count(3)
    spans = agent.by_name()
    assert spans["first"].tags["short"] == "kept"
    assert set(spans["first"].tags["long"]) == {"ä"}
    assert len(spans["first"].tags["long"]) >= 1_024
    assert max(agent.sizes) <= LIMIT
    (warning,) = warnings(caplog)
    assert "'first' is too large" in warning or "'second' is too large" in warning


def test_a_span_that_stays_too_large_is_dropped_with_one_warning(agent, make_tracer, caplog):
    tracer = make_tracer(jaeger_agent_port=agent.port)
    for _ in range(2):
        with tracer.span("n" * 70_000):
            pass
    with tracer.span("small"):
        pass
    assert tracer.flush()
    assert [span.name for span in agent.count(1)] == ["small"]
    (warning,) = warnings(caplog)
    assert "cannot be sent" in warning


@pytest.mark.parametrize("value", [2**64, -(2**70)])
def test_a_number_that_thrift_cannot_hold_costs_its_span_alone(agent, make_tracer, caplog, value):
    tracer = make_tracer(jaeger_agent_port=agent.port)
    for number in range(10):
        with tracer.span(f"{number}", {"number": value if number == 4 else number}):
            pass
    assert tracer.flush()
    names = {span.name for span in agent.count(9)}
    assert names == {str(number) for number in range(10)} - {"4"}
    assert len(warnings(caplog)) == 1


def test_no_agent_gives_one_warning_and_no_error(make_tracer, caplog):
    with nobody() as port:
        tracer = make_tracer(jaeger_agent_host="127.0.0.1", jaeger_agent_port=port)
        for _ in range(3):
            with tracer.span("lost"):
                pass
            assert tracer.flush()
        tracer.close()
    (warning,) = warnings(caplog)
    assert f"no Jaeger agent at 127.0.0.1:{port}" in warning


def test_an_agent_that_comes_later_gets_what_comes_after(make_tracer, caplog):
    with nobody() as port, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as late:
        tracer = make_tracer(jaeger_agent_host="127.0.0.1", jaeger_agent_port=port)
        with tracer.span("lost"):
            pass
        assert tracer.flush()
        late.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        late.bind(("127.0.0.1", port))
        late.settimeout(120)
        with tracer.span("found"):
            pass
        assert tracer.flush()
        assert [span.name for span in decoded(late.recv(70_000))] == ["found"]
    assert len(warnings(caplog)) == 1


def test_an_unknown_host_gives_one_warning_and_no_error(make_tracer, caplog):
    tracer = make_tracer(jaeger_agent_host="no-such-host.invalid")
    for _ in range(2):
        with tracer.span("lost"):
            pass
        assert tracer.flush()
    (warning,) = warnings(caplog)
    assert "no-such-host.invalid" in warning


def test_an_agent_on_ipv6_is_found(make_tracer):
    try:
        opened = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        opened.bind(("::1", 0))
    except OSError as exc:
        pytest.skip(f"no IPv6 on this machine: {exc}")
    with opened:
        opened.settimeout(120)
        tracer = make_tracer(jaeger_agent_host="::1", jaeger_agent_port=opened.getsockname()[1])
        with tracer.span("six"):
            pass
        assert tracer.flush()
        assert decoded(opened.recv(70_000))[0].name == "six"


def test_the_address_is_asked_for_again_after_a_while(agent, make_tracer, monkeypatch):
    from orchestrix.infrastructure.observability.jaeger import _datagrams

    monkeypatch.setattr(_datagrams, "_KEEP", 0.0)
    sender = _datagrams.Datagrams("127.0.0.1", agent.port)
    sender.send(encode("a", []))
    first = sender._socket
    sender.send(encode("a", []))
    assert first is not None
    assert first.fileno() == -1
    sender.close()


def test_both_encoders_of_thrift_make_the_same_bytes(tracer, memory, monkeypatch):
    with tracer.span("outer", {"text": "ä😀", "whole": -7, "real": 1.5, "truth": True}) as span:
        span.add_event("noted", {"why": "because"})
    tracer.flush()
    spans = memory.get_finished_spans()
    fast = encode("shop", spans)

    class Slow(_thrift.TCompactProtocolAccelerated):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            assert self._fast_encode is not None, "Thrift has no C encoder here"
            self._fast_encode = None

    monkeypatch.setattr(_thrift, "TCompactProtocolAccelerated", Slow)
    assert encode("shop", spans) == fast


def test_what_was_lent_to_the_sdk_is_taken_back():
    from opentelemetry.sdk import environment_variables

    left = [name for name in vars(environment_variables) if "JAEGER" in name]
    assert left == []


def test_a_smaller_packet_may_be_asked_for(agent, make_tracer):
    tracer = make_tracer(jaeger_agent_port=agent.port, max_packet_size=2_000)
    for number in range(20):
        with tracer.span(f"{number}"):
            pass
    assert tracer.flush()
    agent.count(20)
    assert max(agent.sizes) <= 2_000


def test_an_empty_batch_sends_nothing_harmful(agent):
    config = TracingConfig("a")
    exporter = AgentExporter(config.service_name, "127.0.0.1", agent.port)
    exporter.export([])
    exporter.shutdown()
    assert agent.receive() == []


def warnings(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
