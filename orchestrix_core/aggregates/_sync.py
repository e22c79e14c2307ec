"""The repository for synchronous stores."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar, cast, overload

from orchestrix_core.aggregates._decider import Decided, Decider
from orchestrix_core.aggregates._repository import Repository, decide
from orchestrix_core.aggregates._root import AggregateRoot
from orchestrix_core.aggregates._snapshots import SnapshotPolicy
from orchestrix_core.errors import ConcurrencyError
from orchestrix_core.instrumentation import NO_INSTRUMENTATION, Instrumentation
from orchestrix_core.messages import Event
from orchestrix_core.records import Snapshot
from orchestrix_core.stores import AsyncEventStore, EventStore

__all__ = ["SyncRepository"]

A = TypeVar("A", bound=AggregateRoot)
C = TypeVar("C")
E = TypeVar("E", bound=Event)
S = TypeVar("S")
T = TypeVar("T")


class SyncRepository(Generic[A]):
    """
    `Repository` as plain functions, on a synchronous store; its arguments mean the same.

    Threads may share it where they may share the store.
    """

    @overload
    def __init__(
        self: SyncRepository[Decided[C, E, S]],
        store: EventStore,
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
        store: EventStore,
        aggregate: type[A],
        *,
        snapshot_every: int | None = None,
        snapshot_when: SnapshotPolicy[A] | None = None,
        cache: int | None = None,
        attempts: int = 10,
        instrumentation: Instrumentation = NO_INSTRUMENTATION,
    ) -> None: ...
    def __init__(self, store: EventStore, aggregate: Any, **options: Any) -> None:
        # A repository uses these four methods of its store and no others.
        face = cast("AsyncEventStore", _AsyncFace(store))
        self._async: Repository[A] = Repository(face, aggregate, **options)
        self._attempts: int = options.get("attempts", 10)

    def load(self, id: str, *, at: int | datetime | None = None) -> A:
        """Return the aggregate as its events made it; see `Repository.load`."""
        return _finish(self._async.load(id, at=at))

    def save(self, aggregate: A) -> None:
        """Append what the aggregate recorded since it was loaded; see `Repository.save`."""
        _finish(self._async.save(aggregate))

    @overload
    def execute(self: SyncRepository[Decided[C, E, S]], id: str, command: C, /) -> list[E]: ...
    @overload
    def execute(self, id: str, fn: Callable[[A], T], /) -> T: ...
    def execute(self, id: str, action: Any, /) -> Any:
        """Load, let `fn` decide, and save, again where another was faster; `fn` is not async."""
        act = _plain(action)
        try:
            return _finish(self._async._attempt(id, act))
        except ConcurrencyError as error:
            if error.aggregate_id != id or self._attempts == 1:
                raise
        for attempt in self._async._retries(id):
            with attempt:
                return _finish(self._async._attempt(id, act))
        raise AssertionError  # the last attempt returns or raises

    def take_snapshot(self, aggregate: A) -> None:
        """Keep the aggregate's present state, so that loading it reads only what came after."""
        _finish(self._async.take_snapshot(aggregate))


class _AsyncFace:
    """A synchronous store behind coroutine functions, none of which ever waits."""

    def __init__(self, store: EventStore) -> None:
        self._store = store

    async def save(self, aggregate_id: str, events: Sequence[Event], expected: int) -> None:
        self._store.save(aggregate_id, events, expected)

    async def load(self, aggregate_id: str, from_version: int) -> list[Event]:
        return self._store.load(aggregate_id, from_version)

    async def save_snapshot_async(self, snapshot: Snapshot) -> None:
        self._store.save_snapshot(snapshot)

    async def load_snapshot_async(self, aggregate_id: str) -> Snapshot | None:
        return self._store.load_snapshot(aggregate_id)


def _finish(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run what never waits to its end: no event loop is needed, nor disturbed where one runs."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    coroutine.close()
    msg = "a coroutine on a synchronous store waited for something"
    raise RuntimeError(msg)


def _plain(action: Any) -> Callable[[AggregateRoot], Any]:
    """Return the function that decides, refusing what is async."""

    def act(aggregate: AggregateRoot) -> Any:
        result = decide(aggregate, action)
        if inspect.isawaitable(result):
            if inspect.iscoroutine(result):
                result.close()
            msg = f"fn must be a plain function, not {action!r}: use Repository for an async one"
            raise TypeError(msg)
        return result

    return act
