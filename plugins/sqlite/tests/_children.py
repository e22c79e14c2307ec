"""What the processes run that the tests use and kill; see `child_processes`."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sqlite3
from collections.abc import Iterator
from itertools import count
from typing import Any

from child_processes import Report, serve
from orchestrix.infrastructure.sqlite import SQLiteEventStore, SQLiteSyncEventStore
from orchestrix_core import ConcurrencyError, Event, StorageError, StreamWrite


class Noted(Event, type="test.noted"):
    text: str


def noted(ids: list[str]) -> list[Noted]:
    return [Noted(id=event_id, text=event_id * 4) for event_id in ids]


def plan(name: str, versions: dict[str, int], start: int = 0) -> Iterator[list[Any]]:
    """Endless appends with explicit versions: one stream, then two streams at once, and so on."""
    for number in count(start):
        streams = ["a", "b"] if number % 2 else ["a"]
        write = []
        for stream in streams:
            ids = [f"{name}-{number}-{stream}-{i}" for i in range((1, 2, 80, 3)[number % 4])]
            write.append([stream, versions[stream], ids])
            versions[stream] += len(ids)
        yield write


def writes_of(planned: list[Any]) -> list[StreamWrite]:
    return [StreamWrite(stream, noted(ids), expected) for stream, expected, ids in planned]


def append_for_ever(report: Report, path: str, name: str, versions: dict[str, int]) -> None:
    """Say what is tried, and then that it was acknowledged, until killed."""
    with SQLiteSyncEventStore(path) as store:
        for planned in plan(name, versions):
            report("try", planned)
            if len(planned) == 1:
                ((stream, expected, ids),) = planned
                store.save(stream, noted(ids), expected)
            else:
                store.save_all(writes_of(planned))
            report("ack")


def append_for_ever_async(report: Report, path: str, name: str, versions: dict[str, int]) -> None:
    async def main() -> None:
        async with SQLiteEventStore(path) as store:
            for planned in plan(name, versions):
                report("try", planned)
                await store.save_all(writes_of(planned))
                report("ack")

    asyncio.run(main())


def create(report: Report, path: str) -> None:
    """Make the file again and again at one path; the killer picks the moment."""
    store = SQLiteSyncEventStore(path)
    report("start")
    store.initialize()
    report("open")
    store.close()


def contend(report: Report, path: str, name: str, streams: int, appends: int) -> None:
    """Append to streams that others append to as well: load, decide, save, again on conflict."""
    conflicts = 0
    with SQLiteSyncEventStore(path) as store:
        for number in range(appends):
            stream = f"s{number % streams}"
            event = Noted(id=f"{name}-{number}", text=name)
            while True:
                try:
                    store.save(stream, [event], len(store.load(stream)))
                    break
                except ConcurrencyError:
                    conflicts += 1
    report("done", conflicts)


def follow(report: Report, path: str, until: int) -> None:
    """Read the log as it grows, always after the highest position seen."""
    seen: list[list[Any]] = []
    with SQLiteSyncEventStore(path) as store:
        report("reading")
        after = 0
        while len(seen) < until:
            for record in store.read_log(after, 7):
                after = record.position
                seen.append([record.position, record.aggregate_id, record.version, record.event.id])
    report("seen", seen)


def open_once(report: Report, path: str, name: str) -> None:
    with SQLiteSyncEventStore(path) as store:
        store.save(name, noted([name]), 0)
    report("opened")


def outgrow_limit(report: Report, path: str, limit: int) -> None:
    """Append until the kernel lets no file grow any more, then again with room."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    with SQLiteSyncEventStore(path) as store:
        stored: list[str] = []
        for number in count():
            ids = [f"{number}-{i}" for i in range(50)]
            try:
                store.save("a", noted(ids), len(stored))
            except StorageError as error:
                report("full", str(error), stored == [event.id for event in store.load("a")])
                break
            stored += ids
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        store.save("a", noted(ids), len(stored))
        whole = [event.id for event in store.load("a")] == stored + ids
        report("recovered", whole, store.integrity_check())


def use_after_fork(report: Report, path: str) -> None:
    """A store must not cross a fork: say how the child is told."""
    store = SQLiteSyncEventStore(path)
    store.initialize()
    if os.fork() == 0:
        try:
            store.load("a")
        except StorageError as error:
            report("refused", str(error))
        os._exit(0)
    os.wait()
    store.close()


def hold_lock(report: Report, path: str) -> None:
    """Hold the write lock until killed."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    report("locked")
    signal.pause()


def stay_in_transaction(report: Report, path: str) -> None:
    """Change a document and append, and be killed before the end of the block."""

    async def main() -> None:
        async with SQLiteEventStore(path) as store, store.transaction() as transaction:
            await transaction.put("c", "k", {"n": 2})
            await transaction.put("c", "new", {})
            await transaction.append([StreamWrite("a", noted(["lost"]))])
            report("inside")
            await asyncio.Event().wait()

    asyncio.run(main())


if __name__ == "__main__":
    serve(globals())
