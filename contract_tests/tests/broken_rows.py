"""A store whose transactions run SQL, sound and then broken in one promise."""

from __future__ import annotations

import re
import sqlite3
from contextlib import asynccontextmanager
from typing import Any

from broken_documents import Changes, Store  # type: ignore[import-not-found]  # beside this module

from orchestrix_core import StorageError


class RowsStore(Store):
    """Sound: beside the documents there is a database in memory, which commits with them."""

    rows: Any

    def __init__(self) -> None:
        super().__init__()
        self.rows = sqlite3.connect(":memory:", isolation_level=None)
        self.rows.row_factory = sqlite3.Row

    @asynccontextmanager
    async def transaction(self):
        async with super().transaction() as tx:
            self.rows.execute("BEGIN")
            try:
                yield self.statements(tx)
                tx.commit()  # raises where the whole would not commit
                tx._documents._changes.clear()
                tx._appended = None
                self.rows.execute("COMMIT")
            except BaseException:
                self.undo()
                raise

    def undo(self) -> None:
        if self.rows.in_transaction:
            self.rows.execute("ROLLBACK")

    def statements(self, tx: Any) -> Changes:
        return Statements(self, tx)

    async def close(self):
        await super().close()
        self.rows.close()


class Statements(Changes):
    def run(self, statement, arguments):
        if self.tx._ended:
            raise RuntimeError("the transaction has ended")
        try:
            return self.store.rows.execute(statement, self.bound(statement, arguments))
        except sqlite3.Error as error:
            raise StorageError(str(error)) from error

    def bound(self, statement, arguments):
        return {str(n): value for n, value in enumerate(arguments, start=1)}

    async def execute(self, statement, *arguments):
        return max(0, self.run(statement, arguments).rowcount)

    async def fetch(self, statement, *arguments):
        return self.run(statement, arguments).fetchall()


def with_statements(statements: type[Statements]) -> type[RowsStore]:
    """Return a store that runs SQL in such a way."""

    class Changed(RowsStore):
        def statements(self, tx):
            return statements(self, tx)

    Changed.__name__ = statements.__name__
    return Changed


class KeepsTheRows(RowsStore):
    """What failed is undone but for the rows."""

    def undo(self):
        self.rows.execute("COMMIT")


class TakesParametersInTurn(Statements):
    def run(self, statement, arguments):
        return super().run(re.sub(r"\$\d+", "?", statement), arguments)

    def bound(self, statement, arguments):
        return arguments


class CountsOne(Statements):
    async def execute(self, statement, *arguments):
        return min(1, await super().execute(statement, *arguments))


class GivesTuples(Statements):
    async def fetch(self, statement, *arguments):
        return [tuple(row) for row in await super().fetch(statement, *arguments)]


class PassesTheDriversErrors(Statements):
    def run(self, statement, arguments):
        return self.store.rows.execute(statement, self.bound(statement, arguments))


class IsSpoiltByAnError(Statements):
    """As in PostgreSQL without a savepoint: what failed takes the rest with it."""

    def run(self, statement, arguments):
        try:
            return super().run(statement, arguments)
        except StorageError:
            self.store.rows.execute("ROLLBACK")
            self.store.rows.execute("BEGIN")
            raise


class RunsScripts(Statements):
    async def execute(self, statement, *arguments):
        changed = 0
        for part in re.split(r";\s+", statement):
            changed += await super().execute(part, *arguments)
        return changed
