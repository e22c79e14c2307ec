"""The contracts, one module for each group of promises."""

from orchestrix_contract_tests.contracts.event_store import EventStoreContract

__all__ = ["EventStoreContract"]
