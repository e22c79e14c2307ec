"""`orchestrix certify` on a store that a configuration names: in a file of its own, beside it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

from orchestrix.infrastructure.sqlite import SQLiteEventStore

PROGRAM = [sys.executable, "-c", "from orchestrix_core.cli import main; main()"]
CONFIGURATION = """
[orchestrix.event_store.sqlite]
path = "shop.db"
synchronous = "normal"
"""
TESTS = ("AppendContract::test_saved_events_*", "DurabilityContract", "*::test_one_of_many_racers*")
FAULTS = ("*::test_slow_commit_*", "*::test_cut_save_is_*")


async def stored(path, *events):
    async with SQLiteEventStore(path) as store:
        await store.save("shop", events)
        return await store.head()


def test_the_configured_file_is_not_touched(tmp_path, notes):
    file = tmp_path / "shop.db"
    (tmp_path / "orchestrix.toml").write_text(CONFIGURATION)
    asyncio.run(stored(file, *notes("kept")))
    before = file.read_bytes()
    tests = [word for test in TESTS + FAULTS for word in ("--test", test)]
    done = subprocess.run(
        [*PROGRAM, "certify", "--backend", "sqlite", "--faults", "--json", *tests],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (certificate,) = json.loads(done.stdout)["certificates"]
    assert certificate["settings"] == "the configuration's"
    assert "SQLite" in certificate["versions"]
    verdicts = {one["name"]: one["verdict"] for one in certificate["guarantees"]}
    assert verdicts.items() >= {"Promise 2": "holds", "`persistent`": "holds"}.items()
    assert verdicts["Slow commit"] == "holds"
    assert verdicts["Connection cut"] == "not offered"
    assert file.read_bytes() == before
    assert asyncio.run(stored(file)) == 1
