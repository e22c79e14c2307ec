"""What of an application needs a store, but has nothing to do with which one."""

from __future__ import annotations

import asyncio
import importlib
import sys
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import attrs
import pytest

from orchestrix.infrastructure.memory import InMemoryAsyncEventStore, InMemoryAsyncMessageBus
from orchestrix_core import (
    Command,
    DuplicateHandlerError,
    Event,
    InvalidCommandError,
    JSONSerializer,
    MessageRegistry,
    MissingCapabilityError,
    NoHandlerError,
    Orchestrix,
    OrchestrixError,
    Projection,
    SerializationError,
    current_trace_id,
    handles,
    on,
    use_trace,
)
from orchestrix_core.asgi import lifespan
from orchestrix_core.components import Component

REGISTRY = MessageRegistry()
TRACE = "a" * 32


class PlaceOrder(Command, registry=REGISTRY):
    total: Decimal = Decimal(0)


class PlaceRushOrder(PlaceOrder, registry=REGISTRY):
    pass


class CancelOrder(Command, registry=REGISTRY):
    pass


class OrderPlaced(Event, registry=REGISTRY):
    total: Decimal = Decimal(0)


ELSEWHERE = """
from orchestrix_core import Command, MessageRegistry, handles

class Elsewhere(Command, registry=MessageRegistry()): pass

@handles(Elsewhere)
async def elsewhere(command): pass
"""

ORDERS = """
from orchestrix_core import Command, Event, MessageRegistry, Projection, handles, on
from shop_elsewhere import Elsewhere, elsewhere

REGISTRY = MessageRegistry()
class Place(Command, registry=REGISTRY): pass
class Hide(Command, registry=REGISTRY): pass
class Placed(Event, registry=REGISTRY): pass

@handles(Place)
async def place(command): return "placed"

@handles(Hide)
async def _hidden(command): pass

class Orders(Projection):
    @on(Placed)
    async def placed(self, event, view): pass
"""


@attrs.frozen
class Line:
    name: str
    price: Decimal


@handles(PlaceOrder)
def place(command):
    return command.total.as_tuple().exponent


@handles(PlaceOrder)
async def place_too(command):
    pass


@on(OrderPlaced)
async def listen(event):
    pass


def make(*things, store=None, **settings):
    settings = {"worker": False, "serializer": JSONSerializer(REGISTRY)} | settings
    app = Orchestrix(store=store or InMemoryAsyncEventStore(JSONSerializer(REGISTRY)), **settings)
    app.register(*things)
    return app


