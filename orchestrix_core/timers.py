"""
Timers: commands that are to be sent later, kept in the store until they are.

A timer is a document, due when its command is; its key is the id of the command. Who fires it first
puts it off for a while, so that others leave it alone, sends the command, and removes it. Should it
fire twice nevertheless, the command has the same id and is handled once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import attrs

from orchestrix_core import _unit
from orchestrix_core.commands import Routes
from orchestrix_core.documents import Document, Transaction
from orchestrix_core.errors import OrchestrixError, RevisionConflictError, StoreClosedError
from orchestrix_core.messages import Command, now
from orchestrix_core.registry import default_registry
from orchestrix_core.serialization import JSONSerializer, Serializer
from orchestrix_core.subscriptions import RetryPolicy
from orchestrix_core.validation import check_due, check_id

__all__ = ["TIMERS", "Timers"]

_log = logging.getLogger(__name__)

TIMERS: Final = "timers"
"""The collection of all timers, by the ids of their commands."""
_CLAIM: Final = timedelta(seconds=30)  # for which others leave a timer alone that is being fired
_TICK: Final = 1.0  # seconds between two looks at what other processes have scheduled
_PAGE: Final = 100
_RETRY: Final = RetryPolicy(attempts=10, first=1.0, longest=300.0)

Send = Callable[[Command], Awaitable[Any]]


class Timers:
    """
    Schedules commands, and fires them.

    Args:
        ground: below the units of work: what a handler schedules is part of what it does.
        store: where the timers are.
        serializer: writes and reads commands.
        routes: the commands that can be handled here; other timers are left for others to fire.
        send: handles a command.
    """

    def __init__(
        self, ground: _unit.Ground, store: Any, serializer: Serializer, routes: Routes, send: Send
    ) -> None:
        self._ground = ground
        self._store = store
        self._serializer = serializer
        self._routes = routes
        self._send = send
        self._stirred = asyncio.Event()

    async def schedule(self, command: Command, at: datetime | None, after: timedelta | None) -> str:
        """Keep a command until its time; one that is kept already gets the new time."""
        due = _moment(at, after)
        data = self._serializer.encode(command).decode()  # type: ignore[arg-type]  # any message
        body = {
            "type": command.type,
            "version": command.__message_version__,
            "command": data,
            "scheduled_for": due.isoformat(),
            "attempts": 0,
            "error": None,
        }
        await self._change(partial(_put, command.id, body, due))
        self._stirred.set()
        return command.id

    async def cancel(self, timer_id: str) -> bool:
        """Drop a timer; return whether it was there."""
        check_id(timer_id, "timer_id")
        unit = _unit.active(self._ground)
        if unit is None:
            async with self._store.transaction() as transaction:
                return bool(await transaction.delete(TIMERS, timer_id))
        there = await self._store.get_document(TIMERS, timer_id) is not None
        mine = [change for change in unit.changes if _is_of(change, timer_id)]
        unit.changes = [change for change in unit.changes if change not in mine]
        unit.changes.append(partial(_delete, timer_id))
        return there or bool(mine)

    async def _change(self, change: _unit.Change) -> None:
        unit = _unit.active(self._ground)
        if unit is None:
            await self._ground.store([change], [])
        else:
            unit.changes.append(change)

    async def run(self, stopping: asyncio.Event) -> None:
        """Fire timers when they are due, until asked to stop; then finish the one in hand."""
        failed = 0
        while not stopping.is_set():
            self._stirred.clear()
            try:
                pause = await self.fire(stopping)
                failed = 0
            except StoreClosedError:
                raise
            except OrchestrixError as error:
                failed += 1
                pause = _RETRY.pause(failed)
                _log.warning("timers wait for the store: %s", error)
            await _first(pause, stopping, self._stirred)

    async def fire(self, stopping: asyncio.Event | None = None) -> float:
        """Fire what is due here; return for how many seconds nothing more will be, at most."""
        while True:
            found = await self._store.find_documents(TIMERS, due=now(), limit=_PAGE)
            ours = [timer for timer in found if self._class_of(timer) is not None]
            for timer in ours:
                if stopping is not None and stopping.is_set():
                    return 0
                await self._fire(timer)
            if not ours:
                return await self._pause()

    async def _pause(self) -> float:
        """Return the seconds until the next timer is due: a look at the clock, not at the store."""
        soon = now() + timedelta(seconds=_TICK)
        for timer in await self._store.find_documents(TIMERS, due=soon, limit=_PAGE):
            if timer.due is not None and self._class_of(timer) is not None:
                left: float = (timer.due - now()).total_seconds()
                return min(max(left, 0.0), _TICK)
        return _TICK

    def _class_of(self, timer: Document) -> type[Command] | None:
        """Return the class of a timer's command, if there is a handler for it here."""
        name = timer.body["type"]
        for kind in self._routes:
            if kind.__message_type__ == name:
                return kind
        with suppress(OrchestrixError):
            kind = default_registry.resolve(name)  # type: ignore[assignment]  # of a command
            self._routes.find(kind)
            return kind
        return None

    async def _fire(self, timer: Document) -> None:
        revision = await self._claim(timer, _CLAIM, timer.body)
        if revision is None:
            return
        try:
            await self._send(self._command(timer))
        except StoreClosedError:
            raise
        except Exception as error:
            await self._put_off(attrs.evolve(timer, revision=revision), error)
        else:
            await self._remove(timer.key, revision)

    async def _claim(self, timer: Document, time: timedelta, body: dict[str, Any]) -> int | None:
        """Put a timer off; return its new revision, None where another was faster."""
        try:
            async with self._store.transaction() as transaction:
                return int(
                    await transaction.put(
                        TIMERS, timer.key, body, expect=timer.revision, due=now() + time
                    )
                )
        except RevisionConflictError:
            return None

    def _command(self, timer: Document) -> Command:
        body = timer.body
        data, kind = body["command"].encode(), self._class_of(timer)
        command: Any
        if (
            isinstance(self._serializer, JSONSerializer)  # also of another registry
            and kind is not None
            and kind.__message_version__ == body["version"]
        ):
            command = self._serializer.codec(kind).decode(data)  # type: ignore[type-var]  # a message
        else:
            command = self._serializer.decode(body["type"], body["version"], data)
        return command  # type: ignore[no-any-return]  # as it was encoded

    async def _put_off(self, timer: Document, error: Exception) -> None:
        """Try a command that failed again later, and at last no more."""
        attempts = timer.body["attempts"] + 1
        body = {**timer.body, "attempts": attempts, "error": repr(error)}
        if attempts < _RETRY.attempts:
            _log.warning("timer %s (%s) failed", timer.key, timer.body["type"], exc_info=error)
            await self._claim(timer, timedelta(seconds=_RETRY.pause(attempts)), body)
            return
        _log.error("timer %s (%s) is given up", timer.key, timer.body["type"], exc_info=error)
        with suppress(RevisionConflictError):
            async with self._store.transaction() as transaction:
                await transaction.put(TIMERS, timer.key, body, expect=timer.revision)

    async def _remove(self, key: str, revision: int) -> None:
        """Remove a timer that was fired, unless it was scheduled anew meanwhile."""
        with suppress(RevisionConflictError):
            async with self._store.transaction() as transaction:
                await transaction.delete(TIMERS, key, expect=revision)


def _moment(at: datetime | None, after: timedelta | None) -> datetime:
    if (at is None) == (after is None):
        msg = "schedule takes at=, an aware datetime, or after=, a timedelta, and not both"
        raise TypeError(msg)
    if after is None:
        return check_due(at)  # type: ignore[return-value]  # it is not None
    if not isinstance(after, timedelta):
        msg = f"after must be a timedelta, not {after!r}"
        raise TypeError(msg)
    return now() + after


async def _put(key: str, body: dict[str, Any], due: datetime, transaction: Transaction) -> None:
    await transaction.put(TIMERS, key, body, due=due)


async def _delete(key: str, transaction: Transaction) -> None:
    await transaction.delete(TIMERS, key)


def _is_of(change: _unit.Change, timer_id: str) -> bool:
    return isinstance(change, partial) and change.func is _put and change.args[0] == timer_id


async def _first(seconds: float, *events: asyncio.Event) -> None:
    """Wait until one of the events happens, or for so many seconds."""
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
