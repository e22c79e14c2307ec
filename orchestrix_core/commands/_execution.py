"""Runs a handler as a unit of work: once for each command, again while others are faster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import Any, Final

import attrs
import stamina

from orchestrix_core._unit import Ground, Unit, active
from orchestrix_core.commands._handlers import CommandHandler
from orchestrix_core.commands._inbox import COMMANDS, check_same
from orchestrix_core.commands._results import converter_of
from orchestrix_core.documents import Transaction
from orchestrix_core.errors import ConcurrencyError, OrchestrixError, RevisionConflictError
from orchestrix_core.messages import Command, now

__all__ = ["COMMANDS", "Execution"]

_NOT_DONE: Final = object()


class Execution:
    """
    Handles commands on one store.

    Args:
        ground: below the units of work.
        store: where the results are.
        serializer: knows further types of results.
        kept: for how long a result is kept.
        attempts: how often a handler runs in all while others are faster.
    """

    def __init__(
        self, ground: Ground, store: Any, serializer: Any, kept: timedelta, attempts: int
    ) -> None:
        self._ground = ground
        self._store = store
        self._converter = converter_of(serializer)
        self._kept = kept
        self._attempts = attempts
        self._turns: dict[str, _Turn] = {}

    async def run(self, handler: CommandHandler, command: Command, app: Any) -> Any:
        """
        Return the result of the command: the first one, if it was handled before.

        In a handler of another command, it becomes part of what that one does.
        """
        if active(self._ground) is not None:
            return await self._attempt(handler, command, app)
        if not handler.idempotent:
            return await self._persist(handler, command, app)
        async with self._turn(command.id):
            return await self._persist(handler, command, app)

    async def _persist(self, handler: CommandHandler, command: Command, app: Any) -> Any:
        try:
            return await self._attempt(handler, command, app)
        except OrchestrixError as error:
            if not _was_slower(error) or self._attempts == 1:
                raise
        async for attempt in self._retries():
            with attempt:
                return await self._attempt(handler, command, app)
        raise AssertionError  # the last attempt returns or raises

    def _retries(self) -> Any:
        return stamina.retry_context(
            on=_was_slower,
            attempts=self._attempts - 1,
            timeout=None,
            wait_initial=0.005,
            wait_max=1.0,
            wait_jitter=0.02,
        )

    async def _attempt(self, handler: CommandHandler, command: Command, app: Any) -> Any:
        if not handler.idempotent:
            return (await self._work(handler, command, app))[0]
        result = await self._known(handler, command)
        if result is not _NOT_DONE:
            return result
        try:
            return await self._work_once(handler, command, app)
        except Exception:
            # Another may have done it meanwhile, and that may be why this failed. Or the commit was
            # in doubt, and was made.
            with suppress(OrchestrixError):
                result = await self._known(handler, command)
            if result is _NOT_DONE:
                raise
            return result

    async def _known(self, handler: CommandHandler, command: Command) -> Any:
        """Return the result that is kept, or that an enclosing unit is to keep."""
        unit = active(self._ground)
        inside = None if unit is None else unit.result_of(command.id)
        if inside is not None:
            return handler.results.decode(inside["result"], self._converter)
        found = await self._store.get_document(COMMANDS, command.id)
        if found is None:
            return _NOT_DONE
        check_same(command, found)
        return handler.results.decode(found.body["result"], self._converter)

    async def _work_once(self, handler: CommandHandler, command: Command, app: Any) -> Any:
        with Unit(self._ground) as unit:
            result = await handler(command, app)
            value = handler.results.encode(result, self._converter)
        body = {"type": command.type, "handled": now().isoformat(), "result": value}
        unit.changes.insert(0, partial(_note, command.id, body, self._kept))
        unit.results[command.id] = body
        await unit.commit()
        return result

    async def _work(self, handler: CommandHandler, command: Command, app: Any) -> tuple[Any]:
        with Unit(self._ground) as unit:
            result = await handler(command, app)
        await unit.commit()
        return (result,)

    @asynccontextmanager
    async def _turn(self, command_id: str) -> AsyncIterator[None]:
        """Let the same command wait here for itself, rather than be handled twice for nothing."""
        turn = self._turns.setdefault(command_id, _Turn())
        turn.users += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.users -= 1
            if not turn.users:
                del self._turns[command_id]


@attrs.define(eq=False)
class _Turn:
    lock: asyncio.Lock = attrs.field(factory=asyncio.Lock)
    users: int = 0


async def _note(
    command_id: str, body: dict[str, Any], kept: timedelta, transaction: Transaction
) -> None:
    """Keep the result; that no other one is there makes the whole transaction happen once."""
    await transaction.put(COMMANDS, command_id, body, expect=0, due=now() + kept)


def _was_slower(error: Exception) -> bool:
    """Whether others have changed what this one built upon."""
    if isinstance(error, RevisionConflictError):  # a command within this one was done elsewhere
        return error.collection == COMMANDS
    return isinstance(error, ConcurrencyError)