class TestRegistration:
    async def test_a_function_without_the_application(self):
        async with make(place) as app:
            assert await app.send(PlaceOrder(total=Decimal("1.10"))) == -2

    async def test_the_handler_of_a_base_class_answers_its_subclasses(self):
        @handles(PlaceRushOrder)
        async def rush(command):
            return "rush"

        async with make(place) as app:
            assert await app.send(PlaceRushOrder()) == 0
        async with make(place, rush) as app:
            assert await app.send(PlaceRushOrder()) == "rush"

    async def test_no_handler_is_told_with_those_of_similar_names(self):
        async with make(place) as app:
            with pytest.raises(NoHandlerError, match="one for PlaceOrder") as caught:
                await app.send(type("PlaceOrders", (Command,), {}, registry=REGISTRY)())
            assert caught.value.near == ("PlaceOrder",)
            with pytest.raises(NoHandlerError, match=r"one for .*test_runtime\.PlaceOrder\)"):
                await app.send(type("PlaceOrder", (Command,), {}, registry=MessageRegistry())())
            with pytest.raises(NoHandlerError, match=r"of Refund is registered: mark"):
                await app.send(type("Refund", (Command,), {}, registry=REGISTRY)())

    def test_two_handlers_are_both_named(self):
        with pytest.raises(DuplicateHandlerError, match=r"\.place and .*\.place_too"):
            make(place, place_too)

    def test_two_functions_of_one_name_are_refused(self):
        def named(number):
            @on(OrderPlaced)
            async def hear(event):
                return number

            return hear

        with pytest.raises(ValueError, match="name="):
            make(named(1), named(2))

    async def test_what_is_registered_twice_is_there_once(self):
        async with make(place, place, listen, listen) as app:
            assert await app.send(PlaceOrder()) == 0

    @pytest.mark.parametrize("thing", [len, object(), 3, PlaceOrder, "shop.orders", Projection])
    def test_what_cannot_be_registered_is_refused(self, thing):
        with pytest.raises(TypeError):
            make(thing)

    @pytest.mark.parametrize(
        "function",
        [lambda: None, lambda command, app, more: None, lambda command, *, app: None],
    )
    @pytest.mark.parametrize("mark", [handles(PlaceOrder), on(OrderPlaced)])
    def test_a_handler_of_another_shape_is_refused(self, function, mark):
        with pytest.raises(TypeError, match=r"must take \((command|event)\)"):
            make(mark(function))

    @pytest.mark.parametrize(
        ("mark", "types"), [(handles, []), (handles, [OrderPlaced]), (on, [PlaceOrder]), (on, [])]
    )
    def test_marks_take_classes_of_their_kind(self, mark, types):
        with pytest.raises(TypeError, match=r"@(on|handles)"):
            mark(*types)

    def test_an_unknown_option_is_refused(self):
        with pytest.raises(TypeError, match="partitons=3"):
            make(on(OrderPlaced, partitons=3)(lambda event: None))

    async def test_a_module_gives_what_it_defines(self, tmp_path, monkeypatch):
        (tmp_path / "shop_elsewhere.py").write_text(ELSEWHERE)
        (tmp_path / "shop_orders.py").write_text(ORDERS)
        monkeypatch.syspath_prepend(tmp_path)
        module = importlib.import_module("shop_orders")
        for name in ("shop_elsewhere", "shop_orders"):
            monkeypatch.delitem(sys.modules, name)
        async with make(module) as app:
            assert await app.send(module.Place()) == "placed"
            assert await app.view(module.Orders).get("x") is None
            assert await app._engine._following() == {"Orders@1"}
            for hidden in (module.Hide, module.Elsewhere):
                with pytest.raises(NoHandlerError):
                    await app.send(hidden())

    async def test_after_the_start_it_is_too_late(self):
        async with make(place) as app:
            with pytest.raises(OrchestrixError, match="before the application starts"):
                app.register(listen)

    async def test_modules_of_the_configuration_are_registered(self, tmp_path, monkeypatch):
        (tmp_path / "shop_configured.py").write_text(
            "from orchestrix_core import Command, handles\n"
            "class ConfiguredPing(Command): pass\n"
            "@handles(ConfiguredPing)\n"
            "async def ping(command) -> str: return 'pong'\n"
        )
        file = tmp_path / "orchestrix.toml"
        file.write_text(
            '[orchestrix]\nevent_store = "memory"\nmodules = ["shop_configured"]\n'
            "worker = false\nlease = 3\ngrace = 0.5\ncommands_kept = 0.5\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        async with Orchestrix.from_config(file) as app:
            module = sys.modules.pop("shop_configured")
            assert await app.send(module.ConfiguredPing()) == "pong"
            settings = app._engine._settings
            assert (settings.worker, settings.lease, settings.grace) == (False, 3.0, 0.5)
            (kept,) = await app.store.find_documents("commands")
        assert kept.due is not None


class TestNeeds:
    class Simple:
        """A store without documents and log."""

        async def initialize(self): ...
        async def close(self): ...
        async def save(self, aggregate_id, events, expected_version=None): ...
        async def load(self, aggregate_id, from_version=0):
            return []

    @pytest.mark.parametrize(
        ("thing", "needed_by"), [(place, r"\.place needs"), (listen, r"\.listen needs")]
    )
    async def test_a_store_that_lacks_what_is_needed_is_refused(self, thing, needed_by):
        app = make(thing, store=self.Simple())
        with pytest.raises(MissingCapabilityError, match=needed_by) as caught:
            await app.__aenter__()
        assert caught.value.missing == ("documents", "global_log")

    async def test_what_a_store_declares_counts(self):
        app = make(place, capabilities={"global_log"}, backend="poor")
        with pytest.raises(MissingCapabilityError, match="'poor' lacks documents, which"):
            await app.__aenter__()

    async def test_without_handlers_any_store_will_do(self):
        async with make(store=self.Simple(), bus=InMemoryAsyncMessageBus(), worker=True) as app:
            await app.store.save("a", [OrderPlaced()])
            app.bus.subscribe(OrderPlaced, listen)
            with pytest.raises(MissingCapabilityError, match="log"):
                await app.log.head()
            with pytest.raises(MissingCapabilityError, match="caught_up"):
                await app.caught_up(timeout=60.0)
            with pytest.raises(MissingCapabilityError, match="schedule"):
                await app.schedule(PlaceOrder(), after=timedelta(1))
            with pytest.raises(MissingCapabilityError, match="cancel"):
                await app.cancel("x")

    async def test_nothing_is_sent_outside_of_the_block(self):
        app = make(place)
        with pytest.raises(OrchestrixError, match="async with app"):
            await app.send(PlaceOrder())
        async with app:
            pass
        with pytest.raises(OrchestrixError, match="async with app"):
            await app.send(PlaceOrder())


class TestSending:
    async def test_middleware_is_called_in_order(self):
        calls = []
        app = make(place)

        @app.middleware
        async def outer(command, call_next):
            calls.append("in")
            result = await call_next(command)
            calls.append("out")
            return result + 1

        @app.middleware
        async def inner(command, call_next):
            calls.append(command.total)
            return await call_next(command) * 10

        async with app:
            assert await app.send(PlaceOrder(total=Decimal("1.10"))) == -19
        assert calls == ["in", Decimal("1.10"), "out"]

    async def test_middleware_may_answer_itself(self):
        app = make(place)

        async def deny(command, call_next):
            return "denied"

        app.middleware(deny)
        async with app:
            assert await app.send(PlaceOrder()) == "denied"
            assert await app.store.find_documents("commands") == []

    async def test_middleware_may_go_on_with_another_command(self):
        seen = []

        @handles(CancelOrder)
        async def cancel(command):
            seen.append((command.causation_id, OrderPlaced().causation_id == command.id))

        app = make(place, cancel)

        @app.middleware
        async def instead(command, call_next):
            return await call_next(CancelOrder())

        order = PlaceOrder()
        async with app:
            await app.send(order)
        assert seen == [(order.id, True)]

    async def test_a_value_that_is_not_what_was_declared_is_told(self):
        calls = []
        app = make(place)

        @app.middleware
        async def look(command, call_next):
            calls.append(command)

        async with app:
            with pytest.raises(InvalidCommandError, match="Decimal") as caught:
                await app.send(PlaceOrder(total="1.10"))
        assert caught.value.path == "PlaceOrder.total"
        assert calls == []

    async def test_only_commands_are_sent(self):
        async with make(place) as app:
            with pytest.raises(TypeError, match="command must be a Command, not OrderPlaced"):
                await app.send(OrderPlaced())

    async def test_a_command_goes_on_its_trace(self):
        seen = []

        @handles(PlaceOrder)
        async def look(command):
            seen.append(current_trace_id())

        with use_trace(TRACE):
            command = PlaceOrder()
        async with make(look) as app:
            await app.send(command)
        assert seen == [TRACE]

    async def test_sending_and_hearing_are_watched(self):
        calls = []

        class Watch:
            @contextmanager
            def operation(self, name, attributes):
                if name != "storage":
                    calls.append((name, attributes["message_type"]))
                yield

            def record(self, name, value, attributes): ...

        @handles(PlaceOrder)
        async def order(command, app):
            await app.store.save("a", [OrderPlaced()])

        async with make(order, listen, instrumentation=Watch(), worker=True) as app:
            await app.send(PlaceOrder())
            await app.caught_up(timeout=60.0)
        assert calls == [("handle_command", "PlaceOrder"), ("publish", "OrderPlaced")]


class TestResults:
    @pytest.mark.parametrize(
        ("annotation", "result"),
        [
            (None, None),
            (int, 3),
            (str, "ü\0"),
            (Decimal, Decimal("1.10")),
            (Line, Line("pen", Decimal("2.50"))),
            (list[Line], [Line("pen", Decimal(1))]),
            (Line | None, None),
            (Line | None, Line("pen", Decimal(1))),
            (tuple[int, ...], (1, 2)),
            (Any, {"a": [1, None, 2.5, "x"]}),
            (object, [True]),
        ],
    )
    async def test_a_result_comes_back_as_it_was(self, annotation, result):
        def answer(command):
            return result

        answer.__annotations__["return"] = annotation
        command = PlaceOrder()
        async with make(handles(PlaceOrder)(answer)) as app:
            first, again = await app.send(command), await app.send(command)
        assert first is result
        assert (again, type(again)) == (result, type(result))

    @pytest.mark.parametrize(
        ("annotation", "result", "says"),
        [
            (Any, Decimal(1), "no return annotation"),
            (int, "3", "would not come back the same"),
            (Line, "pen", "returned 'pen'"),
            ("Nowhere", Decimal(1), "'Nowhere', which is not found"),
            (list[int], [1.5], "would not come back the same"),
        ],
    )
    async def test_a_result_that_would_not_is_refused(self, annotation, result, says):
        async def answer(command, app):
            await app.store.save("a", [OrderPlaced()])
            return result

        answer.__annotations__["return"] = annotation
        async with make(handles(PlaceOrder)(answer)) as app:
            with pytest.raises(SerializationError, match=says) as caught:
                await app.send(PlaceOrder())
            assert "answer" in str(caught.value)
            assert await app.store.head() == 0


class TestUnits:
    async def test_what_a_handler_starts_is_no_part_of_it(self):
        heard = []

        async def hear(event):
            heard.append((event.total, OrderPlaced().causation_id == event.id))
            if event.total == 1:
                await app.store.save("more", [OrderPlaced(total=Decimal(2))])

        @handles(PlaceOrder)
        async def order(command, app):
            app.bus.subscribe(OrderPlaced, hear)  # the worker starts here
            await app.store.save("a", [OrderPlaced(total=Decimal(1))])

        settings = {"bus": InMemoryAsyncMessageBus(), "bus_is_shared": False, "worker": True}
        async with make(order, **settings) as app:
            await app.send(PlaceOrder())
            await app.caught_up(timeout=60.0)
            assert await app.store.head() == 2
        assert heard == [(1, True), (2, True)]

    async def test_a_task_that_is_left_behind_saves_by_itself(self):
        go = asyncio.Event()
        left = []

        async def later(app):
            await go.wait()
            await app.store.save("later", [OrderPlaced()])

        @handles(PlaceOrder)
        async def order(command, app):
            left.append(asyncio.create_task(later(app)))
            await app.store.save("now", [OrderPlaced()])

        async with make(order) as app:
            await app.send(PlaceOrder())
            go.set()
            await left[0]
            assert [len(await app.store.load(name)) for name in ("now", "later")] == [1, 1]


class TestComponents:
    async def test_a_component_takes_part(self):
        calls = []

        class Counting(Component):
            name = "counting"

            async def start(self):
                calls.append("start")

            async def work(self, worker, stopping):
                calls.append("work")
                await stopping.wait()
                calls.append("stopped")

            async def following(self):
                return []

            async def append(self, transaction, writes, proceed):
                await proceed(transaction, writes)
                count = sum(len(write.events) for write in writes)
                await transaction.put("counts", writes[0].aggregate_id, {"count": count})

        class Counter:
            def __orchestrix_component__(self, app):
                return Counting()

        @handles(PlaceOrder)
        async def order(command, app):
            await app.store.save("in", [OrderPlaced(), OrderPlaced()], 0)

        async with make(Counter, order, worker=True) as app:
            await app.send(PlaceOrder())
            await app.store.save("out", [OrderPlaced()])
            await app.store.save_all([])
            found = await app.store.find_documents("counts")
        assert {one.key: one.body["count"] for one in found} == {"in": 2, "out": 1}
        assert calls == ["start", "work", "stopped"]

    def test_what_is_none_is_refused(self):
        class Wrong:
            def __orchestrix_component__(self, app):
                return self

        with pytest.raises(TypeError, match="must return a Component"):
            make(Wrong)


class TestLifespan:
    async def test_it_runs_an_application(self):
        app = make(place)
        async with lifespan(app)(object()) as state:
            assert state == {"orchestrix": app}
            assert await app.send(PlaceOrder()) == 0
        with pytest.raises(OrchestrixError):
            await app.send(PlaceOrder())

    async def test_it_makes_one_for_each_start(self):
        made = []

        def factory():
            made.append(make(place))
            return made[-1]

        start = lifespan(factory)
        for _ in range(2):
            async with start(object()) as state:
                assert state["orchestrix"] is made[-1]
        assert len(made) == 2
