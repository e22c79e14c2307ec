"""All that the suite knows about workers, in one class."""

from __future__ import annotations

from orchestrix_contract_tests.contracts.worker_delivery import WorkerDeliveryContract
from orchestrix_contract_tests.contracts.worker_leases import WorkerLeaseContract
from orchestrix_contract_tests.contracts.worker_letters import WorkerLetterContract
from orchestrix_contract_tests.contracts.worker_processes import WorkerProcessContract

__all__ = ["WorkerContract"]


class WorkerContract(
    WorkerDeliveryContract, WorkerLeaseContract, WorkerLetterContract, WorkerProcessContract
):
    """Subscriptions on a store with documents; what the subject does not declare is skipped."""
