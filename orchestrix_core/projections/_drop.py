"""Removing generations that are read no more."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from orchestrix_core.projections._pointers import RETIRED, retired_in
from orchestrix_core.projections._projection import Projection
from orchestrix_core.projections._view import Generation, view_of
from orchestrix_core.subscriptions import forget

__all__ = ["drop_due", "drop_retired"]

_PAGE: Final = 500


async def drop_due(store: Any, projections: Iterable[Projection]) -> None:
    """Remove the generations of these projections whose time of grace has passed."""
    known = {projection.name: projection for projection in projections}
    for found in await store.find_documents(RETIRED, due=datetime.now(UTC)):
        if (projection := known.get(found.body["projection"])) is not None:
            await _drop(store, projection, retired_in(found))


async def drop_retired(store: Any, projection: Projection) -> None:
    """Remove every generation of a projection that is read no more, at once."""
    for found in await store.find_documents(RETIRED, prefix=f"{projection.name}@"):
        await _drop(store, projection, retired_in(found))


async def _drop(store: Any, projection: Projection, generation: Generation) -> None:
    """Remove it in steps; the note that there is one goes last, so that none is forgotten."""
    name = generation.full_name
    await forget(store, name)  # whatever still works on it can commit no more
    while keys := [found.key for found in await store.find_documents(name, limit=_PAGE)]:
        async with store.transaction() as transaction:
            for key in keys:
                await transaction.delete(name, key)
    async with store.transaction() as transaction:
        await projection.drop(view_of(transaction, generation))
        await transaction.delete(RETIRED, name)
