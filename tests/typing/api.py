"""
The public API as a type checker sees it; checked by mypy and pyright, never run.

A line that must be refused carries both checkers' ignores; an ignore that is not needed is an
error, so each of them is a test that the checkers do refuse it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any, assert_type

import attrs
from opentelemetry.trace import Span

from orchestrix.infrastructure.memory import (
    InMemoryAsyncEventStore,
    InMemoryAsyncMessageBus,
    InMemoryEventStore,
    InMemoryMessageBus,
)
from orchestrix.infrastructure.observability.jaeger import (
    JaegerTracer,
    TracingConfig,
    get_tracer,
    init_tracing,
)
from orchestrix_core import (
    AggregateRoot,
    AsyncEventLog,
    AsyncEventStore,
    AsyncMessageBus,
    Command,
    Decided,
    Decider,
    Event,
    EventLog,
    EventStore,
    JSONSerializer,
    MessageBus,
    Orchestrix,
    Projection,
    ProjectionReader,
    RecordedEvent,
    Repository,
    RetryPolicy,
    Saga,
    Serializer,
    Snapshot,
    SQLView,
    StreamWrite,
    SyncRepository,
    View,
    handles,
    on,
    rebuild,
    upcaster,
    when,
)
from orchestrix_core.asgi import lifespan
from orchestrix_core.commands import Next
from orchestrix_core.testing import (
    Decision,
    Frozen,
    Given,
    GivenProjection,
    GivenSaga,
    SagaDecision,
    given,
)
from orchestrix_core.testing import frozen as frozen_world


class Bare(Event):
    order_id: str
    total: Decimal = Decimal(0)
    lines: tuple[str, ...] = attrs.field(factory=tuple)


class Named(Event, type="com.acme.order.named", version=2):
    order_id: str


@attrs.frozen(kw_only=True)
class WithAttrs(Event):
    order_id: str
    total: Decimal = Decimal(0)
    lines: tuple[str, ...] = attrs.field(factory=tuple)


@dataclass(frozen=True, kw_only=True)
class WithDataclass(Event):
    order_id: str
    total: Decimal = Decimal(0)
    lines: tuple[str, ...] = field(default_factory=tuple)


class Place(Command):
    order_id: str


def right_arguments() -> None:
    Bare(order_id="ORD-1", total=Decimal(1), lines=("a",), subject="orders", trace_id="0" * 32)
    WithAttrs(order_id="ORD-1", total=Decimal(1), lines=("a",), correlation_id="c")
    WithDataclass(order_id="ORD-1", total=Decimal(1), lines=("a",), causation_id="c")
    Named(order_id="ORD-1")
    Place(order_id="ORD-1")


def wrong_arguments() -> None:
    Bare()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Bare("ORD-1")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Bare(order="ORD-1")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Bare(order_id=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    WithAttrs(order="ORD-1")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    WithAttrs(order_id=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    WithDataclass(order="ORD-1")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    WithDataclass(order_id=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Place()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def frozen(bare: Bare, made_by_attrs: WithAttrs, made_by_dataclass: WithDataclass) -> None:
    assert_type(bare.order_id, str)
    assert_type(made_by_attrs.lines, tuple[str, ...])
    assert_type(made_by_dataclass.trace_id, str | None)
    bare.order_id = "x"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    made_by_attrs.order_id = "x"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    made_by_dataclass.order_id = "x"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def on_bare(event: Bare) -> None:
    assert_type(event.total, Decimal)


async def on_bare_async(event: Bare) -> None:
    assert_type(event.total, Decimal)


class Handler:
    def handle(self, message: Bare) -> None: ...


def sync_bus() -> None:
    bus: MessageBus = InMemoryMessageBus()
    bus.subscribe(Bare, on_bare)
    bus.subscribe(Bare, lambda event: print(event.order_id))
    bus.subscribe(Bare, Handler())
    bus.subscribe(Place, on_bare)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    bus.publish(Bare(order_id="ORD-1"))
    bus.publish("ORD-1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def async_bus() -> None:
    bus: AsyncMessageBus = InMemoryAsyncMessageBus()
    bus.subscribe(Bare, on_bare_async)
    bus.subscribe(Bare, on_bare)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await bus.publish(Bare(order_id="ORD-1"))


def sync_store() -> None:
    store: EventStore = InMemoryEventStore()
    log: EventLog = InMemoryEventStore()
    store.save("ORD-1", [Bare(order_id="ORD-1")], expected_version=0)
    assert_type(store.load("ORD-1", from_version=1), list[Event])
    assert_type(store.load_by_trace("0" * 32), list[Event])
    store.save_snapshot(Snapshot(aggregate_id="ORD-1", version=1, state={"total": "1"}))
    assert_type(store.load_snapshot("ORD-1"), Snapshot | None)
    log.save_all([StreamWrite("ORD-1", [Bare(order_id="ORD-1")])])
    assert_type(log.read_log(after=0, types={"Bare"}), list[RecordedEvent])
    store.save("ORD-1", ["x"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]


async def async_store() -> None:
    store: AsyncEventStore = InMemoryAsyncEventStore()
    log: AsyncEventLog = InMemoryAsyncEventStore()
    async with store:
        await store.save("ORD-1", [Bare(order_id="ORD-1")], expected_version=0)
        assert_type(await store.load("ORD-1"), list[Event])
        await store.save_snapshot_async(Snapshot(aggregate_id="ORD-1", version=1, state={}))
        assert_type(await store.load_snapshot_async("ORD-1"), Snapshot | None)
    assert_type(log.subscribe(after=0), AsyncIterator[RecordedEvent])


async def snapshots_in_both_spellings(store: InMemoryAsyncEventStore) -> None:
    await store.save_snapshot(Snapshot(aggregate_id="ORD-1", version=1, state={}))
    assert_type(await store.load_snapshot("ORD-1"), Snapshot | None)


def not_each_other() -> None:
    wrong: EventStore = InMemoryAsyncEventStore()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    other: AsyncEventStore = InMemoryEventStore()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    print(wrong, other)


def serializer() -> None:
    port: Serializer = JSONSerializer()
    data = port.encode(Bare(order_id="ORD-1"))
    assert_type(data, bytes)
    assert_type(port.decode("Bare", 1, data), Event)


@upcaster("com.acme.order.named", from_version=1)
def named_from_1(data: dict[str, object]) -> dict[str, object]:
    return {"order_id": data["id"]}


class Order(AggregateRoot):
    total = Decimal(0)

    def place(self, total: Decimal, *, note: str = "") -> int:
        self.record(Bare(order_id=self.id, total=total))
        return self.version

    async def wait(self) -> str:
        return self.id

    @when(Bare)
    def _placed(self, event: Bare) -> None:
        self.total = event.total


async def repository(store: AsyncEventStore) -> None:
    orders = Repository(store, Order, snapshot_every=10, cache=100)
    assert_type(orders, Repository[Order])
    assert_type(await orders.load("ORD-1"), Order)
    assert_type(await orders.load("ORD-1", at=3), Order)
    assert_type(await orders.execute("ORD-1", lambda order: order.place(Decimal(1))), int)
    assert_type(await orders.execute("ORD-1", Order.wait), str)
    await orders.save(await orders.load("ORD-1"))
    await orders.execute("ORD-1", Place(order_id="ORD-1"))  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    await orders.load("ORD-1", at="now")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Repository(store, Bare)  # type: ignore[type-var]  # pyright: ignore[reportCallIssue, reportArgumentType]
    Repository(store, Order, snapshot_when=lambda order, before: order.total > before)


def sync_repository(store: EventStore) -> None:
    orders = SyncRepository(store, Order, attempts=3)
    assert_type(orders.load("ORD-1"), Order)
    assert_type(orders.execute("ORD-1", lambda order: order.place(Decimal(1))), int)


@attrs.frozen
class Open:
    total: Decimal = Decimal(0)


@attrs.frozen
class Close:
    reason: str


def decide(command: Place | Close, state: Open) -> list[Bare | Named]:
    if isinstance(command, Place):
        return [Bare(order_id=command.order_id)]
    return [Named(order_id=command.reason)]


def evolve(state: Open, event: Bare | Named) -> Open:
    return Open(event.total) if isinstance(event, Bare) else state


ordering = Decider(Open(), decide, evolve, snapshot_version=1)


async def decider(store: AsyncEventStore, sync: EventStore) -> None:
    assert_type(ordering, Decider[Place | Close, Bare | Named, Open])
    orders = Repository(store, ordering)
    loaded = await orders.load("ORD-1")
    assert_type(loaded, Decided[Place | Close, Bare | Named, Open])
    assert_type(loaded.state, Open)
    assert_type(await orders.execute("ORD-1", Close(reason="done")), list[Bare | Named])
    assert_type(SyncRepository(sync, ordering).execute("1", Close(reason="")), list[Bare | Named])


def wrong_deciders() -> None:
    Decider(1, decide, evolve)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


class Late(Event):
    order_id: str


class Fulfilment(Saga, key="order_id", partitions=2, start="beginning"):
    state: Open = Open()

    @on(Bare, starts=True)
    def placed(self, event: Bare) -> None:
        self.state = Open(event.total)
        assert_type(self.key, str)
        self.send(Place(order_id=self.key), undo=Place(order_id=event.order_id))
        self.schedule(Late(order_id=self.key), after=timedelta(minutes=5))
        assert_type(self.cancel(Late), bool)
        self.send(event)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    @on(Late, timeout=True)
    async def late(self, event: Late) -> None:
        self.compensate(end=False)
        self.complete()

    def on_failure(self, command: Command, error: Exception) -> None:
        self.compensate()


class Never(Saga, start="later"):  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportGeneralTypeIssues]
    pass


def sagas(app: Orchestrix) -> None:
    app.register(Fulfilment)
    begun = given(Fulfilment, Bare(order_id="1"))
    assert_type(begun, GivenSaga)
    decision = begun.when(Late(order_id="1"))
    assert_type(decision, SagaDecision)
    assert_type(decision.sends, list[Command])
    assert_type(decision.then_sends(Place(order_id="1")).then_completes(), SagaDecision)
    decision.then_schedules(Late(order_id="1"), after=timedelta(minutes=5)).then_cancels(Late)
    decision.then_sends(Bare(order_id="1"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


class Withdraw(Command):
    reason: str


@handles(Place)
async def handle_place(command: Place, app: Orchestrix) -> str:
    await app.store.save("ORD-1", [Bare(order_id="ORD-1")], 0)
    return await app.schedule(Withdraw(reason="late"), after=timedelta(days=1))


@handles(Withdraw, idempotent=False)
def handle_close(command: Withdraw) -> None:
    pass


@on(Bare, Named, name="hearing", retry=RetryPolicy(attempts=3))
async def hear(event: Bare | Named) -> None:
    pass


async def runtime(orchestrix: Orchestrix) -> None:
    orchestrix.register(handle_place, handle_close, hear)

    @orchestrix.middleware
    async def log(command: Command, call_next: Next) -> Any:
        return await call_next(command)

    assert_type(await handle_close_later(orchestrix), bool)
    await log(Withdraw(reason=""), orchestrix.send)
    await orchestrix.caught_up(after=3, timeout=1.5)
    await orchestrix.send(Bare(order_id="1"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await orchestrix.schedule(Withdraw(reason=""), after=60)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    handles(Bare)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    lifespan(orchestrix)
    lifespan(lambda: orchestrix)
    lifespan("orchestrix.toml")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def handle_close_later(orchestrix: Orchestrix) -> bool:
    return await orchestrix.cancel(
        await orchestrix.schedule(Withdraw(reason=""), after=timedelta(1))
    )


def helpers_for_tests() -> None:
    assert_type(given(Order, Bare(order_id="ORD-1")), Given[Order])
    decision = given(Order).when(Order.place, Decimal(1), note="x")
    assert_type(decision, Decision[Order])
    assert_type(decision.then(Bare(order_id="ORD-1")).then_state(total=Decimal(1)), Decision[Order])
    given(Order).when(lambda order: order.place(Decimal(1))).then_raises(ValueError, match="x")
    given(Order).when(Order.place, "1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    given(ordering).when(Close(reason="done")).then_state(Open()).then_nothing()
    given(Bare)  # type: ignore[type-var]  # pyright: ignore[reportCallIssue, reportArgumentType]
    with frozen_world(ids=["a", "b"]) as world:
        assert_type(world, Frozen)


async def traces() -> None:
    tracer = init_tracing(service_name="shop", jaeger_agent_port=6831, transport="agent")
    assert_type(tracer, JaegerTracer)
    assert_type(init_tracing(config=TracingConfig("shop")), JaegerTracer)
    assert_type(get_tracer().get_trace_id(), str | None)
    with tracer.span_command("PlaceOrder", "ORD-001") as span:
        assert_type(span, Span)
    async with tracer.async_span("price", {"amount": 42, "of": ("a", "b")}) as span:
        assert_type(span, Span)
    init_tracing("shop", jaeger_port=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    init_tracing("shop", transport="udp")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


class Totals(Projection, name="totals", partitions=2):
    @on(Bare)
    async def placed(self, event: Bare, view: View, record: RecordedEvent) -> None:
        assert_type(await view.get(event.order_id), dict[str, Any] | None)
        await view.put(event.order_id, {"total": str(event.total), "at": record.position})


class Table(Projection, tables=["orders"]):
    async def setup(self, view: SQLView) -> None:
        await view.execute("CREATE TABLE {orders} (id TEXT)")

    @on(Bare, Named)
    def placed(self, event: Bare | Named, view: SQLView) -> None:
        assert_type(view.table("orders_by_id"), str)


class Wrong(Projection, durable=True):  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue, reportGeneralTypeIssues]
    pass


async def projections(store: AsyncEventStore, app: Orchestrix) -> None:
    reader = app.view(Totals)
    assert_type(reader, ProjectionReader)
    assert_type(await reader.get("ORD-1"), dict[str, Any] | None)
    assert_type(await reader.find(prefix="ORD-"), dict[str, dict[str, Any]])
    assert_type(await rebuild(store, Totals, progress=lambda p: print(p.done)), int)
    assert_type(given(Totals, Bare(order_id="ORD-1")), GivenProjection)
    given(Table()).then_view("ORD-1", {"total": 5}).then_views({})
    on(Place)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    app.view(Bare)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
