"""
One request through all parts of an application is one trace, on each store.

Command, aggregate, store, bus, projection, saga, second command: traced and measured by the
configuration alone.
"""

from __future__ import annotations

import asyncio

import attrs
import pytest

from orchestrix.infrastructure.observability.jaeger import get_tracer
from orchestrix_core import (
    AggregateRoot,
    Command,
    Event,
    Orchestrix,
    Projection,
    Saga,
    handles,
    on,
    when,
)
from orchestrix_core.instrumentation import Exposition
from orchestrix_core.sagas import CommandsSent, Reacted

from ._agent import Received

pytest.importorskip("orchestrix.infrastructure.memory", reason="there is no bus")
pytest.importorskip(
    "orchestrix.infrastructure.observability.prometheus",
    reason="orchestrix-prometheus is not installed",
)

PATIENCE = 120.0  # no measure of speed: an end to waiting for what never comes
DATABASES = {"memory": "memory", "sqlite": "sqlite", "postgres": "postgresql"}
CONFIGURATION = """
[orchestrix]
event_store.use = "{store}"
message_bus.use = "memory"
tracing.use = "jaeger"
metrics.use = "prometheus"

[orchestrix.event_store.sqlite]
path = "shop.db"

[orchestrix.event_store.postgres]
connection_string = "${{TEST_DSN:-postgresql://nowhere}}"

[orchestrix.tracing.jaeger]
service_name = "shop"
jaeger_agent_port = {port}
schedule_delay = 0.05
shutdown_timeout = 60.0
"""


class PlaceOrder(Command, type="whole.place-order"):
    order_id: str


class ShipOrder(Command, type="whole.ship-order"):
    order_id: str


class OrderPlaced(Event, type="whole.order-placed"):
    order_id: str


class OrderShipped(Event, type="whole.order-shipped"):
    order_id: str


class Order(AggregateRoot):
    @when(OrderPlaced)
    def placed(self, event): ...

    @when(OrderShipped)
    def shipped(self, event): ...


@handles(PlaceOrder)
async def place(command, app):
    event = OrderPlaced(order_id=command.order_id)
    await app.repository(Order).execute(command.order_id, lambda order: order.record(event))


@handles(ShipOrder)
async def ship(command, app):
    event = OrderShipped(order_id=command.order_id)
    await app.repository(Order).execute(command.order_id, lambda order: order.record(event))


class Orders(Projection):
    @on(OrderPlaced)
    async def placed(self, event, view):
        await view.put(event.order_id, {"status": "placed"})

    @on(OrderShipped)
    async def shipped(self, event, view):
        await view.put(event.order_id, {"status": "shipped"})


class Shipping(Saga, key="order_id"):
    @on(OrderPlaced, starts=True)
    def placed(self, event):
        self.send(ShipOrder(order_id=event.order_id))
        self.complete()


@on(OrderShipped)
async def tell_the_customer(event, app): ...


PARTS = (place, ship, Orders, Shipping, tell_the_customer)


@pytest.fixture(params=DATABASES)
def store(request, tmp_path, monkeypatch, agent):
    """Return the name of a store; the working directory has the configuration for it."""
    name = f"orchestrix.infrastructure.{request.param}"
    pytest.importorskip(name, reason=f"orchestrix-{request.param} is not installed")
    monkeypatch.chdir(tmp_path)
    if request.param == "postgres":
        monkeypatch.setenv("TEST_DSN", request.getfixturevalue("database"))
    text = CONFIGURATION.format(store=request.param, port=agent.port)
    (tmp_path / "orchestrix.toml").write_text(text)
    return request.param


def shop(*, worker):
    app = Orchestrix.from_config("orchestrix.toml", worker=worker)
    app.register(*PARTS)
    heard = []

    async def hear(event):
        heard.append(event)

    app.bus.subscribe(Event, hear)
    return app, heard


async def request(app, order_id):
    """Do what a web front does; return the trace."""
    async with get_tracer().async_span("POST /orders"):
        await app.send(PlaceOrder(order_id=order_id))
        return get_tracer().get_trace_id()


@attrs.define
class Tree:
    """The spans of one trace."""

    spans: list[Received]

    @classmethod
    def of(cls, agent, trace_id):
        spans = [span for span in agent.spans if span.trace_id == trace_id]
        assert len({span.span_id for span in spans}) == len(spans)
        return cls(spans)

    def named(self, name):
        return [span for span in self.spans if span.name == name]

    def one(self, name, under):
        """Return the one span of this name below that parent."""
        (span,) = (span for span in self.named(name) if span.parent_id == under.span_id)
        return span

    def below(self, parent):
        return sorted(span.name for span in self.spans if span.parent_id == parent.span_id)


def links_to(span, producer):
    """A stored event, handled later, was made in the span `producer`."""
    return (producer.trace_id, producer.span_id) in span.links


