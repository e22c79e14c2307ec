"""What is being handled: waited for at the end, and cut off when that takes too long."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from orchestrix_core.errors import OrchestrixError

__all__ = ["InFlight"]

T = TypeVar("T")


class InFlight:
    """The commands that an application is handling, each in its caller's task."""

    def __init__(self) -> None:
        self._scopes: set[asyncio.Timeout] = set()
        self._changed = asyncio.Event()

    async def run(self, work: Awaitable[T]) -> T:
        """Return what `work` gives; `OrchestrixError` when it is cut off."""
        scope = asyncio.timeout(None)
        try:
            async with scope:
                self._scopes.add(scope)
                return await work
        except TimeoutError:
            if not scope.expired():
                raise
            msg = (
                "the application stopped while the command was handled: it is stored whole or not "
                "at all: send the very same command again to have it done, or to hear its result"
            )
            raise OrchestrixError(msg) from None
        finally:
            self._scopes.discard(scope)
            self._changed.set()

    async def finish(self, grace: float) -> None:
        """Wait until nothing is in hand; after `grace` seconds, cut off what is."""
        try:
            async with asyncio.timeout(grace):
                await self._empty()
        except TimeoutError:
            now = asyncio.get_running_loop().time()
            for scope in self._scopes:
                scope.reschedule(now)
            await self._empty()

    async def _empty(self) -> None:
        while self._scopes:
            self._changed.clear()
            await self._changed.wait()
