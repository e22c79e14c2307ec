"""Repositories that write to one file, each with a cache and a connection of its own."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from orchestrix.infrastructure.sqlite import SQLiteEventStore, SQLiteSyncEventStore
from orchestrix_core import AggregateRoot, Event, Repository, SyncRepository, when


class Written(Event, type="test.repository.sqlite.written"):
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


def check(events, versions, loaded):
    texts = [event.text for event in events]
    assert sorted(texts) == sorted(f"{name}{n}" for name in NAMES for n in range(EACH))
    assert sorted(versions) == list(range(1, len(texts) + 1))
    for notebook in loaded:
        assert notebook.texts == texts[: notebook.version]
        assert notebook.uncommitted_events == []


async def test_tasks_of_two_stores_lose_and_double_nothing(path):
    async with SQLiteEventStore(path) as one, SQLiteEventStore(path) as two:
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


def test_threads_of_two_stores_lose_and_double_nothing(path):
    with (
        SQLiteSyncEventStore(path) as one,
        SQLiteSyncEventStore(path) as two,
        ThreadPoolExecutor(len(NAMES)) as pool,
    ):
        repositories = [SyncRepository(store, Notebook, **OPTIONS) for store in (one, two)]
        versions, loaded = [], []

        def work(name, repository):
            for n in range(EACH):
                note = f"{name}{n}"
                versions.append(repository.execute("A", lambda each, note=note: each.note(note)))
                loaded.append(repository.load("A"))
                assert note in loaded[-1].texts

        for done in [
            pool.submit(work, name, repositories[place % 2]) for place, name in enumerate(NAMES)
        ]:
            done.result()
        check(one.load("A"), versions, loaded)
