"""Both stores keep what is promised of faults, those that a file can have."""

from __future__ import annotations

from orchestrix.infrastructure.sqlite import plugin
from orchestrix_contract_tests import FaultsContract

ASYNC, SYNC = plugin.orchestrix_contract_subjects()


class TestSQLiteEventStore(FaultsContract):
    subject = ASYNC


class TestSQLiteSyncEventStore(FaultsContract):
    subject = SYNC
