"""The hooks of this distribution, and the capabilities it declares."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Final

import typer

from orchestrix.infrastructure.postgres import _commands, _faults, _scratch
from orchestrix.infrastructure.postgres._config import PostgreSQLConfig
from orchestrix.infrastructure.postgres._store import PostgreSQLEventStore
from orchestrix_core import Backend, ContractSubject, JSONSerializer, Secret, Serializer, hookimpl
from orchestrix_core.hookspecs import Faults
from orchestrix_core.stores import (
    ASYNC,
    DOCUMENTS,
    GLOBAL_LOG,
    MULTI_PROCESS,
    MULTI_STREAM,
    NOTIFY,
    PERSISTENT,
    SQL,
)

__all__ = [
    "TEST_DSN",
    "contract_subject",
    "orchestrix_backends",
    "orchestrix_commands",
    "orchestrix_contract_subjects",
]

TEST_DSN: Final = "ORCHESTRIX_TEST_POSTGRES_DSN"
"""The environment variable that names a database for tests; schemas are made in it."""

_CAPABILITIES: Final = frozenset(
    {PERSISTENT, GLOBAL_LOG, MULTI_STREAM, MULTI_PROCESS, NOTIFY, DOCUMENTS, SQL, ASYNC}
)


def _create(config: PostgreSQLConfig, serializer: Serializer | None = None) -> PostgreSQLEventStore:
    return PostgreSQLEventStore(
        config.connection_string.reveal(),
        config.pool_min_size,
        config.pool_max_size,
        config.pool_timeout,
        schema=config.schema,
        payload=config.payload,
        statement_cache_size=config.statement_cache_size,
        poll_interval=config.poll_interval,
        idle_timeout=config.idle_timeout,
        create=config.create,
        serializer=serializer or JSONSerializer(unknown=config.unknown),
    )


def _create_fresh(
    directory: Path, *, dsn: str, serializer: Serializer | None = None
) -> PostgreSQLEventStore:
    """Return a store on a schema of the directory's own."""
    return _create(_fresh(directory, dsn), serializer)


async def _discard_fresh(directory: Path, *, dsn: str) -> None:
    await _scratch.drop(_fresh(directory, dsn))


def _fresh(directory: Path, dsn: str) -> PostgreSQLConfig:
    return _scratch.settings(PostgreSQLConfig(connection_string=Secret(dsn)), directory)


def _faults_fresh(directory: Path, *, dsn: str) -> Faults:
    return _faults_of(_fresh(directory, dsn))


def _faults_of(config: PostgreSQLConfig) -> Faults:
    return _faults.faults(config, _create)


def contract_subject(dsn: str) -> ContractSubject:
    """Return how the contract suite makes stores in a database."""
    return ContractSubject(
        kind="event_store",
        name="postgres",
        create=partial(_create_fresh, dsn=dsn),
        capabilities=_CAPABILITIES,
        discard=partial(_discard_fresh, dsn=dsn),
        faults=partial(_faults_fresh, dsn=dsn),
    )


@hookimpl
def orchestrix_backends() -> list[Backend]:
    """Offer the store."""
    return [
        Backend(
            kind="event_store",
            name="postgres",
            config=PostgreSQLConfig,
            create=_create,
            capabilities=_CAPABILITIES,
            scratch=_scratch.settings,
            discard=_scratch.drop,
            faults=_faults_of,
        )
    ]


@hookimpl
def orchestrix_contract_subjects() -> list[ContractSubject]:
    """Offer the store to the contract suite, where there is a server to test on."""
    dsn = os.environ.get(TEST_DSN)
    return [contract_subject(dsn)] if dsn else []


@hookimpl
def orchestrix_commands(cli: typer.Typer) -> None:
    """Add `orchestrix postgres migrate` and `orchestrix postgres status`."""
    _commands.add_to(cli)
