"""Everything that `EventStore` and `AsyncEventStore` promise about events."""

from __future__ import annotations

from orchestrix_contract_tests.contracts.append import AppendContract
from orchestrix_contract_tests.contracts.bad_input import BadInputContract
from orchestrix_contract_tests.contracts.isolation import IsolationContract
from orchestrix_contract_tests.contracts.locking import LockingContract
from orchestrix_contract_tests.contracts.retry import RetryContract
from orchestrix_contract_tests.contracts.traces import TraceContract

__all__ = ["EventStoreContract"]


class EventStoreContract(
    AppendContract,
    LockingContract,
    RetryContract,
    TraceContract,
    IsolationContract,
    BadInputContract,
):
    """Promises 1, 2, 3, 5, 7 and 9, and the part of 4 that is about one stream."""
