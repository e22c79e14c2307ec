"""
From the log to handlers: at least once, in order within each stream, by any number of processes.

A `Subscription` says which events go where. A `Worker` runs it: it leases partitions, keeps their
positions in the store together with what the handlers did, and sets aside what cannot be handled.
"""

from orchestrix_core.subscriptions._checkpoints import forget
from orchestrix_core.subscriptions._lag import Lag, caught_up, lags
from orchestrix_core.subscriptions._letters import DeadLetter, DeadLetters
from orchestrix_core.subscriptions._subscription import (
    Handle,
    RetryPolicy,
    Subscription,
    partition_of,
)
from orchestrix_core.subscriptions._worker import Worker

__all__ = [
    "DeadLetter",
    "DeadLetters",
    "Handle",
    "Lag",
    "RetryPolicy",
    "Subscription",
    "Worker",
    "caught_up",
    "forget",
    "lags",
    "partition_of",
]
