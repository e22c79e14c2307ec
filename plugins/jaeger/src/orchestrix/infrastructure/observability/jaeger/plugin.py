"""The hooks of this distribution."""

from __future__ import annotations

from pathlib import Path

from orchestrix.infrastructure.observability.jaeger._config import JaegerConfig
from orchestrix.infrastructure.observability.jaeger._instrumentation import JaegerInstrumentation
from orchestrix.infrastructure.observability.jaeger._observed import ObservedInstrumentation
from orchestrix_core import Backend, ContractSubject, hookimpl

__all__ = ["orchestrix_backends", "orchestrix_contract_subjects"]


def _create(config: JaegerConfig) -> JaegerInstrumentation:
    return JaegerInstrumentation(config)


def _create_subject(directory: Path) -> JaegerInstrumentation:
    """Keep the spans in memory, where the suite can look at them."""
    return ObservedInstrumentation(JaegerConfig(service_name="contract"))


@hookimpl
def orchestrix_backends() -> list[Backend]:
    """Offer tracing, which an application chooses by `tracing.use = "jaeger"`."""
    return [Backend(kind="tracing", name="jaeger", config=JaegerConfig, create=_create)]


@hookimpl
def orchestrix_contract_subjects() -> list[ContractSubject]:
    """Offer the tracer to the contract suite."""
    return [
        ContractSubject(
            kind="tracing", name="jaeger", create=_create_subject, capabilities=frozenset()
        )
    ]
