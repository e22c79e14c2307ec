"""What a saga is, without a store: its class, its handlers, its state, its tests."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import attrs
import pytest

from orchestrix_core import (
    Command,
    Event,
    JSONSerializer,
    MessageRegistry,
    Orchestrix,
    OrchestrixError,
    Saga,
    SagaStateError,
    SerializationError,
    UnknownMessageType,
    on,
)
from orchestrix_core.sagas import CommandsSent, Instance, Outgoing, Reacted, Reactor, saga_of
from orchestrix_core.sagas._stored import Packed, pack, unpack
from orchestrix_core.testing import frozen, given


class Placed(Event, type="test.saga.placed"):
    order: str
    total: Decimal = Decimal(5)


class PlacedByPhone(Placed, type="test.saga.placed-by-phone"):
    pass


class Paid(Event, type="test.saga.paid"):
    order: str


class Refused(Event, type="test.saga.refused"):
    order: str


class Overdue(Event, type="test.saga.overdue"):
    order: str


class Reserve(Command, type="test.saga.reserve"):
    order: str
    amount: int = 1


class Release(Command, type="test.saga.release"):
    order: str


class Charge(Command, type="test.saga.charge"):
    order: str


class Refund(Command, type="test.saga.refund"):
    order: str


class Remind(Command, type="test.saga.remind"):
    order: str


class Ship(Command, type="test.saga.ship"):
    order: str


MINUTES = timedelta(minutes=15)


@attrs.frozen
class Progress:
    total: Decimal = Decimal(0)
    paid: bool = False


class Fulfilment(Saga, key="order"):
    state: Progress = Progress()

    @on(Placed, starts=True)
    def placed(self, event):
        self.state = attrs.evolve(self.state, total=event.total)
        self.send(Reserve(order=event.order), undo=Release(order=event.order))
        self.send(Charge(order=event.order), undo=Refund(order=event.order))
        self.schedule(Overdue(order=event.order), after=MINUTES)
        self.schedule(Remind(order=event.order), after=MINUTES / 3, name="reminder")

    @on(Paid)
    async def paid(self, event):
        await asyncio.sleep(0)
        self.cancel(Overdue)
        self.state = attrs.evolve(self.state, paid=True)
        self.send(Ship(order=event.order))
        self.complete()

    @on(Refused)
    def refused(self, event):
        self.compensate()

    @on(Overdue, timeout=True)
    def overdue(self, event):
        self.compensate()

    def on_failure(self, command, error):
        self.compensate()


PLACED = Placed(order="1")


# --- what is asked for


def test_a_saga_asks_for_commands_and_time_outs():
    decision = given(Fulfilment).when(PLACED)
    decision.then_sends(Reserve(order="1"), Charge(order="1")).then_goes_on()
    decision.then_schedules(Overdue(order="1"), after=MINUTES)
    decision.then_schedules(Remind(order="1"), after=timedelta(minutes=5), name="reminder")
    decision.then_state(Progress(total=Decimal(5))).then_state(paid=False).then_compensates()
    assert decision.key == "1"


def test_a_subclass_is_heard_and_an_async_handler_awaited():
    given(Fulfilment, PlacedByPhone(order="1")).when(Paid(order="1")).then_sends(
        Ship(order="1")
    ).then_completes().then_cancels(Overdue).then_state(paid=True, total=Decimal(5))


def test_compensation_is_in_reverse_order():
    given(Fulfilment, PLACED).when(Refused(order="1")).then_compensates(
        Refund(order="1"), Release(order="1")
    ).then_sends().then_cancels(Overdue)


def test_instances_are_found_by_their_keys():
    history = [PLACED, Placed(order="2"), Paid(order="1")]
    given(Fulfilment, *history).when(Refused(order="2")).then_compensates(
        Refund(order="2"), Release(order="2")
    )
    given(Fulfilment, *history).when(Refused(order="1")).then_nothing()
    given(Fulfilment, *history).when(Refused(order="3")).then_nothing()


def test_a_time_out_comes_to_who_waits_for_it():
    overdue = Overdue(order="1")
    given(Fulfilment, PLACED).when(overdue).then_compensates(Refund(order="1"), Release(order="1"))
    given(Fulfilment, PLACED, Paid(order="1")).when(overdue).then_nothing()
    given(Fulfilment).when(overdue).then_nothing()


def test_a_command_that_fails_needs_no_undo():
    past = given(Fulfilment, PLACED)
    past.when_fails(Charge(order="1"), ValueError()).then_compensates(Release(order="1"))
    given(Fulfilment, PLACED).when_fails(Reserve(order="1"), ValueError()).then_compensates()
    with pytest.raises(AssertionError, match=r"amount=2\) was not sent; sent was Reserve\(order"):
        given(Fulfilment, PLACED).when_fails(Reserve(order="1", amount=2), ValueError())


def test_ids_follow_from_the_event():
    first, second = (given(Fulfilment).when(PLACED) for _ in range(2))
    assert [one.id for one in first.sends] == [one.id for one in second.sends]
    assert len({one.id for one in first.sends} | {one.message.id for one in first.timings}) == 4
    other = given(Fulfilment).when(Placed(order="1"))
    assert not {one.id for one in other.sends} & {one.id for one in first.sends}


def test_what_is_asked_for_says_what_caused_it():
    decision = given(Fulfilment).when(PLACED)
    assert {one.causation_id for one in decision.sends} == {PLACED.id}
    assert decision.timings[0].message.correlation_id == PLACED.id


def test_several_undos_in_one_reaction_and_going_on():
    class Back(Saga, key="order"):
        @on(Placed, starts=True)
        def placed(self, event):
            self.send(Reserve(order="a"), undo=Release(order="a"))
            self.send(Reserve(order="b"), undo=Release(order="b"))
            self.compensate(end=False)
            self.send(Ship(order="c"))
            self.compensate(end=False)

    decision = given(Back).when(PLACED).then_goes_on()
    assert decision.reaction is not None
    shown = [
        (type(one.command).__name__, one.command.order) for one in decision.reaction.sends
    ]  # all of it, in the order in which it is sent
    assert shown == [
        ("Reserve", "a"), ("Reserve", "b"), ("Release", "b"), ("Release", "a"), ("Ship", "c"),
    ]  # fmt: skip
    given(Back, PLACED).when(Placed(order="1")).then_compensates(
        Release(order="b"), Release(order="a")
    )


def test_scheduled_again_under_its_name_the_first_does_not_come():
    class Again(Saga, key="order"):
        @on(Placed, starts=True)
        def placed(self, event):
            self.schedule(Overdue(order="first"), after=MINUTES)
            self.schedule(Overdue(order="second"), at=datetime(2030, 1, 1, tzinfo=UTC))

        @on(Paid)
        def paid(self, event):
            self.schedule(Overdue(order="third"), after=MINUTES)
            assert self.cancel("no such") is False

        @on(Overdue, timeout=True)
        def overdue(self, event): ...

    decision = given(Again).when(PLACED)
    decision.then_schedules(Overdue(order="second"), at=datetime(2030, 1, 1, tzinfo=UTC))
    assert len(decision.timings) == 1
    decision = given(Again, PLACED).when(Paid(order="1")).then_cancels("test.saga.overdue")
    decision.then_schedules(Overdue(order="third"), after=MINUTES)


def test_time_passes_by_the_clock_of_the_test():
    with frozen() as world:
        decision = given(Fulfilment).when(PLACED)
        decision.then_schedules(Overdue(order="1"), at=world.now + MINUTES)


def test_an_instance_with_settings_can_be_given():
    class Patient(Saga, key="order"):
        def __init__(self, patience):
            self.patience = patience

        @on(Placed, starts=True)
        def placed(self, event):
            self.schedule(Remind(order=self.key), after=self.patience)

    given(Patient(MINUTES)).when(PLACED).then_schedules(Remind(order="1"), after=MINUTES)


class Weight:
    def __init__(self, grams):
        self.grams = grams

    def __eq__(self, other):
        return self.grams == other.grams

    def __hash__(self):
        return hash(self.grams)


class Weigh(Command, type="test.saga.weigh"):
    weight: Weight


def test_the_serializer_of_the_application_can_be_given():
    serializer = JSONSerializer()
    serializer.register_hooks(Weight, unstructure=lambda one: one.grams, structure=Weight)

    class Weighing(Saga, key="order"):
        @on(Placed, starts=True)
        def placed(self, event):
            self.send(Weigh(weight=Weight(5)))

    given(Weighing, serializer=serializer).when(PLACED).then_sends(Weigh(weight=Weight(5)))
    with pytest.raises(SerializationError, match="weight"):
        given(Weighing).when(PLACED)


# --- what assertions show


@pytest.mark.parametrize(
    ("check", "shown"),
    [
        (
            lambda done: done.then_sends(Reserve(order="1", amount=2), Charge(order="1")),
            "the commands differ\n  command 1, Reserve: amount: expected 2, got 1",
        ),
        (
            lambda done: done.then_sends(Reserve(order="1")),
            "command 2: expected nothing, got Charge(order='1')",
        ),
        (
            lambda done: done.then_compensates(Release(order="1")),
            "the compensation differs\n  command 1: expected Release(order='1'), got nothing",
        ),
        (
            lambda done: done.then_schedules(Overdue(order="2"), after=MINUTES),
            "what is scheduled differs\n  message 1, Overdue: order: expected '2', got '1'",
        ),
        (
            lambda done: done.then_schedules(Overdue(order="1"), after=MINUTES * 2),
            "after: expected 0:30:00, got after 0:15:00",
        ),
        (
            lambda done: done.then_schedules(Ship(order="1"), after=MINUTES),
            "expected that Ship(order='1') is scheduled\n  scheduled was Overdue(order='1') after",
        ),
        (lambda done: done.then_schedules(), "expected that nothing is scheduled"),
        (lambda done: done.then_completes(), "expected completed, got running"),
        (lambda done: done.then_cancels(Overdue), "'test.saga.overdue' is not; cancelled: []"),
        (lambda done: done.then_nothing(), "command 1: expected nothing, got Reserve(order='1'"),
        (lambda done: done.then_state(paid=True), "paid: expected True, got False"),
        (lambda done: done.then_state(other=1), "other: expected 1, but there is no such"),
    ],
)
def test_an_assertion_shows_what_differs(check, shown):
    with pytest.raises(AssertionError) as caught:
        check(given(Fulfilment).when(PLACED))
    assert shown in str(caught.value)


def test_an_event_that_nobody_hears_is_a_mistake_of_the_test():
    class Other(Event, type="test.saga.other"):
        pass

    with pytest.raises(AssertionError, match="Fulfilment does not hear Other"):
        given(Fulfilment).when(Other())
    with pytest.raises(TypeError, match="when takes the event"):
        given(Fulfilment).when(Reserve(order="1"))
    with pytest.raises(AssertionError, match="no instance heard the event"):
        given(Fulfilment).when(Paid(order="1")).then_state(paid=True)
    with pytest.raises(AssertionError, match="expected running, got ignored"):
        given(Fulfilment).when(Paid(order="1")).then_goes_on()


# --- what is refused


def test_a_method_is_heard_with_clear_options():
    with pytest.raises(TypeError, match=r"Bad.placed says not which instance the event is for"):

        class Bad(Saga):
            @on(Placed, starts=True)
            def placed(self, event): ...

    with pytest.raises(TypeError, match="no option 'begins', it has key, starts and timeout"):

        class Worse(Saga, key="order"):
            @on(Placed, begins=True)
            def placed(self, event): ...

    with pytest.raises(TypeError, match=r"Arity.placed takes \(self, event\)"):

        class Arity(Saga, key="order"):
            @on(Placed, starts=True)
            def placed(self, event, app): ...

    with pytest.raises(TypeError, match="no key, no starts"):

        class Late(Saga):
            @on(Overdue, timeout=True, starts=True)
            def overdue(self, event): ...

    with pytest.raises(TypeError, match="Placed is heard by both one and two"):

        class Twice(Saga, key="order"):
            @on(Placed, starts=True)
            def one(self, event): ...
            @on(Placed, starts=True)
            def two(self, event): ...

    with pytest.raises(TypeError, match="must name a field of the event, or be a function"):

        class Wrong(Saga, key="order id"):
            @on(Placed, starts=True)
            def placed(self, event): ...


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"name": "a-b"}, "up to 40 letters, digits and _"),
        ({"version": 0}, "version must be a whole number from 1"),
        ({"partitions": 0}, "partitions must be a whole number from 1"),
        ({"start": "later"}, 'start must be "beginning" or "now"'),
    ],
)
def test_a_class_that_cannot_work_is_refused(options, said):
    with pytest.raises(ValueError, match=said):
        type("Bad", (Saga,), {}, **options)


def test_what_is_no_saga_is_refused():
    class Never(Saga, key="order"):
        @on(Paid)
        def paid(self, event): ...

    with pytest.raises(TypeError, match="Never never begins"):
        saga_of(Never)
    with pytest.raises(TypeError, match="subclass of Saga"):
        saga_of(Saga)
    with pytest.raises(TypeError, match="subclass of Saga"):
        saga_of(object)  # type: ignore[arg-type]


def test_a_misspelt_key_is_refused_when_the_saga_is_registered():
    class Misspelt(Saga, key="ordre"):
        @on(Placed, starts=True)
        def placed(self, event): ...

    said = r"Misspelt.placed: the key 'ordre' is no field of Placed: did you mean 'order'\?"
    with pytest.raises(TypeError, match=said):
        saga_of(Misspelt)


def test_a_key_that_only_a_subclass_has_is_told_when_it_is_missed():
    class Noted(Event, type="test.saga.noted"):
        text: str

    class NotedOfOrder(Noted, type="test.saga.noted-of-order"):
        order: str

    class Noting(Saga, key="order"):
        @on(Noted, starts=True)
        def noted(self, event):
            self.complete()

    given(Noting).when(NotedOfOrder(text="x", order="1")).then_completes()
    said = r"the key that Noting.noted has for test.saga.noted reads a field that is not"
    with pytest.raises(TypeError, match=said):
        given(Noting).when(Noted(text="x"))


@pytest.mark.parametrize("key", ["", 7, "\ud800"])
def test_a_key_is_a_text(key):
    class Keyed(Saga, key=lambda event: key):
        @on(Placed, starts=True)
        def placed(self, event): ...

    with pytest.raises((TypeError, ValueError), match=r"the key that Keyed.placed has for test"):
        given(Keyed).when(PLACED)


def test_an_event_without_a_key_is_for_no_instance():
    class Some(Saga):
        @on(Placed, starts=True, key=lambda event: None if event.order == "1" else event.order)
        def placed(self, event):
            self.complete()

    given(Some).when(PLACED).then_nothing()
    given(Some).when(Placed(order="2")).then_completes()


def test_what_is_asked_for_is_checked():
    class Asking(Saga, key="order"):
        ask = staticmethod(lambda saga: None)

        @on(Placed, starts=True)
        def placed(self, event):
            type(self).ask(self)

        @on(Overdue, timeout=True)
        def overdue(self, event): ...

    def asked(function, error, said):
        Asking.ask = staticmethod(function)
        with pytest.raises(error, match=said):
            given(Asking).when(PLACED)

    reserve, paid = Reserve(order="1"), Paid(order="1")
    asked(lambda saga: saga.send(paid), TypeError, "command must be a Command")
    asked(lambda saga: saga.send(reserve, paid), TypeError, "undo must be a Command")
    asked(lambda saga: saga.schedule(reserve), TypeError, "takes at=, an aware datetime, or")
    asked(lambda saga: saga.schedule(reserve, after=5), TypeError, "after must be a timedelta")
    asked(lambda saga: saga.schedule(reserve, at=datetime(2020, 1, 1)), ValueError, "time zone")
    asked(lambda saga: saga.schedule("x", after=MINUTES), TypeError, "a Command or Event")
    asked(
        lambda saga: saga.schedule(paid, after=MINUTES),
        TypeError,
        r"Asking does not hear it: mark a method @on\(Paid, timeout=True\)",
    )
    asked(
        lambda saga: saga.schedule(Overdue(order="1"), after=MINUTES, name=""),
        ValueError,
        "name must not be empty",
    )


def test_outside_of_a_handler_there_is_nothing_to_react_to():
    with pytest.raises(OrchestrixError, match="reacts to nothing now"):
        Fulfilment().send(Reserve(order="1"))
    with pytest.raises(OrchestrixError, match="reacts to nothing now"):
        _ = Fulfilment().key


# --- state


def test_state_that_would_not_come_back_is_refused():
    class Typed(Saga, key="order"):
        state: Progress = Progress()

        @on(Placed, starts=True)
        def placed(self, event):
            self.state = Progress(total="5")  # type: ignore[arg-type]

    with pytest.raises(SerializationError, match=r"Typed.state"):
        given(Typed).when(PLACED)

    class Free(Saga, key="order"):
        @on(Placed, starts=True)
        def placed(self, event):
            self.state = {"total": event.total}

    with pytest.raises(SerializationError, match=r"Free.state\['total'\]"):
        given(Free).when(PLACED)


def test_instances_do_not_share_their_state():
    class Counting(Saga, key="order"):
        state: dict[str, int] = {}  # noqa: RUF012

        @on(Placed, starts=True)
        def placed(self, event):
            self.state[event.order] = self.state.get(event.order, 0) + 1

    given(Counting, PLACED, Placed(order="2")).when(Placed(order="1")).then_state({"1": 2})
    assert Counting.state == {}


def reacted(state, schema):
    return Reacted(saga="S", key="k", cause_id="c", cause_type="t", state=state, schema=schema)


def test_state_of_another_version_is_upgraded_or_refused():
    class Old(Saga, key="order", version=2):
        state: Progress = Progress()

        @on(Placed, starts=True)
        def placed(self, event): ...

    class New(Old, version=3):
        @classmethod
        def upgrade(cls, state, version):
            assert version == 1
            return {"total": state["sum"], "paid": False}

    stored = Instance("k", [reacted({"sum": "7"}, 1)])
    assert Reactor(New(), JSONSerializer()).state_of(stored) == Progress(total=Decimal(7))
    with pytest.raises(SagaStateError, match=r"at version 1, its class is at 2: Old.upgrade"):
        Reactor(Old(), JSONSerializer()).state_of(stored)
    newer = Instance("k", [reacted({}, 4)])
    with pytest.raises(SagaStateError, match="run the newer version of the application"):
        Reactor(New(), JSONSerializer()).state_of(newer)
    broken = Instance("k", [reacted({"total": "x"}, 2)])
    with pytest.raises(SerializationError, match=r"Old.state"):
        Reactor(Old(), JSONSerializer()).state_of(broken)


# --- what is stored


def test_events_of_a_saga_come_back_in_any_registry():
    serializer = JSONSerializer(MessageRegistry())
    packed = Packed(type="t", version=1, data="{}")
    for event in (
        attrs.evolve(reacted({"a": [1, None]}, 1), commands=(Outgoing(id="1", command=packed),)),
        CommandsSent(reaction="r", count=1),
    ):
        data = serializer.encode(event)
        assert serializer.decode(event.type, 1, data) == event


def test_a_command_of_an_unknown_class_is_told():
    packed = pack(Reserve(order="1"), JSONSerializer())
    assert unpack(packed, JSONSerializer(), Command).order == "1"
    for unknown in ("error", "raw"):
        with pytest.raises(UnknownMessageType, match=r"test.saga.reserve"):
            unpack(packed, JSONSerializer(MessageRegistry(), unknown=unknown), Command)
    with pytest.raises(UnknownMessageType):
        unpack(packed, JSONSerializer(), Event)


def test_a_saga_needs_a_store_with_documents():
    component = Fulfilment().__orchestrix_component__(Orchestrix(store=object()))  # type: ignore[arg-type]
    assert set(component.requires) == {"documents", "global_log"}
    (subscription,) = component.subscriptions()
    assert (subscription.name, subscription.transactional) == ("saga-Fulfilment", False)
    assert {"test.saga.placed-by-phone", "test.saga.overdue"} <= (subscription.types or set())
