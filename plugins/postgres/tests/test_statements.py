"""SQL of the application's own: its parameters, what is refused, and that the rest goes on."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal

import asyncpg
import pytest

from orchestrix.infrastructure.postgres import PostgreSQLEventStore
from orchestrix_core import StorageError


@pytest.fixture(params=[100, 0], ids=["cached", "uncached"])
async def store(dsn, request):
    async with PostgreSQLEventStore(
        dsn, 1, 3, schema="shop", statement_cache_size=request.param
    ) as store:
        async with store.transaction() as transaction:
            await transaction.execute("CREATE TABLE orders (id text PRIMARY KEY, total integer)")
        yield store


async def orders(store):
    async with store.transaction() as transaction:
        rows = await transaction.fetch("SELECT id, total FROM orders ORDER BY id")
    return [tuple(row) for row in rows]


async def test_rows_have_the_types_of_the_server(store):
    now = datetime.now(UTC)
    async with store.transaction() as transaction:
        (row,) = await transaction.fetch(
            "SELECT $1::timestamptz AS at, $2::numeric AS amount, ARRAY[1, 2] AS list",
            now,
            Decimal("1.5"),
        )
    assert (row["at"], row["amount"], row[2]) == (now, Decimal("1.5"), [1, 2])


async def test_names_are_looked_for_in_the_schema_of_the_store_first(store):
    async with store.transaction() as transaction:
        query = "SELECT schemaname FROM pg_tables WHERE tablename = 'orders'"
        assert [row[0] for row in await transaction.fetch(query)] == ["shop"]
        await transaction.put("carts", "ada", {"items": ["pen", "ink"]})
        query = "SELECT json_array_length(body -> 'items') AS n FROM documents WHERE key = $1"
        assert [row["n"] for row in await transaction.fetch(query, "ada")] == [2]
        await transaction.execute("CREATE TABLE public.elsewhere (x integer)")
        assert await transaction.execute("INSERT INTO elsewhere VALUES (1)") == 1
    async with store.transaction() as transaction:
        (row,) = await transaction.fetch("SHOW search_path")
        assert row[0].startswith("shop, ")
    rows = await store._opened()._database.fetch("facts", "shop")
    assert rows
    async with store._opened()._database.connection() as connection:
        assert "shop" not in await connection.fetchval("SHOW search_path"), "no session state"


REFUSED = [
    "COMMIT", "commit", " \n\tCommit;", "END", "ABORT", "BEGIN", "START TRANSACTION",
    "ROLLBACK", "ROLLBACK TO SAVEPOINT x", "SAVEPOINT mine", "RELEASE x",
    "-- a comment\nCOMMIT", "/* two */ /* three\n */ COMMIT", ";COMMIT", "/* /* */ */ COMMIT",
    "/* a /* b */ c */COMMIT", "COMMIT/**/", "", " ; ", "-- nothing",
    "PREPARE TRANSACTION 'x'", "SET search_path = public", "RESET ALL", "DISCARD ALL",
    "LISTEN x", "COPY orders TO STDOUT",
]  # fmt: skip


async def test_statements_with_effects_beyond_are_refused(dsn):
    async with PostgreSQLEventStore(dsn, 1, 1) as store:
        async with store.transaction() as transaction:
            await transaction.put("c", "k", {})
            for statement in REFUSED:
                for method in (transaction.execute, transaction.fetch):
                    with pytest.raises(ValueError, match="statement must"):
                        await method(statement)
        assert await store.get_document("c", "k")


FAILED = [
    ("INSERT INTO orders VALUES ('x', 1); DELETE FROM orders", (), StorageError),
    ("INSERT INTO orders VALUES ('x', $1); DELETE FROM orders", (1,), StorageError),
    ("DO $$BEGIN COMMIT; END$$", (), StorageError),
    ("INSERT INTO orders VALUES ($1, $2)", ("x",), ValueError),
    ("INSERT INTO orders VALUES ($1, 0)", ("x", 1), ValueError),
    ("INSERT INTO orders VALUES ($1, $2)", ("x", "one"), ValueError),
    ("INSERT INTO orders VALUES ($1, $2)", ("x", 2**63), ValueError),
    ("INSERT INTO orders VALUES ($1, 1)", ("a\0b",), StorageError),
    ("INSERT INTO orders VALUES ('b', 2), ('a', 3)", (), StorageError),
    ("SELECT 1 / $1", (0,), StorageError),
]


async def test_a_failed_statement_is_undone_alone(store):
    async with store.transaction() as transaction:
        await transaction.execute("INSERT INTO orders VALUES ('a', 1)")
        for statement, arguments, kind in FAILED:
            for method in (transaction.execute, transaction.fetch):
                with pytest.raises(kind) as caught:
                    await method(statement, *arguments)
                cause = caught.value.__cause__
                assert isinstance(cause, asyncpg.PostgresError | asyncpg.InterfaceError)
        await transaction.execute("INSERT INTO orders VALUES ($1, $2)", "b", 2)
    assert await orders(store) == [("a", 1), ("b", 2)]


async def test_a_statement_must_be_text(store):
    async with store.transaction() as transaction:
        with pytest.raises(TypeError, match="statement must be a str, not bytes"):
            await transaction.execute(b"SELECT 1")


CHANGED = [
    ("INSERT INTO orders VALUES ('c', 3), ('d', 4)", 2),
    ("WITH more AS (SELECT 'c', 3) INSERT INTO orders SELECT * FROM more", 1),
    ("/* why */ UPDATE orders SET total = 0", 2),
    ("UPDATE orders SET total = 0 WHERE id = 'x'", 0),
    ("DELETE FROM orders RETURNING id", 2),
    ("SELECT * FROM orders", 0),
    ("SET LOCAL lock_timeout = '1s'", 0),
    ("SET CONSTRAINTS ALL DEFERRED", 0),
    ("CREATE TABLE more (x integer)", 0),
    ("DROP TABLE orders", 0),
]


class Undone(Exception):
    """Leaves the block of a transaction that is only a trial."""


async def test_execute_counts_the_rows_that_changed(store):
    async with store.transaction() as transaction:
        await transaction.execute("INSERT INTO orders VALUES ('a', 1), ('b', 2)")
    for statement, changed in CHANGED:
        with suppress(Undone):
            async with store.transaction() as transaction:
                assert await transaction.execute(statement) == changed, statement
                raise Undone


async def test_a_table_that_changes_its_columns(store):
    """A statement that the connection has prepared is prepared anew."""
    query = "SELECT * FROM orders WHERE id = $1"
    async with store.transaction() as transaction:
        await transaction.execute("INSERT INTO orders VALUES ('a', 1)")
        assert [dict(row) for row in await transaction.fetch(query, "a")] == [
            {"id": "a", "total": 1}
        ]
    async with store.transaction() as transaction:
        await transaction.execute("ALTER TABLE orders ADD COLUMN note text DEFAULT 'new'")
    async with store.transaction() as transaction:
        await transaction.put("c", "k", {})
        (row,) = await transaction.fetch(query, "a")
        assert dict(row) == {"id": "a", "total": 1, "note": "new"}
    assert await store.get_document("c", "k")
