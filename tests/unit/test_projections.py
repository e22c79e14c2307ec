"""What a projection is, without a store: its class, its handlers, its names, its tests."""

from __future__ import annotations

import asyncio
import contextvars

import pytest

from orchestrix_core import Event, MessageRegistry, Projection, SerializationError, on
from orchestrix_core.context import current_message
from orchestrix_core.handlers import heard, stored_names
from orchestrix_core.projections import Generation, SQLView, projection_of
from orchestrix_core.testing import given

MINE = MessageRegistry()


class Paid(Event, registry=MINE, type="test.paid"):
    order: str
    amount: int


class PaidByCard(Paid, registry=MINE, type="test.paid.card"):
    pass


class Placed(Event, registry=MINE, type="test.placed"):
    order: str


class Ignored(Event, registry=MINE, type="test.ignored"):
    pass


class Totals(Projection):
    @on(Placed)
    def placed(self, event, view):
        return view.put(event.order, {"paid": 0, "by": []})

    @on(Paid)
    async def paid(self, event, view, record):
        row = await view.get(event.order)
        body = {"paid": row["paid"] + event.amount, "by": [*row["by"], record.position]}
        await view.put(event.order, body)


# --- marks


def test_a_mark_says_types_and_options():
    @on(Placed, Paid, key="order")
    @on(Ignored)
    def handler(event): ...

    assert [(mark.types, dict(mark.options)) for mark in heard(handler)] == [
        ((Ignored,), {}),
        ((Placed, Paid), {"key": "order"}),
    ]
    assert heard(len) == ()


@pytest.mark.parametrize("types", [(), ("test.paid",), (int,), (Paid, None)])
def test_a_mark_takes_event_classes(types):
    with pytest.raises(TypeError, match="@on"):
        on(*types)


def test_stored_names_hold_those_of_subclasses():
    assert stored_names({Paid}) == {"test.paid", "test.paid.card"}
    assert stored_names({PaidByCard, Placed}) == {"test.paid.card", "test.placed"}
    assert stored_names({Event, Paid}) is None


# --- classes


def test_options_are_of_the_class_and_inherited():
    class Base(Projection, name="base", version=2, partitions=3): ...

    class Child(Base, version=4): ...

    class Inline(Base, inline=True, partitions=1): ...

    assert (Totals.name, Totals.version, Totals.partitions, Totals.inline) == (
        "Totals",
        1,
        1,
        False,
    )
    assert (Base.name, Base.version, Base.partitions) == ("base", 2, 3)
    assert (Child.name, Child.version, Child.partitions) == ("Child", 4, 3)
    assert (Inline.inline, Inline.version) == (True, 2)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"name": "a/b"}, ValueError, "name"),
        ({"name": ""}, ValueError, "name"),
        ({"name": "x" * 31}, ValueError, "name"),
        ({"version": 0}, ValueError, "version"),
        ({"partitions": 0}, ValueError, "partitions"),
        ({"partitions": True}, ValueError, "partitions"),
        ({"inline": True, "partitions": 2}, ValueError, "partitions"),
        ({"tables": "orders"}, TypeError, "tables"),
        ({"tables": ["Orders"]}, ValueError, "order_lines"),
        ({"tables": ["orders"]}, TypeError, "setup"),
        ({"durable": True}, TypeError, "durable"),
    ],
)
def test_a_class_that_cannot_work_is_refused(options, error, match):
    with pytest.raises(error, match=match):
        type("Wrong", (Projection,), {}, **options)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_handler_takes_event_and_view_and_maybe_the_record(count):
    parameters = ", ".join(["self", "a", "b", "c", "d"][: count + 1 + (count == 3)])
    handler = on(Paid)(eval(f"lambda {parameters}: None"))  # noqa: S307
    with pytest.raises(TypeError, match=r"Wrong\.paid takes \(self, event, view\)"):
        type("Wrong", (Projection,), {"paid": handler})


def test_a_handler_has_no_options():
    with pytest.raises(TypeError, match="no option 'key'"):

        class Wrong(Projection):
            @on(Paid, key="x")
            def paid(self, event, view): ...


def test_an_inline_handler_cannot_know_the_position():
    with pytest.raises(TypeError, match="paid takes the record"):

        class Wrong(Totals, inline=True): ...


def test_what_is_no_projection_is_refused():
    class Deaf(Projection): ...

    for thing in (int, 5, Projection, Projection()):
        with pytest.raises(TypeError, match="projection"):
            projection_of(thing)
    with pytest.raises(TypeError, match="hears nothing"):
        projection_of(Deaf)
    assert isinstance(projection_of(Totals), Totals)
    one = Totals()
    assert projection_of(one) is one


def test_every_handler_that_matches_hears_bases_first_and_overrides_by_name():
    class Loud(Projection):
        @on(Paid)
        async def first(self, event, view):
            await view.put("first", {"by": "Loud"})

        @on(Event)
        async def second(self, event, view):
            row = await view.get("second") or {"seen": []}
            first = await view.get("first")
            await view.put("second", {"seen": [*row["seen"], [event.type, first is not None]]})

    class Louder(Loud):
        async def first(self, event, view):
            await view.put("first", {"by": "Louder"})

        @on(PaidByCard)
        def third(self, event, view):
            return view.put("third", {"seen": event.amount})

    given(Louder, Ignored(), PaidByCard(order="a", amount=5)).then_views(
        {
            "first": {"by": "Louder"},
            "second": {"seen": [["test.ignored", False], ["test.paid.card", True]]},
            "third": {"seen": 5},
        }
    )
    given(Loud, Paid(order="a", amount=5)).then_view("first", {"by": "Loud"})


