"""The schema file and the migrations agree; tables appear once, and foreign ones are left alone."""

from __future__ import annotations

import asyncio
import re
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest

from orchestrix.infrastructure.postgres import PostgreSQLEventStore, _schema
from orchestrix.infrastructure.postgres._sql import (
    MIGRATIONS,
    QUERIES,
    SCHEMA,
    fill,
    parse_queries,
)
from orchestrix_core import Snapshot, StorageError, StreamWrite
from postgres_databases import executed, in_database

CATALOGUE = """
SELECT 'column', c.table_name || '.' || c.column_name, concat_ws(' ', c.ordinal_position,
       c.data_type, c.is_nullable, c.column_default, c.collation_name)
FROM information_schema.columns c WHERE c.table_schema = $1
UNION ALL
SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = $1
UNION ALL
SELECT 'constraint', conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace = quote_ident($1)::regnamespace
UNION ALL
SELECT 'trigger', tgname, pg_get_triggerdef(t.oid) FROM pg_trigger t
JOIN pg_class r ON r.oid = t.tgrelid WHERE r.relnamespace = quote_ident($1)::regnamespace
UNION ALL
SELECT 'function', proname, pg_get_functiondef(oid) FROM pg_proc
WHERE pronamespace = quote_ident($1)::regnamespace
ORDER BY 1, 2, 3
"""


def open_store(dsn, **settings):
    return PostgreSQLEventStore(dsn, pool_min_size=1, pool_max_size=2, **settings)


