"""Each of these stores breaks a rule for workers that use it at once; the contract finds it."""

from __future__ import annotations

import pytest

from orchestrix_contract_tests import HistoryContract
from orchestrix_contract_tests.history import RULES, Plan, check, record

from . import racing_stores

BROKEN = {
    "Forgetful": {"lost event"},
    "LooksOnlyBefore": {"broken version"},
    "OneByOne": {"torn append"},
    "Suspicious": {"broken version"},
    "ReadsALittleLate": {"lost event"},
    "LoadsFromACache": {"stale read"},
    "SkipsInTheLog": {"stale read"},
    "RepeatsItself": {"position regression"},
    "SilentSubscription": {"stale read"},
    "StoresWhatItRefuses": {"refused event"},
}
PLAN = Plan(workers=2, tasks=4, readers=1, streams=3, appends=120)


@pytest.fixture(autouse=True)
def no_patience(monkeypatch):
    """Nothing that these stores leave undone comes later."""
    monkeypatch.setattr("orchestrix_contract_tests.driver.PATIENCE", 0.5)


@pytest.mark.parametrize("name", BROKEN)
async def test_broken_store_is_found(name, subject_of, tmp_path):
    subject = subject_of(getattr(racing_stores, name))
    found = check(await record(subject, tmp_path, PLAN, tmp_path / "history"))
    assert {finding.rule for finding in found} >= BROKEN[name]


def test_rules_are_rules():
    assert set.union(*BROKEN.values()) <= set(RULES)


def test_contract_catches_a_broken_store(catch):
    catch(racing_stores.Forgetful, HistoryContract, ["test_history_of_workers_at_once"])
