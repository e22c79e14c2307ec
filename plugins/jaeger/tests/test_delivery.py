"""What goes wrong behind a span never reaches the block, and the last spans are sent."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading

import pytest
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

PATIENCE = 120.0  # no measure of speed: an end to waiting for what never comes


class Blocked(SpanExporter):
    """Takes spans and comes back when it is released."""

    def __init__(self):
        self.entered = threading.Event()
        self.released = threading.Event()
        self.taken = []

    def export(self, spans):
        self.taken += spans
        self.entered.set()
        assert self.released.wait(PATIENCE)
        return SpanExportResult.SUCCESS


@pytest.fixture
def blocked():
    exporter = Blocked()
    yield exporter
    exporter.released.set()


class Raising(SpanExporter):
    calls = 0

    def export(self, spans):
        self.calls += 1
        raise OSError("the network is down")

    def shutdown(self):
        raise OSError("the network is still down")


def test_a_blocked_exporter_costs_the_spans_that_find_the_queue_full(make_tracer, blocked):
    settings = {"max_queue_size": 10, "max_batch_size": 1, "schedule_delay": 0.01}
    tracer = make_tracer(exporter=blocked, shutdown_timeout=PATIENCE, **settings)
    for number in range(500):
        with tracer.span(f"{number}"):  # all of them end while the exporter stands still
            pass
    assert blocked.entered.wait(PATIENCE)
    assert not blocked.released.is_set()
    blocked.released.set()
    tracer.close()
    assert 1 <= len(blocked.taken) < 500
    assert blocked.taken[-1].name == "499"  # the oldest are dropped


def test_flushing_and_closing_end_while_the_exporter_is_blocked(make_tracer, blocked):
    tracer = make_tracer(exporter=blocked, shutdown_timeout=0.05)
    with tracer.span("stuck"):
        pass
    assert tracer.flush(timeout=0.05) is False
    tracer.close()
    assert tracer.closed
    assert blocked.entered.wait(PATIENCE)
    assert not blocked.released.is_set()


def test_an_exporter_that_raises_is_reported_once(make_tracer, caplog):
    exporter = Raising()
    tracer = make_tracer(exporter=exporter)
    for number in range(3):
        with tracer.span(f"{number}"):
            pass
        assert tracer.flush()
    tracer.close()
    assert exporter.calls == 3
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(said) == 2
    assert "Raising failed: the spans of this batch are lost" in said[0]
    assert "Raising failed while it was shut down" in said[1]


PROLOGUE = """
import os, signal, sys, threading
from opentelemetry.sdk.trace.export import SpanExporter
from orchestrix.infrastructure.observability.jaeger import init_tracing

tracer = init_tracing("child", jaeger_agent_port=int(sys.argv[1]), schedule_delay=3_600.0)
"""


def child(script, port):
    return subprocess.Popen(
        [sys.executable, "-c", PROLOGUE + script, str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process, status=0):
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (status, ""), err
    return out


def test_the_last_spans_are_sent_when_the_process_ends(agent):
    script = "with tracer.span('last'):\n    pass\n"
    ended(child(script, agent.port))
    assert [span.name for span in agent.count(1)] == ["last"]


def test_the_last_spans_are_sent_when_it_ends_by_an_exception(agent):
    script = "with tracer.span('last'):\n    sys.exit(3)\n"
    ended(child(script, agent.port), status=3)
    (span,) = agent.count(1)
    assert span.logs[0]["exception.type"] == "SystemExit"


def test_the_last_spans_are_sent_on_sigterm(agent):
    script = (
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
        "with tracer.span('last'):\n    print('ready', flush=True)\n    sys.stdin.read()\n"
    )
    process = child(script, agent.port)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    ended(process)
    assert [span.name for span in agent.count(1)] == ["last"]


def test_a_process_ends_although_its_exporter_is_blocked(agent):
    """Without a bound of its own it would wait for half a minute."""
    script = """
class Stuck(SpanExporter):
    def export(self, spans):
        print("stuck", flush=True)
        threading.Event().wait()

blocked = init_tracing("blocked", exporter=Stuck(), shutdown_timeout=0.1)
with blocked.span("lost"):
    pass
"""
    process = child(script, agent.port)
    assert process.stdout.readline() == "stuck\n"  # to get there may take long on a busy machine
    out, err = process.communicate(timeout=25)
    assert (process.returncode, out, err) == (0, "", "")


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork on Windows")
def test_a_forked_process_sends_its_own_spans(agent):
    script = """
with tracer.span("parent"):
    pass
pid = os.fork()
with tracer.span("child" if pid == 0 else "parent again"):
    pass
tracer.close()
if pid == 0:
    os._exit(0)
os.waitpid(pid, 0)
"""
    process = child(script, agent.port)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    names = sorted(span.name for span in agent.count(3))
    assert names == ["child", "parent", "parent again"]
