"""
Each of these stores keeps its events in a file, and breaks one promise about what is kept.

A row of `BROKEN` has the store and exactly the tests that fail: first the one that is named for
the breach, then those that see the same breach from another side.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import pytest

from orchestrix_contract_tests import PersistenceContract
from orchestrix_core import ContractSubject
from orchestrix_core.stores import ASYNC, GLOBAL_LOG, PERSISTENT

BROKEN: Final[dict[str, list[str]]] = {
    "AcknowledgesBeforeItWrites": ["test_killed_process_loses_nothing_acknowledged"],
    "ForgetsSnapshots": ["test_reopened_store_has_everything", "test_old_snapshot_stays_old"],
    "ReordersItsLog": [
        "test_reopened_log_goes_on",
        "test_unknown_type_is_reported_with_its_place",
    ],
    "DecodesOnLoadAlone": [
        "test_old_events_are_upcast",
        "test_gap_in_the_upcasters_is_an_error",
        "test_reopened_store_has_everything",
        "test_unknown_type_is_reported_with_its_place",
        "test_unknown_types_do_not_hinder_who_filters",
    ],
    "TakesTheVersionForThePosition": ["test_unknown_type_is_reported_with_its_place"],
    "DecodesBeforeItFilters": ["test_unknown_types_do_not_hinder_who_filters"],
    "LeapsOverAGap": ["test_gap_in_the_upcasters_is_an_error"],
    "EmptiesRawEvents": ["test_raw_event_is_written_back_unchanged"],
    "IgnoresTheGivenSerializer": [
        "test_registered_types_of_ones_own",
        "test_gap_in_the_upcasters_is_an_error",
        "test_old_events_are_upcast",
        "test_raw_event_is_written_back_unchanged",
        "test_unknown_type_can_be_read_raw",
        "test_unknown_type_is_reported_with_its_place",
        "test_unknown_types_do_not_hinder_who_filters",
    ],
}
SLOW: Final = "test_killed_process_loses_nothing_acknowledged"


@pytest.fixture
def make_subject(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ContractSubject]:
    """Return a function that makes a subject of a class in `file_store`, for any process."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))

    def make(name: str) -> ContractSubject:
        return ContractSubject(
            kind="event_store",
            name=name,
            create=partial(getattr(import_module("file_store"), name)),
            capabilities=frozenset({ASYNC, GLOBAL_LOG, PERSISTENT}),
        )

    return make


@pytest.mark.parametrize("name", BROKEN)
def test_broken_store_is_caught(
    name: str, make_subject: Callable[[str], ContractSubject], run_contract: Callable[..., Any]
) -> None:
    failing = BROKEN[name]
    options = [] if SLOW in failing else ["-k", f"not {SLOW}"]
    assert run_contract(PersistenceContract, make_subject(name), *options)["failed"] == set(failing)


def test_sound_store_passes(
    make_subject: Callable[[str], ContractSubject], run_contract: Callable[..., Any]
) -> None:
    outcomes = run_contract(PersistenceContract, make_subject("FileStore"))
    assert outcomes["failed"] == set()
    assert SLOW in outcomes["passed"]
