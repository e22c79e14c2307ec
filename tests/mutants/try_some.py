"""Tries a few mutants of the memory backend, each on one test of the contract; prints outcomes."""

from __future__ import annotations

import json

import attrs

from mutants._observation import Observation, Observed
from mutants._plan import Planner
from mutants._results import Outcome
from mutants._run import run
from mutants._settings import Settings
from mutants._trial import warm_up
from mutants._verdict import all_mutants

FILE = "plugins/memory/tests/test_contract.py"
SETTINGS = Settings("memory", ["test_contract.py"], {}, [], {})
LONG, SHORT = 60.0, 2.0
TRIED = [
    (
        "_bus.InMemoryMessageBus.publish: call(message) -> pass",
        "TestSyncBus::test_handlers_run_in_subscription_order",
        LONG,
    ),
    (
        "_bus._raise_failures: raise failures[0] -> raise failures[(-1)]",
        "TestAsyncBus::test_one_failure_is_raised_as_it_is",
        LONG,
    ),
    (
        "_stores.InMemoryAsyncEventStore._wake: sleeper.set_result(None) -> pass",
        "TestAsyncStore::test_waiting_subscriber_gets_new_events",
        SHORT,
    ),
]
"""The mutant, the test that it meets, and how long that may take: the last one waits for good."""


def main() -> None:
    warm_up(SETTINGS)
    mutants = {mutant.key: mutant for mutant in all_mutants(SETTINGS)}
    outcomes: list[Outcome] = []
    for key, test, patience in TRIED:
        mutant = mutants[key]
        assert mutant.function is not None
        line = f"{mutant.path.name}:{mutant.function[0]}"
        seen = Observed(True, False, 0.0, False, frozenset({line}))
        planner = Planner(SETTINGS, Observation({f"{FILE}::{test}": seen}), patience=patience)
        run(SETTINGS, planner, [mutant], jobs=1, tell=outcomes.append)
    print(json.dumps([attrs.asdict(outcome) for outcome in outcomes]))


main()
