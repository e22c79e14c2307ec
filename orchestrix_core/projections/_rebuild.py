"""Making a new generation of a projection beside the one that is read, and putting it in place."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, TypeAlias

import attrs

from orchestrix_core.errors import RebuildError, RevisionConflictError
from orchestrix_core.instrumentation import NO_INSTRUMENTATION, Instrumentation
from orchestrix_core.projections._drop import drop_retired
from orchestrix_core.projections._pointers import (
    locked_pointer,
    new_generation,
    read_pointer,
    retire,
    write_pointer,
)
from orchestrix_core.projections._projection import Projection, projection_of
from orchestrix_core.projections._switch import CLOSE, NotYet, Switch
from orchestrix_core.projections._updates import subscription_of
from orchestrix_core.projections._view import Generation, view_of
from orchestrix_core.subscriptions import DeadLetter, DeadLetters, Worker, lags
from orchestrix_core.subscriptions._checkpoints import prepare

__all__ = ["GRACE", "Progress", "ensure_live", "rebuild"]

_log = logging.getLogger("orchestrix_core.projections")

GRACE: Final = 60.0
"""Seconds that a generation is kept after its end, for those who are reading from it."""
_LOOK: Final = 0.05  # seconds between two looks at how far it is
_BATCH: Final = 500
_TRIES: Final = 5


@attrs.frozen(kw_only=True)
class Progress:
    """
    How far a rebuild is.

    Attributes:
        done: positions of the log that are handled.
        total: positions that there are.
        rate: positions a second, since this run began.
    """

    done: int
    total: int
    rate: float


Report: TypeAlias = Callable[[Progress], None]


async def rebuild(
    store: Any,
    projection: Projection | type[Projection],
    *,
    progress: Report | None = None,
    restart: bool = False,
    grace: float = GRACE,
    lease: float = 10.0,
    instrumentation: Instrumentation = NO_INSTRUMENTATION,
) -> int:
    """
    Make the view anew from the whole log, then have it read instead of the old one.

    The live view is read, and kept up to date, all the while. Who was killed goes on where it was
    when it is called again; several at once, in several processes, do it together.

    Args:
        store: async, with the capabilities `global_log` and `documents`.
        projection: the class, or an instance.
        progress: called some times a second, and in the end.
        restart: begin anew where a former run was not completed.
        grace: seconds after which the old view may be removed; the next rebuild does it anyway.
        lease: seconds after which the work of a process that was killed is taken over.
        instrumentation: is told of each event.

    Returns:
        The number of the generation that is live now.

    Raises:
        RebuildError: handlers failed at events that the live view has; or another run began anew.
    """
    one = projection_of(projection)
    if not one.inline:
        await ensure_live(store, one)
    await drop_retired(store, one)
    generation = await _begin(store, one, restart)
    run = _Rebuild(store, one, generation, progress, lease, instrumentation)
    live = await run.finish(grace)
    if grace <= 0:
        await drop_retired(store, one)
    return live


async def ensure_live(store: Any, projection: Projection) -> None:
    """Make the first generation, which begins empty and is live at once, unless there is one."""
    while (await read_pointer(store, projection.name)).live is None:
        with suppress(RevisionConflictError):  # another was faster
            async with store.transaction() as transaction:
                pointer = await locked_pointer(transaction, projection.name)
                if pointer.live is None:
                    first = new_generation(projection, pointer.newest + 1)
                    live = attrs.evolve(pointer, live=first, newest=first.number)
                    await write_pointer(transaction, projection.name, live)
                    await projection.setup(view_of(transaction, first))


async def _begin(store: Any, projection: Projection, restart: bool) -> Generation:
    """Return the generation to build: one that was begun as the projection is now, or a new one."""
    while True:
        try:
            async with store.transaction() as transaction:
                pointer = await locked_pointer(transaction, projection.name)
                begun = pointer.building
                if begun is not None and not restart and _is_same(projection, begun):
                    return begun
                if begun is not None:
                    await retire(transaction, begun, 0)
                generation = new_generation(projection, pointer.newest + 1)
                building = attrs.evolve(pointer, building=generation, newest=generation.number)
                await write_pointer(transaction, projection.name, building)
                await projection.setup(view_of(transaction, generation))
        except RevisionConflictError:
            continue  # another has made the first pointer
        return generation


def _is_same(projection: Projection, begun: Generation) -> bool:
    return begun == new_generation(projection, begun.number)


class _Rebuild:
    def __init__(
        self,
        store: Any,
        projection: Projection,
        generation: Generation,
        progress: Report | None,
        lease: float,
        watch: Instrumentation,
    ) -> None:
        self._store = store
        self._projection = projection
        self._generation = generation
        self._progress = progress or (lambda _: None)
        self._lease = lease
        self._watch = watch
        self._subscription = subscription_of(
            projection, generation, watch, live=False, batch=_BATCH
        )
        self._began: tuple[float, int] | None = None

    async def finish(self, grace: float) -> int:
        """
        Build until it is the live one, whoever makes it so; return the number of that.

        It is a later one where another run has begun anew meanwhile, and is through with it.
        """
        switch = Switch(
            self._store, self._projection, self._generation, self._subscription, self._watch, grace
        )
        goal = await self._store.head() - CLOSE
        failed = 0
        while (live := await self._live_when_done()) is None:
            await prepare(self._store, self._subscription)
            await self._reach(goal)
            try:
                await switch.attempt(self._check)
            except NotYet:
                _log.debug("%s cannot be put in place yet", self._generation.full_name)
                await asyncio.sleep(_LOOK / 5)
            except RebuildError:
                raise
            except Exception as error:
                # A handler's error: the worker tries again, and sets the event aside.
                _log.debug("%s cannot be put in place: %r", self._generation.full_name, error)
                if (failed := failed + 1) == _TRIES:
                    raise
            goal = await self._store.head()
        await self._report()
        return live

    async def _is_done(self) -> bool:
        return await self._live_when_done() is not None

    async def _live_when_done(self) -> int | None:
        pointer = await read_pointer(self._store, self._projection.name)
        if pointer.building == self._generation:
            return None
        if pointer.live is not None and pointer.live.number >= self._generation.number:
            return pointer.live.number
        raise RebuildError(self._projection.name, "another run began anew meanwhile")

    async def _reach(self, goal: int) -> None:
        """Work, beside others who do, until everything up to `goal` is handled or set aside."""
        if await self._position() >= goal and not await self._is_due():
            return
        async with self._working() as work:
            while not work.done() and not await self._is_done():
                if await self._report() >= goal and not await self._is_due():
                    return
                await asyncio.wait([work], timeout=_LOOK)

    async def _is_due(self) -> bool:
        """Return whether an event that was set aside is to be handled again."""
        letters = await DeadLetters(self._store, self._generation.full_name).list()
        return any(letter.state == "due" for letter in letters)

    @asynccontextmanager
    async def _working(self) -> AsyncIterator[asyncio.Task[None]]:
        worker = Worker(self._store, [self._subscription], lease=self._lease)
        work = asyncio.create_task(worker.run(), name=f"rebuild {self._generation.full_name}")
        try:
            yield work
        except BaseException:  # cancelled, above all: then handlers are not waited for
            work.cancel()
            await asyncio.wait([work])
            raise
        worker.stop()
        await work

    async def _position(self) -> int:
        found = await lags(self._store, [self._subscription])
        return min((lag.position for lag in found), default=0)

    async def _report(self) -> int:
        """Say how far it is, and return the position."""
        total: int = await self._store.head()
        done = total if await self._is_done() else min(await self._position(), total)
        now = time.monotonic()
        began, first = self._began = self._began or (now, done)
        rate = (done - first) / (now - began) if now > began else 0.0
        self._progress(Progress(done=done, total=total, rate=rate))
        return done

    async def _check(self) -> None:
        """Refuse a view that lacks what the live one has: streams that stand still, at what."""
        if await self._is_due():
            raise NotYet
        failed = await self._first_letters(self._generation)
        pointer = await read_pointer(self._store, self._projection.name)
        known = await self._first_letters(pointer.live) if failed and pointer.live else {}
        new = [
            letter
            for stream, letter in failed.items()
            if stream not in known or letter.position < known[stream].position
        ]
        if new:
            reason = (
                f"{len(new)} streams stand still at dead letters of {self._generation.full_name}, "
                f"the first at position {new[0].position} with {new[0].error}: replay or drop them "
                "and go on, or mend the handlers and begin anew with restart=True"
            )
            raise RebuildError(self._projection.name, reason)

    async def _first_letters(self, generation: Generation) -> dict[str, DeadLetter]:
        """Return what each stream that stands still waits for."""
        first: dict[str, DeadLetter] = {}
        for letter in await DeadLetters(self._store, generation.full_name).list():
            first.setdefault(letter.aggregate_id, letter)
        return first
