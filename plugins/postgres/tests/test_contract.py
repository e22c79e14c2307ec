"""The store keeps the whole contract; there is nothing here but who is meant."""

from __future__ import annotations

import pytest

from orchestrix.infrastructure.postgres.plugin import contract_subject
from orchestrix_contract_tests import CompleteStoreContract


class TestPostgreSQLEventStore(CompleteStoreContract):
    @pytest.fixture
    def subject(self, postgres):
        return contract_subject(postgres)
