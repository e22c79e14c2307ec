"""
What workers did to a store at once, written down and judged: nothing lost, doubled or reordered.

`record` lets workers loose on a store and notes what they do, `check` judges a history, and
`read_history` reads one that was kept.
"""

from orchestrix_contract_tests.history._lines import HistoryFileError, read_history, write_history
from orchestrix_contract_tests.history.checker import check
from orchestrix_contract_tests.history.findings import RULES, Finding, Rule
from orchestrix_contract_tests.history.operations import Append, History, Load, Read, Row
from orchestrix_contract_tests.history.plan import HistoryRunError, Plan
from orchestrix_contract_tests.history.recorder import Recorder
from orchestrix_contract_tests.history.running import record
from orchestrix_contract_tests.history.summary import Summary

__all__ = [
    "RULES",
    "Append",
    "Finding",
    "History",
    "HistoryFileError",
    "HistoryRunError",
    "Load",
    "Plan",
    "Read",
    "Recorder",
    "Row",
    "Rule",
    "Summary",
    "check",
    "read_history",
    "record",
    "write_history",
]
