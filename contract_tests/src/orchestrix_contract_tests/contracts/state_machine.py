"""Every promise at once, in any order: the store against a model."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from orchestrix_contract_tests.contracts._generated import GeneratedContract
from orchestrix_contract_tests.machine import StoreMachine
from orchestrix_core import ContractSubject

__all__ = ["EventStoreStateMachine"]


class EventStoreStateMachine(GeneratedContract):
    """Promises 1 to 6, whatever was done before."""

    def test_any_operations_agree_with_the_model(
        self, subject: ContractSubject, tmp_path: Path, generated: settings
    ) -> None:
        """Promises 1 to 6: saves, retries, reuses, snapshots and reopenings, made up at random."""
        numbers = count()

        def machine() -> StoreMachine:
            directory = tmp_path / str(next(numbers))
            directory.mkdir()
            return StoreMachine(subject, directory)

        factory: Any = machine  # Hypothesis takes any factory, but says that it takes a class
        run_state_machine_as_test(factory, settings=generated)
