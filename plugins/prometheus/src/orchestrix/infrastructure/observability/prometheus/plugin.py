"""The hooks of this distribution."""

from __future__ import annotations

from pathlib import Path

import typer

from orchestrix.infrastructure.observability.prometheus import _commands
from orchestrix.infrastructure.observability.prometheus._config import PrometheusSettings
from orchestrix.infrastructure.observability.prometheus._instrumentation import (
    PrometheusInstrumentation,
)
from orchestrix_core import Backend, ContractSubject, hookimpl

__all__ = ["orchestrix_backends", "orchestrix_commands", "orchestrix_contract_subjects"]


def _create_fresh(directory: Path) -> PrometheusInstrumentation:
    return PrometheusInstrumentation()


@hookimpl
def orchestrix_backends() -> list[Backend]:
    """Offer the metrics."""
    return [
        Backend(
            kind="metrics",
            name="prometheus",
            config=PrometheusSettings,
            create=PrometheusInstrumentation,
        )
    ]


@hookimpl
def orchestrix_contract_subjects() -> list[ContractSubject]:
    """Offer the metrics to the contract suite."""
    return [
        ContractSubject(
            kind="metrics", name="prometheus", create=_create_fresh, capabilities=frozenset()
        )
    ]


@hookimpl
def orchestrix_commands(cli: typer.Typer) -> None:
    """Add `orchestrix metrics`."""
    _commands.add_to(cli)
