"""The store keeps the whole contract; there is nothing here but who is meant."""

from __future__ import annotations

from orchestrix_contract_tests import CompleteStoreContract

from orchestrix_jsonl.plugin import orchestrix_contract_subjects

(SUBJECT,) = orchestrix_contract_subjects()


class TestJsonlEventStore(CompleteStoreContract):
    subject = SUBJECT
