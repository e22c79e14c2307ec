"""
The suite as a pytest plugin: the `requires` marker, an option, and a summary for each backend.

Every pytest run with the distribution installed imports this module, so it imports nothing else.
"""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest

__all__ = [
    "BACKEND_PROPERTY",
    "MISSING_PROPERTY",
    "NOT_OFFERED_PROPERTY",
    "pytest_addoption",
    "pytest_configure",
    "pytest_terminal_summary",
]

BACKEND_PROPERTY = "orchestrix_backend"
"""The user property of a test report that names the backend under contract."""
MISSING_PROPERTY = "orchestrix_missing"
"""The user property that names the capability for want of which a test was skipped."""
NOT_OFFERED_PROPERTY = "orchestrix_not_offered"
"""The user property that says why the fault of a test is not offered by the backend."""

pytest.register_assert_rewrite(
    "orchestrix_contract_tests.contracts",
    "orchestrix_contract_tests.driver",
    "orchestrix_contract_tests.machine",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("orchestrix", "Orchestrix contract suite")
    group.addoption(
        "--contract-examples",
        type=int,
        default=None,
        metavar="N",
        help="Hypothesis examples for each generated contract test (default: 25)",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "requires(*capabilities): an Orchestrix contract test that is skipped for a backend which "
        "does not declare each of these",
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    outcomes: defaultdict[str, Counter[str]] = defaultdict(Counter)
    why: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for outcome in ("passed", "failed", "error", "skipped", "xfailed", "xpassed"):
        for report in terminalreporter.getreports(outcome):
            properties = dict(getattr(report, "user_properties", ()))
            backend = properties.get(BACKEND_PROPERTY)
            if backend is not None:
                outcomes[str(backend)][outcome] += 1
                if MISSING_PROPERTY in properties:
                    why[str(backend)][f"it does not declare {properties[MISSING_PROPERTY]!r}"] += 1
                elif NOT_OFFERED_PROPERTY in properties:
                    why[str(backend)][f"not offered: {properties[NOT_OFFERED_PROPERTY]}"] += 1
    if outcomes:
        terminalreporter.section("Orchestrix contract")
    for backend, counts in sorted(outcomes.items()):
        line = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
        terminalreporter.write_line(f"{backend}: {line}")
        for reason, count in sorted(why[backend].items()):
            terminalreporter.write_line(f"    {count} skipped: {reason}")
