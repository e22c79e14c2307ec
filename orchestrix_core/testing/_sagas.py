"""Given events, when a saga hears another, then it asks for this: without a store, in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import datetime, timedelta
from typing import Any, Self, TypeVar

import attrs

from orchestrix_core.context import handling
from orchestrix_core.messages import Command, Event, Message
from orchestrix_core.sagas import CommandsSent, Instance, Reacted, Reaction, Reactor, Saga, Timing
from orchestrix_core.serialization import Serializer
from orchestrix_core.testing._decisions import fail_with
from orchestrix_core.testing._differences import (
    INHERITED,
    differences,
    message_differences,
    show,
)

__all__ = ["GivenSaga", "SagaDecision"]

T = TypeVar("T")


class GivenSaga:
    """Instances of a saga with a past, which hear of something more."""

    def __init__(self, saga: Saga, events: Sequence[Event], serializer: Serializer) -> None:
        self._reactor = Reactor(saga, serializer)
        self._hearers = saga.hearers
        self._name = type(saga).__name__
        self._instances: dict[str, Instance] = {}
        self._events: dict[str, Event] = {}
        for event in events:
            self._hear(event)

    def when(self, event: Event) -> SagaDecision:
        """
        Let the saga hear an event; a time-out comes to the instance that waits for it.

        What the handler raises is raised.
        """
        if not isinstance(event, Event):
            msg = f"when takes the event that the saga hears, not {event!r}"
            raise TypeError(msg)
        return self._hear(event)

    def when_fails(self, command: Command, error: Exception) -> SagaDecision:
        """Let a command that was sent fail for good: what does `on_failure` do?"""
        for instance in self._instances.values():
            for reacted, index, sent in self._sent(instance):
                if not message_differences([command], [sent], INHERITED):
                    return self._fail(instance, reacted, index, sent, error)
        known = [show(sent) for one in self._instances.values() for _, _, sent in self._sent(one)]
        msg = f"{show(command)} was not sent; sent was {'; '.join(known) or 'nothing'}"
        raise AssertionError(msg)

    def _sent(self, instance: Instance) -> list[tuple[Reacted, int, Command]]:
        return [
            (reacted, index, self._reactor.command(outgoing))
            for event_id in self._events
            for reacted in instance.reactions_to(event_id)
            for index, outgoing in enumerate(reacted.commands)
        ]

    def _fail(
        self, instance: Instance, reacted: Reacted, index: int, command: Command, error: Exception
    ) -> SagaDecision:
        instance.apply(_noted(reacted, index))
        event = self._events[reacted.cause_id]
        with handling(event):
            outcome = _run(self._reactor.fail(instance, event, command, error))
        return self._decided(instance, *outcome)

    def _hear(self, event: Event) -> SagaDecision:
        hearer = self._hearers[type(event)]
        if hearer is None:
            msg = f"{self._name} does not hear {type(event).__name__}"
            raise AssertionError(msg)
        if hearer.timeout:
            instance = self._waiting_for(event)
        else:
            key = hearer.key_of(self._name, event)
            instance = self._instances.get(key or "")
            if instance is None and key is not None and hearer.starts:
                instance = self._instances[key] = Instance(key)
        if instance is None or instance.status not in (None, "running"):
            return SagaDecision(None, {}, None, None)
        if hearer.timeout:
            event = attrs.evolve(event, id=_of_type(instance, event)[0])
        self._events[event.id] = event
        with handling(event):
            outcome = _run(self._reactor.hear(instance, hearer, event))
        return self._decided(instance, *outcome)

    def _waiting_for(self, event: Event) -> Instance | None:
        found = (one for one in self._instances.values() if _of_type(one, event))
        return next(found, None)

    def _decided(self, instance: Instance, reaction: Reaction, reacted: Reacted) -> SagaDecision:
        pending = {one.id: name for name, one in instance.pending.items()}
        instance.apply(reacted)
        instance.apply(_noted(reacted, len(reacted.commands)))
        return SagaDecision(reaction, pending, instance.key, self._reactor.state_of(instance))


def _noted(reacted: Reacted, count: int) -> CommandsSent:
    return CommandsSent(reaction=reacted.id, count=count)


def _of_type(instance: Instance, event: Event) -> list[str]:
    """Return the ids of the time-outs of its type that an instance waits for."""
    waiting = instance.pending.values() if instance.status == "running" else ()
    return [one.id for one in waiting if one.hears and one.message.type == event.type]


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run it in a thread, so that it works where an event loop runs already."""
    run = copy_context().run
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(run, asyncio.run, work).result()


