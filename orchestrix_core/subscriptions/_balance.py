"""Who is alive, and how many partitions each may hold."""

from __future__ import annotations

from collections.abc import Callable, Collection
from hashlib import blake2b
from time import monotonic

__all__ = ["Watch", "quota"]


class Watch:
    """Tells for how long each document has stood still, by a clock of its own."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[int, float]] = {}

    def still_for(self, key: str, revision: int) -> float:
        """Return for how many seconds this revision has been seen; 0 at the first time."""
        now = self._clock()
        known = self._seen.get(key)
        if known is None or known[0] != revision:
            self._seen[key] = (revision, now)
            return 0.0
        return now - known[1]

    def keep(self, keys: Collection[str]) -> None:
        """Forget all others."""
        self._seen = {key: seen for key, seen in self._seen.items() if key in keys}


def quota(name: str, partitions: int, worker: str, alive: Collection[str]) -> int:
    """
    Return how many partitions of a subscription a worker may hold, of those that are alive.

    All of them together hold exactly all. What does not come out even goes to those that come
    first in an order that differs by subscription: so many small ones are spread out as well.
    """
    order = sorted({*alive, worker}, key=lambda other: _rank(name, other))
    share, rest = divmod(partitions, len(order))
    return share + (order.index(worker) < rest)


def _rank(name: str, worker: str) -> bytes:
    return blake2b(f"{name}/{worker}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
