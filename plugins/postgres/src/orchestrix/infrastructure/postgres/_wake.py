"""Tells other processes of a commit, and hears of theirs; only to wake, never to be relied on."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Any, Final

from orchestrix.infrastructure.postgres._database import Database
from orchestrix.infrastructure.postgres._signal import Signal
from orchestrix_core import OrchestrixError

__all__ = ["Listener", "Notifier", "channel_of"]

_log = logging.getLogger(__name__)

_PAUSE: Final = 0.02  # seconds between two notifications
_SHORTEST_WAIT, _LONGEST_WAIT = 0.1, 5.0  # seconds between two tries to connect


def channel_of(schema: str) -> str:
    """Return the channel on which the stores of one schema speak; at most 63 bytes long."""
    return f"orchestrix_{schema}"[:63]


class Notifier:
    """
    Sends a notification after commits, in a transaction of its own.

    NOTIFY takes a lock over the whole database until its commit, so it stays out of the append.
    Commits that come soon after one another share one.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._channel = channel_of(database.config.schema)
        self._due = False
        self._task: asyncio.Task[None] | None = None
        self._end = asyncio.Event()

    def commit(self) -> None:
        """See to it that listeners are told soon."""
        self._due = True
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="orchestrix-postgres-notifier")

    async def end(self) -> None:
        """Tell of the last commit, then end."""
        self._end.set()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            while self._due:
                self._due = False
                await self._notify()
                with suppress(TimeoutError):
                    async with asyncio.timeout(_PAUSE):
                        await self._end.wait()
        finally:
            self._task = None

    async def _notify(self) -> None:
        try:
            await self._database.fetch("notify", self._channel)
        except OrchestrixError as error:  # who listens looks from time to time all the same
            _log.debug("no notification was sent: %s", error)


class Listener:
    """Raises a signal when another process has committed; connects again when it was cut off."""

    def __init__(self, database: Database, signal: Signal) -> None:
        self._database = database
        self._channel = channel_of(database.config.schema)
        self._signal = signal
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to listen, with the first subscription."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="orchestrix-postgres-listener")

    async def end(self) -> None:
        """Let go of the connection."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        wait = _SHORTEST_WAIT
        while True:
            try:
                with self._database.translation:
                    connection = await self._database.connect()
                    wait = _SHORTEST_WAIT
                    await self._listen(connection)
            except OrchestrixError as error:
                _log.debug("not listening: %s", error)
            await asyncio.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT)

    async def _listen(self, connection: Any) -> None:
        """Listen until the connection ends."""
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        try:
            await connection.add_listener(self._channel, lambda *_: self._signal.raise_())
            self._signal.raise_()  # what was committed before anyone listened is to be looked for
            await lost.wait()
        finally:
            connection.terminate()
