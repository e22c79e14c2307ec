"""What the stream of a saga's instance holds, and how the commands in it are written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias, cast
from uuid import NAMESPACE_URL, uuid5

import attrs

from orchestrix_core.errors import UnknownMessageType
from orchestrix_core.messages import Event, Message, RawEvent
from orchestrix_core.registry import framework_registry
from orchestrix_core.serialization import Serializer

__all__ = [
    "CommandsSent",
    "Outgoing",
    "Packed",
    "Reacted",
    "Scheduled",
    "Status",
    "derived_id",
    "key_in",
    "pack",
    "stream_of",
    "unpack",
]

Status: TypeAlias = Literal["running", "completed", "compensated"]

_NAMESPACE: Final = uuid5(NAMESPACE_URL, "orchestrix.saga")


@attrs.frozen(kw_only=True)
class Packed:
    """
    A message within an event.

    Attributes:
        type: its stored name.
        version: the schema version it was written with.
        data: its document, JSON.
    """

    type: str
    version: int
    data: str


@attrs.frozen(kw_only=True)
class Outgoing:
    """
    A command that a reaction asks for.

    Attributes:
        id: of the command.
        command: what is sent.
        undo: what compensates for it, if anything does.
        undoes: id of the command that this one compensates for; None: it is no compensation.
    """

    id: str
    command: Packed
    undo: Packed | None = None
    undoes: str | None = None


@attrs.frozen(kw_only=True)
class Scheduled:
    """
    What a reaction asked to come later.

    Attributes:
        id: of the timer; of the command that is sent, or of the event that comes.
        name: by which it can be cancelled.
        message: a command, which is sent, or an event, which the saga itself hears.
        due: when.
        hears: whether it is an event.
    """

    id: str
    name: str
    message: Packed
    due: datetime
    hears: bool


class Reacted(Event, type="orchestrix.saga.reacted", registry=framework_registry):
    """
    An instance of a saga has reacted, once and for all.

    Attributes:
        saga: name of the saga.
        key: of the instance.
        cause_id: id of the event that it reacted to.
        cause_type: stored name of that event.
        failed: id of the command whose failure it reacted to, which an earlier reaction to the same
            event asked for; None: it reacted to the event itself.
        state: of the instance from here on, as JSON.
        schema: number of the shape of that state.
        status: of the instance from here on.
        commands: to be sent, in this order.
        scheduled: to come later.
        cancelled: ids of what does not come any more.
    """

    saga: str
    key: str
    cause_id: str
    cause_type: str
    failed: str | None = None
    state: Any = None
    schema: int = 1
    status: Status = "running"
    commands: tuple[Outgoing, ...] = ()
    scheduled: tuple[Scheduled, ...] = ()
    cancelled: tuple[str, ...] = ()


class CommandsSent(Event, type="orchestrix.saga.commands-sent", registry=framework_registry):
    """
    The first so many commands of a reaction have been handled: they are never sent again.

    Attributes:
        reaction: id of the `Reacted`.
        count: of commands.
    """

    reaction: str
    count: int


def derived_id(*parts: object) -> str:
    """Return the id that follows from the parts: the same one whoever works it out, and when."""
    return str(uuid5(_NAMESPACE, "\n".join(map(str, parts))))


def stream_of(saga: str, key: str) -> str:
    """Return the stream of an instance; names of sagas have no "-", so it is no other's."""
    return f"saga-{saga}-{key}"


def key_in(saga: str, stream: str) -> str | None:
    """Return the key of the instance whose stream it is; None where it is none of this saga."""
    prefix = stream_of(saga, "")
    return stream[len(prefix) :] if stream.startswith(prefix) else None


def pack(message: Message, serializer: Serializer) -> Packed:
    """Return a message as it stands in an event; `SerializationError` names what cannot."""
    data = serializer.encode(cast("Event", message))  # serializers write any message
    return Packed(type=message.type, version=message.__message_version__, data=data.decode())


def unpack(packed: Packed, serializer: Serializer, kind: type[Any]) -> Any:
    """
    Return the message, brought to the present version of its class.

    Raises:
        UnknownMessageType: there is no such class here.
    """
    decode: Callable[..., Any] = serializer.decode
    message = decode(packed.type, packed.version, packed.data.encode())
    if not isinstance(message, kind) or isinstance(message, RawEvent):
        raise UnknownMessageType(packed.type)
    return message
