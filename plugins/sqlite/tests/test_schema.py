"""The schema file and the migrations agree, and the loader of `.sql` files refuses what is odd."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from orchestrix.infrastructure.sqlite import SQLiteSyncEventStore, _schema
from orchestrix.infrastructure.sqlite._sql import (
    MIGRATIONS,
    QUERIES,
    SCHEMA,
    parse_queries,
    statements,
)
from orchestrix_core import StorageError


def catalogue(scripts):
    with closing(sqlite3.connect(":memory:")) as connection:
        for script in scripts:
            for statement in statements(script):
                connection.execute(statement)
        return objects(connection)


def objects(connection):
    query = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"
    return connection.execute(query).fetchall()


def test_schema_and_migrations_agree():
    assert catalogue([SCHEMA]) == catalogue(MIGRATIONS.values())


def test_a_new_file_has_the_schema(path):
    with SQLiteSyncEventStore(path), closing(sqlite3.connect(path)) as connection:
        assert objects(connection) == catalogue([SCHEMA])


def test_migrations_are_numbered_without_a_gap():
    assert list(MIGRATIONS) == list(range(1, _schema.SCHEMA_VERSION + 1))


def test_an_old_file_is_brought_up_to_date(path, notes, monkeypatch):
    with SQLiteSyncEventStore(path) as store:
        store.save("a", notes("1"), 0)
    after = _schema.SCHEMA_VERSION + 1
    script = "-- More.\nCREATE TABLE more (x);\nINSERT INTO more SELECT COUNT(*) FROM events;\n"
    monkeypatch.setattr(_schema, "MIGRATIONS", {**MIGRATIONS, after: script})
    monkeypatch.setattr(_schema, "SCHEMA_VERSION", after)
    for _ in range(2):  # the second time there is nothing to do
        with SQLiteSyncEventStore(path) as store:
            assert [event.id for event in store.load("a")] == ["1"]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT x FROM more").fetchall() == [(1,)]
        assert connection.execute("PRAGMA user_version").fetchone() == (after,)


@pytest.mark.parametrize("version", list(MIGRATIONS)[:-1])
def test_a_file_of_each_older_version_is_brought_up_to_date(path, notes, version):
    with closing(sqlite3.connect(path)) as connection:
        for number in range(1, version + 1):
            connection.executescript(MIGRATIONS[number])
        connection.execute(f"PRAGMA application_id = {_schema.APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {version}")
    with SQLiteSyncEventStore(path) as store, closing(sqlite3.connect(path)) as connection:
        assert objects(connection) == catalogue([SCHEMA])
        store.save("a", notes("1"), 0)


def test_a_migration_that_fails_leaves_the_old_file(path, notes, monkeypatch):
    with SQLiteSyncEventStore(path) as store:
        store.save("a", notes("1"), 0)
    after = _schema.SCHEMA_VERSION + 1
    broken = {**MIGRATIONS, after: "CREATE TABLE more (x);\nCREATE TABLE events (x);\n"}
    with monkeypatch.context() as patch:
        patch.setattr(_schema, "MIGRATIONS", broken)
        patch.setattr(_schema, "SCHEMA_VERSION", after)
        with pytest.raises(StorageError, match="already exists"):
            SQLiteSyncEventStore(path).initialize()
    with closing(sqlite3.connect(path)) as connection:
        assert objects(connection) == catalogue([SCHEMA])
    with SQLiteSyncEventStore(path) as store:
        assert [event.id for event in store.load("a")] == ["1"]


@pytest.mark.parametrize("name", QUERIES)
def test_every_query_is_sound(name):
    with closing(sqlite3.connect(":memory:")) as connection:
        for statement in statements(SCHEMA):
            connection.execute(statement)
        arguments = (None,) * QUERIES[name].count("?")
        connection.execute(f"EXPLAIN {QUERIES[name]}", arguments).fetchall()


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("stream_version", "USING COVERING INDEX sqlite_autoindex_events_2 (aggregate_id=?)"),
        ("place_of_event", "INDEX sqlite_autoindex_events_1 (event_id=?)"),
        ("load_stream", "INDEX sqlite_autoindex_events_2 (aggregate_id=? AND version>?)"),
        ("load_trace", "INDEX events_by_trace (trace_id=?)"),
        ("read_log", "USING INTEGER PRIMARY KEY (rowid>?)"),
        ("read_log_of_types", "USING INTEGER PRIMARY KEY (rowid>?)"),
        ("streams", "USING COVERING INDEX sqlite_autoindex_events_2 (aggregate_id>?)"),
        ("load_snapshot", "INDEX sqlite_autoindex_snapshots_1 (aggregate_id=?)"),
        ("get_document", "INDEX sqlite_autoindex_documents_1 (collection=? AND key=?)"),
        ("document_revision", "INDEX sqlite_autoindex_documents_1 (collection=? AND key=?)"),
        ("find_documents", "INDEX sqlite_autoindex_documents_1 (collection=? AND key>? AND key<?)"),
        ("find_due_documents", "INDEX documents_by_due (collection=? AND due<?)"),
        ("delete_document", "INDEX sqlite_autoindex_documents_1 (collection=? AND key=?)"),
    ],
)
def test_queries_use_their_index_and_sort_nothing(name, index):
    with closing(sqlite3.connect(":memory:")) as connection:
        for statement in statements(SCHEMA):
            connection.execute(statement)
        arguments = (1,) * QUERIES[name].count("?")
        rows = connection.execute(f"EXPLAIN QUERY PLAN {QUERIES[name]}", arguments).fetchall()
    plan = "\n".join(row[3] for row in rows)
    assert index in plan
    assert "TEMP B-TREE" not in plan


def test_a_name_twice_or_two_statements_are_refused():
    assert parse_queries("-- one\n-- name: a\n-- why\nSELECT 1;\n") == {"a": "SELECT 1"}
    for text in (
        "-- name: a\nSELECT 1;\n-- name: a\nSELECT 2;\n",
        "-- name: a\nSELECT 1;\nSELECT 2;\n",
    ):
        with pytest.raises(ValueError, match="'a' must stand once and hold one statement"):
            parse_queries(text)


def test_a_statement_without_an_end_is_refused():
    with pytest.raises(ValueError, match="has no end: 'SELECT 1'"):
        list(statements("SELECT 1\n"))
