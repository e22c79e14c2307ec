"""Both stores keep what is promised of cancelled calls and clocks; other faults memory has none."""

from __future__ import annotations

from orchestrix.infrastructure.memory import plugin
from orchestrix_contract_tests import FaultsContract

ASYNC, SYNC = plugin.orchestrix_contract_subjects()[:2]


class TestInMemoryAsyncEventStore(FaultsContract):
    subject = ASYNC


class TestInMemoryEventStore(FaultsContract):
    subject = SYNC
