"""
The contract that every Orchestrix backend keeps, as classes to subclass in a test module.

```python
class TestMyStore(CompleteStoreContract):
    subject = MY_SUBJECT  # an orchestrix_core.ContractSubject, or a pytest fixture giving one
```

The package is also a pytest plugin, imported by every pytest run that has it installed. So its
contracts, and Hypothesis with them, are imported only when a test module asks for one.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrix_contract_tests.contracts import (
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
        return getattr(import_module("orchestrix_contract_tests.contracts"), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
