"""
Aggregates: state that changes only by events, and a repository that loads and saves them.

```python
class Order(AggregateRoot):
    def place(self, total: Decimal) -> None:
        self.record(OrderPlaced(order_id=self.id, total=total))

    @when(OrderPlaced)
    def _placed(self, event: OrderPlaced) -> None:
        self.total = event.total
```
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Final, Generic, TypeVar

from orchestrix_core.errors import OrchestrixError
from orchestrix_core.messages import Event
from orchestrix_core.records import Snapshot
from orchestrix_core.stores import AsyncEventStore

__all__ = ["AggregateRoot", "Repository", "UnhandledEventError", "when"]

A = TypeVar("A", bound="AggregateRoot")
E = TypeVar("E", bound=Event)
Applier = Callable[[Any, Any], None]

_log = logging.getLogger(__name__)

_APPLIES: Final = "__orchestrix_applies__"


class UnhandledEventError(OrchestrixError):
    """An aggregate met an event that none of its `@when` methods applies."""


def when(*types: type[Event]) -> Callable[[Callable[[A, E], None]], Callable[[A, E], None]]:
    """Mark a method of an aggregate as the one that applies events of these types."""
    for kind in types:
        if not (isinstance(kind, type) and issubclass(kind, Event)):
            msg = f"@when takes event classes, not {kind!r}"
            raise TypeError(msg)

    def mark(method: Callable[[A, E], None]) -> Callable[[A, E], None]:
        setattr(method, _APPLIES, types)
        return method

    return mark


class AggregateRoot:
    """
    A consistency boundary: decides by its state, records events, changes by applying them.

    Attributes:
        id: the stream its events are in.
        version: how many events made this state, those not saved yet included.
        uncommitted_events: what was recorded and is not saved yet.
    """

    snapshot_version: ClassVar[int] = 1
    """The schema version of `to_state`; raise it when the shape changes: old ones are replayed."""

    _appliers: ClassVar[Mapping[type[Event], Applier]] = {}

    def __init__(self, id: str) -> None:
        self.id = id
        self.version = 0
        self.uncommitted_events: list[Event] = []

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = {
            kind: method for method in vars(cls).values() for kind in getattr(method, _APPLIES, ())
        }
        cls._appliers = {**cls._appliers, **own}

    def record(self, event: Event) -> None:
        """Apply a new event and keep it for the next save."""
        self.apply(event)
        self.uncommitted_events.append(event)

    def apply(self, event: Event) -> None:
        """Change the state by one event, whose type or nearest base has a `@when` method."""
        for kind in type(event).__mro__:
            applier = self._appliers.get(kind)
            if applier is not None:
                applier(self, event)
                self.version += 1
                return
        msg = f"{type(self).__name__} has no @when({type(event).__name__}) method"
        raise UnhandledEventError(msg)

    def replay(self, events: Iterable[Event]) -> None:
        """Apply stored events in order."""
        for event in events:
            self.apply(event)

    def to_state(self) -> dict[str, Any] | None:
        """Return the state as JSON values for a snapshot; needed where snapshots are taken."""
        return None

    def from_state(self, state: Mapping[str, Any]) -> None:
        """Take over the state that `to_state` gave."""
        msg = f"{type(self).__name__} has snapshots, but no from_state"
        raise NotImplementedError(msg)


class Repository(Generic[A]):
    """
    Loads and saves aggregates of one class; the expected version is always passed.

    Args:
        store: where the events are.
        aggregate: the class, made with the id alone.
        snapshot_every: take a snapshot each time a save crosses a multiple of so many events;
            None: never.
    """

    def __init__(
        self, store: AsyncEventStore, aggregate: type[A], *, snapshot_every: int | None = None
    ) -> None:
        if snapshot_every is not None and snapshot_every < 1:
            msg = f"snapshot_every must be at least 1, not {snapshot_every}"
            raise ValueError(msg)
        self._store = store
        self._aggregate = aggregate
        self._snapshot_every = snapshot_every

    async def load(self, id: str) -> A:
        """Return the aggregate as its events made it; without events it is new, at version 0."""
        aggregate = self._aggregate(id)
        snapshot = await self._store.load_snapshot_async(id)
        if snapshot is not None and snapshot.schema_version == self._aggregate.snapshot_version:
            aggregate.from_state(snapshot.state)
            aggregate.version = snapshot.version
        aggregate.replay(await self._store.load(id, aggregate.version))
        return aggregate

    async def save(self, aggregate: A) -> None:
        """
        Append what the aggregate recorded since it was loaded.

        Raises:
            ConcurrencyError: the stream has moved on since; load it again and decide anew.
        """
        events = aggregate.uncommitted_events
        before = aggregate.version - len(events)
        await self._store.save(aggregate.id, events, before)
        aggregate.uncommitted_events = []
        if _crosses(self._snapshot_every, before, aggregate.version):
            await self._try_snapshot(aggregate)

    async def take_snapshot(self, aggregate: A) -> None:
        """Keep the aggregate's present state, so that loading it reads only what came after."""
        if aggregate.uncommitted_events:
            msg = f"{aggregate.id!r} has events that are not saved: save it, then take a snapshot"
            raise ValueError(msg)
        state = aggregate.to_state()
        if state is None:
            msg = f"{type(aggregate).__name__}.to_state() gave no state to keep"
            raise TypeError(msg)
        await self._store.save_snapshot_async(
            Snapshot(
                aggregate_id=aggregate.id,
                version=aggregate.version,
                state=state,
                schema_version=aggregate.snapshot_version,
            )
        )

    async def _try_snapshot(self, aggregate: A) -> None:
        """The events are saved: a snapshot that fails must not look as if they were not."""
        try:
            await self.take_snapshot(aggregate)
        except OrchestrixError:
            _log.warning("no snapshot of %r was taken", aggregate.id, exc_info=True)


def _crosses(every: int | None, before: int, after: int) -> bool:
    return every is not None and before // every < after // every
