"""Reading the view of a projection, wherever its live generation is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from orchestrix_core.errors import StorageError
from orchestrix_core.projections._pointers import read_pointer
from orchestrix_core.projections._projection import Projection
from orchestrix_core.projections._view import Generation, SQLView

__all__ = ["ProjectionReader"]

T = TypeVar("T")


class ProjectionReader:
    """
    The committed view of a projection.

    Each read is of the generation that is live, also while a rebuild puts another in its place:
    what was read counts only if the pointer still names the same one afterwards. Before a
    projection has run at all, its view is empty.
    """

    def __init__(self, store: Any, projection: Projection | type[Projection]) -> None:
        self._store = store
        self._name = projection.name
        self._known: Generation | None = None  # read from it, then see whether that was right

    def __repr__(self) -> str:
        return f"ProjectionReader({self._name!r})"

    async def get(self, key: str) -> dict[str, Any] | None:
        """Return a document, or None."""

        async def read(generation: Generation) -> dict[str, Any] | None:
            found = await self._store.get_document(generation.full_name, key)
            return None if found is None else found.body

        return await self._read(read, None)

    async def find(
        self, *, prefix: str = "", after: str = "", limit: int = 1000
    ) -> dict[str, dict[str, Any]]:
        """
        Return up to `limit` documents by their keys, which start with `prefix`.

        They come in the order of their keys, from above `after`.
        """

        async def read(generation: Generation) -> dict[str, dict[str, Any]]:
            found = await self._store.find_documents(
                generation.full_name, prefix=prefix, after=after, limit=limit
            )
            return {document.key: document.body for document in found}

        return await self._read(read, {})

    async def fetch(self, statement: str, *arguments: Any) -> list[Any]:
        """
        Run one query and return its rows, whose values are found by index and by name.

        `{orders}` stands for the table `orders` of the projection; parameters are `$1`, `$2`.
        """

        async def read(generation: Generation) -> list[Any]:
            async with self._store.transaction() as transaction:
                return await SQLView(transaction, generation).fetch(statement, *arguments)

        return await self._read(read, [])

    async def _read(self, read: Callable[[Generation], Awaitable[T]], empty: T) -> T:
        generation = self._known or await self._live()
        while generation is not None:
            failure: StorageError | None = None
            try:
                result = await read(generation)
            except StorageError as error:  # its tables may have gone meanwhile
                failure = error
            before, generation = generation, await self._live()
            if generation == before:
                if failure is not None:
                    raise failure
                return result
        return empty

    async def _live(self) -> Generation | None:
        self._known = (await read_pointer(self._store, self._name)).live
        return self._known
