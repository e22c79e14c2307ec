"""Sagas in processes of their own, each of which kills itself at a point that it is given."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable
from functools import wraps
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from orchestrix_contract_tests.contracts._shop import shop
from orchestrix_contract_tests.contracts._trips import Desk, Free, Spread
from orchestrix_contract_tests.driver import Stores
from orchestrix_core import Command, ContractSubject
from orchestrix_core.sagas._work import SagaWork

__all__ = ["POINTS", "run"]

POINTS: Final = (
    "before the reaction",
    "behind the reaction",
    "behind a command",
    "behind a compensation",
    "before the note",
    "behind the note",
)


LEASE: Final = 1.0


def run(subject: ContractSubject, directory: Path, parent: Connection) -> None:
    """
    Run the saga in a process for each point, until that has come so many times; tell how each ends.

    The processes are forked: that is much quicker than to import everything in each of them.
    """
    reading, writing = os.pipe()
    pids = []
    for point in POINTS:
        if pid := os.fork():
            pids.append(pid)
            continue
        try:
            os.close(writing)  # so that `reading` ends with the parent
            asyncio.run(_run(subject, directory, _Bomb(point, random.randint(1, 4)), reading))
        finally:
            os._exit(1)
    for pid in pids:
        parent.send(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


class _Bomb:
    def __init__(self, point: str, count: int) -> None:
        self._point = point
        self._left = count

    def reach(self, point: str) -> None:
        """Die, if it is the point for which the process is meant."""
        if point == self._point:
            self._left -= 1
            if not self._left:
                os.kill(os.getpid(), signal.SIGKILL)

    def around(self, name: str, what: str) -> None:
        """Have a method of the saga's work reach points."""
        method = getattr(SagaWork, name)

        @wraps(method)
        async def call(*arguments: Any) -> None:
            self.reach(f"before {what}")
            await method(*arguments)
            self.reach(f"behind {what}")

        setattr(SagaWork, name, call)

    async def command(
        self, command: Command, call_next: Callable[[Command], Awaitable[Any]]
    ) -> Any:
        """Middleware: a command reaches points."""
        result = await call_next(command)
        self.reach(f"behind {'a compensation' if isinstance(command, Free) else 'a command'}")
        return result


async def _run(subject: ContractSubject, directory: Path, bomb: _Bomb, alive: int) -> None:
    asyncio.get_running_loop().add_reader(alive, os._exit, 1)
    bomb.around("_store", "the reaction")
    bomb.around("_store_note", "the note")
    async with Stores(subject, directory) as stores:
        store = await stores.open()
        async with shop(store, Spread, Desk(), worker=True, lease=LEASE) as app:
            app.middleware(bomb.command)
            await asyncio.Event().wait()
