"""Which traces are kept, and that what belongs to a trace follows it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from opentelemetry.sdk.trace.sampling import Decision

from orchestrix.infrastructure.observability.jaeger import TracingConfig
from orchestrix.infrastructure.observability.jaeger._samplers import RateLimiting, sampler

KEPT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NOT_KEPT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"


def kept(tracer, memory):
    assert tracer.flush()
    return len(memory.get_finished_spans())


@pytest.mark.parametrize(("param", "expected"), [(1, 50), (0, 0)])
def test_const_keeps_all_or_none(make_tracer, memory, param, expected):
    tracer = make_tracer(exporter=memory, jaeger_sampler_param=param)
    for _ in range(25):
        with tracer.span("outer"), tracer.span("inner"):
            assert len(tracer.get_trace_id()) == 32  # also of what is not kept
    assert kept(tracer, memory) == expected


def test_probabilistic_decides_by_the_trace_id():
    """Without chance: of evenly spread trace ids, its share is kept."""
    config = TracingConfig("shop", jaeger_sampler_type="probabilistic", jaeger_sampler_param=0.25)
    asked = sampler(config)
    ids = [number * (2**64 // 1_000) for number in range(1_000)]
    decisions = [asked.should_sample(None, trace_id, "span").decision for trace_id in ids]
    assert 240 <= decisions.count(Decision.RECORD_AND_SAMPLE) <= 260
    again = [asked.should_sample(None, trace_id, "span").decision for trace_id in ids]
    assert again == decisions


class Clock:
    """Seconds that pass when they are told to."""

    now = 100.0

    def __call__(self):
        return self.now


def taken(limiter, times):
    results = [limiter.should_sample(None, 1, "span", attributes={"a": 1}) for _ in range(times)]
    return sum(result.decision is Decision.RECORD_AND_SAMPLE for result in results)


def test_ratelimiting_keeps_so_many_a_second():
    clock = Clock()
    limiter = RateLimiting(3.0, clock=clock)
    assert taken(limiter, 10) == 3  # a second's worth is there at the start
    clock.now += 1.0
    assert taken(limiter, 10) == 3
    clock.now += 100.0
    assert taken(limiter, 10) == 3  # no more is saved up
    clock.now += 0.5
    assert taken(limiter, 10) == 1


def test_a_rate_below_one_keeps_one_in_several_seconds():
    clock = Clock()
    limiter = RateLimiting(0.1, clock=clock)
    assert taken(limiter, 5) == 1
    clock.now += 9.0
    assert taken(limiter, 5) == 0
    clock.now += 1.5
    assert taken(limiter, 5) == 1
    assert limiter.get_description() == "RateLimiting{0.1}"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_a_fork_while_another_thread_decides_leaves_no_lock_behind():
    script = """
import os
from orchestrix.infrastructure.observability.jaeger._samplers import RateLimiting

limiter = RateLimiting(1.0)
limiter._lock.acquire()  # as a thread would that decides at this moment
pid = os.fork()
if pid == 0:
    limiter.should_sample(None, 1, "span")
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=300)


def test_ratelimiting_counts_traces_and_not_spans(make_tracer, memory):
    tracer = make_tracer(
        exporter=memory, jaeger_sampler_type="ratelimiting", jaeger_sampler_param=0.001
    )
    for _ in range(5):
        with tracer.span("outer", {"kept": True}), tracer.span("inner"), tracer.span("deep"):
            pass
    assert kept(tracer, memory) == 3
    assert memory.get_finished_spans()[-1].attributes["kept"] is True


@pytest.mark.parametrize(
    ("kind", "param"), [("const", 0), ("probabilistic", 0), ("ratelimiting", 0.001)]
)
def test_a_trace_kept_elsewhere_is_kept_here(make_tracer, memory, kind, param):
    from orchestrix.infrastructure.observability.jaeger._conventions import describe

    tracer = make_tracer(
        exporter=memory, jaeger_sampler_type=kind, jaeger_sampler_param=float(param)
    )
    for _ in range(5):
        with tracer.described(describe("publish", {}), KEPT):
            pass
    assert kept(tracer, memory) == 5


def test_a_trace_not_kept_elsewhere_is_not_kept_here(make_tracer, memory):
    from orchestrix.infrastructure.observability.jaeger._conventions import describe
    from orchestrix_core import current_traceparent

    tracer = make_tracer(exporter=memory)
    with tracer.described(describe("publish", {}), NOT_KEPT), tracer.span("inner"):
        assert current_traceparent().endswith("-00")
    assert kept(tracer, memory) == 0
