"""`orchestrix certify` on a store that a configuration names: in schemas of its own, beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import asyncpg

from orchestrix.infrastructure.postgres import PostgreSQLEventStore
from postgres_databases import run

from ._children import noted

PROGRAM = [sys.executable, "-c", "from orchestrix_core.cli import main; main()"]
CONFIGURATION = """
[orchestrix.event_store.postgres]
connection_string = "${TEST_DSN}"
payload = "jsonb"
"""
TESTS = ("AppendContract::test_saved_events_*", "DurabilityContract", "*::test_one_of_many_racers*")
FAULTS = ("*::test_cut_save_is_*", "*::test_lost_answer_is_*", "*::test_save_that_a_restart_*")


async def look(dsn):
    connection = await asyncpg.connect(dsn)
    try:
        query = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'contract%'"
        return await connection.fetch(query)
    finally:
        await connection.close()


async def stored(dsn, *events):
    async with PostgreSQLEventStore(dsn, 1, 2, payload="jsonb") as store:
        await store.save("shop", events)
        return await store.head()


def test_the_configured_schema_is_not_touched(empty_dsn, tmp_path):
    (tmp_path / "orchestrix.toml").write_text(CONFIGURATION)
    before = run(stored(empty_dsn, *noted("kept")))
    tests = [word for test in TESTS + FAULTS for word in ("--test", test)]
    done = subprocess.run(
        [*PROGRAM, "certify", "--backend", "postgres", "--faults", "--json", *tests],
        cwd=tmp_path,
        env={**os.environ, "TEST_DSN": empty_dsn},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (certificate,) = json.loads(done.stdout)["certificates"]
    assert certificate["settings"] == "the configuration's"
    assert "PostgreSQL" in certificate["versions"]
    verdicts = {one["name"]: one["verdict"] for one in certificate["guarantees"]}
    assert verdicts.items() >= {"Promise 2": "holds", "`persistent`": "holds"}.items()
    assert {verdicts["Connection cut"], verdicts["Lost answer"]} == {"holds"}
    assert verdicts["Server restart"] == "not offered", "it is not ours"
    assert run(stored(empty_dsn)) == before
    assert run(look(empty_dsn)) == [], "the schemas are gone again"
