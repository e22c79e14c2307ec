"""Projections that change in the transaction that appends the events."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from orchestrix_core.context import handling
from orchestrix_core.documents import Transaction
from orchestrix_core.errors import RebuildError
from orchestrix_core.instrumentation import NO_INSTRUMENTATION, Instrumentation
from orchestrix_core.projections._pointers import locked_pointer, require_kept_by
from orchestrix_core.projections._projection import Projection
from orchestrix_core.projections._updates import update
from orchestrix_core.projections._view import Generation, view_of
from orchestrix_core.records import StreamWrite

__all__ = ["inline_changes"]

APPENDED: Final = "projections-inline"
"""The collection that says, by stream, up to which version inline projections have heard it."""


async def inline_changes(
    projections: Collection[Projection],
    writes: Sequence[StreamWrite],
    transaction: Transaction,
    instrumentation: Instrumentation = NO_INSTRUMENTATION,
) -> None:
    """
    Let inline projections hear what was just appended, in the transaction that did it.

    Called behind `transaction.append(writes)`: from there on no one else appends, so that the
    events are heard in the order of the log, and the views are what a replay would make.

    Raises:
        OutdatedProjectionError: another version of a projection makes its view.
        RebuildError: a projection has no view yet.
    """
    heard = [write for write in writes if any(_hears(one, write) for one in projections)]
    new = [write for write in heard if await _is_new(transaction, write)]
    for projection in projections:
        events = [event for write in new for event in write.events if projection.hears(event)]
        if events:
            view = view_of(transaction, await _live(transaction, projection))
            for event in events:
                with handling(event):
                    await update(projection, event, view, instrumentation)


def _hears(projection: Projection, write: StreamWrite) -> bool:
    return any(projection.hears(event) for event in write.events)


async def _is_new(transaction: Transaction, write: StreamWrite) -> bool:
    """
    Return whether the events were appended just now, rather than by the same save before.

    An append that repeats one succeeds and appends nothing: then the views have changed already.
    Only one with an expected version can be repeated, and its stream has been heard to its end.
    """
    if write.expected_version is None:
        return True
    end = write.expected_version + len(write.events)
    heard = await transaction.get(APPENDED, write.aggregate_id)
    if heard is not None and heard.body["version"] >= end:
        return False
    await transaction.put(APPENDED, write.aggregate_id, {"version": end})
    return True


async def _live(transaction: Transaction, projection: Projection) -> Generation:
    pointer = await locked_pointer(transaction, projection.name)
    if pointer.live is None:
        raise RebuildError(
            projection.name, "it has no view yet, and an event for it: build it first"
        )
    require_kept_by(projection, pointer.live)
    return pointer.live
