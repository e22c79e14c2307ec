"""An application traced by its configuration alone, and a second process that joins the trace."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip("orchestrix.infrastructure.sqlite", reason="orchestrix-sqlite is not installed")
pytest.importorskip("orchestrix.infrastructure.memory", reason="orchestrix-memory is not installed")

CONFIGURATION = """
[orchestrix]
event_store.use = "sqlite"
message_bus.use = "memory"
tracing.use = "jaeger"

[orchestrix.event_store.sqlite]
path = "shop.db"

[orchestrix.tracing.jaeger]
service_name = "${SERVICE}"
jaeger_agent_port = "${AGENT_PORT}"
"""

# Not one of its lines is about tracing.
SHOP = """
import asyncio, sys
from orchestrix_core import (
    AggregateRoot, Command, Event, Orchestrix, Projection, Projections, Worker, on, when,
)

class PlaceOrder(Command):
    order_id: str

class OrderPlaced(Event):
    order_id: str

class Order(AggregateRoot):
    @when(OrderPlaced)
    def placed(self, event): ...

async def place(app):
    orders = app.repository(Order)

    async def handle(command):
        order = await orders.load(command.order_id)
        order.record(OrderPlaced(order_id=command.order_id))
        await orders.save(order)

    app.bus.subscribe(PlaceOrder, handle)
    await app.publish(PlaceOrder(order_id="ORD-7"))

async def ship(app):
    for record in await app.store.read_log():
        await app.publish(record.event)

class Orders(Projection):
    seen = asyncio.Event()

    @on(OrderPlaced)
    async def placed(self, event, view):
        await view.put(event.order_id, {"placed": True})
        self.seen.set()

async def project(app):
    projections = Projections(app.store, [Orders], instrumentation=app.instrumentation)
    await projections.prepare()
    worker = Worker(app.store, instrumentation=app.instrumentation)
    running = asyncio.create_task(worker.run())
    following = asyncio.create_task(projections.follow(worker))
    async with asyncio.timeout(240):
        await Orders.seen.wait()
    following.cancel()
    worker.stop()
    await running

async def main():
    async with Orchestrix.from_config("orchestrix.toml") as app:
        await globals()[sys.argv[1]](app)

asyncio.run(main())
"""


@pytest.fixture
def run(tmp_path, agent):
    """Return a function that runs the shop in a process of its own, to its end."""
    (tmp_path / "orchestrix.toml").write_text(CONFIGURATION)
    (tmp_path / "shop.py").write_text(SHOP)

    def run(what, service):
        done = subprocess.run(
            [sys.executable, "shop.py", what],
            cwd=tmp_path,
            env={**os.environ, "AGENT_PORT": str(agent.port), "SERVICE": service},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")

    return run


def named(agent, name):
    """Return the span of this name, which comes if it has not come yet."""
    agent.until(lambda spans: any(span.name == name for span in spans))
    return agent.by_name()[name]


def test_one_trace_over_three_processes(run, agent):
    run("place", "shop")
    root = named(agent, "publish PlaceOrder")
    placed = agent.by_name()
    assert {span.trace_id for span in agent.spans} == {root.trace_id}
    assert root.parent_id is None
    assert root.tags["messaging.destination.name"] == "PlaceOrder"
    assert root.tags["span.kind"] == "producer"
    load, append = placed["load Order"], placed["append events"]
    assert load.parent_id == append.parent_id == root.span_id
    assert load.tags["orchestrix.aggregate.id"] == "ORD-7"
    assert placed["load events"].parent_id == load.span_id
    assert append.tags["db.system.name"] == "sqlite"
    assert append.tags["db.operation.name"] == "append"
    assert append.tags["span.kind"] == "client"

    run("ship", "shipping")
    joins(named(agent, "publish OrderPlaced"), root, "shipping")

    run("project", "views")
    joins(named(agent, "project Orders"), root, "views")


def joins(span, root, service):
    """The stored event was made inside of `root`."""
    assert span.service == service
    assert (span.trace_id, span.parent_id) == (root.trace_id, root.span_id)
    assert (root.trace_id, root.span_id) in span.links
