"""Sagas on the async store; there is nothing here but who is meant."""

from __future__ import annotations

from orchestrix.infrastructure.sqlite import plugin
from orchestrix_contract_tests import SagaContract

(ASYNC,) = (
    subject
    for subject in plugin.orchestrix_contract_subjects()
    if "documents" in subject.capabilities
)


class TestSagas(SagaContract):
    subject = ASYNC
