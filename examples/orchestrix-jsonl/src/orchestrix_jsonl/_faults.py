"""The fault that `orchestrix certify --faults` can make: another process has the file."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from orchestrix_core.hookspecs import Fault, Faults

__all__ = ["faults"]

_NO_CONNECTION: Final = "a file has no connection, nor a server; a killed process is tried anyway"


def faults(path: Path) -> Faults:
    """Return what can be done to the stores on a file, and why the rest cannot."""
    return {
        "connection_cut": _NO_CONNECTION,
        "lost_answer": _NO_CONNECTION,
        "server_restart": _NO_CONNECTION,
        "slow_commit": partial(_slow_commit, path),
        "pool_exhaustion": "a store has one file and one thread, and its calls wait for their turn",
    }


@asynccontextmanager
async def _slow_commit(path: Path) -> AsyncIterator[Fault]:
    @asynccontextmanager
    async def strike(store: Any) -> AsyncIterator[None]:
        other = os.open(path, os.O_RDWR)
        try:
            await asyncio.to_thread(fcntl.flock, other, fcntl.LOCK_EX)
            yield
        finally:
            os.close(other)  # which gives the lock back

    yield Fault(strike=strike)
