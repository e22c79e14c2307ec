"""What the contracts about projections share: views of which each mistake shows, and running."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import cache
from importlib.resources import files
from typing import Any, Final

from orchestrix_contract_tests import driver
from orchestrix_contract_tests.contracts._workers import running
from orchestrix_contract_tests.domain import Noted, Opened
from orchestrix_contract_tests.driver import Driver
from orchestrix_core import (
    Projection,
    ProjectionReader,
    Projections,
    RecordedEvent,
    SQLView,
    View,
    Worker,
    on,
)
from orchestrix_core.subscriptions import caught_up

__all__ = [
    "SHORT",
    "Rows",
    "Seen",
    "Spread",
    "Sums",
    "expected_sums",
    "expected_versions",
    "keeping",
    "rows_of",
    "settled",
    "statement",
    "versions_of",
]

SHORT: Final = 0.5
"""The lease of who is to be killed, so that others soon take over; never of who goes on."""


class Seen(Projection):
    """Which events of each stream were handled, in the order in which they were."""

    @on(Noted)
    async def noted(self, event: Noted, view: View, record: RecordedEvent) -> None:
        seen = await view.get(record.aggregate_id) or {"versions": []}
        versions = [*seen["versions"], record.version]
        await view.put(record.aggregate_id, {"versions": versions})


class Spread(Seen, partitions=4):
    """The same, in parts."""


class Rows(Projection, tables=["seen"]):
    """The same, in a table."""

    async def setup(self, view: SQLView) -> None:
        await view.execute(statement("make"))
        index = view.table("seen_by_stream")
        await view.execute(statement("index").replace("{index}", index))

    @on(Noted)
    async def noted(self, event: Noted, view: SQLView, record: RecordedEvent) -> None:
        await view.execute(statement("add"), record.aggregate_id, record.version)


class Sums(Projection, inline=True):
    """How often each owner was told what, in the append itself; and the order of all of it."""

    @on(Noted)
    async def noted(self, event: Noted, view: View) -> None:
        total = await view.get("total") or {"count": 0, "last": None}
        if event.notes.get("poison"):
            msg = "poison"
            raise ValueError(msg)
        await view.put("total", {"count": total["count"] + 1, "last": event.id})

    @on(Opened)
    def opened(self, event: Opened, view: View) -> Any:
        return view.put(event.owner, {"open": True})


@cache
def statement(name: str) -> str:
    """Return a named statement."""
    text = files("orchestrix_contract_tests").joinpath("projections.sql").read_text("utf-8")
    blocks = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)[1:]
    return dict(zip(blocks[::2], blocks[1::2], strict=True))[name].strip()


async def expected_versions(store: Driver) -> dict[str, list[int]]:
    """Return what `Seen` makes of the log."""
    found: dict[str, list[int]] = {}
    for record in await store.read_log(limit=1_000_000):
        if isinstance(record.event, Noted):
            found.setdefault(record.aggregate_id, []).append(record.version)
    return found


async def expected_sums(store: Driver) -> dict[str, dict[str, Any]]:
    """Return what `Sums` makes of the log."""
    found: dict[str, dict[str, Any]] = {}
    count = 0
    for record in await store.read_log(limit=1_000_000):
        if isinstance(record.event, Noted):
            count += 1
            found["total"] = {"count": count, "last": record.event.id}
        elif isinstance(record.event, Opened):
            found[record.event.owner] = {"open": True}
    return found


def versions_of(view: Mapping[str, Mapping[str, Any]]) -> dict[str, list[int]]:
    """Return what a view of `Seen` holds."""
    return {key: body["versions"] for key, body in view.items()}


async def rows_of(store: Driver, projection: type[Projection] = Rows) -> dict[str, list[int]]:
    """Return what the view of `Rows` holds."""
    found: dict[str, list[int]] = {}
    for row in await ProjectionReader(store.store, projection).fetch(statement("all")):
        found.setdefault(row["stream"], []).append(row["version"])
    return found


async def settled(store: Driver, projections: Projections) -> None:
    """Wait until the live views have got to the present end of the log."""
    names = await projections.subscriptions()
    await caught_up(store.store, names, timeout=driver.PATIENCE)


@asynccontextmanager
async def keeping(
    store: Driver,
    *projections: Projection | type[Projection],
    lease: float = 10.0,
    **options: Any,
) -> AsyncIterator[Projections]:
    """Keep projections up to date beside the block, as an application does."""
    kept = Projections(store.store, projections, **options)
    await kept.prepare()
    worker = Worker(store.store, lease=lease, **options)
    following = asyncio.create_task(kept.follow(worker))
    try:
        async with running(worker):
            yield kept
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
