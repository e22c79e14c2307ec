"""Everything that is promised of a store while something else fails."""

from __future__ import annotations

from orchestrix_contract_tests.contracts.faults_cancellation import CancellationContract
from orchestrix_contract_tests.contracts.faults_clock import ClockContract
from orchestrix_contract_tests.contracts.faults_connection import ConnectionContract
from orchestrix_contract_tests.contracts.faults_waiting import WaitingContract

__all__ = ["FaultsContract"]


class FaultsContract(CancellationContract, ClockContract, ConnectionContract, WaitingContract):
    """
    Acknowledged events are kept, an append is whole or absent, and the store goes on by itself.

    Lost connections, restarts, slow commits and used-up pools are made by the subject's `faults`;
    a test of one that is not offered is skipped.
    """
