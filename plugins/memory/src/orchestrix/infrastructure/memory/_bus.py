"""The two in-memory message buses over one table of subscriptions."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from orchestrix_core import Message
from orchestrix_core.buses import AsyncHandler, Handler
from orchestrix_core.context import current_message

__all__ = ["InMemoryAsyncMessageBus", "InMemoryMessageBus"]

T = TypeVar("T", bound=Message)
Call = Callable[[Any], Any]


class _Subscriptions:
    """Who hears what, in subscription order; resolved once for each concrete type."""

    def __init__(self) -> None:
        self._all: list[tuple[type[Message], Any, Call]] = []
        self._resolved: dict[type[Message], tuple[Call, ...]] = {}

    def add(self, message_type: type[Message], handler: Any, call: Call) -> None:
        self._all.append((message_type, handler, call))
        self._resolved = {}

    def remove(self, message_type: type[Message], handler: Any) -> None:
        for index, (kind, known, _) in enumerate(self._all):
            if kind is message_type and known == handler:
                del self._all[index]
                self._resolved = {}
                return
        msg = f"handler {handler!r} is not subscribed to {message_type.__name__}"
        raise ValueError(msg)

    def of(self, message: Message) -> tuple[Call, ...]:
        kind = type(message)
        calls = self._resolved.get(kind)
        if calls is None:
            if not isinstance(message, Message):
                msg = f"message must be a Message, not {kind.__name__}"
                raise TypeError(msg)
            calls = tuple(call for known, _, call in self._all if issubclass(kind, known))
            self._resolved[kind] = calls
        return calls


def _check_type(message_type: Any) -> None:
    if not (isinstance(message_type, type) and issubclass(message_type, Message)):
        msg = f"message_type must be a subclass of Message, not {message_type!r}"
        raise TypeError(msg)


def _callable(handler: Any) -> Call:
    """Return what to call: the handler's `handle`, or the handler itself."""
    call = getattr(handler, "handle", handler)
    if not callable(call):
        msg = f"handler must be callable or have a method `handle`; {handler!r} is neither"
        raise TypeError(msg)
    return call  # type: ignore[no-any-return]  # whatever the user gave


class InMemoryMessageBus:
    """
    Synchronous message bus: handlers run in subscription order, in the caller's thread.

    If a handler raises, the later ones are not called and the exception propagates. Nothing
    survives the process. Not thread-safe.
    """

    def __init__(self) -> None:
        self._subscriptions = _Subscriptions()

    def publish(self, message: Message) -> None:
        """Call every handler of the message's type; messages they make inherit its context."""
        calls = self._subscriptions.of(message)
        token = current_message.set(message)
        try:
            for call in calls:
                call(message)
        finally:
            current_message.reset(token)

    def subscribe(self, message_type: type[T], handler: Handler[T]) -> None:
        """Call `handler` for each later message of `message_type` or a subclass."""
        _check_type(message_type)
        call = _callable(handler)
        if inspect.iscoroutinefunction(call):
            msg = f"handler {handler!r} is a coroutine function; use InMemoryAsyncMessageBus"
            raise TypeError(msg)
        self._subscriptions.add(message_type, handler, call)

    def unsubscribe(self, message_type: type[T], handler: Handler[T]) -> None:
        """Take back one `subscribe`; `ValueError` when there was none."""
        _check_type(message_type)
        self._subscriptions.remove(message_type, handler)


class InMemoryAsyncMessageBus:
    """
    Async message bus: handlers run together through `asyncio.gather`, all to their end.

    One failure is raised as it is, several as an `ExceptionGroup`. Nothing survives the process.
    """

    def __init__(self) -> None:
        self._subscriptions = _Subscriptions()

    async def publish(self, message: Message) -> None:
        """Run every handler of the message's type; messages they make inherit its context."""
        calls = self._subscriptions.of(message)
        if not calls:
            return
        token = current_message.set(message)  # each handler's task starts with a copy of this
        try:
            outcomes = asyncio.gather(
                *(_run(call, message) for call in calls), return_exceptions=True
            )
        finally:
            current_message.reset(token)
        _raise_failures(await outcomes, message)

    def subscribe(self, message_type: type[T], handler: AsyncHandler[T]) -> None:
        """Run `handler` for each later message of `message_type` or a subclass."""
        _check_type(message_type)
        self._subscriptions.add(message_type, handler, _callable(handler))

    def unsubscribe(self, message_type: type[T], handler: AsyncHandler[T]) -> None:
        """Take back one `subscribe`; `ValueError` when there was none."""
        _check_type(message_type)
        self._subscriptions.remove(message_type, handler)


async def _run(call: Call, message: Message) -> None:
    outcome = call(message)
    if not isinstance(outcome, Awaitable):
        msg = f"handler {call!r} returned {outcome!r}: an async bus needs a coroutine function"
        raise TypeError(msg)
    await outcome


def _raise_failures(outcomes: list[BaseException | None], message: Message) -> None:
    failures = [outcome for outcome in outcomes if outcome is not None]
    if len(failures) == 1:
        raise failures[0]
    if failures:
        msg = f"{len(failures)} handlers of {type(message).__name__} failed"
        raise BaseExceptionGroup(msg, failures)
