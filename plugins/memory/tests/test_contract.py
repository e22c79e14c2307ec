"""Memory keeps the contract."""

from __future__ import annotations

from orchestrix.infrastructure.memory.plugin import orchestrix_contract_subjects
from orchestrix_contract_tests import (
    AsyncMessageBusContract,
    CompleteStoreContract,
    MessageBusContract,
)

SUBJECTS = {(subject.kind, subject.name): subject for subject in orchestrix_contract_subjects()}


class TestAsyncStore(CompleteStoreContract):
    subject = SUBJECTS["event_store", "memory"]


class TestSyncStore(CompleteStoreContract):
    subject = SUBJECTS["event_store", "memory-sync"]


class TestAsyncBus(AsyncMessageBusContract):
    subject = SUBJECTS["message_bus", "memory"]


class TestSyncBus(MessageBusContract):
    subject = SUBJECTS["message_bus", "memory-sync"]
