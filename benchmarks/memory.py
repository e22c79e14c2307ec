"""The memory stores against a plain dict of lists: each stream is saved once and loaded once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

import attrs

from benchmarks._events import item, order
from benchmarks._measure import Case, Comparison, Contestant, Prepare, Work
from orchestrix.infrastructure.memory import InMemoryAsyncEventStore, InMemoryEventStore
from orchestrix_core import Event

Batches: TypeAlias = Iterable[tuple[str, list[Event]]]


@attrs.frozen
class Source:
    """Streams of `size` events; ready-made ones are made before the clock runs."""

    make: Callable[[], Event]
    size: int
    ready_made: bool

    def batches(self, part: int, count: int) -> Batches:
        """Return the streams of one slice."""
        lazy = self._made(part, count)
        return list(lazy) if self.ready_made else lazy

    def _made(self, part: int, count: int) -> Iterator[tuple[str, list[Event]]]:
        for number in range(count // self.size):
            yield f"stream-{part}-{number}", [self.make() for _ in range(self.size)]

    @contextmanager
    def into_dict(self, count: int) -> Iterator[Prepare]:
        """Use a plain dict of lists."""
        streams: dict[str, list[Event]] = {}

        def work(batches: Batches) -> int:
            loaded = 0
            for stream, events in batches:
                streams.setdefault(stream, []).extend(events)
                loaded += len(list(streams[stream]))
            return loaded

        yield lambda part: _bound(work, self.batches(part, count))

    @contextmanager
    def into_store(self, count: int) -> Iterator[Prepare]:
        """Use the sync store."""
        with InMemoryEventStore() as store:

            def work(batches: Batches) -> int:
                loaded = 0
                for stream, events in batches:
                    store.save(stream, events, 0)
                    loaded += len(store.load(stream))
                return loaded

            yield lambda part: _bound(work, self.batches(part, count))

    @contextmanager
    def into_async_store(self, count: int) -> Iterator[Prepare]:
        """Use the async store."""
        store = InMemoryAsyncEventStore()

        async def work(batches: Batches) -> int:
            loaded = 0
            for stream, events in batches:
                await store.save(stream, events, 0)
                loaded += len(await store.load(stream))
            return loaded

        with asyncio.Runner() as runner:
            run = runner.get_loop().run_until_complete
            yield lambda part: _bound(lambda made: run(work(made)), self.batches(part, count))


def _bound(work: Callable[[Batches], int], batches: Batches) -> Work:
    return lambda: work(batches)


def _case(name: str, source: Source) -> Case:
    target = None if source.ready_made else 0.6
    return Case(
        name=name,
        count=1_000,
        slices=10,
        step=source.size,
        contestants=[
            Contestant("memory, sync", source.into_store),
            Contestant("memory, async", source.into_async_store),
            Contestant("dict of lists", source.into_dict),
        ],
        comparisons=[
            Comparison("memory, sync", "dict of lists", target),
            Comparison("memory, async", "dict of lists"),
        ],
    )


def cases() -> list[Case]:
    """Return the cases: two events, two sizes of a save, made inside or before."""
    return [
        _case(f"memory-{name}-{size}{suffix}", Source(make, size, ready_made))
        for ready_made, suffix in ((False, ""), (True, "-ready-made"))
        for name, make in (("small", item), ("order", order))
        for size in (1, 10)
    ]
