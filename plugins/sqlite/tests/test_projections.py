"""Projections on the async store; there is nothing here but who is meant, and what it lacks."""

from __future__ import annotations

from orchestrix.infrastructure.sqlite import plugin
from orchestrix_contract_tests.contracts.projection_views import (
    ProjectionTableContract,
    ProjectionViewContract,
)

(ASYNC,) = (
    subject
    for subject in plugin.orchestrix_contract_subjects()
    if "documents" in subject.capabilities
)


class TestProjections(ProjectionViewContract, ProjectionTableContract):
    subject = ASYNC
