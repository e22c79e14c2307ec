"""The application's event store: what is saved in a unit of work is collected, all else goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, Final, TypeAlias

from orchestrix_core import _unit
from orchestrix_core._unit import Change
from orchestrix_core._wrapping import Wrapped
from orchestrix_core.documents import Transaction
from orchestrix_core.messages import Event
from orchestrix_core.records import RecordedEvent, Snapshot, StreamWrite
from orchestrix_core.validation import check_append, check_id, check_range, check_writes

__all__ = ["Append", "Around", "StoreGround", "collecting"]

Append: TypeAlias = Callable[[Transaction, Sequence[StreamWrite]], Awaitable[None]]
"""Appends events in a transaction."""
Around: TypeAlias = Callable[[Transaction, Sequence[StreamWrite], Append], Awaitable[None]]
"""Appends events by calling the `Append` that it is given, and does more in the transaction."""


class StoreGround:
    """
    What is below all units of one application: its store, and what happens with each append.

    Attributes:
        around: what is to happen in the transaction of each append, outermost first.
    """

    def __init__(self, store: Any) -> None:
        self.backend = store
        self.around: list[Around] = []

    async def load(self, aggregate_id: str, from_version: int | None = 0) -> list[Event]:
        """Return what is stored of a stream."""
        return await self.backend.load(aggregate_id, from_version)  # type: ignore[no-any-return]  # the port's

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        """Keep a snapshot."""
        await self.backend.save_snapshot_async(snapshot)

    async def store(self, changes: Sequence[Change], writes: Sequence[StreamWrite]) -> None:
        """Make all changes and append all events, in one transaction."""
        if len(writes) == 1 and not changes and not self.around:  # stores do this best themselves
            (write,) = writes
            await self.backend.save(write.aggregate_id, write.events, write.expected_version)
            return
        async with self.backend.transaction() as transaction:
            for change in changes:
                await change(transaction)
            if writes:  # last: from here on others have to wait
                await self.append(transaction, writes)

    async def append(self, transaction: Transaction, writes: Sequence[StreamWrite]) -> None:
        """Append events, with what is to happen then."""
        call: Append = _append
        for around in reversed(self.around):
            call = partial(_go_on, around, call)
        await call(transaction, writes)


async def _append(transaction: Transaction, writes: Sequence[StreamWrite]) -> None:
    await transaction.append(writes)


async def _go_on(
    around: Around, proceed: Append, transaction: Transaction, writes: Sequence[StreamWrite]
) -> None:
    await around(transaction, writes, proceed)


class _Collecting(Wrapped):
    """A store that has documents, for handlers: they neither see nor need the unit they work in."""

    def __init__(self, ground: StoreGround) -> None:
        super().__init__(ground.backend)
        self._ground = ground

    async def save(
        self, aggregate_id: str, events: Sequence[Event], expected_version: int | None = None
    ) -> None:
        unit = _unit.active(self._ground)
        if unit is not None:
            unit.save(
                aggregate_id, check_append(aggregate_id, events, expected_version), expected_version
            )
        elif self._ground.around:
            checked = check_append(aggregate_id, events, expected_version)
            await self._ground.store((), [StreamWrite(aggregate_id, checked, expected_version)])
        else:
            await self._store.save(aggregate_id, events, expected_version)

    async def load(self, aggregate_id: str, from_version: int | None = 0) -> list[Event]:
        unit = _unit.active(self._ground)
        if unit is None:
            return await self._store.load(aggregate_id, from_version)  # type: ignore[no-any-return]  # the port's
        check_id(aggregate_id)
        start = 0 if from_version is None else check_range(from_version, "from_version")
        return await unit.load(aggregate_id, start)

    async def load_by_trace(self, trace_id: str) -> list[Event]:
        unit = _unit.active(self._ground)
        stored: list[Event] = await self._store.load_by_trace(trace_id)
        return stored if unit is None else stored + unit.of_trace(trace_id)

    async def save_snapshot_async(self, snapshot: Snapshot) -> None:
        unit = _unit.active(self._ground)
        if unit is None:
            await self._store.save_snapshot_async(snapshot)
        else:
            unit.save_snapshot(snapshot)

    async def load_snapshot_async(self, aggregate_id: str) -> Snapshot | None:
        return await self._store.load_snapshot_async(aggregate_id)  # type: ignore[no-any-return]  # the port's

    async def get_document(self, collection: str, key: str) -> Any:
        return await self._store.get_document(collection, key)

    async def find_documents(self, collection: str, **options: Any) -> Any:
        return await self._store.find_documents(collection, **options)

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        return self._store.transaction()  # type: ignore[no-any-return]  # the port's


async def _save_all(self: _Collecting, writes: Sequence[StreamWrite]) -> None:
    unit = _unit.active(self._ground)
    if unit is not None:
        for id, events, expected in check_writes(writes):
            unit.save(id, events, expected)
    elif self._ground.around:
        checked = [StreamWrite(*write) for write in check_writes(writes)]
        await self._ground.store((), checked)
    else:
        await self._store.save_all(writes)


def _subscribe(self: _Collecting, after: int = 0) -> AsyncIterator[RecordedEvent]:
    return self._store.subscribe(after)  # type: ignore[no-any-return]  # the port's


def _passing(name: str) -> Callable[..., Any]:
    async def call(self: _Collecting, *args: Any, **kwargs: Any) -> Any:
        return await getattr(self._store, name)(*args, **kwargs)

    call.__name__ = name
    return call


_FURTHER: Final[dict[str, Callable[..., Any]]] = {
    "save_all": _save_all,
    "subscribe": _subscribe,
    "save_snapshot": _Collecting.save_snapshot_async,
    **{name: _passing(name) for name in ("read_log", "head", "streams", "load_snapshot")},
}
"""What not every store has; `isinstance` with the ports looks at the class."""


def collecting(ground: StoreGround) -> Any:
    """Return the store of a ground as handlers see it."""
    store = ground.backend
    methods = {name: method for name, method in _FURTHER.items() if hasattr(store, name)}
    return type(f"Collecting{type(store).__name__}", (_Collecting,), methods)(ground)