async def catalogue(dsn, schema):
    """Return every object of a schema, without the schema's name and the table of versions."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(CATALOGUE, schema)
    finally:
        await connection.close()
    texts = [re.sub(rf'"?{schema}"?\.', "", " | ".join(row)) for row in rows]
    return [text for text in texts if "orchestrix_migrations" not in text]


@pytest.mark.parametrize("payload", ["json", "jsonb"])
async def test_schema_and_migrations_agree(empty_dsn, payload):
    scripts = {"one": [SCHEMA], "two": MIGRATIONS.values()}
    for schema, texts in scripts.items():
        filled = [fill(text, schema, payload) for text in texts]
        await executed(empty_dsn, f"CREATE SCHEMA {schema}", *filled)
    found = await catalogue(empty_dsn, "one")
    assert len(found) > 25
    assert found == await catalogue(empty_dsn, "two")


async def test_a_new_store_has_the_schema(empty_dsn):
    async with open_store(empty_dsn, schema="Shop_1"):
        pass
    await executed(empty_dsn, "CREATE SCHEMA one", fill(SCHEMA, "one", "json"))
    assert await catalogue(empty_dsn, "Shop_1") == await catalogue(empty_dsn, "one")


def test_migrations_are_numbered_without_a_gap():
    assert list(MIGRATIONS) == list(range(1, _schema.SCHEMA_VERSION + 1))


async def test_many_stores_open_a_new_database_at_once(empty_dsn, notes):
    stores = [open_store(empty_dsn, schema="shop") for _ in range(16)]
    await asyncio.gather(*(store.initialize() for store in stores))
    await asyncio.gather(*(s.save("a", notes(f"{n}")) for n, s in enumerate(stores)))
    assert len(await stores[0].load("a")) == 16
    for store in stores:
        await store.close()


async def test_schemas_keep_their_events_apart(dsn, notes):
    async with open_store(dsn, schema="left") as left, open_store(dsn, schema="right") as right:
        await left.save("a", notes("1"), 0)
        await right.save("a", notes("1"), 0)
        assert len(await left.read_log()) == len(await right.read_log()) == 1


async def test_an_old_store_is_brought_up_to_date(dsn, notes, monkeypatch):
    async with open_store(dsn) as store:
        await store.save("a", notes("1"), 0)
    after = _schema.SCHEMA_VERSION + 1
    script = 'CREATE TABLE :"schema".more AS SELECT count(*) AS x FROM :"schema".events;'
    monkeypatch.setattr(_schema, "MIGRATIONS", {**MIGRATIONS, after: script})
    monkeypatch.setattr(_schema, "SCHEMA_VERSION", after)
    with pytest.raises(
        StorageError, match=f"has schema {after - 1}, and {after} is needed: run `orchestrix"
    ):
        await open_store(dsn, create=False).initialize()
    for _ in range(2):  # the second time there is nothing to do
        async with open_store(dsn) as store:
            assert [event.id for event in await store.load("a")] == ["1"]
    connection = await asyncpg.connect(dsn)
    assert await connection.fetchval("SELECT x FROM more") == 1
    await connection.close()


async def test_a_migration_that_fails_leaves_the_old_store(dsn, notes, monkeypatch):
    after = _schema.SCHEMA_VERSION + 1
    broken = 'CREATE TABLE :"schema".more (x int); CREATE TABLE :"schema".events (x int);'
    before = await catalogue(dsn, "public")
    with monkeypatch.context() as patch:
        patch.setattr(_schema, "MIGRATIONS", {**MIGRATIONS, after: broken})
        patch.setattr(_schema, "SCHEMA_VERSION", after)
        with pytest.raises(StorageError, match="already exists"):
            await open_store(dsn).initialize()
    assert await catalogue(dsn, "public") == before
    async with open_store(dsn) as store:
        await store.save("a", notes("1"), 0)


async def test_a_newer_store_is_left_alone(dsn):
    await executed(dsn, "INSERT INTO orchestrix_migrations (version) VALUES (99)")
    with pytest.raises(StorageError, match=r"is at 99, newer than .*upgrade orchestrix-postgres"):
        await open_store(dsn).initialize()


async def test_a_table_of_another_application_is_left_alone(empty_dsn):
    await executed(empty_dsn, "CREATE TABLE events (theirs int)")
    before = await catalogue(empty_dsn, "public")
    for create in (True, False):
        with pytest.raises(StorageError, match="'events' of another application"):
            await open_store(empty_dsn, create=create).initialize()
    assert await catalogue(empty_dsn, "public") == before


async def test_looking_makes_nothing(empty_dsn):
    with pytest.raises(StorageError, match=r"schema 'shop' holds no event store.*create=True"):
        await open_store(empty_dsn, schema="shop", create=False).initialize()
    assert await catalogue(empty_dsn, "public") == []


async def test_the_payload_type_must_be_that_of_the_table(dsn):
    with pytest.raises(StorageError, match="keeps documents as json: set payload = 'json'"):
        await open_store(dsn, payload="jsonb").initialize()


async def test_another_encoding_is_refused(empty_dsn):
    name = "orchestrix_test_latin1"
    latin = in_database(empty_dsn, name)
    await executed(empty_dsn, f"DROP DATABASE IF EXISTS {name}")
    await executed(
        empty_dsn, f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"
    )
    try:
        with pytest.raises(StorageError, match="encoding is LATIN1"):
            await open_store(latin).initialize()
    finally:
        await executed(empty_dsn, f"DROP DATABASE {name}")


@pytest.mark.parametrize(
    "statement",
    ["UPDATE events SET type = 'x'", "DELETE FROM events", "TRUNCATE events"],
)
async def test_events_never_change(dsn, notes, statement):
    async with open_store(dsn) as store:
        await store.save("a", notes("1"), 0)
        with pytest.raises(asyncpg.RaiseError, match="events are facts"):
            await executed(dsn, statement)
        assert len(await store.load("a")) == 1


READS = {
    "load_stream": ("'a', 0, 10", "events_aggregate_id_version_key"),
    "load_trace": ("'t', 0, 10", "events_by_trace"),
    "read_log": ("0, 10", "events_pkey"),
    "read_log_of_types": ("0, ARRAY['T'], 10", "events_pkey"),
    "head": ("", "events_pkey"),
    "streams": ("'', 10", "events_aggregate_id_version_key"),
    "load_snapshot": ("'a'", "snapshots_pkey"),
    "get_document": ("'a', 'b'", "documents_pkey"),
    "find_documents": ("'a', 'b', 'c', 10", "documents_pkey"),
    "find_due_documents": ("'a', 'b', 'c', 10, now()", "documents_by_due"),
}


@pytest.mark.parametrize("name", READS)
async def test_queries_use_their_index_and_sort_nothing(dsn, notes, name):
    arguments, index = READS[name]
    async with open_store(dsn) as store:
        for n in range(20):
            await store.save(f"s{n}", notes(*(f"{n}-{i}" for i in range(100))))
    connection = await asyncpg.connect(dsn)
    await connection.execute("VACUUM ANALYZE events")
    await connection.execute("SET enable_seqscan = off")  # a table this small is read whole
    statement = fill(QUERIES[name], "public", "json")
    for number, value in enumerate(filter(None, arguments.split(", ")), 1):
        statement = statement.replace(f"${number}", value)
    rows = await connection.fetch(f"EXPLAIN {statement}")
    await connection.close()
    plan = "\n".join(row[0] for row in rows)
    assert f"using {index}" in plan
    assert "Seq Scan on events" not in plan
    if name != "streams":  # which sorts the few ids it found
        assert "Sort" not in plan


def test_a_name_twice_or_two_statements_are_refused():
    assert parse_queries("-- one\n-- name: a\n-- why\nSELECT 1;\n") == {"a": "SELECT 1"}
    for text in (
        "-- name: a\nSELECT 1;\n-- name: a\nSELECT 2;\n",
        "-- name: a\nSELECT 1;\nSELECT 2;\n",
        "-- name: a\nSELECT 1\n",
    ):
        with pytest.raises(ValueError, match="'a' must stand once and hold one statement"):
            parse_queries(text)


RIGHTS = """
GRANT USAGE ON SCHEMA shop TO {role};
GRANT SELECT, INSERT ON shop.events TO {role};
GRANT SELECT, INSERT, UPDATE ON shop.snapshots TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON shop.documents TO {role};
GRANT SELECT ON shop.orchestrix_migrations TO {role};
"""


async def test_an_application_needs_few_rights(empty_dsn, notes):
    role = f"app_{uuid4().hex}"
    async with open_store(empty_dsn, schema="shop"):
        pass
    await executed(empty_dsn, f"CREATE ROLE {role} LOGIN", RIGHTS.format(role=role))
    address = urlsplit(empty_dsn)
    limited = urlunsplit(address._replace(netloc=f"{role}@{address.netloc.rpartition('@')[2]}"))
    try:
        async with open_store(limited, schema="shop") as store:
            await store.save("a", notes("1"), 0)
            await store.save("a", notes("2", "3"), 1)
            snapshot = Snapshot(aggregate_id="a", version=3, state={})
            for _ in range(2):
                await store.save_snapshot_async(snapshot)
            assert await store.load_snapshot_async("a") == snapshot
            assert [r.version for r in await store.read_log()] == [1, 2, 3]
            async with store.transaction() as transaction:
                assert await transaction.put("c", "k", {}) == 1
                assert await transaction.put("c", "k", {}) == 2
                assert await transaction.delete("c", "k")
                await transaction.append([StreamWrite("a", notes("4"), 3)])
            assert await store.find_documents("c") == []
        with pytest.raises(StorageError, match="the user lacks a right"):
            await open_store(limited, schema="other").initialize()
    finally:
        await executed(empty_dsn, f"DROP OWNED BY {role}", f"DROP ROLE {role}")
