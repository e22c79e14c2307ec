"""What handlers write to: the documents and tables of one generation, in one transaction."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import attrs

from orchestrix_core.documents import SQLTransaction, Transaction

__all__ = ["Generation", "SQLView", "View", "view_of"]

_NAMED: Final = re.compile(r"\{([a-z_][a-z0-9_]*)\}")
_LONGEST: Final = 63  # bytes of an identifier that every database keeps


def _names(tables: Sequence[str]) -> tuple[str, ...]:
    return tuple(tables)


@attrs.frozen(kw_only=True)
class Generation:
    """
    One edition of a projection's view.

    Attributes:
        projection: name of the projection.
        number: counted from 1; never used twice.
        version: of the projection's class that makes it.
        inline: whether each append changes it; else a subscription does.
        partitions: of its subscription.
        tables: names of its SQL tables.
    """

    projection: str
    number: int
    version: int
    inline: bool
    partitions: int
    tables: Sequence[str] = attrs.field(converter=_names)

    @property
    def full_name(self) -> str:
        """What its documents and its subscription are called."""
        return f"{self.projection}@{self.number}"

    def table(self, name: str) -> str:
        """Return the name, in quotes, of a table or an index of this generation alone."""
        full = f"{self.full_name}.{name}"
        if not _NAMED.fullmatch(f"{{{name}}}") or len(full.encode()) > _LONGEST:
            msg = f"name must be short and like order_lines, not {name!r}"
            raise ValueError(msg)
        return f'"{full}"'


class View:
    """
    The documents of one generation of a projection, each found by its key.

    A document is a JSON object: str, int, float, bool, None, lists, and dicts with str keys.
    """

    def __init__(self, transaction: Transaction, generation: Generation) -> None:
        self._transaction = transaction
        self._generation = generation
        self._collection = generation.full_name

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._collection!r})"

    async def get(self, key: str) -> dict[str, Any] | None:
        """Return a document, or None; nobody else changes it until the transaction ends."""
        found = await self._transaction.get(self._collection, key)
        return None if found is None else found.body

    async def find(
        self, *, prefix: str = "", after: str = "", limit: int = 1000
    ) -> dict[str, dict[str, Any]]:
        """
        Return up to `limit` documents by their keys, which start with `prefix`.

        They come in the order of their keys, from above `after`.
        """
        found = await self._transaction.find(
            self._collection, prefix=prefix, after=after, limit=limit
        )
        return {document.key: document.body for document in found}

    async def put(self, key: str, body: Mapping[str, Any]) -> None:
        """Write a document whole; `SerializationError` where it would not read back the same."""
        await self._transaction.put(self._collection, key, body)

    async def delete(self, key: str) -> bool:
        """Remove a document; return whether it was there."""
        return await self._transaction.delete(self._collection, key)


class SQLView(View):
    """The view of a projection that has tables: SQL of its own, in the same transaction."""

    _transaction: SQLTransaction

    @property
    def tables(self) -> Sequence[str]:
        """The names of the tables, as the projection calls them."""
        return self._generation.tables

    def table(self, name: str) -> str:
        """Return the name, in quotes, of a table or an index of this generation alone."""
        return self._generation.table(name)

    async def execute(self, statement: str, *arguments: Any) -> int:
        """
        Run one statement, its parameters written `$1`, `$2`; return how many rows it changed.

        `{orders}` stands for the table `orders`, if the projection has one.
        """
        return await self._transaction.execute(self._named(statement), *arguments)

    async def fetch(self, statement: str, *arguments: Any) -> list[Any]:
        """Run one query, as `execute`; the values of a row are found by index and by name."""
        return await self._transaction.fetch(self._named(statement), *arguments)

    def _named(self, statement: str) -> str:
        tables = self._generation.tables

        def name(found: re.Match[str]) -> str:
            return self._generation.table(found[1]) if found[1] in tables else found[0]

        return _NAMED.sub(name, statement)


def view_of(transaction: Transaction, generation: Generation) -> SQLView:
    """Return the view of a generation; without tables it has documents alone."""
    if generation.tables:
        return SQLView(transaction, generation)
    return cast("SQLView", View(transaction, generation))
