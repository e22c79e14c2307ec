"""All that the suite knows about applications, in one class."""

from __future__ import annotations

from orchestrix_contract_tests.contracts.application_commands import ApplicationCommandContract
from orchestrix_contract_tests.contracts.application_events import ApplicationEventContract
from orchestrix_contract_tests.contracts.application_processes import ApplicationProcessContract
from orchestrix_contract_tests.contracts.application_timers import ApplicationTimerContract

__all__ = ["ApplicationContract"]


class ApplicationContract(
    ApplicationCommandContract,
    ApplicationEventContract,
    ApplicationTimerContract,
    ApplicationProcessContract,
):
    """An application on a store with documents and a log; what is not declared is skipped."""
