"""All projections of an application: made ready, kept up to date, read and rebuilt."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, TypeAlias

from orchestrix_core.documents import AsyncDocumentStore, Transaction
from orchestrix_core.errors import MissingCapabilityError, OrchestrixError, StoreClosedError
from orchestrix_core.instrumentation import NO_INSTRUMENTATION, Instrumentation
from orchestrix_core.projections._drop import drop_due
from orchestrix_core.projections._inline import inline_changes
from orchestrix_core.projections._pointers import is_kept_by, read_pointer, require_kept_by
from orchestrix_core.projections._projection import Projection, projection_of
from orchestrix_core.projections._rebuild import ensure_live, rebuild
from orchestrix_core.projections._updates import subscription_of
from orchestrix_core.records import StreamWrite
from orchestrix_core.stores import DOCUMENTS, GLOBAL_LOG, SQL, AsyncEventLog
from orchestrix_core.subscriptions import Worker

__all__ = ["Projections"]

Append: TypeAlias = Callable[[Transaction, Sequence[StreamWrite]], Awaitable[None]]

_log = logging.getLogger("orchestrix_core.projections")

_LOOK: Final = 0.25  # seconds between two looks at which generations are live


class Projections:
    """
    The projections of one application.

    Attributes:
        all: each projection by its name.
        inline: those that each append changes.
    """

    def __init__(
        self,
        store: Any,
        projections: Iterable[Projection | type[Projection]],
        *,
        instrumentation: Instrumentation = NO_INSTRUMENTATION,
    ) -> None:
        self.all = _by_name(projections)
        self.inline = tuple(one for one in self.all.values() if one.inline)
        self._store = store
        self._watch = instrumentation
        self._warned: set[str] = set()

    async def prepare(self) -> None:
        """
        See to it that each projection has a view, at start, before anything is appended.

        An inline projection that is new hears the whole log here.

        Raises:
            MissingCapabilityError: the store lacks what a projection needs.
            OutdatedProjectionError: another version makes the view of an inline projection.
        """
        await self._require()
        for projection in self.all.values():
            if not projection.inline:
                await ensure_live(self._store, projection)
            elif (live := (await read_pointer(self._store, projection.name)).live) is None:
                await rebuild(self._store, projection, instrumentation=self._watch)
            else:
                require_kept_by(projection, live)

    async def _require(self) -> None:
        if not self.all:
            return
        kinds = {GLOBAL_LOG: AsyncEventLog, DOCUMENTS: AsyncDocumentStore}
        missing = [name for name, kind in kinds.items() if not isinstance(self._store, kind)]
        if not missing and any(one.tables for one in self.all.values()):
            async with self._store.transaction() as transaction:
                if not hasattr(transaction, "execute"):
                    missing.append(SQL)
        if missing:
            raise MissingCapabilityError(type(self._store).__name__, tuple(missing))

    async def around(
        self, transaction: Transaction, writes: Sequence[StreamWrite], append: Append
    ) -> None:
        """Append by calling `append`, and let the inline projections hear it, all or nothing."""
        await append(transaction, writes)
        if self.inline:
            await inline_changes(self.inline, writes, transaction, self._watch)

    async def subscriptions(self) -> list[str]:
        """Return the names of the subscriptions that keep the live generations up to date."""
        pointers = [await read_pointer(self._store, name) for name in self.all]
        live = [pointer.live for pointer in pointers if pointer.live is not None]
        return [generation.full_name for generation in live if not generation.inline]

    async def follow(self, worker: Worker) -> None:
        """
        Have a worker keep the live generations up to date, for ever; the caller runs the worker.

        When a rebuild, in whatever process, has put another one in place, the worker changes over.
        Generations that are read no more are removed once their time of grace has passed.
        """
        running: dict[str, str] = {}
        while True:
            try:
                for projection in self.all.values():
                    await self._look(worker, projection, running)
                await drop_due(self._store, self.all.values())
            except StoreClosedError:
                raise
            except OrchestrixError as error:
                _log.warning("projections wait for the store: %s", error)
            await asyncio.sleep(_LOOK)

    async def _look(self, worker: Worker, projection: Projection, running: dict[str, str]) -> None:
        live = (await read_pointer(self._store, projection.name)).live
        wanted = live if live is not None and not projection.inline else None
        if wanted is not None and not is_kept_by(projection, wanted):
            self._warn(projection, wanted.version)
            wanted = None
        name = None if wanted is None else wanted.full_name
        if name == running.get(projection.name):
            return
        if (former := running.pop(projection.name, None)) is not None:
            worker.remove(former)
        if wanted is not None:
            worker.add(subscription_of(projection, wanted, self._watch))
            running[projection.name] = wanted.full_name

    def _warn(self, projection: Projection, version: int) -> None:
        if projection.name not in self._warned:
            self._warned.add(projection.name)
            text = "projection %s is made by version %d, not %d: it stands still here until rebuilt"
            _log.warning(text, projection.name, version, projection.version)


def _by_name(projections: Iterable[Projection | type[Projection]]) -> dict[str, Projection]:
    found: dict[str, Projection] = {}
    for projection in map(projection_of, projections):
        if projection.name in found:
            kinds = type(found[projection.name]).__qualname__, type(projection).__qualname__
            msg = f"two projections are named {projection.name!r}: {kinds[0]} and {kinds[1]}"
            raise ValueError(msg)
        found[projection.name] = projection
    return found
