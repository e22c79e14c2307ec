"""
Each of these stores breaks one promise about documents.

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

from orchestrix_contract_tests.contracts.document_bad_input import DocumentBadInputContract
from orchestrix_contract_tests.contracts.document_model import DocumentModelContract
from orchestrix_contract_tests.contracts.document_search import DocumentSearchContract
from orchestrix_contract_tests.contracts.document_values import DocumentValuesContract

VALUES, SEARCH, INPUT = DocumentValuesContract, DocumentSearchContract, DocumentBadInputContract


@attrs.frozen
class Broken:
    store: str
    contract: type
    failing: list[str]


BROKEN: Final = [
    Broken("ChecksNoRevision", VALUES, ["test_wrong_revision_is_refused"]),
    Broken("DeletesWhateverIsThere", VALUES, ["test_delete_checks_the_revision"]),
    Broken("TakesZeroForAnything", VALUES, ["test_wrong_revision_is_refused"]),
    Broken("SwapsTheFacts", VALUES, ["test_wrong_revision_is_refused"]),
    Broken(
        "SaysNothingOfADelete",
        VALUES,
        ["test_deleted_document_is_made_anew", "test_delete_with_the_right_revision"],
    ),
    Broken(
        "CountsOnAfterADelete",
        VALUES,
        [
            "test_deleted_document_is_made_anew",
            "test_expectation_in_a_transaction_is_about_its_own_changes",
        ],
    ),
    Broken(
        "CountsOnlyWhatChanged",
        VALUES,
        [
            "test_revision_counts_the_writes",
            "test_delete_checks_the_revision",
            "test_delete_with_the_right_revision",
            "test_right_revision_is_accepted",
        ],
    ),
    Broken("KeepsTheOldDueTime", VALUES, ["test_put_writes_the_document_whole"]),
    Broken("MergesBodies", VALUES, ["test_put_writes_the_document_whole"]),
    Broken("RoundsTheDueTime", VALUES, ["test_due_reads_back", "test_document_reads_back_whole"]),
    Broken("ForgetsTheZone", VALUES, ["test_due_reads_back"]),
    Broken(
        "IgnoresTheCase",
        VALUES,
        ["test_similar_names_are_different_documents", "test_names_are_taken_as_they_are"],
    ),
    Broken("SharesBodies", VALUES, ["test_returned_body_may_be_changed"]),
    Broken("KeepsTheGivenBody", VALUES, ["test_given_body_may_be_changed_afterwards"]),
    Broken("numbers_as_a_script_has_them", VALUES, ["test_body_reads_back_exactly"]),
    Broken("drops_what_is_empty", VALUES, ["test_body_reads_back_exactly"]),
    Broken("prefix_is_a_pattern", SEARCH, ["test_prefix_is_taken_literally"]),
    Broken("prefix_ends_at_the_last_character_of_ucs2", SEARCH, ["test_prefix_is_taken_literally"]),
    Broken(
        "sorts_as_utf_16",
        SEARCH,
        ["test_documents_come_in_the_order_of_code_points", "test_after_is_not_included"],
    ),
    Broken(
        "sorts_as_people_do",
        SEARCH,
        [
            "test_documents_come_in_the_order_of_code_points",
            "test_after_is_not_included",
            "test_prefix_is_taken_literally",
        ],
    ),
    Broken(
        "after_includes",
        SEARCH,
        [
            "test_after_is_not_included",
            "test_pages_make_up_the_whole",
            "test_due_goes_with_prefix_and_after",
        ],
    ),
    Broken(
        "due_comes_later",
        SEARCH,
        [
            "test_due_is_a_limit_that_counts",
            "test_due_order_is_that_of_instants",
            "test_due_documents_come_as_they_are_due",
            "test_collections_do_not_mix",
            "test_search_in_a_transaction_sees_its_changes",
            "test_hour_that_comes_twice_is_two_hours",
        ],
    ),
    Broken(
        "due_in_the_order_of_keys",
        SEARCH,
        [
            "test_due_documents_come_as_they_are_due",
            "test_search_in_a_transaction_sees_its_changes",
            "test_hour_that_comes_twice_is_two_hours",
            "test_due_goes_with_prefix_and_after",
        ],
    ),
    Broken("due_forgets_the_key", SEARCH, ["test_due_goes_with_prefix_and_after"]),
    Broken(
        "due_never_counts_as_due",
        SEARCH,
        [
            "test_due_is_a_limit_that_counts",
            "test_due_documents_come_as_they_are_due",
            "test_search_in_a_transaction_sees_its_changes",
            "test_due_goes_with_prefix_and_after",
        ],
    ),
    Broken("FindsLessInATransaction", SEARCH, ["test_limit_is_a_thousand_unless_told"]),
    Broken("limit_is_a_hundred_at_most", SEARCH, ["test_limit_is_a_thousand_unless_told"]),
    Broken(
        "ForgetsTheZone",
        SEARCH,
        ["test_due_order_is_that_of_instants", "test_hour_that_comes_twice_is_two_hours"],
    ),
    Broken("CollectionsMix", SEARCH, ["test_collections_do_not_mix"]),
    Broken(
        "SearchesWhatIsCommitted",
        SEARCH,
        [
            "test_search_in_a_transaction_sees_its_changes",
            "test_due_documents_come_as_they_are_due",
        ],
    ),
    Broken("SearchesBeforeItMerges", SEARCH, ["test_search_in_a_transaction_sees_its_changes"]),
    Broken("limit_of_none_is_none", INPUT, ["test_search_takes_sensible_arguments"]),
    Broken("what_json_makes_of_it", INPUT, ["test_body_that_json_would_change_is_refused"]),
    Broken(
        "BlamesNoArgument",
        INPUT,
        [
            "test_due_must_be_an_aware_datetime",
            "test_expect_must_be_a_whole_number",
            "test_names_in_a_transaction_must_be_text",
        ],
    ),
    Broken("TakesAnyNumberForARevision", INPUT, ["test_expect_must_be_a_whole_number"]),
    Broken("TakesANaiveTimeForUTC", INPUT, ["test_due_must_be_an_aware_datetime"]),
]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], type]:
    """Return a function that makes the store that is called so in `broken_documents`."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    module = import_module("broken_documents")

    def make(name: str) -> type:
        what: Any = getattr(module, name)
        if isinstance(what, type):
            return module.with_changes(what) if issubclass(what, module.Changes) else what  # type: ignore[no-any-return]  # found by name
        by = module.with_finds if "find" in what.__code__.co_varnames else module.with_bodies
        return by(what)  # type: ignore[no-any-return]  # found by name

    return make


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.store)
def test_broken_store_is_caught(
    broken: Broken, make: Callable[[str], type], catch: Callable[..., None]
) -> None:
    catch(make(broken.store), broken.contract, broken.failing, alone=True)


def test_model_finds_it_too(
    make: Callable[[str], type], run_contract: Callable[..., Any], subject_of: Any
) -> None:
    """As many examples as leave nothing to chance; the first that fails ends them."""
    subject = subject_of(make("SaysNothingOfADelete"))
    outcomes = run_contract(DocumentModelContract, subject, "--contract-examples=500")
    assert outcomes["failed"] == {"test_any_transactions_agree_with_the_model"}
