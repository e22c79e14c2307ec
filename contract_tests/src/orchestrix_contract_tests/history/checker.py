"""Judges a history by its rules, in time linear in its size but for sorting by moments."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrix_contract_tests.history._appends import append_findings
from orchestrix_contract_tests.history._evidence import Evidence
from orchestrix_contract_tests.history._looks import look_findings
from orchestrix_contract_tests.history._stored import stored_findings
from orchestrix_contract_tests.history.findings import Finding
from orchestrix_contract_tests.history.operations import History

__all__ = ["check", "findings"]


def check(history: History) -> list[Finding]:
    """Return every breach of a rule; an empty list where there is none."""
    return list(findings(history))


def findings(history: History) -> Iterator[Finding]:
    """Yield the breaches one by one: who wants the first few need not wait for all."""
    evidence = Evidence(history)
    yield from stored_findings(evidence)
    yield from append_findings(evidence)
    yield from look_findings(evidence)
