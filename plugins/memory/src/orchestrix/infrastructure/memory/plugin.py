"""What the memory plugin offers, and how the contract suite makes its stores and buses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import attrs

from orchestrix.infrastructure.memory._bus import InMemoryAsyncMessageBus, InMemoryMessageBus
from orchestrix.infrastructure.memory._stores import InMemoryAsyncEventStore, InMemoryEventStore
from orchestrix_core import Backend, ContractSubject, hookimpl
from orchestrix_core.hookspecs import Kind
from orchestrix_core.stores import ASYNC, DOCUMENTS, GLOBAL_LOG, MULTI_STREAM, NOTIFY, SYNC

__all__ = ["MemoryConfig", "orchestrix_backends", "orchestrix_contract_subjects"]

_ASYNC_STORE = frozenset({ASYNC, DOCUMENTS, GLOBAL_LOG, MULTI_STREAM, NOTIFY})
_SYNC_STORE = frozenset({SYNC, GLOBAL_LOG, MULTI_STREAM})


@attrs.frozen(kw_only=True)
class MemoryConfig:
    """Memory has no settings."""


@hookimpl
def orchestrix_backends() -> Sequence[Backend]:
    """Offer the async store and the async bus: the application runtime is async."""
    return [
        Backend(
            kind="event_store",
            name="memory",
            config=MemoryConfig,
            create=lambda _: InMemoryAsyncEventStore(),
            capabilities=_ASYNC_STORE,
            scratch=_scratch,
        ),
        Backend(
            kind="message_bus",
            name="memory",
            config=MemoryConfig,
            create=lambda _: InMemoryAsyncMessageBus(),
            capabilities=frozenset({ASYNC}),
            scratch=_scratch,
        ),
    ]


@hookimpl
def orchestrix_contract_subjects() -> Sequence[ContractSubject]:
    """Return both stores and both buses; each is new and empty."""
    return [
        _subject("event_store", "memory", InMemoryAsyncEventStore, _ASYNC_STORE),
        _subject("event_store", "memory-sync", InMemoryEventStore, _SYNC_STORE),
        _subject("message_bus", "memory", InMemoryAsyncMessageBus, frozenset({ASYNC})),
        _subject("message_bus", "memory-sync", InMemoryMessageBus, frozenset({SYNC})),
    ]


def _scratch(config: MemoryConfig, directory: Path) -> MemoryConfig:
    """Return the same settings: whatever is made in memory is new and empty."""
    return config


def _subject(
    kind: Kind, name: str, make: Callable[[], object], capabilities: frozenset[str]
) -> ContractSubject:
    def create(directory: Path) -> object:
        return make()

    return ContractSubject(kind=kind, name=name, create=create, capabilities=capabilities)
