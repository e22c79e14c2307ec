"""What a store has while it is open: the pool, and the tasks beside it."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from typing import TypeVar

from orchestrix.infrastructure.postgres._collections import Question
from orchestrix.infrastructure.postgres._config import PostgreSQLConfig
from orchestrix.infrastructure.postgres._database import Database
from orchestrix.infrastructure.postgres._operations import Operations
from orchestrix.infrastructure.postgres._signal import Signal
from orchestrix.infrastructure.postgres._transactions import Transactions
from orchestrix.infrastructure.postgres._wake import Listener, Notifier
from orchestrix.infrastructure.postgres._writer import Writer
from orchestrix_core import JSONSerializer, Serializer

__all__ = ["Session"]

T = TypeVar("T")


class Session:
    """From `open` to `close`, once; in one event loop and one process."""

    def __init__(self, config: PostgreSQLConfig, name: str, serializer: Serializer | None) -> None:
        self.process = os.getpid()
        self.loop = asyncio.get_running_loop()
        self.ended = False
        self._database = Database(config, name)
        self.operations = Operations(self._database, serializer or JSONSerializer())
        self.signal = Signal()
        self.listener = Listener(self._database, self.signal)
        self._notifier = Notifier(self._database)
        self.writer = Writer(self._database, name, self._committed)
        self.transactions = Transactions(self._database, self.operations, name, self._committed)

    def _committed(self) -> None:
        self.signal.raise_()
        self._notifier.commit()

    async def ask(self, question: Question[T]) -> T:
        """Read what is committed."""
        return question.read(await self._database.fetch(question.name, *question.arguments))

    async def open(self) -> None:
        """Prepare the tables and fill the pool."""
        await self._database.open()

    async def close(self) -> None:
        """Undo transactions, write what waits, for up to `pool_timeout`, and let go of all."""
        self.ended = True
        try:
            with suppress(TimeoutError):  # the server is silent: what it was sent is cut off
                async with asyncio.timeout(self._database.config.pool_timeout):
                    await self.transactions.close()
                    await self.writer.end()
                    await self._notifier.end()
        finally:
            self.signal.raise_()
            await self.listener.end()
            await self._database.close()
