"""Workers are killed at any moment, and others go on: real processes, on one file."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from random import Random, randrange

import pytest

from fulfilment.messages import PaymentFailed
from fulfilment.story import customers, fill_shelves, place_orders, see_it_through
from fulfilment.views import OrderStatus, SalesReport
from orchestrix_core import Orchestrix
from orchestrix_core.subscriptions import lags

from ._books import Books, whole_log

ORCHESTRIX = Path(sys.executable).with_name("orchestrix")
MANY = 25
KILLS = 5
PATIENCE = 300.0  # no measure of speed: an end to waiting for what never comes


class Worker:
    """A process that runs `orchestrix run`; `log` is the file with what it says."""

    def __init__(self, log: Path) -> None:
        self.log = log
        command = [str(ORCHESTRIX), "run", "--json"]
        with log.open("wb") as file:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=file)

    def end(self, number: signal.Signals) -> int:
        """Send a signal; return the status with which it ends."""
        self._process.send_signal(number)
        with self._process as ended:
            return ended.wait(timeout=PATIENCE)

    def wait_until_it_runs(self) -> None:
        """Wait for the line in which it tells who it is."""
        assert self._process.stdout is not None
        assert self._process.stdout.readline().startswith(b"{"), self.log.read_text()


class Workers:
    """Several of them; one that is killed is replaced."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._numbers = count(1)
        self._running: list[Worker] = []

    def start(self) -> None:
        self._running.append(Worker(self._directory / f"worker-{next(self._numbers)}.log"))

    def replace_one(self, number: int) -> None:
        killed = self._running.pop(number % len(self._running))
        assert killed.end(signal.SIGKILL) == -signal.SIGKILL, killed.log.read_text()
        self.start()

    async def stop(self) -> None:
        """End all as an operator does; they end well."""
        async with asyncio.timeout(PATIENCE):  # before they run, they do not know of SIGTERM
            for worker in self._running:
                await asyncio.to_thread(worker.wait_until_it_runs)
        while self._running:
            worker = self._running.pop()
            assert worker.end(signal.SIGTERM) == 0, worker.log.read_text()

    def close(self) -> None:
        for worker in self._running:
            worker.end(signal.SIGKILL)


@pytest.fixture
def workers(configured: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workers]:
    monkeypatch.setenv("ORCHESTRIX__LEASE", "0.5")  # who is dead is soon known to be
    workers = Workers(configured)
    yield workers
    workers.close()


async def kill_now_and_then(app: Orchestrix, workers: Workers, chance: Random) -> None:
    """Kill one whenever the log has grown by some number of events."""
    left, goal = KILLS, 10
    async for record in app.log.subscribe():
        if record.position >= goal:
            workers.replace_one(chance.randrange(2))
            left, goal = left - 1, record.position + chance.randint(10, 50)
        if not left:
            break


async def test_whoever_is_killed_all_orders_end_and_none_is_charged_twice(workers: Workers) -> None:
    seed = randrange(10**6)
    everybody = customers(MANY, pay_within=timedelta(seconds=2))
    async with Orchestrix.from_config(worker=False) as app:
        await fill_shelves(app, MANY // 2)
        workers.start()
        workers.start()
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as tasks:
            tasks.create_task(kill_now_and_then(app, workers, Random(seed)))
            tasks.create_task(place_orders(app, everybody))
            tasks.create_task(see_it_through(app, everybody, after=0))
        await app.caught_up(timeout=PATIENCE)
        books = Books(await whole_log(app))
        books.check()
        assert len(books.outcomes()) == MANY, f"{seed=}"
        assert any(isinstance(event, PaymentFailed) for event in books.events)
        status = await app.view(OrderStatus).find()
        found = {id: (one["status"], one["reason"]) for id, one in status.items()}
        assert found == books.outcomes(), f"{seed=}"
        assert await app.view(SalesReport).find() == books.report(), f"{seed=}"
        assert [lag for lag in await lags(app.store) if lag.dead_letters] == []
        await workers.stop()
