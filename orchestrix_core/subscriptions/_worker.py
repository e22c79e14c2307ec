"""The worker: leases partitions of subscriptions and runs them, beside any number of others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from orchestrix_core.instrumentation import NO_INSTRUMENTATION, Instrumentation
from orchestrix_core.subscriptions._subscription import Subscription

__all__ = ["Worker"]


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
        raise NotImplementedError

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

    def stop(self) -> None:
        """Ask `run` to end; may be called before it, from its event loop."""

    def add(self, subscription: Subscription) -> None:
        """Run one more, from now on."""

    def remove(self, name: str) -> None:
        """Run it no more: finish what is in hand, give it back. An unknown name is no error."""
