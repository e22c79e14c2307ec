"""Events as an operator sees them: what is stored, whether or not its class is known here."""

from __future__ import annotations

import json
from typing import Any, Final

from orchestrix_core.messages import METADATA, Event, RawEvent, stored_as
from orchestrix_core.records import RecordedEvent
from orchestrix_core.registry import MessageRegistry
from orchestrix_core.serialization import JSONSerializer

__all__ = ["RAW", "event_document", "record_document", "summary"]

RAW: Final = JSONSerializer(MessageRegistry(), unknown="raw")
"""
Knows no class, so that any store can be read as it is: no module of the application is imported,
no upcaster runs, and an event that its class would refuse is shown all the same.
"""


def event_document(event: Event) -> dict[str, Any]:
    """Return the event as JSON values: metadata that is set, then its own data."""
    document = json.loads(event.payload if isinstance(event, RawEvent) else RAW.encode(event))
    type, schema_version = stored_as(event)
    metadata = {
        key: value for key, value in document.items() if key in METADATA and value is not None
    }
    data = {key: value for key, value in document.items() if key not in METADATA}
    return {**metadata, "type": type, "schema_version": schema_version, "data": data}


def record_document(record: RecordedEvent) -> dict[str, Any]:
    """Return the event with its place in the log and in its stream."""
    place = {
        "position": record.position,
        "stream": record.aggregate_id,
        "version": record.version,
    }
    return place | event_document(record.event)


def summary(document: dict[str, Any]) -> tuple[str, str, str]:
    """Return what a row of a table shows of an event: type, time, data."""
    data = json.dumps(document["data"], ensure_ascii=False)
    return document["type"], document.get("timestamp", ""), data
