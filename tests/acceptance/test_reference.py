"""The examples of the API reference that need no server, as they were promised to users."""

from __future__ import annotations

import asyncio
import inspect
from typing import get_type_hints

import pytest

from orchestrix.infrastructure.memory import (
    InMemoryAsyncEventStore,
    InMemoryAsyncMessageBus,
    InMemoryEventStore,
    InMemoryMessageBus,
)
from orchestrix_core import ConcurrencyError, Event, MessageRegistry, Snapshot

MINE = MessageRegistry()


class OrderCreated(Event, registry=MINE):
    order_id: str


class OrderPaid(Event, registry=MINE):
    order_id: str


class OrderShipped(Event, registry=MINE):
    order_id: str


def test_message_bus(capsys):
    bus = InMemoryMessageBus()
    bus.subscribe(OrderCreated, lambda e: print(f"Order {e.order_id} created"))
    bus.publish(OrderCreated(order_id="ORD-001"))
    assert capsys.readouterr().out == "Order ORD-001 created\n"


def test_async_message_bus(capsys):
    async def example() -> None:
        bus = InMemoryAsyncMessageBus()

        async def handle_order(event: OrderCreated) -> None:
            print(f"Order {event.order_id} created")

        bus.subscribe(OrderCreated, handle_order)
        await bus.publish(OrderCreated(order_id="ORD-001"))

    asyncio.run(example())
    assert capsys.readouterr().out == "Order ORD-001 created\n"


def test_event_store():
    store = InMemoryEventStore()
    # Save events
    store.save("ORD-001", [OrderCreated(order_id="ORD-001")])
    store.save("ORD-001", [OrderPaid(order_id="ORD-001")])
    # Load returns both
    events = store.load("ORD-001")
    assert [type(event) for event in events] == [OrderCreated, OrderPaid]
    # Optimistic locking
    store.save("ORD-001", [OrderShipped(order_id="ORD-001")], expected_version=2)
    with pytest.raises(ConcurrencyError):
        store.save("ORD-001", [OrderShipped(order_id="ORD-001")], expected_version=2)
    assert store.load("UNKNOWN") == []


def test_snapshots_of_both_stores():
    snapshot = Snapshot(aggregate_id="ORD-001", version=2, state={"paid": True})
    store = InMemoryEventStore()
    store.save_snapshot(snapshot)
    assert store.load_snapshot("ORD-001") == snapshot

    async def example() -> None:
        store = InMemoryAsyncEventStore()
        await store.save_snapshot(snapshot)
        assert await store.load_snapshot("ORD-001") == snapshot
        assert await store.load_snapshot("UNKNOWN") is None

    asyncio.run(example())


PROMISED = {
    InMemoryMessageBus: {
        "publish": "(self, message)",
        "subscribe": "(self, message_type, handler)",
    },
    InMemoryAsyncMessageBus: {
        "publish": "(self, message)",
        "subscribe": "(self, message_type, handler)",
    },
    InMemoryEventStore: {
        "save": "(self, aggregate_id, events, expected_version=None)",
        "load": "(self, aggregate_id, from_version=0)",
        "load_by_trace": "(self, trace_id)",
        "save_snapshot": "(self, snapshot)",
        "load_snapshot": "(self, aggregate_id)",
    },
    InMemoryAsyncEventStore: {
        "save": "(self, aggregate_id, events, expected_version=None)",
        "load": "(self, aggregate_id, from_version=0)",
        "save_snapshot": "(self, snapshot)",
        "load_snapshot": "(self, aggregate_id)",
    },
}


@pytest.mark.parametrize(
    ("cls", "name", "signature"),
    [(cls, name, text) for cls, methods in PROMISED.items() for name, text in methods.items()],
)
def test_signatures_are_as_promised(cls, name, signature):
    method = getattr(cls, name)
    parameters = [
        p.replace(annotation=inspect.Parameter.empty)
        for p in inspect.signature(method).parameters.values()
    ]
    assert str(inspect.Signature(parameters)) == signature
    assert inspect.iscoroutinefunction(method) is ("Async" in cls.__name__ and name != "subscribe")
    assert set(get_type_hints(method)) == set(inspect.signature(method).parameters) - {"self"} | {
        "return"
    }


@pytest.mark.parametrize("cls", PROMISED)
def test_everything_is_made_without_arguments(cls):
    assert isinstance(cls(), cls)
