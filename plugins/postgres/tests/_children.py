"""What the processes run that the tests use and kill; see `child_processes`."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path
from time import monotonic

from child_processes import Report, serve
from orchestrix.infrastructure.postgres import PostgreSQLEventStore
from orchestrix_contract_tests.history import Recorder, Row
from orchestrix_core import ConcurrencyError, Event, RecordedEvent, StorageError, StreamWrite


class Noted(Event, type="test.postgres.noted"):
    text: str


def noted(*ids: str) -> list[Noted]:
    return [Noted(id=event_id, text=event_id * 4) for event_id in ids]


def open_store(dsn: str, size: int = 4) -> PostgreSQLEventStore:
    # Looks often, so that a subscription meets a server that is down.
    return PostgreSQLEventStore(dsn, pool_min_size=1, pool_max_size=size, poll_interval=0.05)


class Writer:
    """One of the concurrent tasks of a process: appends to streams that others append to, too."""

    def __init__(
        self,
        store: PostgreSQLEventStore,
        recorder: Recorder,
        name: str,
        streams: int,
        versions: Counter[str],
    ) -> None:
        self._store = store
        self._recorder = recorder
        self._name = name  # of the process and the task, unique
        self._streams = streams
        self._random = random.Random(name)
        self._versions = versions  # what the tasks of this process know of the streams

    async def append(self, number: int) -> None:
        """Append one to three events somewhere; try again until it is settled."""
        stream = f"s{self._random.randrange(self._streams)}"
        ids = [f"{self._name}.{number}.{i}" for i in range(self._random.randint(1, 3))]
        settled = False
        while not settled:
            expected = None if self._random.random() < 0.1 else self._versions[stream]
            settled = await self._try(stream, ids, expected)

    async def _try(self, stream: str, ids: list[str], expected: int | None) -> bool:
        while True:
            self._recorder.append(self._name, stream, expected, ids)
            try:
                await self._store.save(stream, noted(*ids), expected)
            except ConcurrencyError as error:
                self._recorder.ended(self._name, "refused", error)
                await self._catch_up(stream, error)
                return False
            except StorageError as error:
                self._recorder.ended(self._name, "unknown", error)
                if expected is None:
                    return True  # cannot be repeated safely: its outcome stays unknown
                await asyncio.sleep(0.01)  # the server is restarting; then the very same again
            else:
                self._recorder.ended(self._name, "acknowledged")
                if expected is not None:
                    self._versions[stream] = max(self._versions[stream], expected + len(ids))
                return True

    async def _catch_up(self, stream: str, error: ConcurrencyError) -> None:
        """Believe the error, or look: both must lead on."""
        if self._random.random() < 0.8:
            self._versions[stream] = error.actual_version
            return
        known = self._versions[stream]
        try:
            news = await self._store.load(stream, from_version=known)
        except StorageError:
            return
        self._versions[stream] = known + len(news)


def write(
    report: Report, dsn: str, path: str, name: str, streams: int, tasks: int, appends: int
) -> None:
    """Append with several concurrent tasks, `appends` in all; 0: until killed or terminated."""
    recorder = Recorder(Path(path))
    versions: Counter[str] = Counter()
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = True

    async def work(writer: Writer, task: int) -> None:
        for number in range(task, appends, tasks) if appends else count():
            await writer.append(number)
            if not appends:
                report("done")
            if stopped:
                return

    async def main() -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
        async with open_store(dsn) as store:
            report("open")
            async with asyncio.TaskGroup() as group:
                for task in range(tasks):
                    writer = Writer(store, recorder, f"{name}:{task}", streams, versions)
                    group.create_task(work(writer, task))

    asyncio.run(main())
    report("end")


async def _subscribed(store: PostgreSQLEventStore, seen: Callable[[RecordedEvent], bool]) -> None:
    async for record in store.subscribe():
        if seen(record):
            return


async def _paged(store: PostgreSQLEventStore, seen: Callable[[RecordedEvent], bool]) -> None:
    after = 0
    while True:
        try:
            records = await store.read_log(after, 100)
        except StorageError:
            records = []  # the server is restarting
        for record in records:
            after = record.position
            if seen(record):
                return
        if not records:
            await asyncio.sleep(0.01)


def read(report: Report, dsn: str, path: str, how: str) -> None:
    """Read the log while it grows, up to the event of the stream "end"; note what was given."""
    rows: list[Row] = []
    began = monotonic()

    def seen(record: RecordedEvent) -> bool:
        rows.append(Row(record.position, record.aggregate_id, record.version, record.event.id))
        return record.aggregate_id == "end"

    async def main() -> None:
        async with open_store(dsn, 2) as store:
            report("reading")
            await {"subscribe": _subscribed, "pages": _paged}[how](store, seen)

    asyncio.run(main())
    with Recorder(Path(path)) as recorder:
        recorder.read(how, 0, len(rows), rows, began=began)
    report("end")


async def _streamed(store: PostgreSQLEventStore, events: int) -> int:
    number = 0
    async for event in store.stream("a"):
        number += 1
        assert event.id == f"e-{number}"
    return number


async def _followed(store: PostgreSQLEventStore, events: int) -> int:
    number = 0
    async for record in store.subscribe():
        number += 1
        assert record.version == number
        if number == events:
            break
    return number


def read_large(report: Report, dsn: str, how: str, events: int) -> None:
    """Read a large stream; say how many events came and the most memory that it took, in MiB."""
    import resource  # not on every system

    async def main() -> int:
        async with open_store(dsn, 2) as store:
            return await {"stream": _streamed, "subscribe": _followed}[how](store, events)

    number = asyncio.run(main())
    report("read", number, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def stay_in_transaction(report: Report, dsn: str) -> None:
    """Change a document and append, and be killed before the end of the block."""

    async def main() -> None:
        async with open_store(dsn) as store, store.transaction() as transaction:
            await transaction.put("c", "k", {"n": 2})
            await transaction.get("c", "none")
            await transaction.append([StreamWrite("a", noted("lost"))])
            report("inside")
            await asyncio.Event().wait()

    asyncio.run(main())


if __name__ == "__main__":
    serve(globals())
