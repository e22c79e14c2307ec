"""Settings are checked by name, secrets stay secret, and the plugin offers what it says."""

from __future__ import annotations

import logging
import traceback

import attrs
import pytest

from orchestrix.infrastructure.postgres import PostgreSQLConfig, PostgreSQLEventStore, plugin
from orchestrix_core import (
    Event,
    JSONSerializer,
    MessageRegistry,
    RawEvent,
    Snapshot,
    StorageError,
)
from orchestrix_core.stores import AsyncEventLog, AsyncEventStore, AsyncStreamCatalog

ADDRESS = "postgresql://shop@localhost/shop"
PASSWORD = "p4ss/w@rd"


class Elsewhere(Event, type="elsewhere.known", registry=MessageRegistry()):
    text: str


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("connection_string", "mysql://localhost/shop"),
        ("connection_string", "localhost"),
        ("connection_string", "postgresql://localhost:port/shop"),
        ("pool_min_size", -1),
        ("pool_min_size", 1.5),
        ("pool_min_size", 51),
        ("pool_max_size", 0),
        ("pool_max_size", "50"),
        ("pool_timeout", 0),
        ("pool_timeout", True),
        ("schema", ""),
        ("schema", "pg_shop"),
        ("schema", 'a"b'),
        ("schema", "a.b"),
        ("schema", "x" * 64),
        ("payload", "text"),
        ("statement_cache_size", -1),
        ("poll_interval", -1.0),
        ("idle_timeout", 0),
        ("unknown", "ignore"),
    ],
)
def test_a_wrong_setting_is_named(setting, value):
    settings = {"connection_string": ADDRESS, setting: value}
    with pytest.raises(ValueError, match=f"^{setting} must "):
        PostgreSQLConfig(**settings)
    if setting != "unknown":
        with pytest.raises(ValueError, match=f"^{setting} must "):
            PostgreSQLEventStore(**settings)


def test_a_connection_string_of_another_type_is_named():
    with pytest.raises(TypeError, match="connection_string"):
        PostgreSQLEventStore(7)
    with pytest.raises(TypeError, match="connection_string"):
        PostgreSQLConfig(connection_string=7)


def test_defaults_and_order_are_as_promised():
    store = PostgreSQLEventStore(ADDRESS)
    assert (store.pool_min_size, store.pool_max_size, store.pool_timeout) == (10, 50, 30.0)
    config = PostgreSQLConfig(connection_string=ADDRESS)
    for field in attrs.fields(PostgreSQLConfig):
        if field.name not in ("connection_string", "unknown"):
            assert getattr(store, field.name) == getattr(config, field.name)
    assert PostgreSQLEventStore(ADDRESS, 5, 20, 1.5) == PostgreSQLEventStore(
        connection_string=ADDRESS, pool_min_size=5, pool_max_size=20, pool_timeout=1.5
    )
    with pytest.raises(AttributeError):
        store.pool_min_size = 3


async def test_the_backend_is_made_from_its_settings(dsn):
    (backend,) = plugin.orchestrix_backends()
    settings = {"connection_string": dsn, "pool_min_size": 1, "pool_max_size": 2}
    async with PostgreSQLEventStore(**settings) as store:
        await store.save("a", [Elsewhere(text="x")], 0)
    config = backend.config(**settings, unknown="raw", create=False, poll_interval=0.5)
    async with backend.create(config) as store:
        assert (store.create, store.poll_interval) == (False, 0.5)
        (event,) = await store.load("a")
        assert isinstance(event, RawEvent)
        assert event.type == "elsewhere.known"
    serializer = JSONSerializer()
    assert backend.create(config, serializer=serializer).serializer is serializer


def test_the_contract_is_offered_where_there_is_a_server(monkeypatch, tmp_path):
    monkeypatch.delenv(plugin.TEST_DSN, raising=False)
    assert plugin.orchestrix_contract_subjects() == []
    monkeypatch.setenv(plugin.TEST_DSN, ADDRESS)
    (subject,) = plugin.orchestrix_contract_subjects()
    one, same, other = (subject.create(tmp_path / name) for name in "aab")
    assert one.schema == same.schema != other.schema


