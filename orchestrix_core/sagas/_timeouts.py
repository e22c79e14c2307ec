"""Time-outs: when its timer fires, the event that a saga scheduled is stored in its own stream."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import new_class
from typing import Any, cast

from orchestrix_core.handlers import handles
from orchestrix_core.messages import Command, Event
from orchestrix_core.registry import MessageRegistry
from orchestrix_core.sagas._reaction import Timing
from orchestrix_core.sagas._stored import Packed, pack, stream_of, unpack
from orchestrix_core.sagas._work import SagaWork
from orchestrix_core.serialization import Serializer

__all__ = ["TimeOut", "as_command", "time_out_class", "time_out_handler"]


class TimeOut(Command, registry=MessageRegistry()):
    """
    A time-out of a saga is due; its id is that of the event that comes.

    Attributes:
        key: of the instance.
        event: what comes.
    """

    key: str
    event: Packed


def time_out_class(saga: str) -> type[TimeOut]:
    """Return the command for one saga, so that those fire a timer who know the saga."""
    keywords = {"type": f"orchestrix.saga.time-out.{saga}", "registry": MessageRegistry()}
    return cast("type[TimeOut]", new_class(f"{saga}TimeOut", (TimeOut,), keywords))


def as_command(kind: type[TimeOut], serializer: Serializer) -> Callable[[str, Timing], Command]:
    """Return a function that gives the command to be sent when something is due."""

    def make(key: str, timing: Timing) -> Command:
        message = timing.message
        if isinstance(message, Command):
            return message
        return kind(id=message.id, key=key, event=pack(message, serializer))

    return make


def time_out_handler(
    kind: type[TimeOut], saga: str, work: SagaWork, store: Any, serializer: Serializer
) -> Callable[[TimeOut], Awaitable[None]]:
    """Return the handler of the command: it stores the event, if anybody still waits for it."""

    @handles(kind)
    async def time_out(command: TimeOut) -> None:
        instance = await work.load(command.key)
        waited_for = {one.id for one in instance.pending.values()} - instance.arrived
        if instance.status == "running" and command.id in waited_for:
            event: Event = unpack(command.event, serializer, Event)
            stream = stream_of(saga, command.key)
            await store.save(stream, [event], expected_version=instance.version)

    time_out.__qualname__ = f"time_out of saga {saga}"
    return time_out
