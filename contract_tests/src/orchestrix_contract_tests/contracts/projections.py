"""All that the suite knows about projections, in one class."""

from __future__ import annotations

from orchestrix_contract_tests.contracts.projection_inline import ProjectionInlineContract
from orchestrix_contract_tests.contracts.projection_processes import ProjectionProcessContract
from orchestrix_contract_tests.contracts.projection_rebuild import (
    ProjectionRebuildContract,
    ProjectionTableRebuildContract,
)
from orchestrix_contract_tests.contracts.projection_views import (
    ProjectionTableContract,
    ProjectionViewContract,
)

__all__ = ["ProjectionContract"]


class ProjectionContract(
    ProjectionViewContract,
    ProjectionTableContract,
    ProjectionInlineContract,
    ProjectionRebuildContract,
    ProjectionTableRebuildContract,
    ProjectionProcessContract,
):
    """Projections on a store with documents; what the subject does not declare is skipped."""
