"""Many processes write, load and read at once; what they noted tells whether a rule broke."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path

from orchestrix_contract_tests.history import Plan, Read, Summary, check, record

# The whole proof is ORCHESTRIX_TEST_APPENDS=20000, by sixteen processes; it takes a minute.
APPENDS = int(os.environ.get("ORCHESTRIX_TEST_APPENDS", "1600"))
PLAN = Plan(workers=16 if APPENDS >= 20_000 else 8, tasks=4, streams=50, appends=APPENDS)


async def test_processes_that_contend(dsn, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    subject = import_module("small_pools").subject(dsn)
    history = await record(subject, tmp_path, PLAN, tmp_path / "history")
    assert [str(finding) for finding in check(history)[:3]] == []
    numbers = Summary.of(history)
    assert numbers.calls["acknowledged"] >= APPENDS
    assert numbers.calls["refused"] > 100, "too few conflicts to prove anything"
    assert not numbers.errors
    pages = [one for one in history.operations if isinstance(one, Read)]
    for reader in {page.worker for page in pages}:
        seen = [row for page in pages if page.worker == reader for row in page.rows]
        assert seen == history.stored
