"""Everything that the capability `persistent` promises."""

from __future__ import annotations

from orchestrix_contract_tests.contracts.durability import DurabilityContract
from orchestrix_contract_tests.contracts.evolution import EvolutionContract

__all__ = ["PersistenceContract"]


class PersistenceContract(DurabilityContract, EvolutionContract):
    """What was acknowledged outlives the store, the process, and the classes."""
