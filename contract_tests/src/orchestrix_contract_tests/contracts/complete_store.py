"""All that the suite knows about stores, in one class."""

from __future__ import annotations

from orchestrix_contract_tests.contracts.documents import DocumentsContract
from orchestrix_contract_tests.contracts.event_log import EventLogContract
from orchestrix_contract_tests.contracts.event_store import EventStoreContract
from orchestrix_contract_tests.contracts.history import HistoryContract
from orchestrix_contract_tests.contracts.lifecycle import LifecycleContract
from orchestrix_contract_tests.contracts.persistence import PersistenceContract
from orchestrix_contract_tests.contracts.snapshots import SnapshotContract
from orchestrix_contract_tests.contracts.state_machine import EventStoreStateMachine

__all__ = ["CompleteStoreContract"]


class CompleteStoreContract(
    EventStoreContract,
    EventLogContract,
    SnapshotContract,
    LifecycleContract,
    PersistenceContract,
    DocumentsContract,
    HistoryContract,
    EventStoreStateMachine,
):
    """Section 5, whole; what the subject does not declare is skipped."""
