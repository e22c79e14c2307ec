"""Messages: three spellings that behave as one, and what they inherit while handling."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import pickle
from datetime import UTC, datetime
from decimal import Decimal
from typing import ClassVar

import attrs
import pytest

from orchestrix_core import Command, Event, Message, MessageRegistry, handling, use_trace
from orchestrix_core.messages import METADATA, stored_as

MINE = MessageRegistry()
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@attrs.frozen
class Line:
    sku: str
    quantity: int


class Bare(Event, registry=MINE):
    kinds: ClassVar[int] = 3
    order_id: str
    total: Decimal = Decimal("0.00")
    lines: tuple[Line, ...] = ()
    notes: list[str] = attrs.field(factory=list)


@attrs.frozen(kw_only=True)
class Attrs(Event, registry=MINE):
    kinds: ClassVar[int] = 3
    order_id: str
    total: Decimal = Decimal("0.00")
    lines: tuple[Line, ...] = ()
    notes: list[str] = attrs.field(factory=list)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dataclass(Event, registry=MINE):
    kinds: ClassVar[int] = 3
    order_id: str
    total: Decimal = Decimal("0.00")
    lines: tuple[Line, ...] = ()
    notes: list[str] = dataclasses.field(default_factory=list)


SPELLINGS = pytest.mark.parametrize("cls", [Bare, Attrs, Dataclass])


class Child(Bare, registry=MINE):
    extra: int = 1


@attrs.frozen(kw_only=True)
class AttrsChild(Attrs, registry=MINE):
    extra: int = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataclassChild(Dataclass, registry=MINE):
    extra: int = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class OfBare(Bare, registry=MINE):
    extra: int = 1


CHILDREN = pytest.mark.parametrize("cls", [Child, AttrsChild, DataclassChild, OfBare])


@SPELLINGS
def test_metadata_has_its_defaults(cls):
    before = datetime.now(UTC)
    event = cls(order_id="1")
    assert len(event.id) == 36
    assert event.id[14] == "7"
    assert before <= event.timestamp <= datetime.now(UTC)
    assert event.timestamp.tzinfo is UTC
    assert (event.type, event.source, event.specversion) == (cls.__name__, "orchestrix", "1.0")
    assert {getattr(event, name) for name in METADATA - _SET} == {None}


_SET = {"id", "timestamp", "type", "source", "specversion"}


@SPELLINGS
def test_ids_sort_by_the_time_they_were_made(cls):
    ids = [cls(order_id="1").id for _ in range(1000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 1000


@SPELLINGS
def test_fields_are_keyword_only_and_checked(cls):
    with pytest.raises(TypeError, match="positional"):
        cls("1")
    with pytest.raises(TypeError, match="order_id"):
        cls()
    with pytest.raises(TypeError, match="ordr_id"):
        cls(ordr_id="1")


@SPELLINGS
def test_an_instance_never_changes(cls):
    event = cls(order_id="1")
    for name in ("order_id", "id", "anything"):
        with pytest.raises(AttributeError):
            setattr(event, name, "2")
    with pytest.raises(AttributeError):
        del event.order_id


@SPELLINGS
def test_equality_is_by_class_and_by_every_field(cls):
    event = cls(order_id="1", lines=(Line("a", 1),))
    assert event == attrs.evolve(event)
    assert event != attrs.evolve(event, order_id="2")
    assert event != attrs.evolve(event, id="other")
    assert len({event.id, cls(order_id="1").id}) == 2


def test_classes_with_equal_fields_are_not_equal():
    fields = {"order_id": "1", "id": "x", "timestamp": datetime.now(UTC)}
    assert Bare(**fields) != Attrs(**fields)


@SPELLINGS
def test_default_factories_give_each_its_own(cls):
    first, second = cls(order_id="1"), cls(order_id="2")
    assert first.notes == []
    assert first.notes is not second.notes


@SPELLINGS
def test_copy_and_pickle_give_an_equal_message(cls):
    event = cls(order_id="1", lines=(Line("a", 1),), notes=["x"])
    assert copy.copy(event) == event
    assert copy.deepcopy(event) == event
    assert pickle.loads(pickle.dumps(event)) == event  # noqa: S301  # our own bytes


@SPELLINGS
def test_the_repr_shows_own_fields_and_metadata(cls):
    shown = repr(cls(order_id="1", id="abc"))
    assert shown.startswith(f"{cls.__name__}(")
    assert "order_id='1'" in shown
    assert "id='abc'" in shown


@SPELLINGS
def test_a_class_variable_is_no_field(cls):
    assert cls.kinds == 3
    assert "kinds" not in {field.name for field in attrs.fields(cls)}


@CHILDREN
def test_a_subclass_has_its_parents_fields(cls):
    event = cls(order_id="1", extra=5)
    assert (event.order_id, event.extra, event.notes) == ("1", 5, [])
    assert event.type == cls.__name__


def test_stored_name_and_version_come_from_the_class():
    class Shipped(Event, type="com.acme.shipped", version=3, registry=MINE):
        order_id: str

    class Late(Shipped, registry=MINE):
        pass

    assert Shipped(order_id="1").type == "com.acme.shipped"
    assert stored_as(Shipped(order_id="1")) == ("com.acme.shipped", 3)
    assert stored_as(Late(order_id="1")) == ("Late", 1)


def test_post_init_runs_in_either_spelling():
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Checked(Event, registry=MINE):
        amount: int

        def __post_init__(self):
            if self.amount < 0:
                raise ValueError("amount")

    class Other(Event, registry=MINE):
        amount: int = attrs.field(validator=attrs.validators.ge(0))

    for cls in (Checked, Other):
        assert cls(amount=1).amount == 1
        with pytest.raises(ValueError, match="amount"):
            cls(amount=-1)


def test_what_the_class_writes_itself_stays():
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Short(Event, registry=MINE):
        name: str

        def __repr__(self):
            return f"<{self.name}>"

    class Bare(Event, registry=MINE):
        name: str

        def __repr__(self):
            return f"<{self.name}>"

    assert repr(Short(name="a")) == repr(Bare(name="a")) == "<a>"


def define(**body):
    annotations = body.pop("annotations", {})
    return type("Wrong", (Event,), {"__annotations__": annotations, **body}, registry=MINE)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"annotations": {"id": int}}, r"Wrong\.id: .*name yours otherwise"),
        ({"type": "order.placed"}, r'Wrong\.type: .*class X\(Event, type="..."\)'),
        ({"annotations": {"x": list}, "x": []}, r"Wrong\.x: a mutable default.*factory"),
        ({"annotations": {"x": dict}, "x": attrs.field(default={})}, r"Wrong\.x: a mutable"),
        ({"annotations": {"x": set}, "x": dataclasses.field(default={1})}, r"Wrong\.x: a mutable"),
        ({"__init__": lambda self: None}, r"Wrong\.__init__: declare fields"),
        ({"annotations": {"x": "dataclasses.InitVar[int]"}}, r"Wrong\.x: InitVar is not stored"),
    ],
)
def test_a_class_that_cannot_work_is_refused_where_it_is_defined(body, message):
    with pytest.raises(TypeError, match=message):
        define(**body)


def test_a_slotted_dataclass_is_refused_and_says_what_to_write():
    with pytest.raises(TypeError, match=r"leave out slots=True"):

        @dataclasses.dataclass(frozen=True, slots=True)
        class Slotted(Event, registry=MINE):
            x: int


@pytest.mark.parametrize("version", [0, -1, 1.5, True, "2"])
def test_a_schema_version_is_a_whole_number_from_one(version):
    with pytest.raises(TypeError, match="schema version"):
        type("Wrong", (Event,), {}, version=version, registry=MINE)


@pytest.mark.parametrize("name", ["", 3])
def test_a_stored_name_is_text(name):
    with pytest.raises(TypeError, match="stored name"):
        type("Wrong", (Event,), {}, type=name, registry=MINE)


class Place(Command, registry=MINE):
    pass


class Placed(Event, registry=MINE):
    pass


def test_a_message_made_while_handling_inherits():
    command = Place(trace_id=TRACE)
    with handling(command):
        event = Placed()
        with handling(event):
            second = Placed()
    assert (event.correlation_id, event.causation_id, event.trace_id) == (
        command.id,
        command.id,
        TRACE,
    )
    assert (second.correlation_id, second.causation_id) == (command.id, event.id)
    after = Placed()
    assert (after.correlation_id, after.causation_id, after.trace_id) == (None, None, None)


def test_given_values_win_over_inherited_ones():
    with handling(Place(correlation_id="conversation")):
        assert Placed().correlation_id == "conversation"
        event = Placed(correlation_id="c", causation_id="d", trace_id=None)
    assert (event.correlation_id, event.causation_id, event.trace_id) == ("c", "d", None)


def test_an_active_trace_gives_the_trace_id():
    with use_trace(TRACE):
        assert Placed().trace_id == TRACE
        with handling(Place(trace_id="f" * 32)):
            assert Placed().trace_id == TRACE
    assert Placed().trace_id is None


SPAN = f"00-{TRACE}-00f067aa0ba902b7-01"


def test_an_active_span_gives_the_traceparent():
    assert Placed().traceparent is None
    with use_trace(TRACE, SPAN):
        assert Placed().traceparent == SPAN
        with use_trace("f" * 32):  # another trace, without a span: not the outer one's
            assert Placed().traceparent is None


def test_a_message_made_while_handling_goes_on_from_the_same_span():
    with handling(Place(trace_id=TRACE, traceparent=SPAN)):
        assert (Placed().trace_id, Placed().traceparent) == (TRACE, SPAN)


@pytest.mark.parametrize(
    "traceparent", ["", "x", SPAN.replace("4", "5", 1), SPAN[:-1], SPAN + "0", "01" + SPAN[2:]]
)
def test_a_traceparent_is_a_header_of_the_same_trace(traceparent):
    with pytest.raises(ValueError, match="W3C header"), use_trace(TRACE, traceparent):
        pass


@pytest.mark.parametrize("trace_id", ["", "0" * 32, "g" * 32, "A" * 32, "a" * 31])
def test_a_trace_id_is_32_hex_digits(trace_id):
    with pytest.raises(ValueError, match="32 lower-case hex digits"), use_trace(trace_id):
        pass


async def test_inheritance_holds_across_tasks_and_keeps_them_apart():
    async def handle(command):
        with handling(command):
            await asyncio.sleep(0)
            return await asyncio.gather(made(), made())

    async def made():
        await asyncio.sleep(0)
        return Placed().causation_id

    commands = [Place(), Place()]
    seen = await asyncio.gather(*map(handle, commands))
    assert seen == [[command.id] * 2 for command in commands]


def test_message_itself_can_be_made():
    assert Message().type == "Message"
