"""The sync bus with three handlers against a plain loop over three functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from benchmarks._events import ItemAdded, item
from benchmarks._measure import Case, Comparison, Contestant, Prepare, Start
from orchestrix.infrastructure.memory import InMemoryMessageBus

Handler: TypeAlias = Callable[[ItemAdded], None]


class _Counter:
    def __init__(self) -> None:
        self.calls = 0

    def handler(self) -> Handler:
        """Return a new function that does next to nothing."""

        def handle(message: ItemAdded) -> None:
            self.calls += 1

        return handle

    def take(self) -> int:
        """Return how many messages all three handlers have heard since the last time."""
        calls, self.calls = self.calls, 0
        return calls // 3


def _bus(publish_ready: bool) -> Start:
    @contextmanager
    def start(count: int) -> Iterator[Prepare]:
        bus, counter = InMemoryMessageBus(), _Counter()
        for _ in range(3):
            bus.subscribe(ItemAdded, counter.handler())
        ready = item()

        def work() -> int:
            publish = bus.publish
            for _ in range(count):
                publish(ready if publish_ready else item())
            return counter.take()

        yield lambda part: work

    return start


def _loop(publish_ready: bool) -> Start:
    @contextmanager
    def start(count: int) -> Iterator[Prepare]:
        counter = _Counter()
        handlers = [counter.handler() for _ in range(3)]
        ready = item()

        def publish(message: ItemAdded) -> None:
            for handle in handlers:
                handle(message)

        def work() -> int:
            for _ in range(count):
                publish(ready if publish_ready else item())
            return counter.take()

        yield lambda part: work

    return start


def _case(name: str, publish_ready: bool, target: float | None) -> Case:
    return Case(
        name=name,
        count=2_000,
        slices=20,
        contestants=[
            Contestant("sync bus", _bus(publish_ready)),
            Contestant("plain loop", _loop(publish_ready)),
        ],
        comparisons=[Comparison("sync bus", "plain loop", target)],
    )


def cases() -> list[Case]:
    """Return the cases: with a message made for each publish, and dispatch alone."""
    return [_case("bus", False, 0.6), _case("bus-ready-made", True, None)]
