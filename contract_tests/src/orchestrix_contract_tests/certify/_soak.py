"""The test that runs for as long as `certify --soak` says; no contract has it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import attrs
import pytest

from orchestrix_contract_tests.certify._observer import MEASURED_PROPERTY, Observer
from orchestrix_contract_tests.contracts._store import StoreContract
from orchestrix_contract_tests.history import Plan
from orchestrix_contract_tests.history.soaking import Soak
from orchestrix_core import ContractSubject

__all__ = ["SoakContract", "SoakSettings"]


@attrs.frozen
class SoakSettings:
    """How long a soak is, by how many workers, and what makes their choices."""

    minutes: float
    workers: int
    seed: int

    def plan(self) -> Plan:
        """Return what they do in each round."""
        return Plan(seed=self.seed, workers=self.workers, streams=4 * self.workers)


class SoakContract(StoreContract):
    """Processes where the store declares `multi_process`, else tasks; round after round."""

    soak: ClassVar[SoakSettings]

    async def test_soak(
        self,
        subject: ContractSubject,
        directory: Path,
        tmp_path: Path,
        request: pytest.FixtureRequest,
    ) -> None:
        """Soak: workers append, repeat, load and read at once, and none sees a rule broken."""
        place = tmp_path / "histories"
        place.mkdir()
        soak = Soak(self.soak.plan(), self.soak.minutes * 60, _tell(request.config))
        try:
            await soak.run(subject, directory, place)
        finally:
            request.node.user_properties.append((MEASURED_PROPERTY, soak.measured()))


def _tell(config: pytest.Config) -> Callable[[float, str], None]:
    """Return how the run is told of progress."""
    plugins = config.pluginmanager.get_plugins()
    observer = next(plugin for plugin in plugins if isinstance(plugin, Observer))
    return lambda share, text: observer.tell("soaking", share=round(share, 4), text=text)
