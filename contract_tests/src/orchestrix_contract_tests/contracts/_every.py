"""All contracts, each from its module."""

from __future__ import annotations

from orchestrix_contract_tests.contracts.application import ApplicationContract
from orchestrix_contract_tests.contracts.async_bus import AsyncMessageBusContract
from orchestrix_contract_tests.contracts.bus import MessageBusContract
from orchestrix_contract_tests.contracts.complete_store import CompleteStoreContract
from orchestrix_contract_tests.contracts.documents import DocumentsContract
from orchestrix_contract_tests.contracts.event_log import EventLogContract
from orchestrix_contract_tests.contracts.event_store import EventStoreContract
from orchestrix_contract_tests.contracts.faults import FaultsContract
from orchestrix_contract_tests.contracts.history import HistoryContract
from orchestrix_contract_tests.contracts.instrumentation import InstrumentationContract
from orchestrix_contract_tests.contracts.lifecycle import LifecycleContract
from orchestrix_contract_tests.contracts.metrics import MetricsContract
from orchestrix_contract_tests.contracts.persistence import PersistenceContract
from orchestrix_contract_tests.contracts.projections import ProjectionContract
from orchestrix_contract_tests.contracts.sagas import SagaContract
from orchestrix_contract_tests.contracts.serializer import SerializerContract
from orchestrix_contract_tests.contracts.snapshots import SnapshotContract
from orchestrix_contract_tests.contracts.state_machine import EventStoreStateMachine
from orchestrix_contract_tests.contracts.tracing import TracingContract
from orchestrix_contract_tests.contracts.workers import WorkerContract

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
