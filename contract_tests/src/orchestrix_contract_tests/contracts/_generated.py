"""How generated tests run: quickly, without deadlines, and without a file left behind."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, settings

from orchestrix_contract_tests.contracts._base import Contract

__all__ = ["GeneratedContract"]

EXAMPLES: Final = 25


class GeneratedContract(Contract):
    """Gives generated tests their settings; the rest is that of the active Hypothesis profile."""

    @pytest.fixture
    def generated(self, request: pytest.FixtureRequest) -> settings:
        """Return the settings: `--contract-examples` says how many examples."""
        count = request.config.getoption("--contract-examples", default=None) or EXAMPLES
        return settings(
            max_examples=count,
            stateful_step_count=25,
            deadline=None,  # a backend may be slow, and still right
            database=None,
            phases=[phase for phase in Phase if phase is not Phase.explain],  # it takes a minute
            suppress_health_check=list(HealthCheck),
        )
