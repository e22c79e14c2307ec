"""Loads and saves aggregates in an event store."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Any, Generic, TypeVar, overload

import stamina

from orchestrix_core._unit import active, holds
from orchestrix_core.aggregates._cache import AggregateCache
from orchestrix_core.aggregates._decider import Decided, Decider
from orchestrix_core.aggregates._past import check_at, happened, usable
from orchestrix_core.aggregates._root import AggregateRoot, CannotSaveError
from orchestrix_core.aggregates._snapshots import (
    SnapshotPolicy,
    SnapshotReader,
    make_snapshot,
    no_snapshots,
    snapshot_policy,
)
from orchestrix_core.errors import ConcurrencyError
from orchestrix_core.instrumentation import NO_INSTRUMENTATION, Instrumentation
from orchestrix_core.messages import Event
from orchestrix_core.stores import AsyncEventStore

__all__ = ["Repository"]

A = TypeVar("A", bound=AggregateRoot)
C = TypeVar("C")
E = TypeVar("E", bound=Event)
S = TypeVar("S")
T = TypeVar("T")

_log = logging.getLogger("orchestrix_core.aggregates")


class Repository(Generic[A]):
    """
    Loads and saves aggregates of one class, or the states of one decider.

    The expected version is always passed: who decided by an old state is refused.

    Args:
        store: where the events are.
        aggregate: the class, made with the id alone; or a decider.
        snapshot_every: take a snapshot each time a save crosses a multiple of so many events;
            None: never.
        snapshot_when: instead, `snapshot_when(aggregate, before)` says after each save whether one
            is due; `before` is the version that the save began at.
        cache: keep so many of the most recently used aggregates in memory, so that only newer
            events are read; None: none.
        attempts: how often `execute` decides in all while others are faster.
        instrumentation: is told of each load and of how many aggregates are kept in memory.
    """

    @overload
    def __init__(
        self: Repository[Decided[C, E, S]],
        store: AsyncEventStore,
        aggregate: Decider[C, E, S],
        *,
        snapshot_every: int | None = None,
        snapshot_when: SnapshotPolicy[Decided[C, E, S]] | None = None,
        cache: int | None = None,
        attempts: int = 10,
        instrumentation: Instrumentation = NO_INSTRUMENTATION,
    ) -> None: ...
    @overload
    def __init__(
        self,
        store: AsyncEventStore,
        aggregate: type[A],
        *,
        snapshot_every: int | None = None,
        snapshot_when: SnapshotPolicy[A] | None = None,
        cache: int | None = None,
        attempts: int = 10,
        instrumentation: Instrumentation = NO_INSTRUMENTATION,
    ) -> None: ...
    def __init__(
        self,
        store: AsyncEventStore,
        aggregate: type[A] | Decider[Any, Any, Any],
        *,
        snapshot_every: int | None = None,
        snapshot_when: SnapshotPolicy[Any] | None = None,
        cache: int | None = None,
        attempts: int = 10,
        instrumentation: Instrumentation = NO_INSTRUMENTATION,
    ) -> None:
        self._store = store
        self._new: Callable[[str], A]
        self._new, self._name, self._snapshots = _described(aggregate)
        self._due = snapshot_policy(snapshot_every, snapshot_when)
        if self._due and not self._snapshots:
            raise TypeError(no_snapshots(self._name))
        _check_at_least_one("cache", cache)
        _check_at_least_one("attempts", attempts)
        self._cache: AggregateCache[A] | None = None if cache is None else AggregateCache(cache)
        self._in_memory = 0
        self._attempts = attempts
        self._instrumentation = instrumentation
        self._reader = SnapshotReader()

    async def load(self, id: str, *, at: int | datetime | None = None) -> A:
        """
        Return the aggregate as its events made it; without events it is new, at version 0.

        It is the caller's own: no one else sees what is done to it before it is saved.

        Args:
            id: the stream its events are in.
            at: the version, or the moment (aware), to go back to. What comes back is for reading:
                saving it raises `CannotSaveError`.
        """
        attributes = {"aggregate_type": self._name, "aggregate_id": id}
        with self._instrumentation.operation("load_aggregate", attributes):
            if at is not None:
                return await self._load_at(id, at)
            # What a unit of work keeps back may never be stored: no one else may see it.
            if self._cache is None or holds(id):
                return await self._load_whole(id)
            return await self._load_kept(id, self._cache)

    async def save(self, aggregate: A) -> None:
        """
        Append what the aggregate recorded since it was loaded.

        Raises:
            ConcurrencyError: the stream has moved on since; load it again and decide anew.
            CannotSaveError: it is of the past (`at=`), or one of its `@when` methods failed.
        """
        if aggregate._not_savable is not None:
            raise CannotSaveError(aggregate.id, aggregate._not_savable)
        events = tuple(aggregate.uncommitted_events)
        before = aggregate.version - len(events)
        try:
            await self._store.save(aggregate.id, events, before)
        except ConcurrencyError as error:
            self._doubt(error)
            raise
        # What was recorded while the store was busy stays.
        aggregate.uncommitted_events = aggregate.uncommitted_events[len(events) :]
        if events and self._due and not aggregate.uncommitted_events:
            await self._try_snapshot(aggregate, self._due, before)

    @overload
    async def execute(self: Repository[Decided[C, E, S]], id: str, command: C, /) -> list[E]: ...
    @overload
    async def execute(self, id: str, fn: Callable[[A], Awaitable[T]], /) -> T: ...
    @overload
    async def execute(self, id: str, fn: Callable[[A], T], /) -> T: ...
    async def execute(self, id: str, action: Any, /) -> Any:
        """
        Load, let `fn` decide, and save; where another was faster, do it again from the start.

        `fn` gets the aggregate and may be async; its result is returned once its events are saved.
        It runs once for each attempt, so it does nothing but decide. A decider takes a command
        instead, and its new events are returned. Only a conflict over this stream is tried again.

        Raises:
            ConcurrencyError: others were faster in each attempt.
        """
        try:
            return await self._attempt(id, action)
        except ConcurrencyError as error:
            if error.aggregate_id != id or self._attempts == 1 or active() is not None:
                raise  # a unit of work that is overtaken cannot get ahead: its handler runs again
        async for attempt in self._retries(id):
            with attempt:
                return await self._attempt(id, action)
        raise AssertionError  # the last attempt returns or raises

    async def take_snapshot(self, aggregate: A) -> None:
        """Keep the aggregate's present state, so that loading it reads only what came after."""
        await self._store.save_snapshot_async(make_snapshot(aggregate))
        aggregate._snapshot_outdated = False

    async def _load_whole(self, id: str) -> A:
        aggregate = await self._begin(id)
        aggregate.replay(await self._store.load(id, aggregate.version))
        return aggregate

    async def _begin(self, id: str) -> A:
        if not self._snapshots:  # saves a round trip
            return self._new(id)
        snapshot = await self._store.load_snapshot_async(id)
        return self._reader.begin(self._new, id, snapshot)

    async def _load_kept(self, id: str, cache: AggregateCache[A]) -> A:
        start = cache.version(id)
        if start is not None:
            newer = await self._store.load(id, start)
            if (aggregate := cache.forward(id, start, newer)) is not None:
                return aggregate
        aggregate = await self._load_whole(id)
        if aggregate.version:  # what does not exist takes no place from what does
            aggregate = cache.keep(aggregate)
            self._tell(cache)
        return aggregate

    async def _load_at(self, id: str, at: int | datetime) -> A:
        check_at(at)
        snapshot = None
        if self._snapshots and not isinstance(at, datetime):
            snapshot = usable(await self._store.load_snapshot_async(id), at)
        aggregate = self._reader.begin(self._new, id, snapshot)
        events = await self._store.load(id, aggregate.version)
        aggregate.replay(happened(id, aggregate.version, events, at))
        aggregate._not_savable = f"it was loaded as of {at}; load it without at="
        return aggregate

    async def _attempt(self, id: str, action: Any) -> Any:
        aggregate = await self.load(id)
        result = decide(aggregate, action)
        if inspect.isawaitable(result):
            result = await result
        if aggregate.uncommitted_events:
            await self.save(aggregate)
        return result

    def _retries(self, id: str) -> Any:
        """Return what is left of the attempts: the first at once, then after longer and longer."""
        return stamina.retry_context(
            # A function may meet a conflict over a stream that is not ours to decide on.
            on=lambda error: isinstance(error, ConcurrencyError) and error.aggregate_id == id,
            attempts=self._attempts - 1,
            timeout=None,
            wait_initial=0.005,
            wait_max=1.0,
            wait_jitter=0.02,
        )

    def _doubt(self, error: ConcurrencyError) -> None:
        """
        Forget what is kept where the stream is shorter: it is not the one that was read.

        Otherwise it is the beginning of the stream, as before, and the next load reads the rest.
        """
        if self._cache is not None:
            kept = self._cache.version(error.aggregate_id)
            if kept is not None and kept > error.actual_version:
                self._cache.drop(error.aggregate_id)
                self._tell(self._cache)

    def _tell(self, cache: AggregateCache[A]) -> None:
        size = len(cache)
        if size != self._in_memory:
            self._in_memory = size
            self._instrumentation.record(
                "aggregates_in_memory", size, {"aggregate_type": self._name}
            )

    async def _try_snapshot(self, aggregate: A, due: SnapshotPolicy[A], before: int) -> None:
        """The events are saved: a snapshot that fails must not look as if they were not."""
        try:
            if aggregate._snapshot_outdated or due(aggregate, before):
                await self.take_snapshot(aggregate)
        except Exception:
            _log.warning("no snapshot of %r was taken", aggregate.id, exc_info=True)


def decide(aggregate: AggregateRoot, action: Any) -> Any:
    """Let a function, or a decider by a command, decide; the result may be awaitable."""
    if callable(action):
        return action(aggregate)
    if isinstance(aggregate, Decided):
        return aggregate.decide(action)
    msg = f"execute takes a function of the aggregate, not {action!r}"
    raise TypeError(msg)


def _described(source: Any) -> tuple[Callable[[str], Any], str, bool]:
    """Return how to make a new one, its name, and whether it can be in a snapshot."""
    if isinstance(source, Decider):
        make = partial(Decided, decider=source)
        return make, source.name, source.snapshot_version is not None
    if isinstance(source, type) and issubclass(source, AggregateRoot):
        return source, source.__name__, source._has_snapshots()
    msg = f"aggregate must be a subclass of AggregateRoot or a Decider, not {source!r}"
    raise TypeError(msg)


def _check_at_least_one(name: str, value: int | None) -> None:
    if value is not None and (type(value) is not int or value < 1):
        msg = f"{name} must be a whole number, at least 1, not {value!r}"
        raise ValueError(msg)
