"""Sends batches of appends to a store, and compares what comes of them with a model."""

from __future__ import annotations

import asyncpg

from orchestrix.infrastructure.postgres import PostgreSQLEventStore

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
