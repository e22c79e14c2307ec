"""
Each of these stores keeps its documents in a file, and breaks one promise about what is kept.

A row of `BROKEN` has the store and the test that is named for the breach.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import pytest

from orchestrix_contract_tests import driver
from orchestrix_contract_tests.contracts.document_races import DocumentRaceContract
from orchestrix_contract_tests.contracts.worker_letters import WorkerLetterContract
from orchestrix_core import ContractSubject
from orchestrix_core.stores import ASYNC, DOCUMENTS, GLOBAL_LOG, MULTI_PROCESS, PERSISTENT

OUTLIVE: Final = "test_documents_outlive_the_store"
KILLED: Final = "test_killed_process_leaves_whole_transactions"
UNREADABLE: Final = "test_event_that_cannot_be_read_is_a_dead_letter"
PROCESSES: Final = "test_increments_of_several_processes_lose_none"
BROKEN: Final = {
    "WritesTheEventsLater": KILLED,
    "AcknowledgesBeforeItWrites": KILLED,
    "ForgetsWhatIsDue": OUTLIVE,
    "CountsFromOneAgain": OUTLIVE,
    "ReadsTheFileOnce": PROCESSES,
}


@pytest.fixture
def make_subject(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ContractSubject]:
    """Return a function that makes a subject of a class in `document_file_store`."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))

    def make(name: str) -> ContractSubject:
        return ContractSubject(
            kind="event_store",
            name=name,
            create=partial(getattr(import_module("document_file_store"), name)),
            capabilities=frozenset({ASYNC, DOCUMENTS, GLOBAL_LOG, PERSISTENT, MULTI_PROCESS}),
        )

    return make


@pytest.mark.parametrize("name", BROKEN)
def test_broken_store_is_caught(
    name: str, make_subject: Callable[[str], ContractSubject], run_contract: Callable[..., Any]
) -> None:
    test = BROKEN[name]
    assert run_contract(DocumentRaceContract, make_subject(name), "-k", test)["failed"] == {test}


def test_sound_store_passes(
    make_subject: Callable[[str], ContractSubject], run_contract: Callable[..., Any]
) -> None:
    outcomes = run_contract(DocumentRaceContract, make_subject("DocumentFile"))
    assert outcomes["failed"] == set()
    assert {OUTLIVE, KILLED, PROCESSES} <= outcomes["passed"]


@pytest.mark.parametrize("name", ["DocumentFile", "SaysNotWhatItCannotRead"])
def test_store_that_says_not_what_it_cannot_read_is_caught(
    name: str,
    make_subject: Callable[[str], ContractSubject],
    run_contract: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(driver, "PATIENCE", 20.0 if name == "DocumentFile" else 2.0)
    outcomes = run_contract(WorkerLetterContract, make_subject(name), "-k", UNREADABLE)
    assert outcomes["failed" if name == "SaysNotWhatItCannotRead" else "passed"] == {UNREADABLE}
