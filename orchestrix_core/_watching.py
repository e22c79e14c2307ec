"""An event store whose every operation is watched by an instrumentation."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

from orchestrix_core._wrapping import Wrapped
from orchestrix_core.documents import AsyncDocumentStore, Transaction
from orchestrix_core.instrumentation import NO_INSTRUMENTATION, Instrumentation
from orchestrix_core.messages import Message

__all__ = ["about", "watched"]

S = TypeVar("S")

_OPERATIONS: Final[Mapping[str, str]] = {
    "save": "append",
    "save_all": "append",
    "load": "load",
    "load_by_trace": "load_by_trace",
    "save_snapshot_async": "save_snapshot",
    "save_snapshot": "save_snapshot",
    "load_snapshot_async": "load_snapshot",
    "load_snapshot": "load_snapshot",
    "read_log": "read_log",
    "head": "head",
    "get_document": "read_document",
    "find_documents": "read_document",
}
"""The methods of a store that are one operation each, and its name."""

_BY_STREAM: Final = frozenset({"append", "load", "save_snapshot", "load_snapshot"})


def about(message: Message, **more: str) -> dict[str, str]:
    """Return the attributes of an operation on a message, and what else is known of it."""
    attributes = {"message_type": message.type, "message_id": message.id, **more}
    if message.subject is not None:
        attributes["aggregate_id"] = message.subject
    if message.traceparent is not None:
        attributes["traceparent"] = message.traceparent
    return attributes


class _Watched(Wrapped):
    """What every store has; `watched` adds the operations that this one has."""

    def __init__(self, store: Any, watch: Instrumentation, backend: str) -> None:
        super().__init__(store)
        self._watch = watch
        self._backend = backend


def watched(store: S, watch: Instrumentation, backend: str) -> S:
    """Return the store with `watch` around each of its operations; where none is on, as it is."""
    if watch is NO_INSTRUMENTATION:
        return store
    methods: dict[str, Any] = {
        name: _method(name, operation)
        for name, operation in _OPERATIONS.items()
        if hasattr(store, name)
    }
    if hasattr(store, "subscribe"):  # seen on the class by isinstance(store, AsyncEventLog)
        methods["subscribe"] = lambda self, after=0: self._store.subscribe(after)
    if isinstance(store, AsyncDocumentStore):
        methods["transaction"] = _transaction
    kind = type(f"Watched{type(store).__name__}", (_Watched,), methods)
    return kind(store, watch, backend)  # type: ignore[no-any-return]  # it does what the store does


def _method(name: str, operation: str) -> Callable[..., Coroutine[Any, Any, Any]]:
    async def call(self: _Watched, *args: Any, **kwargs: Any) -> Any:
        attributes = {"operation": operation, "backend": self._backend}
        if operation in _BY_STREAM and name != "save_all":
            attributes |= _stream(args, kwargs)
        with self._watch.operation("storage", attributes):
            return await getattr(self._store, name)(*args, **kwargs)

    call.__name__ = name
    return call


def _stream(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, str]:
    first = args[0] if args else kwargs.get("aggregate_id", kwargs.get("snapshot"))
    stream = getattr(first, "aggregate_id", first)
    return {"aggregate_id": stream} if isinstance(stream, str) else {}


@asynccontextmanager
async def _transaction(self: _Watched) -> AsyncIterator[Transaction]:
    attributes = {"operation": "transaction", "backend": self._backend}
    with self._watch.operation("storage", attributes):
        async with self._store.transaction() as transaction:
            yield transaction
