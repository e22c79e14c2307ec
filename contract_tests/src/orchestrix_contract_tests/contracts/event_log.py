"""Everything that `EventLog` and `AsyncEventLog` promise."""

from __future__ import annotations

from orchestrix_contract_tests.contracts.log import LogContract
from orchestrix_contract_tests.contracts.multi_stream import MultiStreamContract
from orchestrix_contract_tests.contracts.subscriptions import SubscriptionContract

__all__ = ["EventLogContract"]


class EventLogContract(LogContract, MultiStreamContract, SubscriptionContract):
    """Promise 4, and 1 to 3 over several streams."""
