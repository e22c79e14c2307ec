"""Workers on the async store; there is nothing here but who is meant."""

from __future__ import annotations

from orchestrix.infrastructure.sqlite import plugin
from orchestrix_contract_tests import WorkerContract

ASYNC, _ = plugin.orchestrix_contract_subjects()


class TestWorkers(WorkerContract):
    subject = ASYNC
