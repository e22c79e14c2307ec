"""Workers on the store; there is nothing here but who is meant, and what the server adds."""

from __future__ import annotations

import pytest

from orchestrix.infrastructure.postgres.plugin import contract_subject
from orchestrix_contract_tests import WorkerContract, _worker_child
from orchestrix_contract_tests.contracts.worker_processes import assert_fenced


class TestWorkers(WorkerContract):
    @pytest.fixture
    def subject(self, postgres):
        return contract_subject(postgres)

    async def test_process_stopped_inside_a_transaction_cannot_commit(self, store, stores):
        """Other transactions go on beside it, and what it wants to commit later is refused."""
        await assert_fenced(store, stores, _worker_child.stop_in_handler)
