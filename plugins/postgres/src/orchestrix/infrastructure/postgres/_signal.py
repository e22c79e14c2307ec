"""Wakes the subscriptions that wait for a commit; none is lost between a look and the wait."""

from __future__ import annotations

import asyncio
from contextlib import suppress

__all__ = ["Signal"]


class Signal:
    """
    Counts what happened, in one event loop.

    A subscription takes `count` before it looks at the log, and waits only if the count is still
    the same: whatever is committed after the look has raised it, or will.
    """

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()
        self.count = 0

    def raise_(self) -> None:
        """Wake all that wait."""
        self.count += 1
        woken, self._waiting = self._waiting, set()
        for future in woken:
            if not future.done():
                future.set_result(None)

    async def wait_beyond(self, count: int, seconds: float) -> None:
        """Return once the signal was raised after `count` was taken, or after some time."""
        if self.count != count:
            return
        future = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await future
        finally:
            self._waiting.discard(future)
