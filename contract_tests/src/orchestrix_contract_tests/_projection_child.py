"""Projections in processes of their own, to be killed; each function is a child's main."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from orchestrix_contract_tests.contracts._projections import SHORT, Rows, Spread, keeping
from orchestrix_contract_tests.domain import Noted
from orchestrix_contract_tests.driver import Driver, Stores
from orchestrix_core import ContractSubject, Projection, RecordedEvent, SQLView, View, rebuild
from orchestrix_core.projections import Progress
from orchestrix_core.stores import SQL

__all__ = ["MOMENTS", "halt", "hurry", "keep", "rebuild_halfway"]

MOMENTS: Final = 200
"""One of so many events is the last one, or nearly so."""


def keep(subject: ContractSubject, directory: Path, parent: Connection) -> None:
    """Keep a view up to date until told to stop."""

    async def main(store: Driver) -> None:
        async with keeping(store, Spread):
            parent.send("running")
            await asyncio.to_thread(parent.recv)

    _run(subject, directory, main)


def halt(subject: ContractSubject, directory: Path, parent: Connection) -> None:
    """Keep views up to date up to some event, tell the parent, and stay there with the effect."""
    _run(
        subject,
        directory,
        lambda store: _keep(store, parent, SQL in subject.capabilities, asyncio.Event().wait),
    )


def hurry(subject: ContractSubject, directory: Path, parent: Connection) -> None:
    """Keep views up to date, tell the parent at some event, and go on."""
    _run(
        subject,
        directory,
        lambda store: _keep(store, parent, SQL in subject.capabilities, partial(asyncio.sleep, 0)),
    )


async def _keep(
    store: Driver, parent: Connection, tables: bool, then: Callable[[], Awaitable[Any]]
) -> None:
    moment = random.randint(1, MOMENTS)
    heard = 0

    async def at_that_moment() -> None:
        nonlocal heard
        heard += 1
        if heard == moment:
            parent.send("now")
            await then()

    class Documents(Spread, name="Spread"):
        async def noted(self, event: Noted, view: View, record: RecordedEvent) -> None:
            await super().noted(event, view, record)
            await at_that_moment()

    class Table(Rows, name="Rows"):
        async def noted(self, event: Noted, view: SQLView, record: RecordedEvent) -> None:
            await super().noted(event, view, record)
            await at_that_moment()

    projections: list[type[Projection]] = [Documents, *([Table] if tables else [])]
    async with keeping(store, *projections, lease=SHORT):
        await asyncio.Event().wait()


def rebuild_halfway(subject: ContractSubject, directory: Path, parent: Connection) -> None:
    """Rebuild; tell the parent once something is done, and stand still."""

    def report(progress: Progress) -> None:
        if progress.done > 0:
            parent.send("now")
            parent.recv()  # nothing comes: the whole process waits to be killed

    async def main(store: Driver) -> None:
        await rebuild(store.store, Spread, progress=report, lease=SHORT)

    _run(subject, directory, main)


def _run(
    subject: ContractSubject, directory: Path, main: Callable[[Driver], Awaitable[None]]
) -> None:
    async def whole() -> None:
        async with Stores(subject, directory) as stores:
            await main(await stores.open())

    asyncio.run(whole())
