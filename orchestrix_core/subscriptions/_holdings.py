"""What a worker holds: the partitions that it runs, and the heart-beat that keeps them its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from contextlib import suppress
from typing import Any, Final

from orchestrix_core.documents import Document
from orchestrix_core.errors import OrchestrixError, StoreClosedError
from orchestrix_core.subscriptions._feed import Feed, Pages
from orchestrix_core.subscriptions._lease import Lease, LeaseLost
from orchestrix_core.subscriptions._runner import Runner
from orchestrix_core.subscriptions._subscription import Subscription

__all__ = ["WORKERS", "Holdings"]

_log = logging.getLogger(__name__)

WORKERS: Final = "subscription-workers"
"""The collection in which workers say that they are there."""
_GATHER: Final = 0.02  # seconds in which positions gather that are to be stored together
_PAUSE: Final = 0.5  # seconds before the next try, while the store is away


class Holdings:
    """
    Runs partitions, shows that the worker is alive, and stores positions without an effect.

    Attributes:
        announced: names of the subscriptions that the others know this worker to run.
        runners: of what is held, by the keys of the checkpoints.
    """

    def __init__(self, store: Any, feed: Feed, owner: str, lease: float) -> None:
        self.announced: frozenset[str] = frozenset()
        self.runners: dict[str, Runner] = {}
        self._store = store
        self._feed = feed
        self._owner = owner
        self._seconds = lease
        self._leases: dict[str, Lease] = {}  # claimed, or perhaps, and not known to be given back
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._pages: dict[frozenset[str] | None, Pages] = {}
        self._dirty = asyncio.Event()

    async def claim(self, subscription: Subscription, partition: int, seen: Document) -> bool:
        """Take a partition over as it was seen, and run it; False when somebody else has it."""
        lease = Lease(seen, self._owner, self._seconds)
        # First: cancelled or cut off in its commit, a claim may still take effect.
        self._leases[lease.key] = lease
        if await lease.claim(self._store, subscription):
            self._start(subscription, partition, lease)
            return True
        del self._leases[lease.key]
        return False

    def _start(self, subscription: Subscription, partition: int, lease: Lease) -> None:
        types = subscription.types
        pages = self._pages.setdefault(types, Pages(self._store, types))
        runner = Runner(
            self._store, subscription, partition, lease, self._feed, pages, self._dirty.set
        )
        self.runners[lease.key] = runner
        task = asyncio.create_task(self._hold(runner), name=lease.key)
        task.add_done_callback(lambda _: self._forget(lease.key))
        self._tasks[lease.key] = task

    def _forget(self, key: str) -> None:
        del self.runners[key], self._tasks[key]

    async def _hold(self, runner: Runner) -> None:
        """Run a partition to its end, then give it back; nothing to give where it was lost."""
        try:
            await runner.run()
        except LeaseLost:
            _log.warning("%s lost %s to another worker", self._owner, runner.lease.key)
        except StoreClosedError:
            _log.debug("%s: the store is closed", runner.lease.key)
        finally:
            await self._give_back(runner.lease)

    async def _give_back(self, lease: Lease) -> None:
        try:
            async with self._store.transaction() as transaction:
                await lease.release(transaction)
        except OrchestrixError as error:  # then it runs out
            _log.debug("%s is not given back: %s", lease.key, error)
        else:
            del self._leases[lease.key]

    def look(self) -> None:
        """Have the runners see whether dead letters are to be handled again."""
        for runner in self.runners.values():
            runner.look()

    def behind(self) -> dict[str, int]:
        """Return the lag of each projection that is run here, in positions."""
        lag: dict[str, int] = {}
        for runner in self.runners.values():
            if (name := runner.subscription.projection) is not None:
                behind = max(0, self._feed.head - runner.lease.position)
                lag[name] = max(behind, lag.get(name, 0))
        return lag

    async def announce(self, names: Collection[str]) -> None:
        """Tell the other workers what this one runs, unless they know."""
        if self.announced != frozenset(names):
            await self._beat([], names)
            self.announced = frozenset(names)

    async def run(self) -> None:
        """Keep the leases for ever, whatever happens to the store but being closed."""
        clock = asyncio.get_running_loop().time
        renewal = clock() + self._seconds / 3
        while True:
            await self._wait_until(renewal)
            if clock() < renewal:
                await asyncio.sleep(_GATHER)
                await self._try_to_beat(self._moved(), None)
            elif await self._try_to_beat([*self.runners.values()], self.announced):
                renewal = clock() + self._seconds / 3

    async def _wait_until(self, time: float) -> None:
        """Wait, until a position has to be stored at the longest."""
        with suppress(TimeoutError):
            async with asyncio.timeout_at(time):
                await self._dirty.wait()

    def _moved(self) -> list[Runner]:
        self._dirty.clear()
        runners = self.runners.values()
        return [runner for runner in runners if runner.lease.position > runner.lease.stored]

    async def _try_to_beat(
        self, runners: Collection[Runner], names: Collection[str] | None
    ) -> bool:
        try:
            await self._beat(runners, names)
        except StoreClosedError:
            raise
        except OrchestrixError as error:
            _log.debug("%s has no heart-beat: %s", self._owner, error)
            self._dirty.set()
            await asyncio.sleep(_PAUSE)
            return False
        return True

    async def _beat(self, runners: Collection[Runner], names: Collection[str] | None) -> None:
        """Renew leases with their positions, in one transaction; with `names`, announce them."""
        began = asyncio.get_running_loop().time()
        async with self._store.transaction() as transaction:
            if names is not None:
                body = {"subscriptions": sorted(names), "lease": self._seconds}
                await transaction.put(WORKERS, self._owner, body)
            positions = [
                (runner, await runner.lease.renew(transaction))
                for runner in sorted(runners, key=lambda runner: runner.lease.key)
            ]
        for runner, position in positions:
            if position is not None:
                runner.lease.renewed(position, began)
            elif self.runners.get(runner.lease.key) is runner:
                self._tasks[runner.lease.key].cancel()  # it may be waiting, and never find out

    async def end(self, grace: float) -> None:
        """Stop all runners, cancel those that take longer, and leave."""
        for runner in self.runners.values():
            runner.stop()
        running = set(self._tasks.values())
        if running:
            _, late = await asyncio.wait(running, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        with suppress(OrchestrixError):
            await self._leave()

    async def _leave(self) -> None:
        """
        Take the announcement back, and what a cancelled call may have claimed.

        Such a claim may still be on its way to its commit: it has locked the checkpoint by then,
        so reading that in a transaction waits for it, where any other read would miss it.
        """
        async with self._store.transaction() as transaction:
            await transaction.delete(WORKERS, self._owner)
            for _, lease in sorted(self._leases.items()):
                await lease.release(transaction)
