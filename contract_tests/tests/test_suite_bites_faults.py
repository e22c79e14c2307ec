"""
Each of these stores keeps its promises until something fails.

A row of `BROKEN` has the store and tests that fail: first the one that is named for the breach,
then some that see it from another side. A sound store on the same server passes all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from orchestrix_contract_tests import FaultsContract, driver


@attrs.frozen
class Broken:
    store: str
    failing: list[str]
    hangs: bool = False


BROKEN: Final = [
    Broken("LeavesHalfWhenCancelled", ["test_cancelled_append_is_whole_or_absent"]),
    Broken("KeepsItsLockWhenCancelled", ["test_cancelled_append_is_whole_or_absent"], hangs=True),
    Broken("LosesAReadersConnection", ["test_cancelled_reads_leave_the_store_usable"], hangs=True),
    Broken("ForgetsWhatItCommitted", ["test_cancelled_appends_leave_the_log_whole"]),
    Broken("OrdersByTime", ["test_streams_are_in_the_order_of_their_saves"]),
    Broken("OrdersATraceById", ["test_a_trace_is_in_the_order_of_its_saves"]),
    Broken("NumbersItsLogByTime", ["test_the_log_grows_at_its_end"]),
    Broken(
        "KeepsTheSnapshotOfTheLatestTime",
        ["test_the_newer_snapshot_is_the_one_of_the_higher_version"],
    ),
    Broken(
        "NeverConnectsAgain",
        [
            "test_save_that_a_restart_hits_is_whole_or_absent",
            "test_restart_hits_each_of_many_saves_as_a_whole",
            "test_cut_save_is_whole_or_absent",
            "test_cut_hits_each_of_many_saves_as_a_whole",
        ],
    ),
    Broken(
        "KeepsHalfOfWhatIsCut",
        [
            "test_cut_hits_each_of_many_saves_as_a_whole",
            "test_cut_save_without_an_expectation_is_not_doubled",
            "test_cut_save_is_whole_or_absent",
        ],
    ),
    Broken(
        "TakesALossForSuccess",
        ["test_cut_save_is_whole_or_absent", "test_save_that_a_restart_hits_is_whole_or_absent"],
    ),
    Broken("LetsTheDriversErrorOut", ["test_cut_save_is_whole_or_absent"]),
    Broken("HidesTheCause", ["test_cut_save_is_whole_or_absent"]),
    Broken(
        "RepeatsWhatCannotBeRepeated",
        ["test_lost_answer_without_an_expectation_is_no_second_copy"],
    ),
    Broken(
        "StoresWhatItRepeatsTwice",
        [
            "test_lost_answer_without_an_expectation_is_no_second_copy",
            "test_lost_answer_is_no_second_copy",
        ],
    ),
    Broken("KnowsNoRetryAfterALoss", ["test_lost_answer_is_no_second_copy"]),
    Broken(
        "AcknowledgesBeforeItCommits",
        [
            "test_slow_commit_is_not_acknowledged_before_its_end",
            "test_many_slow_commits_lose_nothing",
        ],
    ),
    Broken("CommitsHalfOfWhatIsCancelled", ["test_save_cancelled_in_a_slow_commit"]),
    Broken("WritesWhatWasRefused", ["test_save_on_an_exhausted_pool_is_refused_in_time"]),
    Broken("HangsOnAnEmptyPool", ["test_save_on_an_exhausted_pool_is_refused_in_time"], hangs=True),
    Broken("LosesWhatACancelledCallWaitedFor", ["test_pool_is_whole_after_its_exhaustion"]),
]


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """Return the module of the sound store and that of the broken ones."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    return import_module("served_store"), import_module("broken_under_faults")


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.store)
def test_broken_store_is_caught(
    broken: Broken,
    modules: tuple[Any, Any],
    run_contract: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sound, stores = modules
    if broken.hangs:  # for good is for good
        monkeypatch.setattr(driver, "PATIENCE", 0.5)
    subject = sound.subject_of(getattr(stores, broken.store))
    chosen = " or ".join(broken.failing)
    assert run_contract(FaultsContract, subject, "-k", chosen)["failed"] == set(broken.failing)


def test_sound_store_passes(modules: tuple[Any, Any], run_contract: Callable[..., Any]) -> None:
    sound, _ = modules
    outcomes = run_contract(FaultsContract, sound.subject_of(sound.ServedStore))
    assert (outcomes["failed"], outcomes["skipped"]) == (
        set(),
        {
            "test_cut_transaction_is_whole_or_absent",
            "test_cancelled_transaction_is_whole_or_absent",
        },
    )
    caught = {test for broken in BROKEN for test in broken.failing}
    assert caught == outcomes["passed"], "each test has a store that it catches"
