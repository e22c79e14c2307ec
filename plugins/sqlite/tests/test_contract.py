"""Both stores keep the whole contract; there is nothing here but who is meant."""

from __future__ import annotations

from orchestrix.infrastructure.sqlite import plugin
from orchestrix_contract_tests import CompleteStoreContract

ASYNC, SYNC = plugin.orchestrix_contract_subjects()


class TestSQLiteEventStore(CompleteStoreContract):
    subject = ASYNC


class TestSQLiteSyncEventStore(CompleteStoreContract):
    subject = SYNC
