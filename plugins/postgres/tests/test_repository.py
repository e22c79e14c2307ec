"""Repositories that write to one database, each with a cache and a pool of its own."""

from __future__ import annotations

import asyncio

from orchestrix.infrastructure.postgres import PostgreSQLEventStore
from orchestrix_core import AggregateRoot, Event, Repository, when


class Written(Event, type="test.repository.postgres.written"):
    text: str


class Notebook(AggregateRoot):
    def __init__(self, id):
        super().__init__(id)
        self.texts = []

    def note(self, text):
        self.record(Written(text=text))
        return self.version

    @when(Written)
    def _noted(self, event):
        self.texts.append(event.text)

    def to_state(self):
        return {"texts": list(self.texts)}

    def from_state(self, state):
        self.texts = list(state["texts"])


OPTIONS = {"cache": 2, "snapshot_every": 3, "attempts": 200}
NAMES = ("a", "b", "c", "d")
EACH = 8


def open_store(dsn):
    return PostgreSQLEventStore(dsn, pool_min_size=1, pool_max_size=3)


def check(events, versions, loaded):
    texts = [event.text for event in events]
    assert sorted(texts) == sorted(f"{name}{n}" for name in NAMES for n in range(EACH))
    assert sorted(versions) == list(range(1, len(texts) + 1))
    for notebook in loaded:
        assert notebook.texts == texts[: notebook.version]
        assert notebook.uncommitted_events == []


async def test_tasks_of_two_stores_lose_and_double_nothing(dsn):
    async with open_store(dsn) as one, open_store(dsn) as two:
        repositories = [Repository(store, Notebook, **OPTIONS) for store in (one, two)]
        versions, loaded = [], []

        async def work(name, repository):
            for n in range(EACH):
                note = f"{name}{n}"
                versions.append(
                    await repository.execute("A", lambda each, note=note: each.note(note))
                )
                loaded.append(await repository.load("A"))
                assert note in loaded[-1].texts

        await asyncio.gather(
            *(work(name, repositories[place % 2]) for place, name in enumerate(NAMES))
        )
        check(await one.load("A"), versions, loaded)
        assert (await two.load_snapshot_async("A")).version > EACH
