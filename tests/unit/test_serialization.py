"""The serializer: what goes in comes out, types included, or is refused with the field's path."""

from __future__ import annotations

import dataclasses
import enum
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any, Literal, NamedTuple, NewType, NotRequired, TypedDict
from uuid import UUID, uuid4

import attrs
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrix_core import (
    Event,
    JSONSerializer,
    MessageRegistry,
    RawEvent,
    SerializationError,
    UnknownMessageType,
    UpcastingError,
    decode_stored,
    handling,
    stored_as,
    upcaster,
)

MINE = MessageRegistry()
EAST = timezone(timedelta(hours=-5))


class Color(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Odd(enum.Enum):
    PAIR = (1, 2)
    PRICE = Decimal("1.0")


class Point(NamedTuple):
    x: int
    y: Decimal


class Street(TypedDict):
    street: str


class Address(Street, total=False):
    number: int


class Unseen(TypedDict):
    number: NotRequired[int]


@attrs.frozen
class Line:
    sku: str
    price: Decimal


@dataclasses.dataclass(frozen=True)
class Gift:
    sku: str
    note: str | None = None


@attrs.frozen
class Hidden:
    _secret: int


@attrs.define
class Changeable:
    x: int


@attrs.frozen
class Tree:
    value: int
    children: tuple[Tree, ...] = ()


class Box(msgspec.Struct, frozen=True):
    x: int


Sku = NewType("Sku", str)

EXACT = [
    (str, "é \x00 \U0001f600"),
    (str, ""),
    (int, 2**70),
    (int, -(2**63)),
    (bool, True),
    (float, 1.0),
    (float, -0.0),
    (float, 5e-324),
    (bytes, b"\x00\xff"),
    (Decimal, Decimal("1.500")),
    (Decimal, Decimal("1E+5")),
    (Decimal, Decimal("-0.00")),
    (datetime, datetime(2024, 2, 29, 1, 2, 3, 4, tzinfo=UTC)),
    (datetime, datetime(2024, 2, 29, 1, 2, 3, tzinfo=EAST)),
    (datetime, datetime(2024, 2, 29)),  # naive stays naive
    (date, date(2024, 2, 29)),
    (time, time(1, 2, 3, 4)),
    (time, time(1, 2, tzinfo=UTC)),
    (timedelta, timedelta(days=-1, microseconds=3)),
    (UUID, uuid4()),
    (Color, Color.RED),
    (Level, Level.HIGH),
    (Odd, Odd.PAIR),
    (Odd, Odd.PRICE),
    (Sku, Sku("a")),
    (str | None, None),
    (str | None, "a"),
    (int | str, "5"),
    (int | float, 1),
    (int | float, 1.0),
    (Decimal | str, Decimal("1.0")),
    (Decimal | str, "1.0"),
    (datetime | str | None, "2024-01-01T00:00:00Z"),
    (datetime | str | None, datetime(2024, 1, 1, tzinfo=UTC)),
    (datetime | str | None, None),
    (Literal["a", 1], 1),
    (list[Decimal], [Decimal("1.00")]),
    (Sequence[int], [1]),
    (set[int], {1, 2}),
    (frozenset[date], frozenset({date(2024, 1, 1)})),
    (tuple[int, ...], (1, 2)),
    (tuple[int, ...], ()),
    (tuple[int, str], (1, "a")),
    (list[tuple[int, Decimal]], [(1, Decimal("2.0"))]),
    (dict[str, list[int]], {"a": [1]}),
    (dict[UUID, Decimal], {uuid4(): Decimal("1.0")}),
    (dict[int, str], {1: "a"}),
    (Mapping[date, int], {date(2024, 1, 1): 1}),
    (Point, Point(1, Decimal("2.0"))),
    (Address, {"street": "x"}),
    (Address, {"street": "x", "number": 2}),
    (Line, Line("a", Decimal("1.10"))),
    (Gift, Gift("a")),
    (Gift | None, None),
    (Line | Gift, Line("a", Decimal("1.0"))),
    (Line | Gift, Gift("a", "b")),
    (tuple[Line | Gift, ...], (Gift("a"), Line("a", Decimal("1.0")))),
    (Hidden, Hidden(3)),
    (list[Hidden], [Hidden(3)]),
    (Tree, Tree(1, (Tree(2, (Tree(3),)),))),
    (Box, Box(1)),
    (Any, {"a": [1, 2.5, None, "x", True]}),
    (dict[str, Any], {"a": {"b": []}}),
    (list, [1, "a"]),
    (dict, {"a": 1}),
]


def event_class(hint: Any, **options: Any) -> type[Event]:
    body = {"__annotations__": {"value": hint}, "__module__": __name__, "__qualname__": "Holder"}
    return type("Holder", (Event,), body | options, registry=MINE)


@pytest.mark.parametrize(("hint", "value"), EXACT, ids=str)
def test_a_value_comes_back_as_it_was(hint, value):
    serializer = JSONSerializer(MINE)
    event = event_class(hint)(value=value)
    back = serializer.decode("Holder", 1, serializer.encode(event))
    assert back == event
    assert repr(back.value) == repr(event.value)
    assert type(back.value) is type(value)


WRONG = [
    (str, 1, "Holder.value: 1 is a int, declared is str"),
    (int, True, "declared is int"),
    (int, 1.0, "declared is int"),
    (float, 1, "declared is float"),
    (float, float("nan"), "Holder.value: nan has no JSON form"),
    (float, float("-inf"), "no JSON form"),
    (Decimal, 1.5, "declared is Decimal"),
    (str, "\ud800", "Holder.value: .*surrogates"),
    (bytes, bytearray(b"x"), "declared is bytes"),
    (datetime, datetime(2024, 1, 1, tzinfo=timezone(timedelta(seconds=30))), "whole number of mi"),
    (datetime, date(2024, 1, 1), "declared is datetime"),
    (list[int], (1,), "declared is list"),
    (tuple[int, ...], [1], "declared is tuple"),
    (tuple[int, ...], (1, "a"), r"Holder.value\[1\]: 'a' is a str"),
    (tuple[int, str], (1,), "1 items where 2 are declared"),
    (set[int], {"a"}, r"Holder.value\[0\]"),
    (dict[str, int], {"a": "b"}, r"Holder.value\['a'\]: 'b' is a str"),
    (dict[str, int], {1: 1}, r"Holder.value\[key 1\]"),
    (tuple[Line, ...], (Line("a", 1),), r"Holder.value\[0\].price: 1 is a int"),  # type: ignore[arg-type]  # wrong on purpose
    (Line | Gift, Line("a", 1), r"Holder.value.price"),  # type: ignore[arg-type]  # wrong on purpose
    (Line | Gift, Hidden(1), "declared is Gift or Line"),
    (Tree, Tree(1, (Tree("x"),)), r"Holder.value.children\[0\].value"),  # type: ignore[arg-type]  # wrong on purpose
    (Point, (1, Decimal(2)), "declared is Point"),
    (Address, {}, "the key 'street' is missing"),
    (Address, {"street": "a", "zip": 1}, "the key 'zip' is not declared"),
    (Unseen, {}, "NotRequired is not seen"),
    (Literal["a", 1], "b", "'b' is none of 'a', 1"),
    (Color, "red", "declared is Color"),
    (Any, {"a": (1,)}, r"Holder.value\['a'\]: .*JSON does not tell: annotate"),
    (Any, {1: 2}, "the key 1 is not a str"),
    (Any, [Decimal(1)], r"Holder.value\[0\]: .*Decimal"),
    (object, object(), "JSON does not tell"),
    (complex, 1j, r"register_hooks"),
    (PurePosixPath, PurePosixPath("a"), "register_hooks"),
]


@pytest.mark.parametrize(("hint", "value", "message"), WRONG, ids=str)
def test_a_value_that_would_not_come_back_is_refused_with_its_path(hint, value, message):
    serializer = JSONSerializer(MINE)
    event = event_class(hint)(value=value)
    for _ in range(2):  # the second time, the check has seen the class before
        with pytest.raises(SerializationError, match=message) as caught:
            serializer.encode(event)
        assert caught.value.path.startswith("Holder.value")


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"id": ""}, r"Holder\.id: is empty"),
        ({"id": 3}, r"Holder\.id: 3 is a int"),
        ({"timestamp": datetime(2024, 1, 1)}, r"Holder\.timestamp: has no time zone"),
        ({"trace_id": b"x"}, r"Holder\.trace_id: .* is a bytes"),
    ],
)
def test_metadata_is_checked_too(metadata, message):
    event = event_class(int)(value=1, **metadata)
    with pytest.raises(SerializationError, match=message):
        JSONSerializer(MINE).encode(event)


