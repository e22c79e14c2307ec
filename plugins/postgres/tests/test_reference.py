"""The example of the API reference, as it was promised to users, against a server."""

from __future__ import annotations

import dataclasses
import inspect

import pytest

from orchestrix.infrastructure.postgres import PostgreSQLEventStore
from orchestrix_core import Event, Snapshot


class AccountOpened(Event, type="reference.account.opened"):
    owner: str


async def test_the_example(dsn):
    store = PostgreSQLEventStore(
        connection_string=dsn,
        pool_min_size=5,
        pool_max_size=20,
    )
    await store.initialize()
    try:
        await store.save("ACC-001", [AccountOpened(owner="Ann")], expected_version=0)
        events = await store.load("ACC-001")
    finally:
        await store.close()
    assert [event.owner for event in events] == ["Ann"]


def test_the_class_is_a_frozen_dataclass_with_the_promised_defaults():
    store = PostgreSQLEventStore("postgresql://user:hunter2@localhost:5432/mydb")
    promised = {"pool_min_size": 10, "pool_max_size": 50, "pool_timeout": 30.0}
    names = [field.name for field in dataclasses.fields(store)]
    assert names[:4] == ["connection_string", *promised]
    assert {name: getattr(store, name) for name in promised} == promised
    with pytest.raises(dataclasses.FrozenInstanceError):
        store.pool_min_size = 3
    assert "hunter2" not in repr(store)


PROMISED = {
    "initialize": "(self)",
    "close": "(self)",
    "save": "(self, aggregate_id, events, expected_version=None)",
    "load": "(self, aggregate_id, from_version=None)",
    "save_snapshot_async": "(self, snapshot)",
    "load_snapshot_async": "(self, aggregate_id)",
    "ping": "(self)",
}


@pytest.mark.parametrize(("name", "signature"), PROMISED.items())
def test_signatures_are_as_promised(name, signature):
    method = getattr(PostgreSQLEventStore, name)
    parameters = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in inspect.signature(method).parameters.values()
    ]
    assert str(inspect.Signature(parameters)) == signature
    assert inspect.iscoroutinefunction(method)


def test_the_sync_snapshot_methods_say_what_to_use():
    store = PostgreSQLEventStore("postgresql://localhost/mydb")
    with pytest.raises(NotImplementedError, match="save_snapshot_async"):
        store.save_snapshot(Snapshot(aggregate_id="a", version=1, state={}))
    with pytest.raises(NotImplementedError, match="load_snapshot_async"):
        store.load_snapshot("a")
