"""
Each of these synchronous buses breaks one promise.

A row of `BROKEN` has the bus, its contract, and exactly the tests that fail: first the one that is
named for the breach, then those that see the same breach from another side.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import iscoroutine, iscoroutinefunction
from typing import Any, Final

import attrs
import pytest

from orchestrix_contract_tests.contracts.bus import MessageBusContract
from orchestrix_core import Message, handling
from orchestrix_core.context import current_message


class Bus:
    """A sound bus, so plain that each of its parts can be broken by itself."""

    def __init__(self) -> None:
        self.table: list[tuple[Any, Any]] = []

    def subscribe(self, message_type, handler):
        if not (isinstance(message_type, type) and issubclass(message_type, Message)):
            raise TypeError("message_type must be a subclass of Message")
        if not callable(self.function(handler)):
            raise TypeError("handler must be callable")
        if self.is_async(self.function(handler)):
            raise TypeError("handler must be a function, not a coroutine function")
        self.table.append((message_type, handler))

    def unsubscribe(self, message_type, handler):
        try:
            self.table.remove((message_type, handler))
        except ValueError as error:
            raise ValueError("handler is not subscribed") from error

    def function(self, handler):
        return getattr(handler, "handle", handler)

    def is_async(self, function):
        return iscoroutinefunction(function)

    def handlers(self, message):
        return [h for kind, h in self.table if isinstance(message, kind)]

    def publish(self, message):
        if not isinstance(message, Message):
            raise TypeError("message must be a Message")
        with handling(message):
            self.call(self.handlers(message), message)

    def call(self, handlers, message):
        for handler in handlers:
            self.function(handler)(message)


class SwapsTheOrder(Bus):
    def handlers(self, message):
        return super().handlers(message)[::-1]


class SwallowsExceptions(Bus):
    def call(self, handlers, message):
        for handler in handlers:
            try:
                self.function(handler)(message)
            except Exception:
                return


class RunsTheRestAfterAFailure(Bus):
    def call(self, handlers, message):
        failures = []
        for handler in handlers:
            try:
                self.function(handler)(message)
            except Exception as error:
                failures.append(error)
        if failures:
            raise failures[0]


class WrapsExceptions(Bus):
    def call(self, handlers, message):
        try:
            super().call(handlers, message)
        except Exception as error:
            raise RuntimeError("a handler failed") from error


class MissesBaseClassHandlers(Bus):
    def handlers(self, message):
        return [handler for kind, handler in self.table if kind is type(message)]


class PutsBaseClassHandlersLast(Bus):
    def handlers(self, message):
        exact = [h for kind, h in self.table if kind is type(message)]
        return exact + [h for h in super().handlers(message) if h not in exact]


class ResolvesOnceAndForAll(Bus):
    def __init__(self) -> None:
        super().__init__()
        self.resolved: dict[type, list[Any]] = {}

    def handlers(self, message):
        return self.resolved.setdefault(type(message), super().handlers(message))


class WalksItsLiveTable(Bus):
    def handlers(self, message):
        return (handler for kind, handler in self.table if isinstance(message, kind))


class HoldsEachHandlerOnce(Bus):
    def subscribe(self, message_type, handler):
        if (message_type, handler) not in self.table:
            super().subscribe(message_type, handler)


class TellsHandlersByIdentity(Bus):
    def unsubscribe(self, message_type, handler):
        if not any(kind is message_type and h is handler for kind, h in self.table):
            raise ValueError("handler is not subscribed")
        super().unsubscribe(message_type, handler)


class ForgivesUnsubscribingAStranger(Bus):
    def unsubscribe(self, message_type, handler):
        if (message_type, handler) in self.table:
            super().unsubscribe(message_type, handler)


class ReturnsAToken(Bus):
    def subscribe(self, message_type, handler):
        super().subscribe(message_type, handler)
        return object()


class TakesFunctionsAlone(Bus):
    def function(self, handler):
        return handler


class GivesNoContext(Bus):
    def publish(self, message):
        if not isinstance(message, Message):
            raise TypeError("message must be a Message")
        self.call(self.handlers(message), message)


class LeaksItsContext(Bus):
    def publish(self, message):
        super().publish(message)
        current_message.set(message)


class LeaksItsContextOnFailure(Bus):
    def call(self, handlers, message):
        try:
            super().call(handlers, message)
        except Exception:
            self.failed = message
            raise

    def publish(self, message):
        self.failed = None
        try:
            super().publish(message)
        finally:
            if self.failed is not None:
                current_message.set(self.failed)


class PublishesAnything(Bus):
    def publish(self, message):
        with handling(message):
            self.call(self.handlers(message), message)


class TakesCoroutineFunctions(Bus):
    """It calls them, and nobody awaits what they return."""

    def is_async(self, function):
        return False

    def call(self, handlers, message):
        for handler in handlers:
            outcome = self.function(handler)(message)
            if iscoroutine(outcome):
                outcome.close()


class TripsOverAStrangeType(Bus):
    """It looks for the name of what has none."""

    def unsubscribe(self, message_type, handler):
        if not any(kind is message_type for kind, _ in self.table):
            raise ValueError(f"handler is not subscribed to {message_type.__name__}")
        super().unsubscribe(message_type, handler)


@attrs.frozen
class Broken:
    bus: type
    failing: list[str]


BROKEN: Final = [
    Broken(
        SwapsTheOrder,
        [
            "test_handlers_run_in_subscription_order",
            "test_base_class_handlers_hear_subclasses",
            "test_bus_works_on_after_an_exception",
            "test_first_exception_stops_the_rest",
            "test_handlers_may_change_while_publishing",
            "test_publish_inside_a_handler",
        ],
    ),
    Broken(
        SwallowsExceptions,
        [
            "test_first_exception_stops_the_rest",
            "test_bus_works_on_after_an_exception",
            "test_context_ends_with_the_publish",
        ],
    ),
    Broken(RunsTheRestAfterAFailure, ["test_first_exception_stops_the_rest"]),
    Broken(
        WrapsExceptions,
        [
            "test_first_exception_stops_the_rest",
            "test_bus_works_on_after_an_exception",
            "test_context_ends_with_the_publish",
        ],
    ),
    Broken(
        MissesBaseClassHandlers,
        [
            "test_base_class_handlers_hear_subclasses",
            "test_handler_subscribed_later_hears_later_messages",
        ],
    ),
    Broken(
        PutsBaseClassHandlersLast,
        [
            "test_base_class_handlers_hear_subclasses",
            "test_handler_subscribed_later_hears_later_messages",
        ],
    ),
    Broken(
        ResolvesOnceAndForAll,
        [
            "test_handler_subscribed_later_hears_later_messages",
            "test_context_ends_with_the_publish",
            "test_handler_subscribed_twice_runs_twice",
            "test_handlers_may_change_while_publishing",
            "test_unsubscribed_handler_hears_nothing",
        ],
    ),
    Broken(WalksItsLiveTable, ["test_handlers_may_change_while_publishing"]),
    Broken(HoldsEachHandlerOnce, ["test_handler_subscribed_twice_runs_twice"]),
    Broken(TellsHandlersByIdentity, ["test_unsubscribed_handler_hears_nothing"]),
    Broken(
        ForgivesUnsubscribingAStranger,
        [
            "test_unsubscribing_a_stranger_is_an_error",
            "test_only_message_types_are_unsubscribed_from",
        ],
    ),
    Broken(ReturnsAToken, ["test_handlers_may_be_functions_methods_and_objects"]),
    Broken(
        TakesFunctionsAlone,
        [
            "test_handlers_may_be_functions_methods_and_objects",
            "test_commands_and_events_share_the_bus",
            "test_handler_subscribed_later_hears_later_messages",
            "test_handler_subscribed_twice_runs_twice",
            "test_unsubscribed_handler_hears_nothing",
            "test_unsubscribing_a_stranger_is_an_error",
        ],
    ),
    Broken(GivesNoContext, ["test_messages_made_inside_inherit", "test_context_nests"]),
    Broken(
        LeaksItsContext,
        [
            "test_context_ends_with_the_publish",
            "test_context_nests",
            "test_messages_made_inside_inherit",
        ],
    ),
    Broken(
        LeaksItsContextOnFailure,
        [
            "test_context_ends_with_the_publish",
            "test_context_nests",
            "test_messages_made_inside_inherit",
        ],
    ),
    Broken(PublishesAnything, ["test_only_messages_are_published"]),
    Broken(TakesCoroutineFunctions, ["test_coroutine_function_is_refused"]),
    Broken(TripsOverAStrangeType, ["test_only_message_types_are_unsubscribed_from"]),
]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.bus.__name__)
def test_broken_bus_is_caught(broken: Broken, catch: Callable[..., None]) -> None:
    catch(broken.bus, MessageBusContract, broken.failing)


def test_sound_bus_passes(
    run_contract: Callable[..., Any], subject_of: Callable[[type], Any]
) -> None:
    assert run_contract(MessageBusContract, subject_of(Bus))["failed"] == set()
