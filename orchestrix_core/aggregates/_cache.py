"""The aggregates that a repository keeps in memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from copy import deepcopy
from threading import Lock
from typing import Generic, TypeVar

from orchestrix_core.aggregates._root import AggregateRoot
from orchestrix_core.messages import Event

__all__ = ["AggregateCache"]

A = TypeVar("A", bound=AggregateRoot)


class AggregateCache(Generic[A]):
    """
    The most recently used aggregates, each as of some version of its stream.

    What is kept here is never handed out: a caller gets a copy of its own, and what it does to
    that, saved or not, never comes back. Only stored events bring a kept aggregate up to date.
    The lock is held while one is changed or copied, so that no thread copies a half-changed one.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[str, A] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def version(self, id: str) -> int | None:
        """Return the version that is kept, None where there is none."""
        kept = self._kept.get(id)
        return None if kept is None else kept.version

    def forward(self, id: str, start: int, events: Sequence[Event]) -> A | None:
        """
        Apply the events that were stored after version `start`, and return a copy.

        Others may have been here since `version()` was asked: what they applied is left out. None
        where the aggregate was dropped.
        """
        with self._lock:
            kept = self._kept.get(id)
            if kept is None or kept.version < start:
                return None
            try:
                kept.replay(events[kept.version - start :])
            except BaseException:
                del self._kept[id]  # half-changed
                raise
            self._kept.move_to_end(id)
            return _copy(kept)

    def keep(self, aggregate: A) -> A:
        """Keep an aggregate that no one else knows, and return a copy of it."""
        copy = _copy(aggregate)
        with self._lock:
            kept = self._kept.get(aggregate.id)
            if kept is None or kept.version < aggregate.version:
                self._kept[aggregate.id] = aggregate
            self._kept.move_to_end(aggregate.id)
            if len(self._kept) > self._size:
                self._kept.popitem(last=False)
        return copy

    def drop(self, id: str) -> None:
        """Forget the aggregate."""
        with self._lock:
            self._kept.pop(id, None)


def _copy(aggregate: A) -> A:
    try:
        return deepcopy(aggregate)
    except TypeError as error:
        name = type(aggregate).__name__
        msg = f"{name} cannot be copied: give it a __deepcopy__ method, or leave out cache="
        raise TypeError(msg) from error
