"""Sagas on the async store; there is nothing here but who is meant."""

from __future__ import annotations

from orchestrix.infrastructure.memory.plugin import orchestrix_contract_subjects
from orchestrix_contract_tests import SagaContract

SUBJECTS = {(subject.kind, subject.name): subject for subject in orchestrix_contract_subjects()}


class TestSagas(SagaContract):
    subject = SUBJECTS["event_store", "memory"]
