"""All that the suite knows about sagas, in one class."""

from __future__ import annotations

from orchestrix_contract_tests.contracts.saga_compensation import SagaCompensationContract
from orchestrix_contract_tests.contracts.saga_processes import SagaProcessContract
from orchestrix_contract_tests.contracts.saga_reactions import SagaReactionContract
from orchestrix_contract_tests.contracts.saga_timeouts import SagaTimeoutContract

__all__ = ["SagaContract"]


class SagaContract(
    SagaReactionContract, SagaCompensationContract, SagaTimeoutContract, SagaProcessContract
):
    """Sagas on a store with documents; what the subject does not declare is skipped."""
