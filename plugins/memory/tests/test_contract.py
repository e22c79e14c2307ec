"""Memory keeps the contract."""

from __future__ import annotations

from orchestrix.infrastructure.memory.plugin import orchestrix_contract_subjects
from orchestrix_contract_tests import (
    EventLogContract,
    EventStoreContract,
    LifecycleContract,
    SnapshotContract,
)

SUBJECTS = {(subject.kind, subject.name): subject for subject in orchestrix_contract_subjects()}


class TestAsyncStore(EventStoreContract, EventLogContract, SnapshotContract, LifecycleContract):
    subject = SUBJECTS["event_store", "memory"]


class TestSyncStore(EventStoreContract, EventLogContract, SnapshotContract, LifecycleContract):
    subject = SUBJECTS["event_store", "memory-sync"]
