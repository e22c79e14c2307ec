"""How projections are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs

from orchestrix_core.projections._pointers import all_pointers, is_kept_by, read_pointer
from orchestrix_core.projections._projection import Projection
from orchestrix_core.projections._view import Generation
from orchestrix_core.subscriptions import Lag, lags

__all__ = ["ProjectionHealth", "events_behind", "health"]


@attrs.frozen(kw_only=True)
class ProjectionHealth:
    """
    How one projection is.

    Attributes:
        name: of the projection.
        inline: whether its view changes with each append.
        generation: number of the one that is read; None before there is one.
        outdated: whether another version of the projection makes it: a rebuild is due.
        behind: positions from what is handled to the end of the log.
        blocked: streams that wait for a dead letter.
        dead_letters: events set aside, those that wait behind one among them.
        running: whether workers have every partition; of an inline projection, whether it is there.
        building: number of the generation that a rebuild makes, or was making; None: there is none.
        building_behind: positions from what that one has to the end of the log.
    """

    name: str
    inline: bool
    generation: int | None
    outdated: bool
    behind: int
    blocked: int
    dead_letters: int
    running: bool
    building: int | None
    building_behind: int


async def health(store: Any, projections: Iterable[Projection]) -> list[ProjectionHealth]:
    """Return how each projection is, by name."""
    ordered = sorted(projections, key=lambda one: one.name)
    return [await _health(store, projection) for projection in ordered]


async def _health(store: Any, projection: Projection) -> ProjectionHealth:
    pointer = await read_pointer(store, projection.name)
    live, building = pointer.live, pointer.building
    inline = live is not None and live.inline
    found = [] if live is None or inline else await lags(store, [live.full_name])
    return ProjectionHealth(
        name=projection.name,
        inline=inline,
        generation=None if live is None else live.number,
        outdated=live is not None and not is_kept_by(projection, live),
        behind=0 if inline else await _behind(store, found),
        blocked=sum(lag.blocked for lag in found),
        dead_letters=sum(lag.dead_letters for lag in found),
        running=inline or (bool(found) and all(lag.owner is not None for lag in found)),
        building=None if building is None else building.number,
        building_behind=await _building_behind(store, building),
    )


async def events_behind(store: Any) -> dict[str, int]:
    """
    Return by how many positions what follows the log is behind, at the furthest partition.

    A projection is there by its name, with the generation that is read, unless it is inline. Other
    subscriptions are there by theirs, once a worker has run them.
    """
    pointers = await all_pointers(store)
    live = {
        pointer.live.full_name: name
        for name, pointer in pointers.items()
        if pointer.live is not None and not pointer.live.inline
    }
    behind: dict[str, int] = {}
    for lag in await lags(store):
        is_projection = lag.name.rpartition("@")[0] in pointers
        if lag.name in live or (lag.started and not is_projection):
            name = live.get(lag.name, lag.name)
            behind[name] = max(behind.get(name, 0), lag.behind)
    return behind


async def _building_behind(store: Any, building: Generation | None) -> int:
    if building is None:
        return 0
    return await _behind(store, await lags(store, [building.full_name]))


async def _behind(store: Any, found: list[Lag]) -> int:
    """Return the greatest lag; all of the log where nothing has run yet."""
    if not found:
        return int(await store.head())
    return max(lag.behind for lag in found)
