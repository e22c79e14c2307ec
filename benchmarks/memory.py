"""The memory stores against a plain dict of lists: each stream is saved once and loaded once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from benchmarks._events import item, order
from benchmarks._measure import Case, Comparison, Contestant, Start, Work
from orchestrix.infrastructure.memory import InMemoryAsyncEventStore, InMemoryEventStore
from orchestrix_core import Event

Make: TypeAlias = Callable[[], Event]
Batches: TypeAlias = Iterator[tuple[str, list[Event]]]

PER_SAVE = (1, 10)


def _batches(make: Make, count: int, size: int) -> Batches:
    """Make the events when they are asked for: inside what is timed."""
    for number in range(count // size):
        yield f"stream-{number}", [make() for _ in range(size)]


def _batch_source(make: Make, size: int, made_before: bool) -> Callable[[int], Batches]:
    def source(count: int) -> Batches:
        batches = _batches(make, count, size)
        return iter(list(batches)) if made_before else batches

    return source


def _dict_of_lists(source: Callable[[int], Batches]) -> Start:
    @contextmanager
    def start(count: int) -> Iterator[Work]:
        batches = source(count)
        streams: dict[str, list[Event]] = {}

        def work() -> int:
            loaded = 0
            for stream, events in batches:
                streams.setdefault(stream, []).extend(events)
                loaded += len(list(streams[stream]))
            return loaded

        yield work

    return start


def _store(source: Callable[[int], Batches]) -> Start:
    @contextmanager
    def start(count: int) -> Iterator[Work]:
        batches = source(count)
        with InMemoryEventStore() as store:

            def work() -> int:
                loaded = 0
                for stream, events in batches:
                    store.save(stream, events, 0)
                    loaded += len(store.load(stream))
                return loaded

            yield work

    return start


def _async_store(source: Callable[[int], Batches]) -> Start:
    @contextmanager
    def start(count: int) -> Iterator[Work]:
        batches = source(count)
        store = InMemoryAsyncEventStore()

        async def work() -> int:
            loaded = 0
            for stream, events in batches:
                await store.save(stream, events, 0)
                loaded += len(await store.load(stream))
            return loaded

        with asyncio.Runner() as runner:
            runner.run(store.initialize())
            yield lambda: runner.run(work())
            runner.run(store.close())

    return start


def _case(name: str, make: Make, size: int, made_before: bool) -> Case:
    source = _batch_source(make, size, made_before)
    target = None if made_before else 0.6
    return Case(
        name=name,
        count=20_000,
        step=size,
        contestants=[
            Contestant("memory, sync", _store(source)),
            Contestant("memory, async", _async_store(source)),
            Contestant("dict of lists", _dict_of_lists(source)),
        ],
        comparisons=[
            Comparison("memory, sync", "dict of lists", target),
            Comparison("memory, async", "dict of lists"),
        ],
    )


def cases() -> list[Case]:
    """Return the cases: two events, two sizes of a save, made inside or before."""
    return [
        _case(f"memory-{name}-{size}{suffix}", make, size, made_before)
        for made_before, suffix in ((False, ""), (True, "-ready-made"))
        for name, make in (("small", item), ("order", order))
        for size in PER_SAVE
    ]
