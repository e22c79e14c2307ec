"""
The contracts, one module for each group of promises.

They are imported when somebody asks for one: pytest and Hypothesis come with them, for which the
processes that they start have no use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrix_contract_tests.contracts._every import (
        ApplicationContract,
        AsyncMessageBusContract,
        CompleteStoreContract,
        DocumentsContract,
        EventLogContract,
        EventStoreContract,
        EventStoreStateMachine,
        FaultsContract,
        HistoryContract,
        InstrumentationContract,
        LifecycleContract,
        MessageBusContract,
        MetricsContract,
        PersistenceContract,
        ProjectionContract,
        SagaContract,
        SerializerContract,
        SnapshotContract,
        TracingContract,
        WorkerContract,
    )

__all__ = [
    "ApplicationContract",
    "AsyncMessageBusContract",
    "CompleteStoreContract",
    "DocumentsContract",
    "EventLogContract",
    "EventStoreContract",
    "EventStoreStateMachine",
    "FaultsContract",
    "HistoryContract",
    "InstrumentationContract",
    "LifecycleContract",
    "MessageBusContract",
    "MetricsContract",
    "PersistenceContract",
    "ProjectionContract",
    "SagaContract",
    "SerializerContract",
    "SnapshotContract",
    "TracingContract",
    "WorkerContract",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("orchestrix_contract_tests.contracts._every"), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
