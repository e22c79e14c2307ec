"""Batches of appends that get in each other's way end as if they came one after another."""

from __future__ import annotations

import asyncpg
import pytest

from orchestrix.infrastructure.postgres import PostgreSQLEventStore
from orchestrix.infrastructure.postgres._append import StreamAppend

from ._functions import replace_functions
from ._model import Appends, Model, told

BATCHES = 300


class Sent:
    """The appends that a store sends, by the name of the statement."""

    def __init__(self, store, monkeypatch):
        self._database = store._opening.session._database
        self._run = self._database.run
        self.calls = []
        monkeypatch.setattr(self._database, "run", self._note)

    async def _note(self, connection, name, arguments):
        if name.startswith("append"):
            self.calls.append(name)
        return await self._run(connection, name, arguments)


async def write(store, appends):
    """Write a batch as the store's writer does; return what each is told."""
    session = store._opening.session
    async with session._database.connection() as connection:
        return list(map(told, await session.writer._outcomes(connection, appends)))


def is_known(model, batch):
    """Tell whether an id of the batch is stored already or comes twice in it."""
    ids = [row[0] for append in batch for each in append for row in each.rows]
    return len(set(ids)) < len(ids) or not model.places.keys().isdisjoint(ids)


async def compare(dsn, monkeypatch, seed):
    """Send batches to a store, and each of its appends to a model of what must come of it."""
    model, kinds = Model(), set()
    appends = Appends(seed, model)
    async with PostgreSQLEventStore(dsn, 1, 2) as store:
        sent = Sent(store, monkeypatch)
        for _ in range(BATCHES):
            batch = appends.batch()
            care = is_known(model, batch)
            sent.calls.clear()
            found = await write(store, batch)
            wanted = list(map(model.append, batch))
            assert found == wanted, batch
            assert care or len(sent.calls) == 1, "only a known id is worth a second call"
            kinds |= {(outcome or ("stored",))[0] for outcome in found}
    connection = await asyncpg.connect(dsn)
    rows = await connection.fetch("SELECT * FROM events ORDER BY position")
    await connection.close()
    assert [(row["aggregate_id"], row["version"], row["event_id"]) for row in rows] == model.log
    assert kinds == {"stored", "conflict", "duplicate"}


@pytest.mark.parametrize("seed", range(3))
async def test_a_batch_is_as_good_as_one_after_another(dsn, monkeypatch, seed):
    await compare(dsn, monkeypatch, seed)


BROKEN = {
    "an id comes twice": ("(SELECT count(DISTINCT u.id) FROM unnest(ids) AS u(id)) <", "0 >"),
    "an id is stored": ("e.event_id = ANY (ids)", "false"),
    "a single id is stored": ("e.event_id = id)", "false)"),
    "only winners are written": ("WHERE wins[i.w]", ""),
    "a winner moves its stream on": ("heads[slots[w]] := befores[w] +", "befores[w] :="),
    "an append is whole": ("wins[w] := reason IS NULL", "wins[w] := reason IS DISTINCT FROM w"),
    "the version is that of the moment": ("befores[reason]", "heads[slots[reason]]"),
    "the first conflict is told": ("FOR w IN REVERSE last..first", "FOR w IN first..last"),
    "a stream comes twice": ("count(DISTINCT u.stream) = total", "true"),
    "positions follow the order": (
        "SELECT head + i.n,",
        "SELECT head + 1 + cardinality(ids) - i.n,",
    ),
}
"""What the functions see to, and what makes them forget it."""


@pytest.mark.parametrize("what", BROKEN)
async def test_the_comparison_notices_what_is_forgotten(dsn, monkeypatch, what):
    await replace_functions(dsn, BROKEN[what])
    with pytest.raises(AssertionError):
        await compare(dsn, monkeypatch, 0)


@pytest.mark.parametrize("others", [0, 1])
async def test_a_stream_twice_in_an_append_is_refused(dsn, others):
    """The store's arguments rule it out; whoever calls the function gets nothing by half."""
    rows = [(str(n), "t", 1, None, "{}") for n in range(4)]
    twice = [StreamAppend("a", 0, rows[:1]), StreamAppend("a", 0, rows[1:2])]
    other = [StreamAppend("b", 0, rows[2:])]
    async with PostgreSQLEventStore(dsn, 1, 2) as store:
        found = await write(store, [twice, other][: 1 + others])
        assert found[0][0] == "error"
        assert found[1:] == [None] * others
        assert await store.head() == 2 * others
