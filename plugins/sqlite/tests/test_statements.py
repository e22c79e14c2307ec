"""SQL of the application's own: its parameters, what is refused, and that the rest goes on."""

from __future__ import annotations

import sqlite3

import pytest

from orchestrix.infrastructure.sqlite import SQLiteEventStore
from orchestrix_core import StorageError


@pytest.fixture
async def store(path):
    async with SQLiteEventStore(path) as store:
        async with store.transaction() as transaction:
            await transaction.execute("CREATE TABLE orders (id TEXT PRIMARY KEY, total INTEGER)")
        yield store


async def orders(store):
    async with store.transaction() as transaction:
        rows = await transaction.fetch("SELECT id, total FROM orders ORDER BY id")
    return [tuple(row) for row in rows]


async def test_rows_are_those_of_sqlite(store):
    async with store.transaction() as transaction:
        (row,) = await transaction.fetch(
            "SELECT $1 AS text, $2 AS bytes, $3 AS none", "é", b"\0", None
        )
    assert isinstance(row, sqlite3.Row)
    assert (row["text"], row["bytes"], row["none"], tuple(row)) == (
        "é",
        b"\0",
        None,
        ("é", b"\0", None),
    )


@pytest.mark.parametrize(
    "statement",
    [
        "COMMIT", "commit", " \n\tCommit;", "END", "BEGIN", "ROLLBACK", "ROLLBACK TO step",
        "SAVEPOINT mine", "RELEASE step", "-- a comment\nCOMMIT", "/* two */ /* three\n */ COMMIT",
        ";COMMIT", "\ufeffCOMMIT", "/* /* */ COMMIT", "COMMIT/**/", "", " ; ", "-- nothing",
        "PRAGMA journal_mode = DELETE", "ATTACH 'x.db' AS x", "DETACH x", "VACUUM",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["execute", "fetch"])
async def test_statements_with_effects_beyond_are_refused(store, statement, method):
    async with store.transaction() as transaction:
        await transaction.execute("INSERT INTO orders VALUES ('a', 1)")
        with pytest.raises(ValueError, match="statement must"):
            await getattr(transaction, method)(statement)
        await transaction.execute("INSERT INTO orders VALUES ('b', 2)")
    assert await orders(store) == [("a", 1), ("b", 2)]


@pytest.mark.parametrize(
    ("statement", "arguments", "reason"),
    [
        ("INSERT INTO orders VALUES ('x', 1); DELETE FROM orders", (), "one statement at a time"),
        ("INSERT INTO orders VALUES ($1, $2)", ("x",), "binding"),
        ("INSERT INTO orders VALUES ($1, 0)", ("x", 1, 2), r"given for \$2, \$3"),
        ("INSERT INTO orders VALUES (?, ?)", ("x", 1), "no name"),
        ("INSERT INTO orders VALUES ($1, $2)", ("x", object()), "binding|bind|supported"),
        ("INSERT INTO orders VALUES ($1, $2)", ("x", 2**63), "64 bits"),
        ("INSERT INTO orders VALUES ($1, 1)", ("\ud800",), "surrogates"),
    ],
)
async def test_wrong_arguments_are_refused(store, statement, arguments, reason):
    async with store.transaction() as transaction:
        await transaction.execute("INSERT INTO orders VALUES ('a', 1)")
        with pytest.raises(ValueError, match=reason):
            await transaction.execute(statement, *arguments)
    assert await orders(store) == [("a", 1)]


async def test_a_statement_must_be_text(store):
    async with store.transaction() as transaction:
        with pytest.raises(TypeError, match="statement must be a str, not bytes"):
            await transaction.execute(b"SELECT 1")


@pytest.mark.parametrize(
    ("statement", "changed"),
    [
        ("INSERT INTO orders VALUES ('c', 3), ('d', 4)", 2),
        ("WITH more AS (SELECT 'c', 3) INSERT INTO orders SELECT * FROM more", 1),
        ("/* why */ UPDATE orders SET total = 0", 2),
        ("UPDATE orders SET total = 0 WHERE id = 'x'", 0),
        ("DELETE FROM orders RETURNING id", 2),
        ("REPLACE INTO orders VALUES ('a', 9)", 1),
        ("SELECT * FROM orders", 0),
        ("CREATE TABLE more (x)", 0),
        ("DROP TABLE orders", 0),
    ],
)
async def test_execute_counts_the_rows_that_changed(store, statement, changed):
    async with store.transaction() as transaction:
        await transaction.execute("INSERT INTO orders VALUES ('a', 1), ('b', 2)")
        assert await transaction.execute(statement) == changed


async def test_a_failed_statement_is_undone_alone(store):
    async with store.transaction() as transaction:
        await transaction.execute("INSERT INTO orders VALUES ('a', 1)")
        with pytest.raises(StorageError, match="UNIQUE constraint failed") as caught:
            await transaction.execute("INSERT INTO orders VALUES ('b', 2), ('a', 3)")
        assert isinstance(caught.value.__cause__, sqlite3.IntegrityError)
    assert await orders(store) == [("a", 1)]


async def test_a_statement_that_ends_the_transaction_by_failing_undoes_it(store):
    async def change():
        async with store.transaction() as transaction:
            await transaction.execute("INSERT INTO orders VALUES ('a', 1)")
            with pytest.raises(StorageError, match="UNIQUE constraint failed"):
                await transaction.execute("INSERT OR ROLLBACK INTO orders VALUES ('a', 1)")
            with pytest.raises(StorageError, match="gave this transaction up"):
                await transaction.execute("INSERT INTO orders VALUES ('b', 1)")

    with pytest.raises(StorageError, match="gave this transaction up"):
        await change()
    assert await orders(store) == []


async def test_bodies_are_json_to_sql(store):
    async with store.transaction() as transaction:
        await transaction.put("carts", "ada", {"items": ["pen", "ink"]})
        (row,) = await transaction.fetch(
            "SELECT json_array_length(body, '$.items') AS items FROM documents WHERE key = $1",
            "ada",
        )
        assert row["items"] == 2
