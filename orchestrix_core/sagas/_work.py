"""An event to its instance: the reaction is stored, then the commands are sent, each once."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, Protocol

import attrs

from orchestrix_core._unit import Ground, Unit
from orchestrix_core._watching import about
from orchestrix_core.documents import Transaction
from orchestrix_core.errors import (
    ConcurrencyError,
    DuplicateEventError,
    OrchestrixError,
    StorageError,
    StoreClosedError,
)
from orchestrix_core.instrumentation import Instrumentation
from orchestrix_core.messages import Command, Event
from orchestrix_core.records import RecordedEvent
from orchestrix_core.sagas._hearers import Hearer
from orchestrix_core.sagas._instance import Instance
from orchestrix_core.sagas._reaction import Timing
from orchestrix_core.sagas._reactor import Reactor
from orchestrix_core.sagas._stored import (
    CommandsSent,
    Reacted,
    Scheduled,
    derived_id,
    key_in,
    stream_of,
)
from orchestrix_core.subscriptions import RetryPolicy
from orchestrix_core.timers import Timers

__all__ = ["SagaWork", "Surroundings"]

_log = logging.getLogger("orchestrix_core.sagas")

_MOVED: Final = RetryPolicy(attempts=20, first=0.002, longest=0.2)
"""How often to begin again while others change the same instance."""


@attrs.frozen
class Surroundings:
    """
    What an application gives to a saga.

    Attributes:
        store: as handlers of commands see it.
        ground: below the units of work on that store.
        timers: keep what is to come later.
        send: handles a command.
        watch: is told of each event that an instance hears.
    """

    store: Any
    ground: Ground
    timers: Timers
    send: Callable[[Command], Awaitable[Any]]
    watch: Instrumentation


class AsCommand(Protocol):
    """Returns the command that has a time-out come."""

    def __call__(self, key: str, timing: Timing, /) -> Command: ...


class _Moved(Exception):
    """Another one has changed the instance meanwhile."""

    def __init__(self, error: OrchestrixError) -> None:
        self.error = error
        super().__init__(error)


class SagaWork:
    """
    Lets the instances of a saga hear events.

    Attributes:
        dropped: how many events were for no instance, by their stored names.
    """

    def __init__(self, reactor: Reactor, around: Surroundings, as_command: AsCommand) -> None:
        self.dropped: Counter[str] = Counter()
        self._reactor = reactor
        self._saga = reactor.saga
        self._name = type(reactor.saga).name
        self._around = around
        self._as_command = as_command
        self._failures: Counter[str] = Counter()  # of commands, until they are given up

    def group(self, record: RecordedEvent) -> str:
        """Return what an event is kept in order with: its instance, as far as that is known."""
        try:
            hearer = self._saga.hearers[type(record.event)]
            key = None if hearer is None else self._key(record, hearer)
        except Exception:  # `handle` fails as well, where that is seen to
            key = None
        return record.aggregate_id if key is None else stream_of(self._name, key)

    def _key(self, record: RecordedEvent, hearer: Hearer) -> str | None:
        if hearer.timeout:
            return key_in(self._name, record.aggregate_id)
        return hearer.key_of(type(self._saga).__name__, record.event)

    async def handle(self, record: RecordedEvent, _: Transaction | None) -> None:
        """Let the instance that an event is for react to it, and send what it asked for."""
        hearer = self._saga.hearers[type(record.event)]
        key = None if hearer is None else self._key(record, hearer)
        if hearer is None or key is None:
            return
        for attempt in range(1, _MOVED.attempts + 1):
            try:
                await self._watched(await self.load(key), hearer, record.event)
            except _Moved as moved:
                if attempt == _MOVED.attempts:
                    raise moved.error from None
                await asyncio.sleep(_MOVED.pause(attempt))
            else:
                return

    async def load(self, key: str) -> Instance:
        """Return an instance as it is stored."""
        return Instance(key, await self._around.store.load(stream_of(self._name, key)))

    async def _watched(self, instance: Instance, hearer: Hearer, event: Event) -> None:
        known = any(instance.reactions_to(event.id))
        if not known and not self._accepts(instance, hearer, event):
            return
        attributes = about(event, saga=self._name, saga_id=instance.key)
        with self._around.watch.operation("execute_saga", attributes):
            if not known:
                _, reacted = await self._reactor.hear(instance, hearer, event)
                await self._store(instance, reacted)
            await self._send(instance, event)

    def _accepts(self, instance: Instance, hearer: Hearer, event: Event) -> bool:
        if instance.status is None:
            if not hearer.starts:
                self._drop(event)
            return hearer.starts
        if hearer.timeout and event.id not in {one.id for one in instance.pending.values()}:
            return False  # it was cancelled
        return instance.status == "running"

    def _drop(self, event: Event) -> None:
        if not self.dropped[event.type]:
            text = "saga %s: there is no instance for event %s %s, and it starts none: it is "
            text += "dropped, as further ones of its type are without a word"
            _log.warning(text, self._name, event.type, event.id)
        self.dropped[event.type] += 1

    async def _store(self, instance: Instance, reacted: Reacted) -> None:
        """
        Store a reaction, unless the instance is another one by now.

        What is to come later must not come before the commands that are sent: whoever dies here may
        be followed by others long after it is due. So its timers are set with the first note that
        is taken of those commands; where there are none, at once.
        """
        with Unit(self._around.ground) as unit:
            for timer in reacted.cancelled:
                await self._around.timers.cancel(timer)
            if not reacted.commands:
                await self._set_timers(instance.key, reacted.scheduled)
        await self._save(unit, instance, reacted)

    async def _set_timers(self, key: str, scheduled: Iterable[Scheduled]) -> None:
        for one in scheduled:
            command = self._as_command(key, self._reactor.timing(one))
            await self._around.timers.schedule(command, one.due, None)

    async def _save(self, unit: Unit, instance: Instance, event: Event) -> None:
        """Append an event to the stream of an instance, together with what is in the unit."""
        unit.save(stream_of(self._name, instance.key), [event], instance.version)
        try:
            await unit.commit()
        except (ConcurrencyError, DuplicateEventError) as error:
            raise _Moved(error) from error
        instance.apply(event)

    async def _send(self, instance: Instance, event: Event) -> None:
        """Send what the instance asked for because of an event, and was not sent."""
        for reacted in instance.reactions_to(event.id):
            try:
                await self._send_all(instance, reacted)
            except _CommandFailed as failed:
                await self._note(instance, reacted)
                if not self._gives_up(failed.command, failed.compensates):
                    raise failed.error from None
                _, outcome = await self._reactor.fail(instance, event, failed.command, failed.error)
                await self._store(instance, outcome)
                del self._failures[failed.command.id]
            else:
                await self._note(instance, reacted)

    async def _send_all(self, instance: Instance, reacted: Reacted) -> None:
        while (outgoing := instance.next_of(reacted)) is not None:
            command = self._reactor.command(outgoing)
            try:
                await self._around.send(command)
            except (StorageError, StoreClosedError):
                raise
            except Exception as error:
                raise _CommandFailed(command, error, outgoing.undoes is not None) from error
            self._failures.pop(command.id, None)
            instance.sent(reacted)

    def _gives_up(self, command: Command, compensates: bool) -> bool:
        """Whether the saga is to react to the failure, rather than the command be tried again."""
        if compensates or not self._saga.handles_failure:
            return False
        self._failures[command.id] += 1
        return self._failures[command.id] >= self._saga.retry.attempts

    async def _note(self, instance: Instance, reacted: Reacted) -> None:
        """Store how many commands of a reaction were sent: for ever, unlike their results."""
        count = instance.unnoted(reacted)
        if count is None:
            return
        noted = CommandsSent(
            id=derived_id(self._name, reacted.id, "sent", count), reaction=reacted.id, count=count
        )
        await self._store_note(instance, reacted, noted)

    async def _store_note(self, instance: Instance, reacted: Reacted, noted: CommandsSent) -> None:
        with Unit(self._around.ground) as unit:
            if not instance.is_noted(reacted):
                await self._set_timers(instance.key, instance.pending_of(reacted))
        await self._save(unit, instance, noted)


class _CommandFailed(Exception):
    def __init__(self, command: Command, error: Exception, compensates: bool) -> None:
        self.command = command
        self.error = error
        self.compensates = compensates
        super().__init__(command.id)
