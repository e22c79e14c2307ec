"""Everything that the capability `documents` promises, and `sql` besides."""

from __future__ import annotations

from orchestrix_contract_tests.contracts.document_appends import DocumentAppendContract
from orchestrix_contract_tests.contracts.document_bad_input import DocumentBadInputContract
from orchestrix_contract_tests.contracts.document_model import DocumentModelContract
from orchestrix_contract_tests.contracts.document_races import DocumentRaceContract
from orchestrix_contract_tests.contracts.document_search import DocumentSearchContract
from orchestrix_contract_tests.contracts.document_sql import DocumentSQLContract
from orchestrix_contract_tests.contracts.document_transactions import DocumentTransactionContract
from orchestrix_contract_tests.contracts.document_values import DocumentValuesContract

__all__ = ["DocumentsContract"]


class DocumentsContract(
    DocumentValuesContract,
    DocumentBadInputContract,
    DocumentSearchContract,
    DocumentTransactionContract,
    DocumentAppendContract,
    DocumentRaceContract,
    DocumentSQLContract,
    DocumentModelContract,
):
    """Documents beside events, changed together with them, all or nothing."""