# --- names in SQL


class _Statements:
    def __init__(self):
        self.seen = []

    async def execute(self, statement, *arguments):
        self.seen.append((statement, arguments))
        return 1


def generation(**changes):
    values = {"projection": "Orders", "number": 7, "version": 1, "inline": False}
    return Generation(**(values | {"partitions": 1, "tables": ["orders", "lines"]} | changes))


def test_tables_are_named_for_their_generation():
    statements = _Statements()
    view = SQLView(statements, generation())
    asyncio.run(view.execute("INSERT INTO {orders} SELECT '{a}', '{}' FROM {lines} -- {x}", 1))
    assert statements.seen == [
        ("INSERT INTO \"Orders@7.orders\" SELECT '{a}', '{}' FROM \"Orders@7.lines\" -- {x}", (1,))
    ]
    assert view.table("orders_by_country") == '"Orders@7.orders_by_country"'
    for name in ('a"b', "", "x" * 60):
        with pytest.raises(ValueError, match="order_lines"):
            view.table(name)


def test_tables_are_dropped_by_the_names_that_they_were_made_with():
    statements = _Statements()
    asyncio.run(Totals().drop(SQLView(statements, generation())))
    dropped = [statement.splitlines()[-1] for statement, _ in statements.seen]
    assert dropped == [
        'DROP TABLE IF EXISTS "Orders@7.orders"',
        'DROP TABLE IF EXISTS "Orders@7.lines"',
    ]


# --- given, then


def test_then_view_sees_what_the_handlers_did():
    case = given(Totals, Placed(order="a"), Ignored(), PaidByCard(order="a", amount=5), id="s")
    case.then_view("a", {"paid": 5, "by": [3]}).then_view("b", None)
    case.then_views({"a": {"paid": 5, "by": [3]}})
    assert case.views == {"a": {"paid": 5, "by": [3]}}
    given(Totals()).then_views({})


@pytest.mark.parametrize(
    ("check", "lines"),
    [
        (
            lambda case: case.then_view("a", {"paid": 6, "by": [3]}),
            ["the view of 'a' differs", "  ['paid']: expected 6, got 5"],
        ),
        (
            lambda case: case.then_view("a", None),
            ["the view of 'a' differs", "  expected nothing, got {'paid': 5, 'by': [2]}"],
        ),
        (
            lambda case: case.then_view("b", {"paid": 6}),
            ["the view of 'b' differs", "  expected {'paid': 6}, got nothing"],
        ),
        (
            lambda case: case.then_views({"a": {"paid": 5, "by": [2, 4]}, "b": {}}),
            [
                "the view differs",
                "  ['a']['by'][1]: expected 4, got nothing",
                "  ['b']: expected {}, got nothing",
            ],
        ),
    ],
)
def test_what_differs_is_shown(check, lines):
    case = given(Totals, Placed(order="a"), Paid(order="a", amount=5))
    with pytest.raises(AssertionError) as caught:
        check(case)
    shown = str(caught.value).splitlines()
    assert shown[: len(lines)] == lines
    if "got nothing" in lines[-1] and len(lines) == 2:
        assert shown[len(lines) :] == ["  keys that are there: 'a'"]


async def test_it_works_where_an_event_loop_runs():
    given(Totals, Placed(order="a")).then_view("a", {"paid": 0, "by": []})


def test_handlers_run_in_the_context_of_the_test_and_of_their_event():
    seen = []
    mark = contextvars.ContextVar("mark", default=None)

    class Looking(Projection):
        @on(Paid)
        async def paid(self, event, view):
            await asyncio.sleep(0)
            seen.append((mark.get(), current_message.get()))

    event = Paid(order="a", amount=1)
    mark.set("set")
    given(Looking, event)
    assert seen == [("set", event)]


def test_a_handler_that_fails_fails_the_test():
    with pytest.raises(TypeError, match="NoneType"):
        given(Totals, Paid(order="a", amount=1))


def test_what_a_store_would_not_keep_is_refused():
    class Careless(Projection):
        @on(Placed)
        async def placed(self, event, view):
            await view.put(event.order, {"set": {1}})

    with pytest.raises(SerializationError, match="set"):
        given(Careless, Placed(order="a"))


def test_the_view_is_found_by_prefix_in_the_order_of_keys():
    class Finding(Projection):
        @on(Placed)
        async def placed(self, event, view):
            await view.put(event.order, {})
            found = await view.find(prefix="b", after="b1", limit=2)
            await view.put("found", {"keys": list(found)})

        @on(Paid)
        async def paid(self, event, view):
            await view.put("gone", {"was": [await view.delete("b1"), await view.delete("b1")]})

    orders = [Placed(order=order) for order in ("c", "b3", "b2", "b1", "b4", "a")]
    case = given(Finding, *orders, Paid(order="b1", amount=1))
    case.then_view("found", {"keys": ["b2", "b3"]}).then_view("gone", {"was": [True, False]})
    case.then_view("b1", None)


def test_a_projection_with_tables_needs_a_store():
    class Tables(Projection, tables=["orders"]):
        async def setup(self, view): ...

        @on(Placed)
        async def placed(self, event, view): ...

    with pytest.raises(TypeError, match="no SQL without a store"):
        given(Tables)
