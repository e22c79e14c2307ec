"""Trying again: how often, after which wait, and what is nobody's fault."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import attrs

from orchestrix_core.errors import OrchestrixError, StorageError, StoreClosedError
from orchestrix_core.records import RecordedEvent
from orchestrix_core.subscriptions._lease import Lease, LeaseLost, PositionMoved
from orchestrix_core.subscriptions._subscription import RetryPolicy

__all__ = ["AWAY", "PASSING", "Failure", "Freed", "HandlerFailed", "Patience", "Stopped"]

AWAY: Final = RetryPolicy(first=0.1, longest=5.0)
"""How long to wait for what is not the handler's fault, however often."""


class Stopped(Exception):
    """The runner was asked to stop while it waited."""


class Freed(Exception):
    """A stream that stood still has lost its first letter: look at it before going on."""


class HandlerFailed(Exception):
    """The handler raised `error` at `record`."""

    def __init__(self, record: RecordedEvent, error: Exception) -> None:
        self.record = record
        self.error = error
        super().__init__(record.position)


PASSING: Final = (LeaseLost, PositionMoved, StoreClosedError, Stopped, Freed)
"""What says nothing of the event that was being handled."""


@attrs.frozen
class Failure:
    """What came of trying an event so many times."""

    error: Exception
    attempts: int


class Patience:
    """Tries the work of one partition again and again, until it is asked to stop."""

    def __init__(self, store: Any, lease: Lease, retry: RetryPolicy) -> None:
        self.stopping = asyncio.Event()
        self._store = store
        self._lease = lease
        self._retry = retry
        self._unanswered = 0  # failures of the store since it last did what it should

    async def persist(
        self, work: Callable[[], Awaitable[None]], before: Failure | None = None
    ) -> Failure | None:
        """Try `work` as often as the policy says, tries `before` included; None: it was done."""
        failure = before
        while failure is None or failure.attempts < self._retry.attempts:
            if failure is not None:
                await self.pause(self._retry.pause(failure.attempts))
            try:
                await work()
            except PASSING:
                raise
            except Exception as error:
                failure = await self.blame(error, failure)
            else:
                self.succeeded()
                return None
        return failure

    def succeeded(self) -> None:
        """Take note that the store did what it should."""
        self._unanswered = 0

    async def blame(self, error: Exception, before: Failure | None = None) -> Failure | None:
        """
        Return the failure with one more attempt; as it was when the store may be the cause.

        That is when it does not answer, and the first time that it fails although it does: a
        server that has come back is met by connections that do not know of it yet.
        """
        cause = error.error if isinstance(error, HandlerFailed) else error
        if isinstance(cause, StorageError):
            self._unanswered += 1
            if await self._was_away() or self._unanswered == 1:
                return before
        return Failure(cause, 1 if before is None else before.attempts + 1)

    async def _was_away(self) -> bool:
        """
        Wait until the store answers; return whether it did not.

        Then see whether what seemed to fail was committed: `PositionMoved` says so.
        """
        failed = 0
        while True:
            try:
                await self._store.ping()
                await self._lease.look(self._store)
                return failed > 0
            except StoreClosedError:
                raise
            except OrchestrixError:
                failed += 1
                await self.pause(AWAY.pause(failed))

    async def pause(self, seconds: float) -> None:
        """Wait; `Stopped` as soon as that was asked for."""
        try:
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
        except TimeoutError:
            return
        raise Stopped
