"""The message bus of an application: what is stored reaches it through a durable subscription."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from orchestrix_core._watching import about
from orchestrix_core.buses import AsyncHandler, AsyncMessageBus
from orchestrix_core.documents import Transaction
from orchestrix_core.instrumentation import Instrumentation
from orchestrix_core.messages import Event, Message
from orchestrix_core.records import RecordedEvent
from orchestrix_core.subscriptions import Subscription

__all__ = ["BUS", "Hearing", "bus_subscription"]

BUS: Final = "bus"
"""The subscription by which stored events are published."""

T = TypeVar("T", bound=Message)


class Hearing(AsyncMessageBus):
    """A bus that tells when somebody wants to hear events."""

    def __init__(self, bus: AsyncMessageBus, wanted: Callable[[], None]) -> None:
        self._bus = bus
        self._wanted = wanted

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    def __repr__(self) -> str:
        return repr(self._bus)

    async def publish(self, message: Message) -> None:
        """Run every handler of the message's type; no handler: nothing happens."""
        await self._bus.publish(message)

    def subscribe(self, message_type: type[T], handler: AsyncHandler[T]) -> None:
        """Run `handler` for each later message of `message_type` or a subclass."""
        self._bus.subscribe(message_type, handler)
        if issubclass(message_type, Event) or issubclass(Event, message_type):
            self._wanted()

    def unsubscribe(self, message_type: type[T], handler: AsyncHandler[T]) -> None:
        """Take back one `subscribe`; `ValueError` when there was none."""
        self._bus.unsubscribe(message_type, handler)


def bus_subscription(bus: AsyncMessageBus, watch: Instrumentation) -> Subscription:
    """Return what publishes each stored event, at least once, in the order of its stream."""

    async def publish(record: RecordedEvent, _: Transaction | None) -> None:
        with watch.operation("publish", about(record.event)):
            await bus.publish(record.event)

    return Subscription(name=BUS, handle=publish, transactional=False, start="now")
