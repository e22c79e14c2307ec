"""Documents, capability `sql`: statements of the application's own in the same transaction."""

from __future__ import annotations

import pytest

from orchestrix_contract_tests.contracts._documents import Undone, put, state, whole
from orchestrix_contract_tests.contracts._store import StoreContract
from orchestrix_contract_tests.domain import deposits
from orchestrix_contract_tests.driver import Driver
from orchestrix_core import (
    ConcurrencyError,
    RevisionConflictError,
    StorageError,
    StoreClosedError,
    StreamWrite,
)
from orchestrix_core.documents import SQLTransaction

__all__ = ["DocumentSQLContract"]

MAKE = "CREATE TABLE contract_rows (name TEXT PRIMARY KEY, amount INTEGER, ratio DOUBLE PRECISION)"
INSERT = "INSERT INTO contract_rows (name, amount, ratio) VALUES ($1, $2, $3)"
SELECT = "SELECT name, amount, ratio FROM contract_rows ORDER BY name"


class DocumentSQLContract(StoreContract, needs=("documents", "sql")):
    """`execute` and `fetch`: what they return, and that they are a part of the transaction."""

    async def test_rows_are_read_by_name_and_by_index(self, store: Driver) -> None:
        """Documents: what `execute` wrote, `fetch` reads, each value as it was."""
        rows = [("a'b\"c;--", 2, 0.5), ("Ähre 😀", -3, 1e-7), ("none", None, None)]
        async with store.transaction() as tx:
            await tx.execute(MAKE)
            for row in rows:
                assert await tx.execute(INSERT, *row) == 1
            await _expect_rows(tx, *rows)
        async with store.transaction() as tx:
            await _expect_rows(tx, *rows)
            (row,) = await tx.fetch("SELECT COUNT(*) AS many FROM contract_rows")
            assert (row["many"], row[0]) == (3, 3)
            assert await tx.fetch("SELECT name FROM contract_rows WHERE name = $1", "x") == []

    async def test_parameters_go_by_their_numbers(self, store: Driver) -> None:
        """Documents: `$2` is the second argument wherever it stands, and as often."""
        async with store.transaction() as tx:
            (row,) = await tx.fetch(
                "SELECT CAST($2 AS TEXT) AS b, CAST($1 AS TEXT) AS a, CAST($2 AS TEXT) AS c",
                "one",
                "two",
            )
            assert [row["a"], row["b"], row["c"]] == ["one", "two", "two"]
            texts = [f"t{n}" for n in range(1, 13)]
            columns = ", ".join(f"CAST(${n} AS TEXT) AS c{n}" for n in range(12, 0, -1))
            (row,) = await tx.fetch(f"SELECT {columns}", *texts)  # made of numbers
            assert [row[f"c{n}"] for n in range(1, 13)] == texts

    async def test_parameter_in_a_text_is_text(self, store: Driver) -> None:
        """Documents: what looks like a parameter in quotes or a comment is none."""
        async with store.transaction() as tx:
            (row,) = await tx.fetch(
                "SELECT 'costs $1, it''s $2' AS label, CAST($1 AS TEXT) AS \"$1\" -- not $3", "5"
            )
            assert (row["label"], row["$1"]) == ("costs $1, it's $2", "5")

    async def test_execute_returns_how_many_rows_changed(self, store: Driver) -> None:
        """Documents: inserted, updated and deleted rows count, and none is 0."""
        async with store.transaction() as tx:
            await tx.execute(MAKE)
            values = "('a', 1), ('b', 2), ('c', 3)"
            insert = f"INSERT INTO contract_rows (name, amount) VALUES {values}"  # noqa: S608  # constants
            assert await tx.execute(insert) == 3
            update = "UPDATE contract_rows SET amount = amount + 1 WHERE amount >= $1"
            assert await tx.execute(update, 2) == 2
            assert await tx.execute(update, 99) == 0
            assert await tx.execute("DELETE FROM contract_rows WHERE name <> $1", "a") == 2
            assert await tx.execute("DELETE FROM contract_rows") == 1

    async def test_rows_documents_and_events_commit_together(self, store: Driver) -> None:
        """Documents: one transaction holds all three."""
        events = deposits(2)
        await _make(store)
        async with store.transaction() as tx:
            await tx.execute(INSERT, "a", 1, 1.5)
            await tx.put("c", "k", {"n": 1})
            await tx.append([StreamWrite("acc", events, 0)])
        assert await _rows(store) == [("a", 1, 1.5)]
        assert await whole(store) == {"k": {"n": 1}}
        assert await store.load("acc") == events

    async def test_exception_undoes_rows_documents_and_events(self, store: Driver) -> None:
        """Documents: an exception leaves nothing of all three, nor of a table it made."""
        await _make(store)
        with pytest.raises(Undone):
            async with store.transaction() as tx:
                await tx.execute("CREATE TABLE contract_other (name TEXT PRIMARY KEY)")
                await tx.execute(INSERT, "a", 1, 1.5)
                await tx.put("c", "k", {"n": 1})
                await tx.append([StreamWrite("acc", deposits(2), 0)])
                raise Undone
        assert await _rows(store) == []
        assert await state(store) == ([], 0)
        async with store.transaction() as tx:
            await tx.execute("CREATE TABLE contract_other (name TEXT PRIMARY KEY)")

    async def test_conflict_of_an_append_undoes_the_rows(self, store: Driver) -> None:
        """Documents: a stream that moved undoes rows as well."""
        await _make(store)
        with pytest.raises(ConcurrencyError):
            async with store.transaction() as tx:
                await tx.execute(INSERT, "a", 1, 1.5)
                await tx.append([StreamWrite("acc", deposits(2), 3)])
        assert await _rows(store) == []

    async def test_refused_document_leaves_the_rows_to_commit(self, store: Driver) -> None:
        """Documents: a conflict of `expect` that is caught inside undoes no row."""
        await _make(store)
        await put(store, "k", {"n": 1})
        async with store.transaction() as tx:
            await tx.execute(INSERT, "a", 1, 1.5)
            with pytest.raises(RevisionConflictError):
                await tx.put("c", "k", {"n": 2}, expect=0)
            with pytest.raises(ConcurrencyError):
                await tx.append([StreamWrite("acc", deposits(1), 3)])
            await tx.execute(INSERT, "b", 2, 2.5)
        assert await _rows(store) == [("a", 1, 1.5), ("b", 2, 2.5)]
        assert await whole(store) == {"k": {"n": 1}}

    @pytest.mark.parametrize(
        "statement",
        ["INSERT INTO contract_rows (name) VALUES ('a')", "SELEKT 1", "DELETE FROM contract_none"],
        ids=["unique", "syntax", "no-table"],
    )
    async def test_failed_statement_leaves_the_rest_to_commit(
        self, store: Driver, statement: str
    ) -> None:
        """Documents: the database's error is a `StorageError` with its cause; the rest commits."""
        await _make(store)
        async with store.transaction() as tx:
            await tx.execute(INSERT, "a", 1, 1.5)
            await tx.put("c", "k", {"n": 1})
            with pytest.raises(StorageError) as caught:
                await tx.execute(statement)
            assert caught.value.__cause__ is not None
            with pytest.raises(StorageError):
                await tx.fetch("SELECT nothing FROM contract_rows")
            await tx.execute(INSERT, "b", 2, 2.5)
        assert await _rows(store) == [("a", 1, 1.5), ("b", 2, 2.5)]
        assert await whole(store) == {"k": {"n": 1}}

    async def test_failed_statement_undoes_the_rest(self, store: Driver) -> None:
        """Documents: one that leaves the block undoes all of it."""
        await _make(store)
        with pytest.raises(StorageError):
            async with store.transaction() as tx:
                await tx.execute(INSERT, "a", 1, 1.5)
                await tx.put("c", "k", {"n": 1})
                await tx.execute(INSERT, "a", 2, 2.5)
        assert await _rows(store) == []
        assert await whole(store) == {}

    async def test_one_statement_at_a_time(self, store: Driver) -> None:
        """Documents: two statements in one call are refused, and neither is run."""
        await _make(store)
        two = "DELETE FROM contract_rows; DELETE FROM contract_rows"
        async with store.transaction() as tx:
            await tx.execute(INSERT, "a", 1, 1.5)
            with pytest.raises((StorageError, ValueError)):
                await tx.execute(two)
        assert await _rows(store) == [("a", 1, 1.5)]

    async def test_statements_after_the_block_are_refused(self, store: Driver) -> None:
        """Documents: a transaction whose block has ended runs nothing."""
        await _make(store)
        async with store.transaction() as tx:
            pass
        with pytest.raises(RuntimeError, match="transaction"):
            await tx.execute(INSERT, "a", 1, 1.5)
        with pytest.raises(RuntimeError, match="transaction"):
            await tx.fetch(SELECT)
        assert await _rows(store) == []

    async def test_sql_on_a_closed_store_is_refused(self, store: Driver) -> None:
        """Documents: `StoreClosedError` before the first statement."""
        await _make(store)
        await store.close()
        with pytest.raises(StoreClosedError):
            await _rows(store)


async def _make(store: Driver) -> None:
    async with store.transaction() as tx:
        await tx.execute(MAKE)


async def _rows(store: Driver) -> list[tuple[object, ...]]:
    async with store.transaction() as tx:
        rows = await tx.fetch(SELECT)
    return [(row["name"], row["amount"], row["ratio"]) for row in rows]


async def _expect_rows(tx: SQLTransaction, *expected: tuple[object, ...]) -> None:
    rows = {row["name"]: row for row in await tx.fetch(SELECT)}
    assert len(rows) == len(expected)
    for name, amount, ratio in expected:
        row = rows[name]
        assert (row[0], row[1], row[2]) == (name, amount, ratio)
        assert (row["amount"], row["ratio"]) == (amount, ratio)