def test_the_store_fits_the_ports():
    """Read by the type checker, too."""
    store: AsyncEventStore = PostgreSQLEventStore(ADDRESS)
    log: AsyncEventLog = PostgreSQLEventStore(ADDRESS)
    catalog: AsyncStreamCatalog = PostgreSQLEventStore(ADDRESS)
    assert isinstance(store, AsyncEventStore)
    assert isinstance(log, AsyncEventLog)
    assert isinstance(catalog, AsyncStreamCatalog)


def test_sync_snapshots_say_what_to_use():
    store = PostgreSQLEventStore(ADDRESS)
    with pytest.raises(NotImplementedError, match="await save_snapshot_async"):
        store.save_snapshot(Snapshot(aggregate_id="a", version=1, state={}))
    with pytest.raises(NotImplementedError, match="await load_snapshot_async"):
        store.load_snapshot("a")


def shown(error):
    """Return everything that a log of this error could hold."""
    return "".join(traceback.format_exception(error)) + repr(error) + repr(error.__cause__)


@pytest.mark.parametrize(
    "address",
    [
        f"postgresql://shop:{PASSWORD}@localhost/shop",
        f"postgresql://shop:{PASSWORD}@localhost:port/shop",
        f"postgresql://shop:{PASSWORD}",
        "postgresql://shop:4711/w@rd@127.0.0.1/shop",
        "postgresql://shop:4711?w@rd@127.0.0.1/shop",
        "postgresql://shop:4711#w@rd@127.0.0.1/shop",
        f"mysql://shop:{PASSWORD}@localhost/shop",
        f"host=localhost password={PASSWORD}",
        f"postgresql://[shop:{PASSWORD}@localhost/shop",
        "postgresql://shop:p4ss%2Fw%40rd@127.0.0.1:1/shop",
        "postgresql://127.0.0.1:1/shop?user=shop&password=p4ss%2Fw%40rd",
        "postgresql://shop:p4ss%2Fw%40rd@127.0.0.1:1/shop?sslmode=odd",
        "postgresql://shop:p4ss%2Fw%40rd@127.0.0.1:1/shop?host=",
        "postgresql://shop:p4ss%2Fw%40rd@127.0.0.1:1,/shop?port=odd",
    ],
)
async def test_no_part_of_a_password_is_shown(address, caplog):
    caplog.set_level(logging.DEBUG)
    texts = []
    try:
        store = PostgreSQLEventStore(address, 1, 1, 2.0)
        texts += [repr(store), str(store), repr(store._config())]
        await store.initialize()
    except (ValueError, StorageError) as error:
        texts.append(shown(error))
    else:
        pytest.fail("nothing listens there")
    texts.append(caplog.text)
    for text in texts:
        for part in ("p4ss", "4711", "w@rd", "w%40rd"):
            assert part not in text


async def test_an_unreachable_server_is_named():
    store = PostgreSQLEventStore("postgresql://shop:secret@127.0.0.1:1/shop")
    with pytest.raises(StorageError, match=r"^127\.0\.0\.1:1/shop: .*look whether the server"):
        await store.initialize()


async def test_a_database_that_is_not_there_is_named(dsn):
    missing = dsn.replace("orchestrix_test_", "orchestrix_missing_")
    with pytest.raises(StorageError, match="no such database: create it"):
        await PostgreSQLEventStore(missing, 1, 1).initialize()


async def test_a_missing_table_says_how_to_make_it(dsn):
    async with PostgreSQLEventStore(dsn, 1, 1) as store:
        async with store._opening.session._database.connection() as connection:
            await connection.execute("ALTER TABLE snapshots RENAME TO others")
        with pytest.raises(StorageError, match="orchestrix postgres migrate") as caught:
            await store.load_snapshot_async("a")
        assert caught.value.__cause__ is not None
