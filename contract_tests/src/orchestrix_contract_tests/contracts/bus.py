"""Section 6: what a synchronous message bus promises."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from orchestrix_contract_tests.contracts._base import Contract
from orchestrix_contract_tests.domain import Deposit, Opened, Paid, PaidByCard
from orchestrix_core import Command, ContractSubject, Event, Message, MessageBus, use_trace

__all__ = ["MessageBusContract"]

TRACE = "0123456789abcdef" * 2


class Collector:
    """A handler as an object; and its bound method is one, too."""

    def __init__(self) -> None:
        self.heard: list[Message] = []

    def handle(self, message: Message) -> None:
        self.heard.append(message)


def unheard(message: Message) -> None:
    """Fail: a handler that must not be called."""
    pytest.fail(f"heard {message}")


class MessageBusContract(Contract):
    """One handler after another, in subscription order; the first exception stops the rest."""

    @pytest.fixture
    def bus(self, subject: ContractSubject, tmp_path: Path) -> MessageBus:
        """Return a new bus."""
        made: MessageBus = subject.create(tmp_path)
        return made

    def test_it_is_a_message_bus(self, bus: MessageBus) -> None:
        """Section 6: it has the methods of the protocol."""
        assert isinstance(bus, MessageBus)

    def test_handler_gets_the_very_message(self, bus: MessageBus) -> None:
        """Section 6: the message itself arrives, once."""
        heard: list[Message] = []
        bus.subscribe(Opened, heard.append)
        message = Opened(owner="Ada")
        bus.publish(message)
        assert len(heard) == 1
        assert heard[0] is message

    def test_handlers_run_in_subscription_order(self, bus: MessageBus) -> None:
        """Reference: handlers are called in the order of their subscription."""
        order: list[int] = []
        for number in (3, 1, 2, 5, 4):
            bus.subscribe(Opened, lambda _, number=number: order.append(number))  # type: ignore[misc]  # mypy and defaults
        bus.publish(Opened(owner="Ada"))
        assert order == [3, 1, 2, 5, 4]

    def test_first_exception_stops_the_rest(self, bus: MessageBus) -> None:
        """Reference: if a handler raises, the later ones are not called; it propagates as is."""
        order: list[str] = []
        failure = LookupError("of the handler")

        def fail(_: Message) -> None:
            order.append("failing")
            raise failure

        bus.subscribe(Opened, lambda _: order.append("before"))
        bus.subscribe(Opened, fail)
        bus.subscribe(Opened, lambda _: order.append("after"))
        with pytest.raises(LookupError) as caught:
            bus.publish(Opened(owner="Ada"))
        assert caught.value is failure
        assert order == ["before", "failing"]

    def test_bus_works_on_after_an_exception(self, bus: MessageBus) -> None:
        """Section 6: a failed publish leaves the bus as it was."""
        heard: list[Message] = []
        bus.subscribe(Opened, heard.append)
        bus.subscribe(Opened, lambda message: 1 / (len(heard) - 1))
        with pytest.raises(ZeroDivisionError):
            bus.publish(Opened(owner="Ada"))
        bus.publish(Opened(owner="Ben"))
        assert len(heard) == 2

    def test_no_handler_is_fine(self, bus: MessageBus) -> None:
        """Section 6: nobody listens: nothing happens."""
        bus.publish(Opened(owner="Ada"))
        bus.subscribe(PaidByCard, unheard)
        bus.publish(Opened(owner="Ada"))
        bus.publish(Paid())  # a handler of the subclass does not hear its base

    def test_base_class_handlers_hear_subclasses(self, bus: MessageBus) -> None:
        """Section 6: a handler of a base hears all below it, in subscription order over both."""
        order: list[str] = []
        kinds: list[type[Message]] = [PaidByCard, Message, Paid, Command, PaidByCard, Event]
        for number, kind in enumerate(kinds):
            name = f"{number} {kind.__name__}"
            bus.subscribe(kind, lambda _, name=name: order.append(name))  # type: ignore[misc]  # mypy and defaults
        bus.publish(PaidByCard())
        assert order == ["0 PaidByCard", "1 Message", "2 Paid", "4 PaidByCard", "5 Event"]

    def test_commands_and_events_share_the_bus(self, bus: MessageBus) -> None:
        """Section 6: any message is published alike."""
        heard = Collector()
        bus.subscribe(Deposit, heard)
        command = Deposit(amount=Decimal(1))
        bus.publish(command)
        assert heard.heard == [command]

    def test_handler_subscribed_later_hears_later_messages(self, bus: MessageBus) -> None:
        """Section 6: what was resolved at an earlier publish is resolved anew."""
        heard = Collector()
        bus.publish(PaidByCard())
        for kind in (PaidByCard, Paid):
            bus.subscribe(kind, heard)
            bus.publish(PaidByCard())
        assert len(heard.heard) == 3

    def test_handlers_may_be_functions_methods_and_objects(self, bus: MessageBus) -> None:
        """Section 6: a function, a bound method, an object with `handle`; answers are dropped."""
        one, two = Collector(), Collector()
        three: list[Message] = []

        def function(message: Opened) -> str:
            three.append(message)
            return "dropped"

        for handler in (one, two.handle, function):
            assert bus.subscribe(Opened, handler) is None  # type: ignore[func-returns-value]  # the promise
        assert bus.publish(Opened(owner="Ada")) is None  # type: ignore[func-returns-value]  # the promise
        assert [len(one.heard), len(two.heard), len(three)] == [1, 1, 1]

    def test_handler_subscribed_twice_runs_twice(self, bus: MessageBus) -> None:
        """Section 6: each subscription counts, and `unsubscribe` takes back one."""
        heard = Collector()
        bus.subscribe(Opened, heard)
        bus.subscribe(Opened, heard)
        bus.publish(Opened(owner="Ada"))
        assert len(heard.heard) == 2
        bus.unsubscribe(Opened, heard)
        bus.publish(Opened(owner="Ada"))
        assert len(heard.heard) == 3

    def test_unsubscribed_handler_hears_nothing(self, bus: MessageBus) -> None:
        """Section 6: also when it is a bound method, which is a new object each time."""
        heard, other = Collector(), Collector()
        for handler in (heard, heard.handle, other.handle):
            bus.subscribe(Opened, handler)
        bus.publish(Opened(owner="Ada"))
        bus.unsubscribe(Opened, heard)
        bus.unsubscribe(Opened, heard.handle)
        bus.publish(Opened(owner="Ben"))
        assert (len(heard.heard), len(other.heard)) == (2, 2)

    def test_unsubscribing_a_stranger_is_an_error(self, bus: MessageBus) -> None:
        """Section 6: `ValueError` for what was not subscribed, or to another type."""
        heard = Collector()
        bus.subscribe(Paid, heard)
        for kind, handler in ((Opened, heard), (PaidByCard, heard), (Paid, Collector())):
            with pytest.raises(ValueError, match="handler"):
                bus.unsubscribe(kind, handler)
        bus.publish(Paid())
        assert len(heard.heard) == 1

    def test_handlers_may_change_while_publishing(self, bus: MessageBus) -> None:
        """Section 6: who subscribes or leaves inside a handler changes the next publish only."""
        order: list[str] = []

        def leave(_: Message) -> None:
            order.append("leaver")
            bus.unsubscribe(Opened, leave)
            bus.subscribe(Opened, lambda _: order.append("newcomer"))

        bus.subscribe(Opened, leave)
        bus.subscribe(Opened, lambda _: order.append("other"))
        bus.publish(Opened(owner="Ada"))
        assert order == ["leaver", "other"]
        order.clear()
        bus.publish(Opened(owner="Ben"))
        assert order == ["other", "newcomer"]

    def test_publish_inside_a_handler(self, bus: MessageBus) -> None:
        """Section 6: the inner message is handled at once, inside the outer one."""
        order: list[str] = []

        def outer(_: Message) -> None:
            order.append("outer begins")
            bus.publish(Paid())
            order.append("outer ends")

        bus.subscribe(Opened, outer)
        bus.subscribe(Opened, lambda _: order.append("second"))
        bus.subscribe(Paid, lambda _: order.append("inner"))
        bus.publish(Opened(owner="Ada"))
        assert order == ["outer begins", "inner", "outer ends", "second"]

    def test_messages_made_inside_inherit(self, bus: MessageBus) -> None:
        """Section 3: correlation, causation and trace come from the message being handled."""
        made: list[Message] = []
        bus.subscribe(Opened, lambda _: made.append(Paid()))
        first = Opened(owner="Ada")
        second = Opened(owner="Ada", correlation_id="c", trace_id=TRACE)
        bus.publish(first)
        bus.publish(second)
        facts = [(m.correlation_id, m.causation_id, m.trace_id) for m in made]
        assert facts == [(first.id, first.id, None), ("c", second.id, TRACE)]

    def test_given_values_win(self, bus: MessageBus) -> None:
        """Section 3: what a handler states itself is not overwritten."""
        made: list[Message] = []
        given: dict[str, Any] = {"correlation_id": "c", "causation_id": "d", "trace_id": "e" * 32}
        bus.subscribe(Opened, lambda _: made.append(Paid(**given)))
        with use_trace(TRACE):
            bus.publish(Opened(owner="Ada"))
        assert {name: getattr(made[0], name) for name in given} == given

    def test_context_nests(self, bus: MessageBus) -> None:
        """Section 3: in an inner handler the inner message is the cause; after it, the outer."""
        made: dict[str, Message] = {}

        def outer(_: Message) -> None:
            bus.publish(made.setdefault("middle", Paid()))
            made["after"] = Paid()

        bus.subscribe(Opened, outer)
        bus.subscribe(Paid, lambda _: made.setdefault("inner", Opened(owner="inner")))
        root = Opened(owner="Ada")
        bus.publish(root)
        assert made["inner"].causation_id == made["middle"].id
        assert made["after"].causation_id == root.id
        assert {message.correlation_id for message in made.values()} == {root.id}

    def test_context_ends_with_the_publish(self, bus: MessageBus) -> None:
        """Section 3: messages made afterwards inherit nothing, also after a failure."""

        def fail(_: Message) -> None:
            raise LookupError

        bus.publish(Opened(owner="Ada"))
        bus.subscribe(Opened, fail)
        with pytest.raises(LookupError):
            bus.publish(Opened(owner="Ada", correlation_id="c", trace_id=TRACE))
        after = Paid()
        assert (after.correlation_id, after.causation_id, after.trace_id) == (None, None, None)

    @pytest.mark.parametrize("wrong", [None, "text", {"type": "x"}, Opened, 7], ids=repr)
    def test_only_messages_are_published(self, bus: MessageBus, wrong: Any) -> None:
        """Section 6: anything else is a `TypeError` that names the argument."""
        bus.subscribe(Message, unheard)
        with pytest.raises(TypeError, match="message"):
            bus.publish(wrong)

    @pytest.mark.parametrize("wrong", [None, "text", int, Opened(owner="Ada")], ids=repr)
    def test_only_message_types_are_subscribed_to(self, bus: MessageBus, wrong: Any) -> None:
        """Section 6: what can never be published cannot be heard."""
        with pytest.raises(TypeError, match="message_type"):
            bus.subscribe(wrong, Collector())

    @pytest.mark.parametrize("wrong", [None, "text", object(), 7], ids=lambda w: type(w).__name__)
    def test_only_handlers_are_subscribed(self, bus: MessageBus, wrong: Any) -> None:
        """Section 6: what cannot be called is found when it is subscribed."""
        with pytest.raises(TypeError, match="handler"):
            bus.subscribe(Opened, wrong)

    @pytest.mark.parametrize("wrong", [None, "text", int], ids=repr)
    def test_only_message_types_are_unsubscribed_from(self, bus: MessageBus, wrong: Any) -> None:
        """Section 6: a type that nothing can be subscribed to is refused here as well."""
        with pytest.raises((TypeError, ValueError), match=r"message_type|handler"):
            bus.unsubscribe(wrong, unheard)

    def test_coroutine_function_is_refused(self, bus: MessageBus) -> None:
        """Section 6: a handler that nobody would await is a `TypeError`, not silence."""

        async def heard_by_nobody(_: Message) -> None: ...

        with pytest.raises(TypeError, match="handler"):
            bus.subscribe(Opened, heard_by_nobody)
        bus.publish(Opened(owner="Ada"))

    def test_buses_share_nothing(
        self, bus: MessageBus, subject: ContractSubject, tmp_path: Path
    ) -> None:
        """Section 6: another bus has handlers of its own."""
        bus.subscribe(Message, unheard)
        subject.create(tmp_path).publish(Opened(owner="Ada"))
