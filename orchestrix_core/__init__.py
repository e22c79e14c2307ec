"""
Orchestrix: event sourcing in which every backend is a plugin.

This package holds what applications and plugins share: messages, their serialization, the ports
that backends implement, the plugin registry, the configuration and the command line.
"""

from orchestrix_core.aggregates import (
    AggregateRoot,
    CannotSaveError,
    Decided,
    Decider,
    Repository,
    SyncRepository,
    UnhandledEventError,
    when,
)
from orchestrix_core.application import Orchestrix
from orchestrix_core.buses import AsyncMessageBus, MessageBus
from orchestrix_core.configuration import Configuration
from orchestrix_core.context import current_trace_id, current_traceparent, handling, use_trace
from orchestrix_core.documents import AsyncDocumentStore, Document, Transaction
from orchestrix_core.errors import (
    AmbiguousMessageType,
    BackendNotFoundError,
    ConcurrencyError,
    ConfigurationError,
    DuplicateEventError,
    DuplicateHandlerError,
    InvalidCommandError,
    MissingCapabilityError,
    NoHandlerError,
    NotCaughtUpError,
    OrchestrixError,
    OutdatedProjectionError,
    PartitionMismatchError,
    PluginLoadError,
    RebuildError,
    RevisionConflictError,
    SerializationError,
    StorageError,
    StoreClosedError,
    UnknownMessageType,
    UpcastingError,
)
from orchestrix_core.handlers import handles, on
from orchestrix_core.hookspecs import Backend, ContractSubject, Fault, hookimpl
from orchestrix_core.instrumentation import NO_INSTRUMENTATION, Instrumentation, compose
from orchestrix_core.json_encoder import OrchestrixJSONEncoder
from orchestrix_core.messages import Command, Event, Message, RawEvent, stored_as
from orchestrix_core.plugins import PluginRegistry
from orchestrix_core.projections import (
    Projection,
    ProjectionHealth,
    ProjectionReader,
    Projections,
    SQLView,
    View,
    rebuild,
)
from orchestrix_core.records import RecordedEvent, Snapshot, StreamInfo, StreamWrite
from orchestrix_core.registry import MessageRegistry, default_registry, upcaster
from orchestrix_core.sagas import Saga, SagaStateError
from orchestrix_core.secrets import Secret
from orchestrix_core.serialization import JSONSerializer, Serializer, decode_stored
from orchestrix_core.stores import AsyncEventLog, AsyncEventStore, EventLog, EventStore
from orchestrix_core.subscriptions import DeadLetter, DeadLetters, RetryPolicy, Subscription, Worker

__all__ = [
    "NO_INSTRUMENTATION",
    "AggregateRoot",
    "AmbiguousMessageType",
    "AsyncDocumentStore",
    "AsyncEventLog",
    "AsyncEventStore",
    "AsyncMessageBus",
    "Backend",
    "BackendNotFoundError",
    "CannotSaveError",
    "Command",
    "ConcurrencyError",
    "Configuration",
    "ConfigurationError",
    "ContractSubject",
    "DeadLetter",
    "DeadLetters",
    "Decided",
    "Decider",
    "Document",
    "DuplicateEventError",
    "DuplicateHandlerError",
    "Event",
    "EventLog",
    "EventStore",
    "Fault",
    "Instrumentation",
    "InvalidCommandError",
    "JSONSerializer",
    "Message",
    "MessageBus",
    "MessageRegistry",
    "MissingCapabilityError",
    "NoHandlerError",
    "NotCaughtUpError",
    "Orchestrix",
    "OrchestrixError",
    "OrchestrixJSONEncoder",
    "OutdatedProjectionError",
    "PartitionMismatchError",
    "PluginLoadError",
    "PluginRegistry",
    "Projection",
    "ProjectionHealth",
    "ProjectionReader",
    "Projections",
    "RawEvent",
    "RebuildError",
    "RecordedEvent",
    "Repository",
    "RetryPolicy",
    "RevisionConflictError",
    "SQLView",
    "Saga",
    "SagaStateError",
    "Secret",
    "SerializationError",
    "Serializer",
    "Snapshot",
    "StorageError",
    "StoreClosedError",
    "StreamInfo",
    "StreamWrite",
    "Subscription",
    "SyncRepository",
    "Transaction",
    "UnhandledEventError",
    "UnknownMessageType",
    "UpcastingError",
    "View",
    "Worker",
    "compose",
    "current_trace_id",
    "current_traceparent",
    "decode_stored",
    "default_registry",
    "handles",
    "handling",
    "hookimpl",
    "on",
    "rebuild",
    "stored_as",
    "upcaster",
    "use_trace",
    "when",
]
