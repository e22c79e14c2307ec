"""Clients and servers that are killed: what was acknowledged is there, and nothing is by half."""

from __future__ import annotations

import random
import signal
from functools import partial
from time import monotonic

import attrs

from orchestrix.infrastructure.postgres import PostgreSQLEventStore
from orchestrix_contract_tests.history import Append, History, Row, check, read_history
from orchestrix_core import ConcurrencyError, StorageError

from ._conditions import observe, until

CLIENTS, CRASHES = 24, 12
STREAMS, TASKS = 10, 4


async def rows_of(store):
    log, after = [], 0
    while records := await store.read_log(after):
        log += [Row(r.position, r.aggregate_id, r.version, r.event.id) for r in records]
        after = records[-1].position
    return log


async def repeat(store, attempt, writer, notes):
    """Make the very same save again."""
    began = monotonic()
    outcome, name = "acknowledged", None
    try:
        await store.save(attempt.stream, notes(*attempt.ids), attempt.expected)
    except ConcurrencyError:
        outcome, name = "refused", "ConcurrencyError"
    facts = {"outcome": outcome, "error": name, "began": began, "ended": monotonic()}
    return attrs.evolve(attempt, worker=writer, **facts)


async def settle(store, attempts, notes):
    """Repeat, twice, what has no outcome and can be repeated; return these attempts."""
    settled = {attempt.ids for attempt in attempts if attempt.outcome == "acknowledged"}
    again = []
    for attempt in attempts:
        if attempt.outcome == "unknown" and attempt.expected is not None:
            if attempt.ids in settled:
                continue
            first = await repeat(store, attempt, f"again-{len(again)}", notes)
            second = await repeat(store, attempt, f"again-{len(again) + 1}", notes)
            assert first.outcome == second.outcome
            again += [first, second]
    return again


async def test_killed_clients(dsn, start, notes, tmp_path):
    rng = random.Random()
    files = [tmp_path / f"w{i}" for i in range(CLIENTS)]
    previous = None
    for file in files:
        child = start("write", dsn, file, file.name, STREAMS, TASKS, 0)
        child.wait_for("open")
        if previous is not None:  # two write at a time
            for _ in range(rng.randrange(1, 20)):
                child.wait_for("done")
            list(previous.lines_until(monotonic() + rng.uniform(0, 0.01)))
            previous.kill()
            previous.rest()
        previous = child
    previous.wait_for("done")
    previous.kill()
    previous.rest()
    attempts = read_history(*files).appends
    async with observe(dsn) as observer:

        async def alone():
            return not await observer.others()

        await until(alone)  # a session goes on with its statement when its client is gone
    async with PostgreSQLEventStore(dsn, pool_min_size=1, pool_max_size=2) as store:
        before = await rows_of(store)
        assert check(History(attempts, before))[:10] == []
        again = await settle(store, attempts, notes)
        after = await rows_of(store)
    assert after[: len(before)] == before
    assert check(History([*attempts, *again], after))[:10] == []
    unknown = [attempt for attempt in attempts if attempt.outcome == "unknown"]
    assert len(unknown) >= CLIENTS // 2, "too few kills fell into an append"


async def answers(store):
    try:
        return await store.ping()
    except StorageError:
        return False


async def test_crashed_servers(own_server, start, notes, tmp_path):
    rng = random.Random()
    dsn = own_server.dsn()
    async with PostgreSQLEventStore(dsn, pool_min_size=1, pool_max_size=2) as store:
        files = [tmp_path / f"w{i}" for i in range(2)]
        ways = {how: tmp_path / how for how in ("subscribe", "pages")}
        readers = [start("read", dsn, file, how) for how, file in ways.items()]
        writers = [start("write", dsn, file, file.name, STREAMS, TASKS, 0) for file in files]
        for _ in range(CRASHES):
            for writer in writers:
                writer.drain()
                for _ in range(rng.randrange(1, 20)):
                    writer.wait_for("done")
            list(writers[0].lines_until(monotonic() + rng.uniform(0, 0.02)))
            own_server.stop("immediate")
            own_server.start()
        for writer in writers:
            writer.wait_for("done")
            writer.kill(signal.SIGTERM)
            assert writer.rest()[-1] == ["end"]
        attempts = read_history(*files).appends
        # Nothing ran here meanwhile, so every connection of this store is a dead one unawares.
        await until(partial(answers, store))
        again = await settle(store, attempts, notes)
        began = monotonic()
        await store.save("end", notes("end"), 0)
        end = Append(
            worker="test", stream="end", expected=0, ids=["end"], outcome="acknowledged",
            began=began, ended=monotonic(),
        )  # fmt: skip
        log = await rows_of(store)
    attempts = [*attempts, *again, end]
    assert check(History(attempts, log))[:10] == []
    for reader in readers:
        reader.wait_for("end")
    pages = read_history(*ways.values()).operations
    assert check(History([*attempts, *pages], log))[:10] == []
    assert [len(page.rows) for page in pages] == [len(log), len(log)]
    unknown = [attempt for attempt in attempts if attempt.outcome == "unknown"]
    assert len(unknown) >= CRASHES, "too few crashes fell into an append"
