"""What the helpers for users' tests show, refuse and keep still."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import attrs
import pytest

from orchestrix_core import AggregateRoot, Decider, Event, MessageRegistry, Snapshot, when
from orchestrix_core.context import use_trace
from orchestrix_core.messages import new_id, now
from orchestrix_core.testing import frozen, given

MINE = MessageRegistry()


@attrs.frozen
class Line:
    sku: str
    price: Decimal


class Placed(Event, registry=MINE):
    total: Decimal
    lines: tuple[Line, ...] = ()
    tags: dict[str, int] = attrs.field(factory=dict)


class Paid(Event, registry=MINE):
    amount: Decimal


class Order(AggregateRoot):
    total = Decimal(0)
    paid = Decimal(0)

    def __init__(self, id):
        super().__init__(id)
        self.lock = threading.Lock()  # two of its kind are never equal

    def place(self, total, **more):
        self.record(Placed(total=Decimal(total), **more))

    def pay(self, amount):
        if self.paid + amount > self.total:
            raise ValueError("that is more than the order costs")
        self.record(Paid(amount=Decimal(amount)))
        return self.total - self.paid

    def cheat(self):
        self.total = Decimal(1)

    async def wait(self):
        pass

    @when(Placed)
    def _placed(self, event):
        self.total = event.total

    @when(Paid)
    def _paid(self, event):
        self.paid += event.amount


@dataclass(frozen=True)
class Pay:
    amount: int


@dataclass(frozen=True)
class State:
    total: Decimal = Decimal(0)
    paid: Decimal = Decimal(0)


def decide(command, state):
    if command.amount > state.total:
        raise ValueError("too much")
    return [Paid(amount=Decimal(command.amount))] if command.amount else []


def evolve(state, event):
    if isinstance(event, Placed):
        return State(event.total, state.paid)
    return State(state.total, state.paid + event.amount)


ORDERING = Decider(State(), decide, evolve)
PLACED = Placed(total=Decimal(9))


def test_an_aggregate_decides_as_expected():
    decision = given(Order, PLACED, id="A").when(Order.pay, 5).then(Paid(amount=Decimal(5)))
    decision.then_state(total=9, paid=5).then_returns(4)
    assert (decision.aggregate.id, decision.aggregate.version) == ("A", 2)
    given(Order, PLACED).when(lambda order: order.pay(10)).then_raises(ValueError, match="more")
    given(Order).when(lambda order: None).then_nothing()
    given(Order).when(Order.place, 3, tags={"a": 1}).then_state(total=3)


def test_a_decider_decides_as_expected():
    given(ORDERING, PLACED).when(Pay(5)).then(Paid(amount=Decimal(5))).then_state(
        State(Decimal(9), Decimal(5))
    ).then_state(paid=5)
    given(ORDERING, PLACED).when(Pay(10)).then_raises(ValueError, match="^too much$")
    given(ORDERING, PLACED).when(Pay(0)).then_nothing()
    given(ORDERING, PLACED).when(lambda order: order.decide(Pay(1)) + order.decide(Pay(2))).then(
        Paid(amount=Decimal(1)), Paid(amount=Decimal(2))
    )


def fails(check, *parts):
    with pytest.raises(AssertionError) as raised:
        check()
    for part in parts:
        assert part in str(raised.value)
    return raised.value


def test_the_field_that_differs_is_shown():
    lines = (Line("a", Decimal(1)), Line("b", Decimal(2)))
    decision = given(Order).when(Order.place, 3, lines=lines, tags={"x": 1})
    wrong = Placed(
        total=Decimal(3), lines=(Line("a", Decimal(1)), Line("b", Decimal(7))), tags={"y": 1}
    )
    error = fails(lambda: decision.then(wrong))
    assert str(error).splitlines() == [
        "the recorded events differ",
        "  event 1, Placed: lines[1].price: expected Decimal('7'), got Decimal('2')",
        "  event 1, Placed: tags['y']: expected 1, got nothing",
        "  event 1, Placed: tags['x']: expected nothing, got 1",
    ]


def test_too_few_too_many_and_other_events_are_shown():
    decision = given(Order, PLACED).when(Order.pay, 5)
    fails(decision.then_nothing, "event 1: expected nothing, got Paid(amount=Decimal('5'))")
    paid = Paid(amount=Decimal(5))
    fails(lambda: decision.then(paid, paid), "event 2: expected Paid(", "got nothing")
    fails(lambda: decision.then(PLACED), "expected Placed(total=Decimal('9'), ", "got Paid(")


def test_an_error_is_not_passed_over():
    decision = given(Order).when(Order.pay, 5)
    for check in (decision.then_nothing, decision.then_state, lambda: decision.then_returns(1)):
        error = fails(check, "ValueError('that is more than the order costs')")
        assert isinstance(error.__cause__, ValueError)
    fails(lambda: decision.then_raises(KeyError), "expected KeyError, got ValueError")
    fails(lambda: decision.then_raises(ValueError, match="less"), "'less'", "more than")
    quiet = given(Order, PLACED).when(Order.pay, 5)
    fails(lambda: quiet.then_raises(ValueError), "none was raised; recorded: Paid(")


def test_the_state_that_differs_is_shown():
    decision = given(Order, PLACED).when(Order.pay, 5)
    fails(lambda: decision.then_state(paid=4, total=9), "paid: expected 4, got Decimal('5')")
    fails(lambda: decision.then_state(payed=4), "payed: expected 4, but there is no such")
    fails(lambda: decision.then_returns(5), "value: expected 5, got Decimal('4')")
    decided = given(ORDERING, PLACED).when(Pay(5))
    fails(lambda: decided.then_state(State(Decimal(9))), "state.paid: expected Decimal('0'), got")


def test_ids_times_and_what_is_inherited_count_only_when_asked_for():
    with use_trace("4bf92f3577b34da6a3ce929d0e0e4736"):
        decision = given(Order, PLACED).when(Order.pay, 5)
    decision.then(Paid(amount=Decimal(5)))
    fails(
        lambda: decision.then(Paid(amount=Decimal(5)), metadata=True),
        "id: ",
        "timestamp: ",
        "trace",
    )
    fails(lambda: decision.then(Paid(amount=Decimal(5), source="shop")), "source: expected 'shop'")
    decision.then(decision.events[0], metadata=True)


def test_a_change_that_no_event_says_is_found():
    error = fails(lambda: given(Order, PLACED).when(Order.cheat))
    assert str(error).startswith("Order.total was changed outside the @when methods: it is Decim")
    assert "Decimal('9') once its events are replayed" in str(error)


def test_an_event_that_is_changed_is_found():
    class Careless(Order):
        def _placed(self, event):
            self.tags = event.tags

        def tag(self):
            self.tags["x"] = 1

    placed = Placed(total=Decimal(1), tags={"y": 1})
    error = fails(lambda: given(Careless, placed).when(Careless.tag))
    assert str(error).splitlines() == [
        "an event was changed",
        "  event 1, Placed: tags['x']: expected nothing, got 1",
    ]


def test_a_decider_that_is_not_pure_is_found():
    def add(state, event):
        state["total"] = event.total
        return state

    def spend(command, state):
        state["spent"] = 1
        return []

    def forget(state, event):
        pass

    fails(
        lambda: given(Decider({}, decide, add), PLACED).when(Pay(1)),
        "evolve changed the state", "state['total']: expected nothing, got Decimal('9')",
    )  # fmt: skip
    fails(lambda: given(Decider({}, spend, add)).when(Pay(1)), "decide changed", "['spent']")
    fails(lambda: given(Decider({}, decide, forget), PLACED).when(Pay(1)), "evolve returned None")


def test_a_state_that_cannot_be_compared_is_left_alone():
    class Odd:
        total = 0

    class Locked(Odd):
        def __init__(self):
            self.lock = threading.Lock()

    for initial in (Odd(), Locked()):
        given(Decider(initial, lambda command, state: [], evolve)).when(Pay(1)).then_nothing()


def test_misuse_is_refused():
    with pytest.raises(
        TypeError, match="subject must be an aggregate class, a decider, a projection or"
    ):
        given(PLACED)
    with pytest.raises(TypeError, match="events must be events, not 1"):
        given(Order, 1)
    with pytest.raises(TypeError, match=r"function of the aggregate, not Pay\("):
        given(Order).when(Pay(1))
    with pytest.raises(TypeError, match=r"plain function, not .*Order\.wait"):
        given(Order).when(Order.wait)


def test_frozen_ids_and_times_are_the_same_in_each_run():
    def story():
        with frozen(datetime(2030, 1, 1, tzinfo=UTC)) as world:
            first = Placed(total=Decimal(1))
            world.advance(hours=1, seconds=1)
            return first, Placed(total=Decimal(1)), Snapshot(aggregate_id="A", version=1, state={})

    first, second, snapshot = story()
    assert story() == (first, second, snapshot)
    assert second.timestamp == snapshot.timestamp == datetime(2030, 1, 1, 1, 0, 1, tzinfo=UTC)
    assert first.id < second.id
    assert {UUID(each.id).version for each in (first, second)} == {7}
    assert UUID(first.id).variant == UUID(new_id()).variant


def test_frozen_time_is_given_in_utc():
    summer = timezone(timedelta(hours=2))
    with frozen(datetime(2030, 1, 1, 2, tzinfo=summer)):
        assert (now(), now().tzinfo) == (datetime(2030, 1, 1, tzinfo=UTC), UTC)


def test_frozen_ends_and_nests_in_any_order():
    inner, outer = frozen(ids=["b"]), frozen(ids=["a1", "a2"])
    outer.__enter__()
    assert new_id() == "a1"
    inner.__enter__()
    assert new_id() == "b"
    outer.__exit__(None, None, None)
    with pytest.raises(AssertionError, match="no more ids"):
        new_id()
    inner.__exit__(None, None, None)
    assert UUID(new_id()).version == 7
    assert abs(now() - datetime.now(UTC)) < timedelta(minutes=1)


async def test_frozen_holds_in_tasks_and_threads():
    go = asyncio.Event()

    async def later():
        await go.wait()
        return now()

    before = asyncio.create_task(later())
    with frozen() as world:
        go.set()
        assert await before == await asyncio.to_thread(now) == world.now


def test_frozen_refuses_what_it_cannot_use():
    for wrong, error in ((datetime(2030, 1, 1), ValueError), ("2030", TypeError)):
        with pytest.raises(error, match="clock must be an aware datetime"), frozen(wrong):
            pass
    with pytest.raises(TypeError, match="ids must be several"), frozen(ids="abc"):
        pass
    assert UUID(new_id()).version == 7
