"""Wakes the subscriptions that wait for a commit; none is lost between a look and the wait."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from threading import Lock

__all__ = ["Signal"]


class Signal:
    """
    Counts what happened; may be raised from any thread, and awaited in any event loop.

    A subscription takes `count` before it looks at the log, and waits only if the count is still
    the same: whatever is committed after the look has raised it, or will.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting: set[asyncio.Future[None]] = set()
        self.count = 0

    @property
    def is_awaited(self) -> bool:
        """Whether anyone would notice."""
        return bool(self._waiting)

    def raise_(self) -> None:
        """Wake all that wait."""
        with self._lock:
            self.count += 1
            woken, self._waiting = self._waiting, set()
        for future in woken:
            with suppress(RuntimeError):  # its event loop is closed: nobody is there to wake
                future.get_loop().call_soon_threadsafe(_wake, future)

    async def wait_beyond(self, count: int) -> None:
        """Return once the signal was raised after `count` was taken."""
        future = asyncio.get_running_loop().create_future()
        with self._lock:
            if self.count != count:
                return
            self._waiting.add(future)
        try:
            await future
        finally:
            with self._lock:
                self._waiting.discard(future)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