class Everything(Event, registry=MINE):
    text: str
    number: int
    price: Decimal
    when: datetime
    items: tuple[Line, ...]
    either: Line | Gift
    free: Any
    by_day: dict[date, list[Decimal]]


texts = st.text(st.characters(exclude_categories=["Cs"]))
decimals = st.decimals(allow_nan=False, allow_infinity=False)
lines = st.builds(Line, sku=texts, price=decimals)
free = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=8,
)  # fmt: skip


# How long an example takes, to make or to run, is the machine's matter.
@settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(
    st.builds(
        Everything,
        text=texts,
        number=st.integers(),
        price=decimals,
        when=st.datetimes(timezones=st.sampled_from([UTC, EAST])).map(lambda t: t.replace(fold=0)),
        items=st.lists(lines).map(tuple),
        either=lines | st.builds(Gift, sku=texts, note=st.none() | texts),
        free=free,
        by_day=st.dictionaries(st.dates(), st.lists(decimals)),
        subject=st.none() | texts,
        source=texts,
    )
)
def test_any_event_comes_back_as_it_was(event):
    serializer = JSONSerializer(MINE)
    back = serializer.decode("Everything", 1, serializer.encode(event))
    assert back == event
    assert repr(back) == repr(event)


class Order(Event, version=2, registry=MINE):
    order_id: str
    currency: str = "EUR"


