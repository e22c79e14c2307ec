"""The contracts, one module for each group of promises."""

from orchestrix_contract_tests.contracts.event_log import EventLogContract
from orchestrix_contract_tests.contracts.event_store import EventStoreContract
from orchestrix_contract_tests.contracts.lifecycle import LifecycleContract
from orchestrix_contract_tests.contracts.snapshots import SnapshotContract

__all__ = ["EventLogContract", "EventStoreContract", "LifecycleContract", "SnapshotContract"]
