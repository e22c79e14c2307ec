"""From an event to the view: in the subscription of a generation, or in an append."""

from __future__ import annotations

import inspect
from typing import Any

from orchestrix_core._watching import about
from orchestrix_core.documents import Transaction
from orchestrix_core.handlers import stored_names
from orchestrix_core.instrumentation import NO_INSTRUMENTATION, Instrumentation
from orchestrix_core.messages import Event
from orchestrix_core.projections._projection import Projection
from orchestrix_core.projections._view import Generation, SQLView, view_of
from orchestrix_core.records import RecordedEvent
from orchestrix_core.subscriptions import Subscription

__all__ = ["subscription_of", "update"]


async def update(
    projection: Projection,
    event: Event,
    view: SQLView,
    watch: Instrumentation = NO_INSTRUMENTATION,
    record: RecordedEvent | None = None,
) -> None:
    """Let every handler of a projection that hears the event change the view."""
    with watch.operation("update_projection", about(event, projection=projection.name)):
        for hearer in projection.hearers[type(event)]:
            arguments: tuple[Any, ...] = (event, view, record)[: hearer.arity]
            result = getattr(projection, hearer.name)(*arguments)
            if inspect.isawaitable(result):
                await result


def subscription_of(
    projection: Projection,
    generation: Generation,
    watch: Instrumentation = NO_INSTRUMENTATION,
    *,
    live: bool = True,
    batch: int = 100,
) -> Subscription:
    """Return what keeps a generation up to date; the lag of the live one alone is reported."""

    async def handle(record: RecordedEvent, transaction: Transaction | None) -> None:
        assert transaction is not None  # noqa: S101 - it is transactional
        view = view_of(transaction, generation)
        await update(projection, record.event, view, watch, record)

    return Subscription(
        name=generation.full_name,
        handle=handle,
        types=stored_names(projection.hearers.types),
        partitions=generation.partitions,
        batch=batch,
        retry=projection.retry,
        projection=projection.name if live else None,
    )
