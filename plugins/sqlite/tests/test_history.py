"""Processes on one file write, load and read at once; their notes tell whether a rule broke."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path

import pytest

from orchestrix.infrastructure.sqlite.plugin import orchestrix_contract_subjects
from orchestrix_contract_tests.history import (
    HistoryRunError,
    Plan,
    Read,
    Summary,
    check,
    record,
)

# As many as the machine has time for; ORCHESTRIX_TEST_APPENDS sets more.
APPENDS = int(os.environ.get("ORCHESTRIX_TEST_APPENDS", "400"))
PLAN = Plan(workers=4, tasks=2, streams=6, appends=APPENDS)


@pytest.mark.parametrize("subject", orchestrix_contract_subjects(), ids=lambda one: one.name)
async def test_processes_that_contend(subject, tmp_path):
    history = await record(subject, tmp_path, PLAN, tmp_path / "history")
    assert [str(finding) for finding in check(history)[:3]] == []
    numbers = Summary.of(history)
    assert numbers.calls["acknowledged"] >= APPENDS
    assert numbers.calls["refused"] > 10, "too few conflicts to prove anything"
    pages = [one for one in history.operations if isinstance(one, Read)]
    for reader in {page.worker for page in pages}:
        seen = [row for page in pages if page.worker == reader for row in page.rows]
        assert seen == history.stored


@pytest.fixture
def broken(monkeypatch):
    """Return a function that gives a subject out of the module that all processes import."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    return import_module("broken_files").subject


FEW = Plan(workers=2, tasks=2, streams=6, appends=80)


async def test_store_that_loses_appends_is_found_out(broken, tmp_path):
    history = await record(broken("Forgetful"), tmp_path, FEW, tmp_path / "history")
    found = check(history)
    assert "lost event" in {finding.rule for finding in found}


async def test_worker_that_dies_ends_the_run(broken, tmp_path):
    with pytest.raises(HistoryRunError, match=r"worker \d ended with status 7"):
        await record(broken("Dying"), tmp_path, FEW, tmp_path / "history")


async def test_worker_that_fails_tells_why(broken, tmp_path):
    with pytest.raises(HistoryRunError, match=r"worker \d: AssertionError: save returns nothing"):
        await record(broken("Talkative"), tmp_path, FEW, tmp_path / "history")
