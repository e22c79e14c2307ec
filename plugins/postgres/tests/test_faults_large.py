"""A stream of a million events is read in little memory."""

from __future__ import annotations

import pytest

from orchestrix.infrastructure.postgres import PostgreSQLEventStore
from postgres_databases import execute, run

EVENTS, MEBIBYTES = 1_000_000, 200

# In the store's own format: the first event, which the store wrote, with other ids.
MULTIPLY = """
INSERT INTO events
SELECT position + n, aggregate_id, version + n, 'e-' || n + 1, type, schema_version, trace_id,
       replace(document::text, '"e-1"', '"e-' || n + 1 || '"')::json
FROM events, generate_series(1, {more}) AS n
"""


async def _save_first(dsn, notes):
    async with PostgreSQLEventStore(dsn, pool_min_size=1, pool_max_size=1) as store:
        await store.save("a", notes("e-1"), 0)


@pytest.fixture
def large_dsn(dsn, notes):
    run(_save_first(dsn, notes))
    # Nothing crashes here, so nothing needs the server's log.
    execute(dsn, "ALTER TABLE events SET UNLOGGED", MULTIPLY.format(more=EVENTS - 1))
    return dsn


def test_a_million_events_in_little_memory(large_dsn, start):
    parts = {"stream": EVENTS, "subscribe": EVENTS // 5}
    readers = {how: start("read_large", large_dsn, how, events) for how, events in parts.items()}
    for how, reader in readers.items():
        word, number, memory = reader.next()
        assert (word, number) == ("read", parts[how])
        assert memory < MEBIBYTES
