"""
Each of these stores breaks one promise about transactions, their appends, or their SQL.

A row of `BROKEN` has the store, its contract, and tests that fail: first the one that is named for
the breach, then some that see it from another side. A sound store passes each of them.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from orchestrix_contract_tests.contracts.document_appends import DocumentAppendContract
from orchestrix_contract_tests.contracts.document_races import DocumentRaceContract
from orchestrix_contract_tests.contracts.document_sql import DocumentSQLContract
from orchestrix_contract_tests.contracts.document_transactions import DocumentTransactionContract

BLOCK, APPEND = DocumentTransactionContract, DocumentAppendContract
RACE, ROWS = DocumentRaceContract, DocumentSQLContract


@attrs.frozen
class Broken:
    store: str
    contract: type
    failing: list[str]
    hangs: bool = False


BROKEN: Final = [
    Broken("ShowsWhatIsNotCommitted", BLOCK, ["test_changes_are_seen_by_nobody_before_the_end"]),
    Broken("CommitsWhatFailed", BLOCK, ["test_exception_undoes_everything"]),
    Broken("CommitsDocumentsOfWhatFailed", BLOCK, ["test_exception_undoes_everything"]),
    Broken("CommitsWhatIsCancelled", BLOCK, ["test_cancelled_block_leaves_nothing"]),
    Broken("SwallowsTheException", BLOCK, ["test_error_of_a_change_undoes_everything"]),
    Broken("IsSpoiltByAConflict", BLOCK, ["test_refused_change_leaves_the_rest_to_commit"]),
    Broken("KeepsHalfOfARefusedChange", BLOCK, ["test_refused_change_leaves_the_rest_to_commit"]),
    Broken("CommitsPieceByPiece", BLOCK, ["test_readers_see_all_of_it_or_nothing"]),
    Broken("CommitsThreeHundredAtATime", BLOCK, ["test_large_transaction_is_whole"]),
    Broken("JoinsTheOuterOne", BLOCK, ["test_second_transaction_in_one_task_is_refused"]),
    Broken("WaitsForItself", BLOCK, ["test_second_transaction_in_one_task_is_refused"], hangs=True),
    Broken("TellsTasksByTheirContext", BLOCK, ["test_task_made_in_a_transaction_may_have_its_own"]),
    Broken("NeverLetsGo", BLOCK, ["test_cancelled_block_leaves_nothing"], hangs=True),
    Broken("WorksOnAfterItsEnd", BLOCK, ["test_transaction_is_of_no_use_after_its_block"]),
    Broken("CommitsAfterAClose", BLOCK, ["test_transaction_that_races_a_close"]),
    Broken("SavesIntoTheTransaction", BLOCK, ["test_save_in_a_transaction_is_refused_or_apart"]),
    Broken("AppendsAtOnce", APPEND, ["test_documents_and_events_are_stored_together"]),
    Broken("AppendsAtTheEnd", APPEND, ["test_refused_append_that_is_caught_leaves_the_rest"]),
    Broken("AppendsAfterTheCommit", APPEND, ["test_conflict_of_an_append_undoes_the_documents"]),
    Broken("AppendsStreamByStream", APPEND, ["test_partly_stored_append_is_refused"]),
    Broken("LosesTheExpectation", APPEND, ["test_conflict_of_an_append_undoes_the_documents"]),
    Broken("TakesARetryForADuplicate", APPEND, ["test_same_append_again_appends_nothing"]),
    Broken("NamesEventsAnew", APPEND, ["test_event_id_that_is_taken_undoes_the_documents"]),
    Broken("DropsAConflict", APPEND, ["test_conflict_of_an_append_undoes_the_documents"]),
    Broken("WakesNobody", APPEND, ["test_transaction_wakes_a_subscriber"], hangs=True),
    Broken("WakesTooEarly", APPEND, ["test_undone_append_reaches_no_subscriber"]),
    Broken("NumbersBeforeItCommits", APPEND, ["test_slow_transaction_is_not_overtaken"]),
    Broken("KeepsHoldOfTheEvents", APPEND, ["test_value_inside_an_appended_event_may_be_changed"]),
    Broken("LetsSavesIn", APPEND, ["test_save_beside_an_append_has_its_own_version"]),
    Broken(
        "WaitsForItsOwnEnd",
        APPEND,
        ["test_save_after_an_append_is_refused_or_apart"],
        hangs=True,
    ),
    Broken("IsRefusedForGood", APPEND, ["test_append_after_a_refused_one_is_stored"]),
    Broken(
        "LetsOthersIn",
        RACE,
        [
            "test_concurrent_increments_lose_none",
            "test_document_that_was_read_stays_until_the_end",
        ],
    ),
    Broken("LocksWhatIsThere", RACE, ["test_concurrent_increments_lose_none"]),
    Broken("KeepsTheRows", ROWS, ["test_exception_undoes_rows_documents_and_events"]),
    Broken(
        "TakesParametersInTurn",
        ROWS,
        ["test_parameters_go_by_their_numbers", "test_parameter_in_a_text_is_text"],
    ),
    Broken("CountsOne", ROWS, ["test_execute_returns_how_many_rows_changed"]),
    Broken("GivesTuples", ROWS, ["test_rows_are_read_by_name_and_by_index"]),
    Broken("PassesTheDriversErrors", ROWS, ["test_failed_statement_leaves_the_rest_to_commit"]),
    Broken("IsSpoiltByAnError", ROWS, ["test_failed_statement_leaves_the_rest_to_commit"]),
    Broken("RunsScripts", ROWS, ["test_one_statement_at_a_time"]),
]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], type]:
    """Return a function that makes the store that is called so in one of the modules `broken_*`."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    blocks, appends, rows = (
        import_module(f"broken_{name}") for name in ("transactions", "appends", "rows")
    )

    def make(name: str) -> type:
        (what,) = [
            vars(module)[name] for module in (blocks, appends, rows) if hasattr(module, name)
        ]
        if issubclass(what, rows.Statements):
            return rows.with_statements(what)  # type: ignore[no-any-return]  # found by name
        if issubclass(what, blocks.Changes):
            return blocks.with_changes(what)  # type: ignore[no-any-return]  # found by name
        return what  # type: ignore[no-any-return]  # found by name

    return make


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.store)
def test_broken_store_is_caught(
    broken: Broken, make: Callable[[str], type], catch: Callable[..., None]
) -> None:
    catch(make(broken.store), broken.contract, broken.failing, hangs=broken.hangs, alone=True)


def test_sound_store_passes(
    make: Callable[[str], type], run_contract: Callable[..., Any], subject_of: Any
) -> None:
    outcomes = run_contract(ROWS, subject_of(make("RowsStore")))
    assert outcomes["failed"] == set()
    assert len(outcomes["passed"]) > 10
