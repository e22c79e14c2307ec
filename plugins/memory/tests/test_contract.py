"""Memory keeps the contract."""

from __future__ import annotations

from orchestrix.infrastructure.memory.plugin import orchestrix_contract_subjects
from orchestrix_contract_tests import EventStoreContract

SUBJECTS = {(subject.kind, subject.name): subject for subject in orchestrix_contract_subjects()}


class TestAsyncStore(EventStoreContract):
    subject = SUBJECTS["event_store", "memory"]


class TestSyncStore(EventStoreContract):
    subject = SUBJECTS["event_store", "memory-sync"]
