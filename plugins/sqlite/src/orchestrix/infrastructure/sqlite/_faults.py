"""The fault that the contract suite can make on a SQLite store: another writer has the file."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from orchestrix_core import Fault
from orchestrix_core.hookspecs import Faults

__all__ = ["faults"]

_NO_CONNECTION: Final = "a file is used without a connection; a killed process is tried in any case"
_NO_SERVER: Final = "a file has no server"
_NO_POOL: Final = "writes take turns, and reads wait for a reader for as long as it takes"
_PATIENCE: Final = 60.0  # seconds that the other writer waits for its turn


def faults(path: Path) -> Faults:
    """Return what can be done to the stores on a file."""
    return {
        "connection_cut": _NO_CONNECTION,
        "lost_answer": _NO_CONNECTION,
        "server_restart": _NO_SERVER,
        "slow_commit": partial(_slow_commit, path),
        "pool_exhaustion": _NO_POOL,
    }


@asynccontextmanager
async def _slow_commit(path: Path) -> AsyncIterator[Fault]:
    @asynccontextmanager
    async def strike(store: Any) -> AsyncIterator[None]:
        other = await asyncio.to_thread(_begin, path)
        try:
            yield
        finally:
            other.close()  # which undoes its transaction

    yield Fault(strike=strike)


def _begin(path: Path) -> sqlite3.Connection:
    """Open the file once more, and hold the lock of those who write."""
    other = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
    try:
        other.execute("BEGIN IMMEDIATE")
    except BaseException:
        other.close()
        raise
    return other
