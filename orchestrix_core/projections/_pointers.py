"""
Which generation of a projection is read, and which one is being built: the pointer document.

Generations are numbered, and no number is used twice: once a pointer names another one as live, the
former is never live again. So a reader that finds the pointer unchanged after it has read knows
that it read from the live one.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import attrs

from orchestrix_core.documents import Document, Transaction
from orchestrix_core.errors import OutdatedProjectionError
from orchestrix_core.projections._projection import Projection
from orchestrix_core.projections._view import Generation
from orchestrix_core.subscriptions._checkpoints import documents_in

__all__ = [
    "RETIRED",
    "Pointer",
    "all_pointers",
    "is_kept_by",
    "locked_pointer",
    "new_generation",
    "pointer_in",
    "read_pointer",
    "require_kept_by",
    "retire",
    "retired_in",
    "write_pointer",
]

POINTERS: Final = "projections"
"""The collection of all pointers, by the names of the projections."""
RETIRED: Final = "projections-retired"
"""The collection of generations that are read no more, due when they may be dropped."""


@attrs.frozen(kw_only=True)
class Pointer:
    """
    What there is of a projection.

    Attributes:
        live: the generation that is read; None before the first one is complete.
        building: the one that a rebuild makes; None where there is no rebuild.
        newest: the highest number that was given to a generation.
        revision: of the document; 0 where there is none yet.
    """

    live: Generation | None = None
    building: Generation | None = None
    newest: int = 0
    revision: int = 0


async def all_pointers(store: Any) -> dict[str, Pointer]:
    """Return the committed pointer of every projection, by name."""
    found = documents_in(store, POINTERS)
    return {one.key: _pointer(one.key, one) async for one in found}


async def read_pointer(store: Any, name: str) -> Pointer:
    """Return the committed pointer of a projection; an empty one where there is none."""
    return _pointer(name, await store.get_document(POINTERS, name))


async def locked_pointer(transaction: Transaction, name: str) -> Pointer:
    """Return the pointer, which nobody else changes until the transaction ends."""
    return _pointer(name, await transaction.get(POINTERS, name))


async def pointer_in(transaction: Transaction, name: str) -> Pointer:
    """Return the pointer without keeping others from changing it."""
    found = await transaction.find(POINTERS, prefix=name, limit=1)
    return _pointer(name, found[0] if found and found[0].key == name else None)


def _pointer(name: str, document: Document | None) -> Pointer:
    if document is None:
        return Pointer()
    body = document.body
    live, building = (
        None if body[one] is None else Generation(projection=name, **body[one])
        for one in ("live", "building")
    )
    return Pointer(live=live, building=building, newest=body["newest"], revision=document.revision)


async def write_pointer(transaction: Transaction, name: str, pointer: Pointer) -> None:
    """Write a pointer in place of the one that was read with its revision."""
    body = {
        "live": _body(pointer.live),
        "building": _body(pointer.building),
        "newest": pointer.newest,
    }
    await transaction.put(POINTERS, name, body, expect=pointer.revision)


def _body(generation: Generation | None) -> dict[str, Any] | None:
    if generation is None:
        return None
    return {
        "number": generation.number,
        "version": generation.version,
        "inline": generation.inline,
        "partitions": generation.partitions,
        "tables": list(generation.tables),
    }


def new_generation(projection: Projection, number: int) -> Generation:
    """Return a generation as the projection is now."""
    return Generation(
        projection=projection.name,
        number=number,
        version=projection.version,
        inline=projection.inline,
        partitions=projection.partitions,
        tables=projection.tables,
    )


def is_kept_by(projection: Projection, generation: Generation) -> bool:
    """Return whether this version of the projection is the one that makes the generation."""
    made = generation.version, generation.inline
    return made == (projection.version, projection.inline)


def require_kept_by(projection: Projection, generation: Generation) -> None:
    """Refuse a generation that another version of the projection makes."""
    if not is_kept_by(projection, generation):
        differ = generation.inline != projection.inline
        live, wanted = (
            f"{one.version}{' (inline)' if differ and one.inline else ''}"
            for one in (generation, projection)
        )
        raise OutdatedProjectionError(projection.name, live, wanted)


async def retire(transaction: Transaction, generation: Generation, grace: float) -> None:
    """Let a generation be dropped once `grace` seconds have passed."""
    due = datetime.now(UTC) + timedelta(seconds=grace)
    body = {"projection": generation.projection, **(_body(generation) or {})}
    await transaction.put(RETIRED, generation.full_name, body, due=due)


def retired_in(document: Document) -> Generation:
    """Return the generation of a document that `retire` wrote."""
    return Generation(**document.body)
