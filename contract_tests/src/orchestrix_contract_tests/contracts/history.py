"""What workers see that use one store at once, noted down and judged by the rules of a history."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from orchestrix_contract_tests.contracts._store import StoreContract
from orchestrix_contract_tests.history import Plan, Summary, check, record
from orchestrix_core import ContractSubject

__all__ = ["HistoryContract"]

PLAN: Final = Plan(workers=2, tasks=4, readers=1, streams=3, appends=120)
"""Small, for every run has it; `orchestrix certify --soak` is the long one."""


class HistoryContract(StoreContract):
    """Processes where the store declares `multi_process`, else tasks."""

    async def test_history_of_workers_at_once(
        self, subject: ContractSubject, directory: Path, tmp_path: Path
    ) -> None:
        """History: workers append, repeat, load and read at once, and none sees a rule broken."""
        history = await record(subject, directory, PLAN, tmp_path / "history.jsonl")
        found = check(history)
        assert not found, "\n".join(str(finding) for finding in found[:3])
        numbers = Summary.of(history)
        assert numbers.calls["acknowledged"] >= PLAN.appends, f"too few to judge by: {numbers}"
