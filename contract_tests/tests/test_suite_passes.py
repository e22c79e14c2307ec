"""The same harness that catches every broken backend finds nothing wrong with the sound ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from orchestrix.infrastructure.memory import (
    InMemoryAsyncEventStore,
    InMemoryAsyncMessageBus,
    InMemoryEventStore,
    InMemoryMessageBus,
)
from orchestrix_contract_tests.contracts.async_bus import AsyncMessageBusContract
from orchestrix_contract_tests.contracts.bus import MessageBusContract
from orchestrix_contract_tests.contracts.complete_store import CompleteStoreContract

SOUND = [
    (InMemoryAsyncEventStore, CompleteStoreContract),
    (InMemoryEventStore, CompleteStoreContract),
    (InMemoryMessageBus, MessageBusContract),
    (InMemoryAsyncMessageBus, AsyncMessageBusContract),
]


@pytest.mark.parametrize(("backend", "contract"), SOUND, ids=lambda value: value.__name__)
def test_sound_backend_passes(
    backend: type, contract: type, run_contract: Callable[..., Any], subject_of: Any
) -> None:
    outcomes = run_contract(contract, subject_of(backend), "--contract-examples=5")
    assert outcomes["failed"] == set()
    assert len(outcomes["passed"]) > 20
