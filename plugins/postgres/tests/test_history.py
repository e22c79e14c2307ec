"""Many processes write and read at once; what they noted down tells whether a promise broke."""

from __future__ import annotations

import json
import os
from time import monotonic

from orchestrix.infrastructure.postgres import PostgreSQLEventStore

from ._history import Attempt, Row, read_attempts, violations

PROCESSES, TASKS, STREAMS = 16, 4, 50
APPENDS = int(os.environ.get("ORCHESTRIX_TEST_APPENDS", "20000"))


async def stored(dsn, notes):
    """End the log, so that the readers stop; return all of it."""
    began = monotonic()
    async with PostgreSQLEventStore(dsn, pool_min_size=1, pool_max_size=2) as store:
        await store.save("end", notes("end"), 0)
        end = Attempt("test", "end", 0, ("end",), "acknowledged", began, monotonic())
        log, after = [], 0
        while records := await store.read_log(after):
            log += [Row(r.position, r.aggregate_id, r.version, r.event.id) for r in records]
            after = records[-1].position
        assert await store.head() == after
    return end, log


async def test_writers_that_contend_and_readers_that_follow(dsn, start, notes, tmp_path):
    files = {how: tmp_path / how for how in ("subscribe", "pages")}
    readers = [start("read", dsn, file, how) for how, file in files.items()]
    for reader in readers:
        assert reader.next() == ["reading"]
    share = APPENDS // PROCESSES
    writers = [
        start("write", dsn, tmp_path / f"w{i}", f"w{i}", STREAMS, TASKS, share)
        for i in range(PROCESSES)
    ]
    for writer in writers:
        writer.wait_for("end")
    end, log = await stored(dsn, notes)
    attempts = [a for i in range(PROCESSES) for a in read_attempts(tmp_path / f"w{i}")]
    assert violations([*attempts, end], log, {})[:10] == []
    for reader in readers:
        reader.wait_for("end")
    seen = {how: [Row(*row) for row in json.loads(file.read_text())] for how, file in files.items()}
    assert violations([*attempts, end], log, seen)[:10] == []
    assert {len(rows) for rows in seen.values()} == {len(log)}
    outcomes = [attempt.outcome for attempt in attempts]
    assert outcomes.count("acknowledged") == share * PROCESSES
    assert outcomes.count("unknown") == 0
    assert outcomes.count("refused") > share, "too few conflicts to prove anything"