@attrs.frozen(eq=False)
class SagaDecision:
    """
    What came of it; each `then...` raises an AssertionError that shows what differs.

    Attributes:
        reaction: what was asked for; None: no instance heard it.
        key: of the instance.
        state: of the instance, as it is now.
    """

    reaction: Reaction | None
    _pending: dict[str, str]
    key: str | None
    state: Any

    @property
    def sends(self) -> list[Command]:
        """The commands that were sent, without those that compensate."""
        sends = [] if self.reaction is None else self.reaction.sends
        return [sending.command for sending in sends if sending.undoes is None]

    @property
    def compensations(self) -> list[Command]:
        """The commands that compensate, in the order in which they are sent."""
        sends = [] if self.reaction is None else self.reaction.sends
        return [sending.command for sending in sends if sending.undoes is not None]

    @property
    def timings(self) -> list[Timing]:
        """What was scheduled."""
        return [] if self.reaction is None else list(self.reaction.timings.values())

    @property
    def cancelled(self) -> list[str]:
        """The names of what was cancelled."""
        gone = [] if self.reaction is None else self.reaction.cancelled
        return [self._pending[one] for one in gone]

    def then_sends(self, *commands: Command) -> Self:
        """Check that exactly these commands were sent, in this order; compensations are apart."""
        __tracebackhide__ = True
        lines = message_differences(commands, self.sends, INHERITED, "command")
        fail_with("the commands differ", lines)
        return self

    def then_compensates(self, *commands: Command) -> Self:
        """Check that exactly these commands take back what was done, in this order."""
        __tracebackhide__ = True
        lines = message_differences(commands, self.compensations, INHERITED, "command")
        fail_with("the compensation differs", lines)
        return self

    def then_schedules(
        self,
        *messages: Message,
        after: timedelta | None = None,
        at: datetime | None = None,
        name: str | None = None,
    ) -> Self:
        """Check that a message was scheduled so; without one, that nothing was."""
        __tracebackhide__ = True
        if len(messages) > 1:
            msg = "then_schedules takes one message; call it again for the next"
            raise TypeError(msg)
        shown = "; ".join(f"{show(one.message)} {_when(one)}" for one in self.timings) or "nothing"
        if not messages:
            fail_with("expected that nothing is scheduled", [shown] if self.timings else [])
            return self
        (message,) = messages
        alike = [one for one in self.timings if type(one.message) is type(message)]
        if not alike:
            fail_with(f"expected that {show(message)} is scheduled", [f"scheduled was {shown}"])
        found = [_timing_differences(one, message, after, at, name) for one in alike]
        closest: list[str] = min(found, key=len)
        fail_with("what is scheduled differs", closest)
        return self

    def then_cancels(self, *what: str | type[Message]) -> Self:
        """Check that what was scheduled under these names, or as these classes, is cancelled."""
        __tracebackhide__ = True
        names = [one if isinstance(one, str) else one.__message_type__ for one in what]
        missing = [name for name in names if name not in self.cancelled]
        lines = [f"{name!r} is not; cancelled: {self.cancelled}" for name in missing]
        fail_with("expected that it is cancelled", lines)
        return self

    def then_completes(self) -> Self:
        """Check that the instance has come to its end, and not by compensation."""
        __tracebackhide__ = True
        self._has("completed")
        return self

    def then_goes_on(self) -> Self:
        """Check that the instance has not come to its end."""
        __tracebackhide__ = True
        self._has("running")
        return self

    def _has(self, status: str) -> None:
        __tracebackhide__ = True
        actual = "ignored" if self.reaction is None else self.reaction.status
        if actual != status:
            fail_with("the status differs", [f"expected {status}, got {actual}"])

    def then_nothing(self) -> Self:
        """Check that nothing was asked for: no command, nothing scheduled or cancelled, no end."""
        __tracebackhide__ = True
        if self.reaction is not None:
            self.then_sends().then_compensates().then_schedules().then_goes_on()
            fail_with("expected that nothing is cancelled", self.cancelled)
        return self

    def then_state(self, /, *state: Any, **attributes: Any) -> Self:
        """Check the state of the instance, or these attributes of it."""
        __tracebackhide__ = True
        if self.reaction is None:
            fail_with("the state differs", ["no instance heard the event"])
        lines = [line for each in state for line in differences(each, self.state, "state")]
        for name, value in attributes.items():
            if not hasattr(self.state, name):
                lines.append(f"{name}: expected {value!r}, but there is no such attribute")
            else:
                lines += differences(value, getattr(self.state, name), name)
        fail_with("the state differs", lines)
        return self


def _when(timing: Timing) -> str:
    return f"at {timing.due}" if timing.after is None else f"after {timing.after}"


def _timing_differences(
    timing: Timing,
    message: Message,
    after: timedelta | None,
    at: datetime | None,
    name: str | None,
) -> list[str]:
    lines = message_differences([message], [timing.message], INHERITED, "message")
    if after is not None and after != timing.after:
        lines.append(f"after: expected {after}, got {_when(timing)}")
    if at is not None and at != timing.due:
        lines.append(f"at: expected {at}, got {_when(timing)}")
    if name is not None and name != timing.name:
        lines.append(f"name: expected {name!r}, got {timing.name!r}")
    return lines