def check(tree, store):
    """All that the request brought about is below it."""
    (root,) = (span for span in tree.spans if span.parent_id is None)
    assert root.name == "POST /orders"
    assert {span.parent_id for span in tree.spans} <= {None, *(s.span_id for s in tree.spans)}
    assert tree.below(root) == ["handle whole.place-order"]

    placing = tree.one("handle whole.place-order", root)
    assert tree.one("load events", tree.one("load Order", placing))
    stored_in(placing, tree, store)
    for name in ("publish whole.order-placed", "project Orders", "saga Shipping"):
        assert links_to(tree.one(name, placing), placing), name

    saga = tree.one("saga Shipping", placing)
    shipping = tree.one("handle whole.ship-order", saga)
    assert tree.one("load events", tree.one("load Order", shipping))
    stored_in(shipping, tree, store)
    # What the saga has stored of itself is heard on the bus like everything else.
    for name in ("publish orchestrix.saga.reacted", "publish orchestrix.saga.commands-sent"):
        assert links_to(tree.one(name, saga), saga), name
    assert links_to(tree.one("project Orders", shipping), shipping)
    heard = [s for s in tree.named("publish whole.order-shipped") if links_to(s, shipping)]
    assert [span.parent_id for span in heard] == [shipping.span_id] * 2  # the bus, the function


def stored_in(handling, tree, store):
    """The transaction in which a command's events were stored is below its handling."""
    stored = [s for s in tree.spans if s.parent_id == handling.span_id and is_write(s)]
    assert stored, tree.below(handling)
    assert {span.tags["db.system.name"] for span in stored} == {DATABASES[store]}
    kinds = {span.tags["span.kind"] for span in stored}
    assert kinds == ({"internal" if store == "memory" else "client"})


def is_write(span):
    return span.tags.get("db.operation.name") in ("append", "transaction")


async def check_events(app, trace_id, order_id):
    """The trace has exactly the events of the order."""
    log = await app.log.read_log()
    of_order = [r.event for r in log if r.aggregate_id in (order_id, f"saga-Shipping-{order_id}")]
    found = await app.store.load_by_trace(trace_id)
    assert found == of_order
    assert {type(event) for event in found} == {OrderPlaced, Reacted, OrderShipped, CommandsSent}
    assert {event.trace_id for event in found} == {trace_id}
    placed, reacted, shipped, sent = found
    assert placed.causation_id == placed.correlation_id  # the command
    assert reacted.causation_id == sent.causation_id == placed.id
    assert shipped.causation_id == reacted.commands[0].id
    assert {event.correlation_id for event in found} == {placed.correlation_id}
    assert len(log) > len(found)


async def all_spans(agent, *traces):
    """Receive until each trace is there as a whole: the last of it comes from the bus."""

    def whole(spans):
        names = [(span.trace_id, span.name) for span in spans]
        return all(
            names.count((trace, name)) == number
            for trace in traces
            for name, number in (("publish whole.order-shipped", 2), ("project Orders", 2))
        ) and all((trace, "publish orchestrix.saga.commands-sent") in names for trace in traces)

    await asyncio.to_thread(agent.until, whole)
    await asyncio.to_thread(agent.drain)  # the application has ended: it has sent all there is


async def test_one_request_is_one_trace(store, agent):
    app, heard = shop(worker=True)
    async with app:
        traces = await asyncio.gather(*(request(app, order_id) for order_id in ("A", "B")))
        await app.caught_up(timeout=PATIENCE)
        for trace_id, order_id in zip(traces, "AB", strict=True):
            await check_events(app, trace_id, order_id)
            assert await app.view(Orders).get(order_id) == {"status": "shipped"}
        measured(app)
        assert {event.trace_id for event in heard} == set(traces)
    await all_spans(agent, *traces)
    for trace_id in traces:
        check(Tree.of(agent, trace_id), store)


def measured(app):
    """Every part is in the figures, too."""
    (metrics,) = (part for part in app._backends if isinstance(part, Exposition))
    lines = metrics.exposition()[1].decode().splitlines()
    for series in (
        'commands_total{command_type="whole.place-order",status="success"} 2.0',
        'commands_total{command_type="whole.ship-order",status="success"} 2.0',
        'aggregates_loaded_total{aggregate_type="Order",status="success"} 4.0',
        'saga_executions_total{saga_type="Shipping",status="success"} 2.0',
        'events_total{event_type="whole.order-placed",status="success"} 2.0',
    ):
        assert f"orchestrix_core_{series}" in lines


@pytest.mark.parametrize("store", ["sqlite", "postgres"], indirect=True)
async def test_what_is_handled_later_belongs_to_the_same_trace(store, agent):
    app, _ = shop(worker=False)
    async with app:
        traces = [await request(app, order_id) for order_id in ("A", "B")]
    app, _ = shop(worker=True)
    async with app:
        await app.caught_up(timeout=PATIENCE)
        for trace_id, order_id in zip(traces, "AB", strict=True):
            await check_events(app, trace_id, order_id)
    await all_spans(agent, *traces)
    for trace_id in traces:
        check(Tree.of(agent, trace_id), store)
