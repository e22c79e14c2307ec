"""What the server's types cannot hold is refused by name; all else reads back the same."""

from __future__ import annotations

import random
from typing import Any

import asyncpg
import pytest

from orchestrix.infrastructure.postgres import PostgreSQLEventStore
from orchestrix_core import Event, SerializationError, Snapshot, StreamWrite


class Held(Event, type="test.postgres.held"):
    value: Any = None
    number: float = 0.0


@pytest.fixture(params=["json", "jsonb"])
async def store(request, dsn):
    settings = {"schema": f"s_{request.param}", "payload": request.param}
    async with PostgreSQLEventStore(dsn, 1, 2, **settings) as store:
        yield store


@pytest.mark.parametrize(
    "value",
    [
        {"b": [1, 2.0, -0.5, 1e-7, None, True], "a": {"": "ä😀"}, "ab": "x"},
        "\\u0000 is text, \\\\u0000 too, 1e5 as well",
        [2**53 + 1, -(2**63), 123456.75, 1e15],
        "\u2028\ufeff\u0001\x7f",
    ],
    ids=["nested", "escapes", "numbers", "characters"],
)
async def test_values_read_back_the_same(store, value):
    event = Held(value=value, number=1 / 3)
    await store.save("a", [event], 0)
    (stored,) = await store.load("a")
    assert stored == event
    assert repr(stored.value) == repr(value) or isinstance(value, dict)


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("a\0b", "Held.value"),
        ({"k": ["x", "\0"]}, "Held.value['k'][1]"),
        ({"k\0": 1}, "Held.value['k\\x00']"),
        ([1e22], "Held.value[0]"),
    ],
    ids=["text", "deep", "key", "number"],
)
async def test_json_keeps_what_jsonb_refuses(store, value, path):
    event = Held(value=value)
    if store.payload == "json":
        await store.save("a", [event], 0)
        (stored,) = await store.load("a")
        assert stored == event
        assert repr(stored.value) == repr(value)
        return
    with pytest.raises(SerializationError, match="choose payload 'json'") as caught:
        await store.save("a", [Held(value=1), event], 0)
    assert caught.value.path == path
    assert await store.load("a") == []


async def test_jsonb_would_refuse_or_change_them(dsn):
    """The server's own answer, for which the check stands in."""
    connection = await asyncpg.connect(dsn)
    assert await connection.fetchval("SELECT '1e22'::jsonb::text") == "1" + "0" * 22
    with pytest.raises(asyncpg.UntranslatableCharacterError):
        await connection.fetchval(r"""SELECT '"\u0000"'::jsonb""")
    await connection.close()


@pytest.mark.parametrize("text", ["a\0b", "x" * 2001, "ä" * 1001], ids=["nul", "long", "bytes"])
async def test_ids_that_no_index_holds_are_refused(store, text):
    good = Held()
    for work in (
        store.save(text, [good]),
        store.save_all([StreamWrite(text, [good])]),
        store.load(text),
        store.load_snapshot_async(text),
    ):
        with pytest.raises(ValueError, match=r"^aggregate_id must"):
            await work
    with pytest.raises(ValueError, match=r"^snapshot.aggregate_id must"):
        await store.save_snapshot_async(Snapshot(aggregate_id=text, version=1, state={}))
    with pytest.raises(ValueError, match=r"^trace_id must"):
        await store.load_by_trace(text)
    with pytest.raises(ValueError, match=r"^after must"):
        await store.streams(text)
    with pytest.raises(ValueError, match=r"^types must"):
        await store.read_log(types=[text])
    for event, path in ((Held(id=text), "Held.id"), (Held(trace_id=text), "Held.trace_id")):
        with pytest.raises(SerializationError) as caught:
            await store.save("a", [good, event], 0)
        assert caught.value.path == path
    assert await store.read_log() == []


async def test_the_longest_ids_are_held(store):
    """Random text, which the server cannot make shorter."""

    text = "".join(
        random.Random(1).choices("0123456789abcdef" * 3 + "ghijklmnopqrstuvwxyz", k=2000)
    )
    event = Held(id=text, trace_id=text)
    await store.save(text, [event], 0)
    await store.save_snapshot_async(Snapshot(aggregate_id=text, version=1, state={}))
    assert await store.load(text) == await store.load_by_trace(text) == [event]
    assert (await store.streams())[0].aggregate_id == text


async def test_snapshots_keep_every_character(store):
    snapshot = Snapshot(aggregate_id="a", version=1, state={"k": "a\0b", "n": 1e22})
    await store.save_snapshot_async(snapshot)
    assert await store.load_snapshot_async("a") == snapshot
