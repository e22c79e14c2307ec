"""
Workers are killed every two seconds, under load; when all is over, nothing is amiss.

ORCHESTRIX_CHAOS_SECONDS says for how long, on each store.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import pairwise
from pathlib import Path
from random import randrange
from time import monotonic

import pytest

from orchestrix_core import Orchestrix

from ._checker import faults
from ._client import OPEN
from ._evidence import Asked, Evidence, settled
from ._processes import Client, Workers

SECONDS = float(os.environ.get("ORCHESTRIX_CHAOS_SECONDS", "10"))
EVERY = 2.0
LEASE = "1.0"  # who is dead is soon known to be


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize(
    ("shop", "number"), [("postgres", 4), ("sqlite", 2)], indirect=["shop"], ids=lambda value: value
)
def test_nothing_is_lost_or_done_twice(
    shop: Path, number: int, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCHESTRIX__LEASE", LEASE)
    seed = randrange(10**6)
    workers = stack.enter_context(closing(Workers(shop, number, seed)))
    workers.await_all()
    client = stack.enter_context(closing(Client(shop, SECONDS, seed)))
    assert client.next() == "placing", workers.told()
    due = monotonic() + EVERY
    # A busy machine kills more slowly, and goes on with it while the last orders end.
    while not client.says_something(due) or workers.killed < SECONDS / EVERY / 2:
        workers.kill_one()
        due += EVERY
    assert client.next() == "placed", workers.told()
    placed = monotonic()
    evidence = asyncio.run(look_back(client.asked()))
    spent = monotonic() - placed
    assert workers.stop() == [0] * number, workers.told()
    print(
        f"{number} workers, {SECONDS:.0f} s: {seed=}, {workers.killed} kills, {workers.at_work} of "
        f"them at work, {summary(evidence)}, {spent:.1f} s to catch up"
    )
    assert workers.at_work > 0
    assert len(evidence.asked.orders) >= OPEN
    assert faults(evidence) == [], f"{seed=}"


def summary(evidence: Evidence) -> str:
    times = [record.event.timestamp for record in evidence.records]
    pause = max((after - before).total_seconds() for before, after in pairwise(times))
    orders, events = len(evidence.asked.orders), len(evidence.records)
    return f"{orders} orders, {events} events, {pause:.1f} s the longest pause"


async def look_back(asked: Asked) -> Evidence:
    async with Orchestrix.from_config(worker=False) as app:
        return await settled(app, asked)
