"""The message bus ports: who hears what is published, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeAlias, TypeVar, runtime_checkable

from orchestrix_core.messages import Message

__all__ = ["AsyncHandler", "AsyncMessageBus", "Handler", "HandlerObject", "MessageBus"]

T = TypeVar("T", bound=Message)
T_contra = TypeVar("T_contra", bound=Message, contravariant=True)
R_co = TypeVar("R_co", covariant=True)


class HandlerObject(Protocol[T_contra, R_co]):
    """A handler as an object: its `handle` is called with the message."""

    def handle(self, message: T_contra, /) -> R_co: ...


Handler: TypeAlias = Callable[[T], Any] | HandlerObject[T, Any]
"""A function, bound method, or object with `handle`; what it returns is dropped."""
AsyncHandler: TypeAlias = (
    Callable[[T], Coroutine[Any, Any, Any]] | HandlerObject[T, Coroutine[Any, Any, Any]]
)
"""A coroutine function, bound method, or object whose `handle` is a coroutine function."""


@runtime_checkable
class MessageBus(Protocol):
    """
    Handlers run one after another, in subscription order.

    A handler of a base class hears its subclasses too; the order is subscription order over
    both. The first exception stops the rest and propagates.
    """

    def publish(self, message: Message) -> None:
        """Call every handler of the message's type; no handler: nothing happens."""

    def subscribe(self, message_type: type[T], handler: Handler[T]) -> None:
        """Call `handler` for each later message of `message_type` or a subclass."""

    def unsubscribe(self, message_type: type[T], handler: Handler[T]) -> None:
        """Take back one `subscribe`; `ValueError` when there was none."""


@runtime_checkable
class AsyncMessageBus(Protocol):
    """
    Handlers run together, through `asyncio.gather`, all to their end.

    One failure is raised as it is, several as an `ExceptionGroup`.
    """

    async def publish(self, message: Message) -> None:
        """Run every handler of the message's type; no handler: nothing happens."""

    def subscribe(self, message_type: type[T], handler: AsyncHandler[T]) -> None:
        """Run `handler` for each later message of `message_type` or a subclass."""

    def unsubscribe(self, message_type: type[T], handler: AsyncHandler[T]) -> None:
        """Take back one `subscribe`; `ValueError` when there was none."""
