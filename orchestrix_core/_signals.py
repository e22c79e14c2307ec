"""Waiting to be told to end."""

from __future__ import annotations

import asyncio
import signal
from contextlib import ExitStack, suppress

__all__ = ["signalled"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


async def signalled() -> signal.Signals:
    """Return the signal that tells the process to end, once it comes."""
    loop = asyncio.get_running_loop()
    told: asyncio.Future[signal.Signals] = loop.create_future()
    with ExitStack() as stack:
        for number in _SIGNALS:
            with suppress(NotImplementedError):  # where there are none, an exception ends it
                loop.add_signal_handler(number, _tell, told, number)
                stack.callback(loop.remove_signal_handler, number)
        return await told


def _tell(told: asyncio.Future[signal.Signals], number: signal.Signals) -> None:
    if not told.done():
        told.set_result(number)
