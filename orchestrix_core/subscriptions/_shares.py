"""Sharing partitions out among the workers that are alive: taking what is free, giving surplus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from orchestrix_core.documents import Document
from orchestrix_core.errors import PartitionMismatchError, RevisionConflictError
from orchestrix_core.subscriptions._balance import Watch, quota
from orchestrix_core.subscriptions._checkpoints import CHECKPOINTS, checkpoint_key, documents_in
from orchestrix_core.subscriptions._holdings import WORKERS, Holdings
from orchestrix_core.subscriptions._subscription import Subscription

__all__ = ["Shares"]

_BURY: Final = 10  # leases after which a worker that died is forgotten


class Shares:
    """Looks at all checkpoints and workers, and sees to the share of this one."""

    def __init__(self, store: Any, holdings: Holdings, owner: str) -> None:
        self._store = store
        self._holdings = holdings
        self._owner = owner
        self._checkpoints = Watch()
        self._workers = Watch()

    async def settle(self, subscriptions: Sequence[Subscription]) -> None:
        """Take free partitions up to the quota of each subscription, give back what is above."""
        wanted = {subscription.name for subscription in subscriptions}
        for runner in self._holdings.runners.values():
            if runner.subscription.name not in wanted:
                runner.stop()
        alive = await self._alive()
        found = {seen.key: seen async for seen in documents_in(self._store, CHECKPOINTS)}
        still = {
            key: self._checkpoints.still_for(key, seen.revision) for key, seen in found.items()
        }
        self._checkpoints.keep(found)
        for subscription in subscriptions:
            await self._share(subscription, alive.get(subscription.name, []), found, still)

    async def _alive(self) -> dict[str, list[str]]:
        """Return the workers that are alive, by the subscriptions that they run."""
        alive: dict[str, list[str]] = {}
        seen = [worker async for worker in documents_in(self._store, WORKERS)]
        self._workers.keep({worker.key for worker in seen})
        for worker in seen:
            still = self._workers.still_for(worker.key, worker.revision)
            if still > worker.body["lease"] * _BURY:
                await self._bury(worker)
            if still <= worker.body["lease"]:
                for name in worker.body["subscriptions"]:
                    alive.setdefault(name, []).append(worker.key)
        return alive

    async def _bury(self, worker: Document) -> None:
        try:
            async with self._store.transaction() as transaction:
                await transaction.delete(WORKERS, worker.key, expect=worker.revision)
        except RevisionConflictError:
            return  # it lives, or somebody else was faster

    async def _share(
        self,
        subscription: Subscription,
        alive: Sequence[str],
        found: Mapping[str, Document],
        still: Mapping[str, float],
    ) -> None:
        _check(subscription, found)
        name, partitions = subscription.name, subscription.partitions
        allowed = quota(name, partitions, self._owner, alive)
        keys = [checkpoint_key(name, number) for number in range(partitions)]
        held = [key for key in keys if self._is_held(key)]
        for key in held[allowed:]:
            self._holdings.runners[key].stop()
        for number, key in enumerate(keys):
            if len(held) >= allowed:
                return
            free = key in found and self._is_free(found[key], still[key])
            if free and await self._holdings.claim(subscription, number, found[key]):
                held.append(key)

    def _is_held(self, key: str) -> bool:
        return key in self._holdings.runners and not self._holdings.runners[key].is_stopping

    def _is_free(self, seen: Document, still: float) -> bool:
        """Whether nobody holds it, or nothing was heard of the holder for the time of its lease."""
        if seen.key in self._holdings.runners:
            return False
        owner = seen.body["owner"]
        # Ours, and not held: it was lost for a while, when the store was away.
        return owner is None or owner == self._owner or still > seen.body["lease"]


def _check(subscription: Subscription, found: Mapping[str, Document]) -> None:
    header = found.get(subscription.name)
    if header is not None and header.body["partitions"] != subscription.partitions:
        stored = header.body["partitions"]
        reason = "another worker has changed it"
        raise PartitionMismatchError(subscription.name, stored, subscription.partitions, reason)
