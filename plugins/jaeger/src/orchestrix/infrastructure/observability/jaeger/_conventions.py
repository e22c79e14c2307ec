"""
What spans are called and what they tell: OpenTelemetry's semantic conventions.

Those for messaging and for databases are written out here rather than imported: the package that
has them as constants moves them with each of its releases.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs
from opentelemetry.trace import SpanKind

from orchestrix_core.instrumentation import Operation

__all__ = ["SYSTEM", "Described", "command", "describe", "event", "saga"]

SYSTEM: Final = "orchestrix"

_DATABASES: Final = {"postgres": "postgresql"}
"""Backends whose database has another name in the conventions."""

_COLLECTIONS: Final = {
    "append": "events",
    "load": "events",
    "load_by_trace": "events",
    "read_log": "events",
    "head": "events",
    "save_snapshot": "snapshots",
    "load_snapshot": "snapshots",
    "read_document": "documents",
}

_OURS: Final = {
    "message_type": "orchestrix.message.type",
    "message_id": "orchestrix.message.id",
    "aggregate_id": "orchestrix.aggregate.id",
    "aggregate_type": "orchestrix.aggregate.type",
    "projection": "orchestrix.projection.name",
    "saga": "orchestrix.saga.type",
    "saga_id": "orchestrix.saga.id",
    "operation": "orchestrix.storage.operation",
    "backend": "orchestrix.storage.backend",
}


@attrs.frozen
class Described:
    """
    A span before it begins.

    Attributes:
        name: of few different ones, so without ids.
        kind: PRODUCER and CONSUMER of a message, CLIENT of a database, or INTERNAL.
        attributes: what it tells.
        adopts: whether it is a parent to messages of other traces that are handled inside.
    """

    name: str
    kind: SpanKind
    attributes: dict[str, str]
    adopts: bool = True


def describe(operation: Operation, known: Mapping[str, str]) -> Described:
    """Return how an operation of the core looks in a trace; what it does not say is left out."""
    attributes: dict[str, str] = {"orchestrix.operation": operation}
    attributes |= {_OURS[key]: value for key, value in known.items() if key in _OURS}
    if operation == "storage":
        return _storage(known, attributes)
    if operation == "load_aggregate":
        return Described(_named("load", known.get("aggregate_type")), SpanKind.INTERNAL, attributes)
    verb, kind, subject = _MESSAGING[operation]
    if "message_type" in known:
        attributes |= _messaging(verb, kind, known["message_type"], known.get("message_id"))
    return Described(_named(verb, known.get(subject)), kind, attributes)


_MESSAGING: Final[Mapping[str, tuple[str, SpanKind, str]]] = {
    "publish": ("publish", SpanKind.PRODUCER, "message_type"),
    "handle_command": ("handle", SpanKind.CONSUMER, "message_type"),
    "update_projection": ("project", SpanKind.CONSUMER, "projection"),
    "execute_saga": ("saga", SpanKind.CONSUMER, "saga"),
}


def command(command_type: str, aggregate_id: str) -> Described:
    """Return the span of a command that is handled."""
    return describe("handle_command", {"message_type": command_type, "aggregate_id": aggregate_id})


def event(event_type: str, event_id: str, aggregate_id: str) -> Described:
    """Return the span of an event that is processed."""
    known = {"message_type": event_type, "message_id": event_id, "aggregate_id": aggregate_id}
    attributes = {_OURS[key]: value for key, value in known.items()}
    attributes |= _messaging("process", SpanKind.CONSUMER, event_type, event_id)
    return Described(_named("process", event_type), SpanKind.CONSUMER, attributes)


def saga(saga_type: str, saga_id: str) -> Described:
    """Return the span of a saga that is carried on; by hand no message is known."""
    attributes = {_OURS["saga"]: saga_type, _OURS["saga_id"]: saga_id}
    return Described(_named("saga", saga_type), SpanKind.INTERNAL, attributes)


def _named(verb: str, subject: str | None) -> str:
    return f"{verb} {subject}" if subject else verb


def _messaging(
    verb: str, kind: SpanKind, message_type: str, message_id: str | None
) -> dict[str, str]:
    attributes = {
        "messaging.system": SYSTEM,
        "messaging.operation.name": verb,
        "messaging.operation.type": "send" if kind is SpanKind.PRODUCER else "process",
        "messaging.destination.name": message_type,
    }
    if message_id is not None:
        attributes["messaging.message.id"] = message_id
    return attributes


def _storage(known: Mapping[str, str], attributes: dict[str, str]) -> Described:
    operation = known.get("operation")
    collection = _COLLECTIONS.get(operation or "")
    backend = known.get("backend")
    if backend is not None:
        attributes["db.system.name"] = _DATABASES.get(backend, backend)
    if operation is not None:
        attributes["db.operation.name"] = operation
    if collection is not None:
        attributes["db.collection.name"] = collection
    # In memory there is nobody to call.
    kind = SpanKind.INTERNAL if backend == "memory" else SpanKind.CLIENT
    return Described(
        _named(operation or "storage", collection),
        kind,
        attributes,
        adopts=operation != "transaction",
    )
