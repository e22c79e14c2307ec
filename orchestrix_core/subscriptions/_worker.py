"""The worker: leases partitions of subscriptions and runs them, beside any number of others."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final
from uuid import uuid4

from orchestrix_core.documents import AsyncDocumentStore
from orchestrix_core.errors import (
    MissingCapabilityError,
    OrchestrixError,
    PartitionMismatchError,
    StoreClosedError,
)
from orchestrix_core.instrumentation import NO_INSTRUMENTATION, Instrumentation
from orchestrix_core.stores import DOCUMENTS, GLOBAL_LOG, AsyncEventLog
from orchestrix_core.subscriptions._checkpoints import prepare
from orchestrix_core.subscriptions._feed import Feed
from orchestrix_core.subscriptions._holdings import Holdings
from orchestrix_core.subscriptions._shares import Shares
from orchestrix_core.subscriptions._subscription import Subscription

__all__ = ["Worker"]

_log = logging.getLogger(__name__)

_LONGEST_LOOK: Final = 1.0  # seconds between two looks at the other workers


class Worker:
    """
    Runs subscriptions, with any number of other workers in any number of processes.

    The partitions of a subscription are shared out among the workers that run it. What a worker
    held that died is taken over by the others when its lease has stood still for its time.

    Args:
        store: async, with the capabilities `global_log` and `documents`.
        subscriptions: what to run; more may be added later.
        instrumentation: is told of the lag.
        lease: seconds after which others take over from a worker of which nothing is heard.
        grace: seconds that a handler has to finish in when the worker stops.
        owner: a name for the worker that no other has; None: made of host, process and chance.
    """

    def __init__(
        self,
        store: Any,
        subscriptions: Iterable[Subscription] = (),
        *,
        instrumentation: Instrumentation = NO_INSTRUMENTATION,
        lease: float = 10.0,
        grace: float = 10.0,
        owner: str | None = None,
    ) -> None:
        if not lease > 0:
            msg = f"lease must be more than 0 seconds, not {lease!r}"
            raise ValueError(msg)
        _require(store)
        self.owner = owner or f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"
        self._store = store
        self._instrumentation = instrumentation
        self._grace = grace
        self._tick = min(lease / 3, _LONGEST_LOOK)
        self._subscriptions: dict[str, Subscription] = {}
        self._feed = Feed(store)
        self._holdings = Holdings(store, self._feed, self.owner, lease)
        self._shares = Shares(store, self._holdings, self.owner)
        self._stopping = False
        self._running = False
        self._stirred = asyncio.Event()
        for subscription in subscriptions:
            self.add(subscription)

    def __repr__(self) -> str:
        return f"Worker({self.owner!r}, {sorted(self._subscriptions)})"

    def add(self, subscription: Subscription) -> None:
        """
        Run one more, from now on.

        Raises:
            ValueError: one with this name is running; remove it first.
        """
        if subscription.name in self._subscriptions:
            msg = f"a subscription named {subscription.name!r} is there already"
            raise ValueError(msg)
        self._subscriptions[subscription.name] = subscription
        self._stirred.set()

    def remove(self, name: str) -> None:
        """Run it no more: finish what is in hand, give it back. An unknown name is no error."""
        self._subscriptions.pop(name, None)
        self._stirred.set()

    def stop(self) -> None:
        """Ask `run` to end; may be called before it, from its event loop."""
        self._stopping = True
        self._stirred.set()

    async def run(self) -> None:
        """
        Work until `stop()`; then finish what is in hand, save the positions, give the leases back.

        Cancelled, it does so as well, but cancels the handlers. While the store cannot be reached
        it waits, and tries again.

        Raises:
            MissingCapabilityError: the store lacks what subscriptions need.
            PartitionMismatchError: a subscription is stored with another number of partitions.
            StoreClosedError: the store was closed.
        """
        if self._running:
            msg = f"{self!r} runs already: one worker runs once at a time"
            raise RuntimeError(msg)
        self._running = True
        background = [
            asyncio.create_task(self._feed.run(), name="orchestrix-feed"),
            asyncio.create_task(self._holdings.run(), name="orchestrix-leases"),
        ]
        grace = 0.0  # when it ends by an exception
        try:
            await self._look_again_and_again()
            grace = self._grace
        finally:
            await self._holdings.end(grace)
            await _end(background)
            self._running = False

    async def _look_again_and_again(self) -> None:
        while not self._stopping:
            self._stirred.clear()
            try:
                await self._look()
            except (StoreClosedError, PartitionMismatchError):
                raise
            except OrchestrixError as error:
                _log.warning("%s waits for the store: %s", self.owner, error)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._tick):
                    await self._stirred.wait()

    async def _look(self) -> None:
        wanted = [*self._subscriptions.values()]
        for subscription in wanted:
            if subscription.name not in self._holdings.announced:
                await prepare(self._store, subscription)
        await self._feed.look()
        await self._holdings.announce({subscription.name for subscription in wanted})
        await self._shares.settle(wanted)
        self._holdings.look()
        self._report()

    def _report(self) -> None:
        for name, behind in self._holdings.behind().items():
            self._instrumentation.record("projection_lag", behind, {"projection": name})


def _require(store: Any) -> None:
    kinds = {GLOBAL_LOG: AsyncEventLog, DOCUMENTS: AsyncDocumentStore}
    missing = tuple(name for name, kind in kinds.items() if not isinstance(store, kind))
    if missing:
        raise MissingCapabilityError(type(store).__name__, missing)


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait for them; what they raise was raised elsewhere as well."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
