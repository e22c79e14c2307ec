"""An event store for Orchestrix in a file of JSON lines."""

from orchestrix_jsonl._config import JsonlConfig
from orchestrix_jsonl._store import JsonlEventStore

__all__ = [
    "JsonlConfig",
    "JsonlEventStore",
]
