"""A store inside another object, which passes on whatever it does not do itself."""

from __future__ import annotations

from typing import Any

from orchestrix_core.stores import AsyncLifecycle

__all__ = ["Wrapped"]


class Wrapped(AsyncLifecycle):
    """What every store has, passed on; subclasses do the operations in their own way."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)  # what is no operation: backup, settings

    def __repr__(self) -> str:
        return repr(self._store)

    async def initialize(self) -> None:
        await self._store.initialize()

    async def close(self) -> None:
        await self._store.close()

    async def ping(self) -> bool:
        return bool(await self._store.ping())
