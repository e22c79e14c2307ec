"""Settings are checked by name, and the plugin offers what it says."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from orchestrix.infrastructure.sqlite import (
    SQLiteConfig,
    SQLiteEventStore,
    SQLiteSyncEventStore,
    plugin,
)
from orchestrix_core import Event, JSONSerializer, MessageRegistry, RawEvent
from orchestrix_core.stores import (
    AsyncEventLog,
    AsyncEventStore,
    AsyncStreamCatalog,
    EventLog,
    EventStore,
    StreamCatalog,
)


class Elsewhere(Event, type="elsewhere.known", registry=MessageRegistry()):
    text: str


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("synchronous", "off"),
        ("busy_timeout", 0),
        ("busy_timeout", -1.0),
        ("busy_timeout", "30"),
        ("busy_timeout", True),
        ("readers", 0),
        ("readers", 1.5),
        ("readers", 65),
        ("poll_interval", 0),
        ("unknown", "ignore"),
        ("path", ":memory:"),
        ("path", ""),
        ("path", "a\0b"),
    ],
)
def test_a_wrong_setting_is_named(setting, value):
    with pytest.raises(ValueError, match=f"^{setting} must "):
        SQLiteConfig(**{setting: value})


def test_stores_check_their_arguments_too(path):
    with pytest.raises(ValueError, match=r"^readers must"):
        SQLiteEventStore(path, readers=0)
    with pytest.raises(ValueError, match=r"^synchronous must"):
        SQLiteSyncEventStore(path, synchronous="off")


def test_defaults():
    config = SQLiteConfig()
    assert (config.path, config.synchronous, config.unknown) == (
        Path("orchestrix.db"),
        "full",
        "error",
    )


@pytest.mark.parametrize(("synchronous", "number"), [("full", 2), ("normal", 1)])
def test_synchronous_reaches_every_connection(path, synchronous, number):
    with SQLiteSyncEventStore(path, synchronous=synchronous) as store:
        writer = store._database.require_open()
        assert writer.execute("PRAGMA synchronous").fetchone() == (number,)
        assert writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_the_backend_is_made_from_its_settings(path):
    (backend,) = plugin.orchestrix_backends()
    async with SQLiteEventStore(path) as store:
        await store.save("a", [Elsewhere(text="x")], 0)
    config = backend.config(path=path, synchronous="normal", readers=1, unknown="raw")
    async with backend.create(config) as store:
        assert store._config == attrs.evolve(config, unknown="error")
        (event,) = await store.load("a")
        assert isinstance(event, RawEvent)
        assert event.type == "elsewhere.known"


def test_subjects_take_a_serializer(tmp_path):
    for subject in plugin.orchestrix_contract_subjects():
        store = subject.create(tmp_path, serializer=JSONSerializer(unknown="raw"))
        assert repr(store).endswith("events.db')")


def test_the_stores_fit_the_ports(path):
    """Read by the type checker, too."""
    store: AsyncEventStore = SQLiteEventStore(path)
    log: AsyncEventLog = SQLiteEventStore(path)
    catalog: AsyncStreamCatalog = SQLiteEventStore(path)
    assert isinstance(store, AsyncEventStore)
    assert isinstance(log, AsyncEventLog)
    assert isinstance(catalog, AsyncStreamCatalog)
    sync_store: EventStore = SQLiteSyncEventStore(path)
    sync_log: EventLog = SQLiteSyncEventStore(path)
    sync_catalog: StreamCatalog = SQLiteSyncEventStore(path)
    assert isinstance(sync_store, EventStore)
    assert isinstance(sync_log, EventLog)
    assert isinstance(sync_catalog, StreamCatalog)


async def test_a_relative_path_means_where_the_store_was_made(tmp_path, monkeypatch, notes):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(tmp_path)
    async with SQLiteEventStore("events.db") as store:
        monkeypatch.chdir(elsewhere)
        await store.save("a", notes("1"), 0)
        records = store.subscribe()  # opens a connection more
        assert (await anext(records)).event.id == "1"
        await records.aclose()
    assert list(elsewhere.iterdir()) == []
    assert (tmp_path / "events.db").exists()