def test_the_document_is_flat_and_leaves_out_only_default_metadata():
    event = Order(order_id="1")
    assert json.loads(JSONSerializer(MINE).encode(event)) == {
        "order_id": "1",
        "currency": "EUR",  # a default may change later; what was stored must not
        "id": event.id,
        "timestamp": event.timestamp.isoformat().replace("+00:00", "Z"),
    }


def test_reading_restores_metadata_rather_than_inheriting_it():
    serializer = JSONSerializer(MINE)
    data = serializer.encode(Order(order_id="1"))
    with handling(Order(order_id="2", trace_id="a" * 32)):
        back = serializer.decode("Order", 2, data)
    assert (back.correlation_id, back.causation_id, back.trace_id) == (None, None, None)


def test_reading_runs_no_init_converter_or_validator():
    class Strict(Event, registry=MINE):
        n: int = attrs.field(converter=lambda n: n + 1, validator=attrs.validators.lt(5))

    serializer = JSONSerializer(MINE)
    back = serializer.decode("Strict", 1, serializer.encode(Strict(n=3)))
    assert back.n == 4
    stored = serializer.encode(Strict(n=3)).replace(b'"n":4', b'"n":40')
    assert serializer.decode("Strict", 1, stored).n == 40


def test_a_field_that_the_class_got_later_takes_its_default():
    class Grown(Event, registry=MINE):
        a: int
        b: str = "new"
        c: list[int] = attrs.field(factory=list)
        d: str = attrs.field(default=attrs.Factory(lambda self: self.b * 2, takes_self=True))
        e: Line | Gift = Gift("none")  # frozen

    old = b'{"a":1,"gone":true,"id":"x","timestamp":"2024-01-01T00:00:00Z"}'
    event = JSONSerializer(MINE).decode("Grown", 1, old)
    assert (event.a, event.b, event.c, event.d, event.e) == (1, "new", [], "newnew", Gift("none"))
    assert JSONSerializer(MINE).decode("Grown", 1, old).c is not event.c


def test_the_keys_of_a_slotted_class_come_back():
    @attrs.frozen(kw_only=True)
    class Slotted(Event, registry=MINE):
        order_id: str

    serializer = JSONSerializer(MINE)
    event = Slotted(order_id="1")
    assert serializer.decode("Slotted", 1, serializer.encode(event)) == event


def test_extra_state_beside_the_fields_is_not_stored():
    import functools

    class Cached(Event, registry=MINE):
        n: int

        @functools.cached_property
        def double(self) -> int:
            return self.n * 2

    serializer = JSONSerializer(MINE)
    event = Cached(n=2)
    plain = serializer.encode(event)
    assert event.double == 4
    assert serializer.encode(event) == plain


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"order_id":1}', b"null", b"\xff"])
def test_a_damaged_document_is_an_error_of_serialization(data):
    with pytest.raises(SerializationError, match="stored document"):
        JSONSerializer(MINE).decode("Order", 2, data)


def test_upcasters_see_the_own_data_only():
    seen = []
    registry = MessageRegistry()

    class Moved(Event, version=2, registry=registry):
        to: str

    @upcaster("Moved", from_version=1, registry=registry)
    def rename(data):
        seen.append(data)
        return {"to": data["target"]}

    old = b'{"target":"x","id":"1","timestamp":"2024-01-01T00:00:00Z","trace_id":"t"}'
    event = JSONSerializer(registry).decode("Moved", 1, old)
    assert (event.to, event.id, event.trace_id) == ("x", "1", "t")
    assert seen == [{"target": "x"}]


