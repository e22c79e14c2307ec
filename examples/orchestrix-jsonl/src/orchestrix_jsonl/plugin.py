"""The hooks of this distribution, and the capabilities that it declares."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import attrs
from orchestrix_core import Backend, ContractSubject, Serializer, hookimpl
from orchestrix_core.hookspecs import Faults
from orchestrix_core.stores import (
    ASYNC,
    GLOBAL_LOG,
    MULTI_PROCESS,
    MULTI_STREAM,
    PERSISTENT,
)

from orchestrix_jsonl import _faults
from orchestrix_jsonl._config import JsonlConfig
from orchestrix_jsonl._store import JsonlEventStore

__all__ = ["orchestrix_backends", "orchestrix_contract_subjects"]

CAPABILITIES: Final = frozenset({ASYNC, GLOBAL_LOG, MULTI_PROCESS, MULTI_STREAM, PERSISTENT})
"""What the store can do: see `orchestrix_core.stores`. The more is declared, the more is tested."""


def _create(
    config: JsonlConfig,
    serializer: Serializer | None = None,
) -> JsonlEventStore:
    return JsonlEventStore(config, serializer)


def _scratch(
    config: JsonlConfig,
    directory: Path,
) -> JsonlConfig:
    """Return the settings of a new, empty store; the same directory gives the same store."""
    return attrs.evolve(config, path=directory / "events.jsonl", create=True)


def _create_fresh(
    directory: Path,
    *,
    serializer: Serializer | None = None,
) -> JsonlEventStore:
    config = _scratch(JsonlConfig(), directory)
    return JsonlEventStore(config, serializer)


def _faults_of(config: JsonlConfig) -> Faults:
    return _faults.faults(config.path)


def _faults_fresh(directory: Path) -> Faults:
    return _faults_of(_scratch(JsonlConfig(), directory))


@hookimpl
def orchestrix_backends() -> list[Backend]:
    """Offer the store to applications."""
    return [
        Backend(
            kind="event_store",
            name="jsonl",
            config=JsonlConfig,
            create=_create,
            capabilities=CAPABILITIES,
            scratch=_scratch,
            faults=_faults_of,
        )
    ]


@hookimpl
def orchestrix_contract_subjects() -> list[ContractSubject]:
    """Offer the store to the contract suite."""
    return [
        ContractSubject(
            kind="event_store",
            name="jsonl",
            create=_create_fresh,
            capabilities=CAPABILITIES,
            faults=_faults_fresh,
        )
    ]
