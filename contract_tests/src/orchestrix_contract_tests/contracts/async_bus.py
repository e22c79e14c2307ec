"""Section 6: what an asynchronous message bus promises."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from orchestrix_contract_tests.contracts._base import Contract
from orchestrix_contract_tests.domain import Opened, Paid, PaidByCard
from orchestrix_contract_tests.driver import bounded
from orchestrix_core import AsyncMessageBus, Command, ContractSubject, Event, Message, use_trace

__all__ = ["AsyncMessageBusContract"]

TRACE = "0123456789abcdef" * 2
AsyncFunction = Callable[[Message], Coroutine[Any, Any, None]]


class Collector:
    """A handler as an object; and its bound method is one, too."""

    def __init__(self) -> None:
        self.heard: list[Message] = []

    async def handle(self, message: Message) -> None:
        for _ in range(10):  # turns of the loop: who does not wait for it is found out
            await asyncio.sleep(0)
        self.heard.append(message)


def noting(notes: list[Any], note: Any) -> AsyncFunction:
    """Return a handler that writes `note` down as soon as it starts."""

    async def handler(_: Message) -> None:
        notes.append(note)

    return handler


def failing(failure: BaseException) -> AsyncFunction:
    """Return a handler that raises `failure`."""

    async def handler(_: Message) -> None:
        raise failure

    return handler


class AsyncMessageBusContract(Contract):
    """All handlers together, each to its end; one failure as it is, several as a group."""

    @pytest.fixture
    def bus(self, subject: ContractSubject, tmp_path: Path) -> AsyncMessageBus:
        """Return a new bus."""
        made: AsyncMessageBus = subject.create(tmp_path)
        return made

    async def test_it_is_an_async_message_bus(self, bus: AsyncMessageBus) -> None:
        """Section 6: it has the methods of the protocol."""
        assert isinstance(bus, AsyncMessageBus)

    async def test_handler_gets_the_very_message(self, bus: AsyncMessageBus) -> None:
        """Section 6: the message itself arrives, once, before `publish` returns."""
        collector = Collector()
        bus.subscribe(Opened, collector.handle)
        message = Opened(owner="Ada")
        await bus.publish(message)
        assert len(collector.heard) == 1
        assert collector.heard[0] is message

    async def test_handlers_run_together(self, bus: AsyncMessageBus) -> None:
        """Reference: handlers run concurrently; each of these needs the other to go on."""
        flags = {"first": asyncio.Event(), "second": asyncio.Event()}

        def meeting(mine: str, other: str) -> AsyncFunction:
            async def handler(_: Message) -> None:
                flags[mine].set()
                await flags[other].wait()

            return handler

        bus.subscribe(Opened, meeting("first", "second"))
        bus.subscribe(Opened, meeting("second", "first"))
        await bounded(bus.publish(Opened(owner="Ada")), "publish (handlers must run together)")

    async def test_handlers_start_in_subscription_order(self, bus: AsyncMessageBus) -> None:
        """Section 6: together, but begun in the order of their subscription."""
        order: list[int] = []
        for number in (3, 1, 2):
            bus.subscribe(Opened, noting(order, number))
        await bus.publish(Opened(owner="Ada"))
        assert order == [3, 1, 2]

    async def test_one_failure_is_raised_as_it_is(self, bus: AsyncMessageBus) -> None:
        """Section 6: no group for a single failure."""
        failure = LookupError("of the handler")
        bus.subscribe(Opened, failing(failure))
        with pytest.raises(LookupError) as caught:
            await bus.publish(Opened(owner="Ada"))
        assert caught.value is failure

    async def test_all_run_to_their_end_although_one_fails(self, bus: AsyncMessageBus) -> None:
        """Section 6: a failure stops nobody else, and `publish` waits for all."""
        before, after = Collector(), Collector()
        bus.subscribe(Opened, before)
        bus.subscribe(Opened, failing(LookupError()))
        bus.subscribe(Opened, after)
        with pytest.raises(LookupError):
            await bus.publish(Opened(owner="Ada"))
        assert (len(before.heard), len(after.heard)) == (1, 1)

    async def test_several_failures_are_a_group(self, bus: AsyncMessageBus) -> None:
        """Section 6: an `ExceptionGroup` of them all, in subscription order."""
        failures = [LookupError("first"), ValueError("second"), LookupError("third")]
        collector = Collector()
        for failure in failures:
            bus.subscribe(Opened, failing(failure))
            bus.subscribe(Opened, collector)
        with pytest.raises(ExceptionGroup) as caught:
            await bus.publish(Opened(owner="Ada"))
        assert list(caught.value.exceptions) == failures
        assert len(collector.heard) == 3

    async def test_bus_works_on_after_a_failure(self, bus: AsyncMessageBus) -> None:
        """Section 6: a failed publish leaves the bus as it was."""
        collector = Collector()
        bus.subscribe(Opened, failing(LookupError()))
        bus.subscribe(Paid, collector)
        with pytest.raises(LookupError):
            await bus.publish(Opened(owner="Ada"))
        await bus.publish(Paid())
        assert len(collector.heard) == 1

    async def test_no_handler_is_fine(self, bus: AsyncMessageBus) -> None:
        """Section 6: nobody listens: nothing happens."""
        await bus.publish(Opened(owner="Ada"))
        bus.subscribe(PaidByCard, failing(AssertionError("a subclass handler heard its base")))
        await bus.publish(Paid())

    async def test_base_class_handlers_hear_subclasses(self, bus: AsyncMessageBus) -> None:
        """Section 6: a handler of a base hears all below it, in subscription order over both."""
        order: list[str] = []
        kinds: list[type[Message]] = [PaidByCard, Message, Paid, Command, PaidByCard, Event]
        for number, kind in enumerate(kinds):
            bus.subscribe(kind, noting(order, f"{number} {kind.__name__}"))
        await bus.publish(PaidByCard())
        assert order == ["0 PaidByCard", "1 Message", "2 Paid", "4 PaidByCard", "5 Event"]

    async def test_handler_subscribed_later_hears_later_messages(
        self, bus: AsyncMessageBus
    ) -> None:
        """Section 6: what was resolved at an earlier publish is resolved anew."""
        collector = Collector()
        await bus.publish(PaidByCard())
        for kind in (PaidByCard, Paid):
            bus.subscribe(kind, collector)
            await bus.publish(PaidByCard())
        assert len(collector.heard) == 3

    async def test_handlers_may_be_functions_methods_and_objects(
        self, bus: AsyncMessageBus
    ) -> None:
        """Section 6: a function, a bound method, an object with `handle`; answers are dropped."""
        one, two = Collector(), Collector()
        three: list[Message] = []

        async def function(message: Opened) -> str:
            three.append(message)
            return "dropped"

        for handler in (one, two.handle, function):
            assert bus.subscribe(Opened, handler) is None  # type: ignore[func-returns-value]  # the promise
        assert await bus.publish(Opened(owner="Ada")) is None  # type: ignore[func-returns-value]  # the promise
        assert [len(one.heard), len(two.heard), len(three)] == [1, 1, 1]

    async def test_handler_subscribed_twice_runs_twice(self, bus: AsyncMessageBus) -> None:
        """Section 6: each subscription counts, and `unsubscribe` takes back one."""
        collector = Collector()
        bus.subscribe(Opened, collector)
        bus.subscribe(Opened, collector)
        await bus.publish(Opened(owner="Ada"))
        assert len(collector.heard) == 2
        bus.unsubscribe(Opened, collector)
        await bus.publish(Opened(owner="Ada"))
        assert len(collector.heard) == 3

    async def test_unsubscribed_handler_hears_nothing(self, bus: AsyncMessageBus) -> None:
        """Section 6: also when it is a bound method, which is a new object each time."""
        collector, other = Collector(), Collector()
        for handler in (collector, collector.handle, other.handle):
            bus.subscribe(Opened, handler)
        await bus.publish(Opened(owner="Ada"))
        bus.unsubscribe(Opened, collector)
        bus.unsubscribe(Opened, collector.handle)
        await bus.publish(Opened(owner="Ben"))
        assert (len(collector.heard), len(other.heard)) == (2, 2)

    async def test_unsubscribing_a_stranger_is_an_error(self, bus: AsyncMessageBus) -> None:
        """Section 6: `ValueError` for what was not subscribed, or to another type."""
        collector = Collector()
        bus.subscribe(Paid, collector)
        for kind, handler in ((Opened, collector), (PaidByCard, collector), (Paid, Collector())):
            with pytest.raises(ValueError, match="handler"):
                bus.unsubscribe(kind, handler)
        await bus.publish(Paid())
        assert len(collector.heard) == 1

    async def test_handlers_may_change_while_publishing(self, bus: AsyncMessageBus) -> None:
        """Section 6: who subscribes or leaves inside a handler changes the next publish only."""
        order: list[str] = []

        async def leave(_: Message) -> None:
            order.append("leaver")
            bus.unsubscribe(Opened, leave)
            bus.subscribe(Opened, noting(order, "newcomer"))

        bus.subscribe(Opened, leave)
        bus.subscribe(Opened, noting(order, "other"))
        await bus.publish(Opened(owner="Ada"))
        assert order == ["leaver", "other"]
        order.clear()
        await bus.publish(Opened(owner="Ben"))
        assert order == ["other", "newcomer"]

    async def test_publish_inside_a_handler(self, bus: AsyncMessageBus) -> None:
        """Section 6: the inner publish ends before its caller goes on."""
        order: list[str] = []

        async def outer(_: Message) -> None:
            order.append("outer begins")
            await bus.publish(Paid())
            order.append("outer ends")

        bus.subscribe(Opened, outer)
        bus.subscribe(Paid, noting(order, "inner"))
        await bounded(bus.publish(Opened(owner="Ada")), "publish inside a handler")
        assert order == ["outer begins", "inner", "outer ends"]

    async def test_cancelled_publish_cancels_its_handlers(self, bus: AsyncMessageBus) -> None:
        """Section 6: no handler is left running behind the caller's back."""
        started, ended = asyncio.Event(), []

        async def wait(_: Message) -> None:
            started.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                ended.append("cancelled")
                raise

        bus.subscribe(Opened, wait)
        bus.subscribe(Opened, wait)
        publishing = asyncio.ensure_future(bus.publish(Opened(owner="Ada")))
        await bounded(started.wait(), "the start of a handler")
        publishing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await bounded(publishing, "a cancelled publish")
        assert ended == ["cancelled"] * 2

    async def test_messages_made_inside_inherit(self, bus: AsyncMessageBus) -> None:
        """Section 3: it holds across `await`, and publishes that overlap stay apart."""
        made: dict[str, Message] = {}
        meeting = asyncio.Barrier(2)

        async def handler(message: Opened) -> None:
            await meeting.wait()
            made[message.owner] = Paid()

        bus.subscribe(Opened, handler)
        first = Opened(owner="Ada")
        second = Opened(owner="Ben", correlation_id="c", trace_id=TRACE)
        publishing = asyncio.gather(bus.publish(first), bus.publish(second))
        await bounded(publishing, "two publishes at a time")
        facts = [(m.correlation_id, m.causation_id, m.trace_id) for m in (made["Ada"], made["Ben"])]
        assert facts == [(first.id, first.id, None), ("c", second.id, TRACE)]

    async def test_given_values_win(self, bus: AsyncMessageBus) -> None:
        """Section 3: what a handler states itself is not overwritten."""
        made: list[Message] = []
        given: dict[str, Any] = {"correlation_id": "c", "causation_id": "d", "trace_id": "e" * 32}

        async def handler(_: Message) -> None:
            made.append(Paid(**given))

        bus.subscribe(Opened, handler)
        with use_trace(TRACE):
            await bus.publish(Opened(owner="Ada"))
        assert {name: getattr(made[0], name) for name in given} == given

    async def test_context_nests(self, bus: AsyncMessageBus) -> None:
        """Section 3: in an inner handler the inner message is the cause; after it, the outer."""
        made: dict[str, Message] = {}

        async def outer(_: Message) -> None:
            await bus.publish(made.setdefault("middle", Paid()))
            made["after"] = Paid()

        async def inner(_: Message) -> None:
            made["inner"] = Opened(owner="inner")

        bus.subscribe(Opened, outer)
        bus.subscribe(Paid, inner)
        root = Opened(owner="Ada")
        await bus.publish(root)
        assert made["inner"].causation_id == made["middle"].id
        assert made["after"].causation_id == root.id
        assert {message.correlation_id for message in made.values()} == {root.id}

    async def test_context_ends_with_the_publish(self, bus: AsyncMessageBus) -> None:
        """Section 3: messages made afterwards inherit nothing, also after a failure."""
        bus.subscribe(Opened, Collector())
        await bus.publish(Opened(owner="Ada"))
        bus.subscribe(Opened, failing(LookupError()))
        with pytest.raises(LookupError):
            await bus.publish(Opened(owner="Ada", correlation_id="c", trace_id=TRACE))
        after = Paid()
        assert (after.correlation_id, after.causation_id, after.trace_id) == (None, None, None)

    @pytest.mark.parametrize("wrong", [None, "text", {"type": "x"}, Opened, 7], ids=repr)
    async def test_only_messages_are_published(self, bus: AsyncMessageBus, wrong: Any) -> None:
        """Section 6: anything else is a `TypeError` that names the argument."""
        bus.subscribe(Message, failing(AssertionError("it was published")))
        with pytest.raises(TypeError, match="message"):
            await bus.publish(wrong)

    @pytest.mark.parametrize("wrong", [None, "text", int, Opened(owner="Ada")], ids=repr)
    async def test_only_message_types_are_subscribed_to(
        self, bus: AsyncMessageBus, wrong: Any
    ) -> None:
        """Section 6: what can never be published cannot be heard."""
        with pytest.raises(TypeError, match="message_type"):
            bus.subscribe(wrong, Collector())

    @pytest.mark.parametrize("wrong", [None, "text", object(), 7], ids=lambda w: type(w).__name__)
    async def test_only_handlers_are_subscribed(self, bus: AsyncMessageBus, wrong: Any) -> None:
        """Section 6: what cannot be called is found when it is subscribed."""
        with pytest.raises(TypeError, match="handler"):
            bus.subscribe(Opened, wrong)

    @pytest.mark.parametrize("wrong", [None, "text", int], ids=repr)
    async def test_only_message_types_are_unsubscribed_from(
        self, bus: AsyncMessageBus, wrong: Any
    ) -> None:
        """Section 6: a type that nothing can be subscribed to is refused here as well."""
        with pytest.raises((TypeError, ValueError), match=r"message_type|handler"):
            bus.unsubscribe(wrong, Collector())

    async def test_buses_share_nothing(
        self, bus: AsyncMessageBus, subject: ContractSubject, tmp_path: Path
    ) -> None:
        """Section 6: another bus has handlers of its own."""
        bus.subscribe(Message, failing(AssertionError("heard on another bus")))
        await subject.create(tmp_path).publish(Opened(owner="Ada"))
