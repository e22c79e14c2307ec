"""Projections on the async store; there is nothing here but who is meant."""

from __future__ import annotations

from orchestrix_contract_tests import ProjectionContract

from ._subjects import QUICK


class TestProjections(ProjectionContract):
    subject = QUICK
