"""From an instance and an event to what is recorded of it; no store is needed."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from copy import copy, deepcopy
from typing import TYPE_CHECKING, Any

from orchestrix_core.commands._results import converter_of
from orchestrix_core.messages import Command, Event
from orchestrix_core.sagas._hearers import Hearer
from orchestrix_core.sagas._instance import Instance
from orchestrix_core.sagas._reaction import Reaction, Sending, Timing
from orchestrix_core.sagas._state import SagaStateError, StateCodec
from orchestrix_core.sagas._stored import (
    Outgoing,
    Reacted,
    Scheduled,
    derived_id,
    pack,
    unpack,
)
from orchestrix_core.serialization import Serializer

if TYPE_CHECKING:
    from orchestrix_core.sagas._saga import Saga

__all__ = ["Reactor"]


class Reactor:
    """
    Lets instances of one saga react.

    Attributes:
        saga: of which each reaction gets a copy.
        serializer: writes and reads messages, and knows further types of the state.
    """

    def __init__(self, saga: Saga, serializer: Serializer) -> None:
        self.saga = saga
        self.serializer = serializer
        self._states = StateCodec(type(saga), converter_of(serializer))

    async def hear(
        self, instance: Instance, hearer: Hearer, event: Event
    ) -> tuple[Reaction, Reacted]:
        """Let an instance hear an event; nothing of it is stored, the instance is as it was."""
        saga = self._begin(instance, event.id)
        await _call(getattr(saga, hearer.name), event)
        return self._end(saga, instance, event, None)

    async def fail(
        self, instance: Instance, event: Event, command: Command, error: Exception
    ) -> tuple[Reaction, Reacted]:
        """Let an instance react to a command that failed, which it sent because of an event."""
        saga = self._begin(instance, command.id)
        await _call(saga.on_failure, command, error)
        return self._end(saga, instance, event, command.id)

    def state_of(self, instance: Instance) -> Any:
        """
        Return the state of an instance.

        Raises:
            SagaStateError: another version of the saga stored it, and there is no way from that.
        """
        if instance.status is None:
            return self._states.initial()
        kind = type(self.saga)
        value = deepcopy(instance.state)
        if instance.schema != kind.version:
            if instance.schema > kind.version or not kind.upgrades:
                raise SagaStateError(kind.name, instance.key, instance.schema, kind.version)
            value = kind.upgrade(value, instance.schema)
        return self._states.decode(value)

    def _begin(self, instance: Instance, cause: str) -> Saga:
        saga = copy(self.saga)
        saga.state = self.state_of(instance)
        undoable = [self._sending(outgoing) for outgoing in instance.undoable()]
        pending = {name: one.id for name, one in instance.pending.items()}
        saga._reaction = Reaction(type(saga).name, instance.key, cause, undoable, pending)
        return saga

    def _end(
        self, saga: Saga, instance: Instance, event: Event, failed: str | None
    ) -> tuple[Reaction, Reacted]:
        reaction, saga._reaction = saga._now, None
        if reaction.status != "running":
            self._end_timeouts(reaction, instance)
        name = type(saga).name
        what = (event.id, "reacted") if failed is None else (failed, "failed")
        return reaction, Reacted(
            id=derived_id(name, *what),
            saga=name,
            key=instance.key,
            cause_id=event.id,
            cause_type=event.type,
            failed=failed,
            state=self._states.encode(saga.state),
            schema=type(saga).version,
            status=reaction.status,
            commands=tuple(self._outgoing(sending) for sending in reaction.sends),
            scheduled=tuple(self._scheduled(timing) for timing in reaction.timings.values()),
            cancelled=tuple(reaction.cancelled),
        )

    def _end_timeouts(self, reaction: Reaction, instance: Instance) -> None:
        """Nobody will be there to hear them."""
        for name, timing in list(reaction.timings.items()):
            if isinstance(timing.message, Event):
                del reaction.timings[name]
        reaction.cancelled += [
            one.id
            for one in instance.pending.values()
            if one.hears and one.id not in reaction.cancelled
        ]

    def _outgoing(self, sending: Sending) -> Outgoing:
        undo = None if sending.undo is None else pack(sending.undo, self.serializer)
        command = pack(sending.command, self.serializer)
        return Outgoing(id=sending.command.id, command=command, undo=undo, undoes=sending.undoes)

    def _sending(self, outgoing: Outgoing) -> Sending:
        assert outgoing.undo is not None  # noqa: S101 - only such are undoable
        undo = unpack(outgoing.undo, self.serializer, Command)
        return Sending(self.command(outgoing), undo)

    def command(self, outgoing: Outgoing) -> Command:
        """Return the command that a reaction asked for."""
        command: Command = unpack(outgoing.command, self.serializer, Command)
        return command

    def timing(self, scheduled: Scheduled) -> Timing:
        """Return what a reaction asked to come later."""
        kind = Event if scheduled.hears else Command
        message = unpack(scheduled.message, self.serializer, kind)
        return Timing(scheduled.name, message, scheduled.due, None)

    def _scheduled(self, timing: Timing) -> Scheduled:
        return Scheduled(
            id=timing.message.id,
            name=timing.name,
            message=pack(timing.message, self.serializer),
            due=timing.due,
            hears=isinstance(timing.message, Event),
        )


async def _call(function: Callable[..., Any], *arguments: Any) -> None:
    result = function(*arguments)
    if inspect.isawaitable(result):
        await result
