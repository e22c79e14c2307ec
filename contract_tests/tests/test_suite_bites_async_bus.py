"""
Each of these asynchronous buses breaks one promise.

A row of `BROKEN` has the bus, its contract, and exactly the tests that fail: first the one that is
named for the breach, then those that see the same breach from another side.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import attrs
import pytest

from orchestrix_contract_tests.contracts.async_bus import AsyncMessageBusContract
from orchestrix_core import Message, handling
from orchestrix_core.context import current_message


class Table:
    """Who is subscribed to what."""

    def __init__(self) -> None:
        self.table: list[tuple[Any, Any]] = []

    def subscribe(self, message_type, handler):
        if not (isinstance(message_type, type) and issubclass(message_type, Message)):
            raise TypeError("message_type must be a subclass of Message")
        if not callable(self.function(handler)):
            raise TypeError("handler must be callable")
        self.table.append((message_type, handler))

    def unsubscribe(self, message_type, handler):
        try:
            self.table.remove((message_type, handler))
        except ValueError as error:
            raise ValueError("handler is not subscribed") from error

    def function(self, handler):
        return getattr(handler, "handle", handler)

    def handlers(self, message):
        return [h for kind, h in self.table if isinstance(message, kind)]


class AsyncBus(Table):
    """A sound bus, so plain that each of its parts can be broken by itself."""

    async def publish(self, message):
        if not isinstance(message, Message):
            raise TypeError("message must be a Message")
        with handling(message):
            await self.call([self.function(h) for h in self.handlers(message)], message)

    async def call(self, handlers, message):
        outcomes = await asyncio.gather(*(h(message) for h in handlers), return_exceptions=True)
        self.settle([outcome for outcome in outcomes if isinstance(outcome, Exception)])

    def settle(self, failures):
        if len(failures) == 1:
            raise failures[0]
        if failures:
            raise ExceptionGroup("several handlers failed", failures)


class RunsOneAfterAnother(AsyncBus):
    async def call(self, handlers, message):
        failures = []
        for handler in handlers:
            try:
                await handler(message)
            except Exception as error:
                failures.append(error)
        self.settle(failures)


class DoesNotWait(AsyncBus):
    async def call(self, handlers, message):
        self.tasks = [asyncio.ensure_future(handler(message)) for handler in handlers]
        await asyncio.sleep(0)
        self.settle([t.exception() for t in self.tasks if t.done() and t.exception()])


class CancelsTheRestOnFailure(AsyncBus):
    async def call(self, handlers, message):
        async with asyncio.TaskGroup() as group:
            for handler in handlers:
                group.create_task(handler(message))


class LeavesTheRestRunning(AsyncBus):
    async def call(self, handlers, message):
        await asyncio.gather(*(handler(message) for handler in handlers))


class RaisesTheFirstOfSeveral(AsyncBus):
    def settle(self, failures):
        if failures:
            raise failures[0]


class GroupsASingleFailure(AsyncBus):
    def settle(self, failures):
        if failures:
            raise ExceptionGroup("handlers failed", failures)


class SwallowsFailures(AsyncBus):
    def settle(self, failures):
        pass


class RunsOnWhenCancelled(AsyncBus):
    async def call(self, handlers, message):
        await asyncio.shield(super().call(handlers, message))


class StartsInAnyOrder(AsyncBus):
    def handlers(self, message):
        return super().handlers(message)[::-1]


class SharesOneContext(AsyncBus):
    """It keeps the message in a place of its own, and what is handled last is the cause of all."""

    latest: Message

    async def publish(self, message):
        if not isinstance(message, Message):
            raise TypeError("message must be a Message")
        SharesOneContext.latest = message

        async def colour(handler):
            await asyncio.sleep(0)
            current_message.set(SharesOneContext.latest)
            await handler(message)

        calls = [colour(self.function(h)) for h in self.handlers(message)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        self.settle([outcome for outcome in outcomes if isinstance(outcome, Exception)])


class LeaksItsAsyncContext(AsyncBus):
    async def publish(self, message):
        try:
            await super().publish(message)
        finally:
            current_message.set(message)


class TripsOverAStrangeType(AsyncBus):
    """It looks for the name of what has none."""

    def unsubscribe(self, message_type, handler):
        if not any(kind is message_type for kind, _ in self.table):
            raise ValueError(f"handler is not subscribed to {message_type.__name__}")
        super().unsubscribe(message_type, handler)


@attrs.frozen
class Broken:
    bus: type
    failing: list[str]
    hangs: bool = False


BROKEN: Final = [
    Broken(RunsOneAfterAnother, ["test_handlers_run_together"], hangs=True),
    Broken(
        DoesNotWait,
        [
            "test_handler_gets_the_very_message",
            "test_all_run_to_their_end_although_one_fails",
            "test_bus_works_on_after_a_failure",
            "test_cancelled_publish_cancels_its_handlers",
            "test_context_nests",
            "test_handler_subscribed_later_hears_later_messages",
            "test_handler_subscribed_twice_runs_twice",
            "test_handlers_may_be_functions_methods_and_objects",
            "test_publish_inside_a_handler",
            "test_several_failures_are_a_group",
            "test_unsubscribed_handler_hears_nothing",
            "test_unsubscribing_a_stranger_is_an_error",
        ],
    ),
    Broken(
        CancelsTheRestOnFailure,
        [
            "test_all_run_to_their_end_although_one_fails",
            "test_bus_works_on_after_a_failure",
            "test_context_ends_with_the_publish",
            "test_one_failure_is_raised_as_it_is",
            "test_several_failures_are_a_group",
        ],
    ),
    Broken(
        LeavesTheRestRunning,
        ["test_all_run_to_their_end_although_one_fails", "test_several_failures_are_a_group"],
    ),
    Broken(RaisesTheFirstOfSeveral, ["test_several_failures_are_a_group"]),
    Broken(
        GroupsASingleFailure,
        [
            "test_one_failure_is_raised_as_it_is",
            "test_all_run_to_their_end_although_one_fails",
            "test_bus_works_on_after_a_failure",
            "test_context_ends_with_the_publish",
        ],
    ),
    Broken(
        SwallowsFailures,
        [
            "test_one_failure_is_raised_as_it_is",
            "test_all_run_to_their_end_although_one_fails",
            "test_bus_works_on_after_a_failure",
            "test_context_ends_with_the_publish",
            "test_several_failures_are_a_group",
        ],
    ),
    Broken(RunsOnWhenCancelled, ["test_cancelled_publish_cancels_its_handlers"]),
    Broken(
        StartsInAnyOrder,
        [
            "test_handlers_start_in_subscription_order",
            "test_base_class_handlers_hear_subclasses",
            "test_handlers_may_change_while_publishing",
            "test_several_failures_are_a_group",
        ],
    ),
    Broken(SharesOneContext, ["test_messages_made_inside_inherit"]),
    Broken(LeaksItsAsyncContext, ["test_context_ends_with_the_publish", "test_context_nests"]),
    Broken(TripsOverAStrangeType, ["test_only_message_types_are_unsubscribed_from"]),
]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.bus.__name__)
def test_broken_bus_is_caught(broken: Broken, catch: Callable[..., None]) -> None:
    catch(broken.bus, AsyncMessageBusContract, broken.failing, hangs=broken.hangs)


def test_sound_bus_passes(
    run_contract: Callable[..., Any], subject_of: Callable[[type], Any]
) -> None:
    assert run_contract(AsyncMessageBusContract, subject_of(AsyncBus))["failed"] == set()