def test_an_upcaster_that_returns_what_is_not_json_is_an_error():
    registry = MessageRegistry()

    class Moved(Event, version=2, registry=registry):
        to: str

    upcaster("Moved", from_version=1, registry=registry)(lambda data: {"to": object()})
    with pytest.raises(UpcastingError, match="not JSON"):
        JSONSerializer(registry).decode("Moved", 1, b'{"id":"1"}')


def test_an_unknown_type_is_raw_where_that_is_asked_for():
    serializer = JSONSerializer(MessageRegistry(), unknown="raw")
    data = b'{ "x": [1.0],  "id":"i", "timestamp":"2024-01-01T00:00:00Z", "trace_id":"t" }'
    event = serializer.decode("Alien", 7, data)
    assert isinstance(event, RawEvent)
    assert (event.type, event.id, event.trace_id) == ("Alien", "i", "t")
    assert serializer.encode(event) == data
    assert stored_as(event) == ("Alien", 7)


def test_an_unknown_type_names_the_stream_and_position_of_a_store():
    serializer = JSONSerializer(MessageRegistry())
    with pytest.raises(UnknownMessageType, match=r"stream 'order-1', position 7"):
        decode_stored(serializer, "Alien", 1, b"{}", stream="order-1", position=7)


def test_unknown_is_error_or_raw():
    with pytest.raises(ValueError, match="unknown"):
        JSONSerializer(unknown="skip")  # type: ignore[arg-type]  # the point of the test


def test_hooks_teach_a_type_wherever_it_stands():
    serializer = JSONSerializer(MINE)
    serializer.register_hooks(PurePosixPath, unstructure=str, structure=PurePosixPath)
    for hint, value in [
        (PurePosixPath, PurePosixPath("a/b")),
        (list[PurePosixPath], [PurePosixPath("a")]),
        (PurePosixPath | None, None),
        (PurePosixPath | None, PurePosixPath("a")),
        (dict[str, PurePosixPath], {"x": PurePosixPath("a")}),
    ]:
        event = event_class(hint)(value=value)
        assert serializer.decode("Holder", 1, serializer.encode(event)) == event


def test_an_optional_value_is_written_as_it_is():
    serializer = JSONSerializer(MINE)
    serializer.register_hooks(PurePosixPath, unstructure=str, structure=PurePosixPath)
    event = event_class(PurePosixPath | None)(value=PurePosixPath("a"))
    assert json.loads(serializer.encode(event))["value"] == "a"


def test_a_hook_that_makes_null_of_an_optional_value_is_refused():
    serializer = JSONSerializer(MINE)
    serializer.register_hooks(complex, unstructure=lambda c: None, structure=lambda v: 0j)
    with pytest.raises(SerializationError, match=r"Holder\.value: .*reads as None"):
        serializer.encode(event_class(complex | None)(value=1j))


def test_a_hook_that_fails_is_named_by_the_field():
    serializer = JSONSerializer(MINE)
    serializer.register_hooks(complex, unstructure=lambda c: 1 / 0, structure=complex)
    with pytest.raises(SerializationError, match=r"Holder\.value: its hook failed.*ZeroDivision"):
        serializer.encode(event_class(complex)(value=1j))


@pytest.mark.parametrize(
    ("hint", "immutable"),
    [
        (str, True),
        (tuple[Line, ...], True),
        (Line | Gift | None, True),
        (frozenset[int], True),
        (Tree, True),
        (list[int], False),
        (tuple[list[int], ...], False),
        (Changeable, False),
        (dict[str, int], False),
        (Any, False),
        (bytearray, False),
    ],
    ids=str,
)
def test_the_codec_knows_which_events_can_change(hint, immutable):
    assert JSONSerializer(MINE).codec(event_class(hint)).immutable is immutable


def test_a_copy_shares_nothing_that_can_change():
    event = event_class(dict[str, list[int]])(value={"a": [1]})
    copied = JSONSerializer(MINE).codec(type(event)).copy(event)
    assert copied == event
    event.value["a"].append(2)
    assert copied.value == {"a": [1]}


def test_an_annotation_that_cannot_be_found_says_where():
    class Lost(Event, registry=MINE):
        value: Nowhere  # noqa: F821  # the point of the test

    with pytest.raises(TypeError, match=r"Lost: .*Nowhere.*define it at module level"):
        JSONSerializer(MINE).encode(Lost(value=1))
