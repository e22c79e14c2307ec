"""
Loading an aggregate of 1,000 events against a hand loop over the same events.

The store is in memory, so that what is measured is the repository and not a disk. The hand loop
asks the store for the events too, and changes an object by a function for each type, as an
aggregate does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from benchmarks._events import ItemAdded, item
from benchmarks._measure import Case, Comparison, Contestant, Prepare, Start
from orchestrix.infrastructure.memory import InMemoryAsyncEventStore
from orchestrix_core import AggregateRoot, Repository, when

EVENTS = 1_000


class Cart(AggregateRoot):
    """Counts what is in it."""

    items = 0
    pieces = 0

    @when(ItemAdded)
    def _added(self, event: ItemAdded) -> None:
        self.items += 1
        self.pieces += event.quantity

    def to_state(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        return {"items": self.items, "pieces": self.pieces}

    def from_state(self, state: Any) -> None:
        """Take over a state."""
        self.items, self.pieces = state["items"], state["pieces"]


class _HandMade:
    def __init__(self) -> None:
        self.items = self.pieces = self.version = 0


def _added(cart: _HandMade, event: ItemAdded) -> None:
    cart.items += 1
    cart.pieces += event.quantity


async def _by_hand(store: InMemoryAsyncEventStore) -> int:
    cart, appliers = _HandMade(), {ItemAdded: _added}
    for event in await store.load("cart"):
        appliers[type(event)](cart, event)  # type: ignore[index, arg-type]
        cart.version += 1
    return cart.version


Load = Callable[[InMemoryAsyncEventStore], Callable[[], Coroutine[Any, Any, int]]]


def _start(loads: Load, count: int) -> Iterator[Prepare]:
    with asyncio.Runner() as runner:
        run = runner.get_loop().run_until_complete
        store = InMemoryAsyncEventStore()
        run(store.save("cart", [item() for _ in range(EVENTS)]))
        load = loads(store)

        async def work() -> int:
            return sum([await load() for _ in range(count // EVENTS)])

        run(load())
        yield lambda part: lambda: run(work())


def _contestant(name: str, loads: Load) -> Contestant:
    start: Start = contextmanager(partial(_start, loads))
    return Contestant(name, start)


def _loads(**options: Any) -> Load:
    def loads(store: InMemoryAsyncEventStore) -> Callable[[], Coroutine[Any, Any, int]]:
        carts = Repository(store, Cart, **options)

        async def load() -> int:
            return (await carts.load("cart")).version

        return load

    return loads


def cases() -> list[Case]:
    """Return the case: with every event read, and with the aggregate kept in memory."""
    contestants = [
        _contestant("repository", _loads()),
        _contestant("repository, cache", _loads(cache=1)),
        _contestant("hand loop", lambda store: partial(_by_hand, store)),
    ]
    return [
        Case(
            name="repository",
            count=10 * EVENTS,
            slices=10,
            step=EVENTS,
            contestants=contestants,
            comparisons=[
                Comparison("repository", "hand loop", 0.5),
                Comparison("repository, cache", "hand loop"),
            ],
        )
    ]
