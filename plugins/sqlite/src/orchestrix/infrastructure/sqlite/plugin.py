"""The hooks of this distribution, and the capabilities it declares."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import attrs

from orchestrix.infrastructure.sqlite import _faults
from orchestrix.infrastructure.sqlite._async import SQLiteEventStore
from orchestrix.infrastructure.sqlite._config import SQLiteConfig, Synchronous
from orchestrix.infrastructure.sqlite._sync import SQLiteSyncEventStore
from orchestrix_core import Backend, ContractSubject, JSONSerializer, Serializer, hookimpl
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
    SYNC,
)

__all__ = ["orchestrix_backends", "orchestrix_contract_subjects"]

_BOTH: Final = frozenset({PERSISTENT, GLOBAL_LOG, MULTI_STREAM, MULTI_PROCESS})
# NOTIFY: a commit of the same process wakes its subscriptions; those of other processes poll.
_ASYNC: Final = _BOTH | {ASYNC, NOTIFY, DOCUMENTS, SQL}
_SYNC: Final = _BOTH | {SYNC}
_FILE: Final = "events.db"


def _create(config: SQLiteConfig, serializer: Serializer | None = None) -> SQLiteEventStore:
    return SQLiteEventStore(
        config.path,
        synchronous=config.synchronous,
        busy_timeout=config.busy_timeout,
        readers=config.readers,
        poll_interval=config.poll_interval,
        create=config.create,
        serializer=serializer or JSONSerializer(unknown=config.unknown),
    )


def _scratch(config: SQLiteConfig, directory: Path) -> SQLiteConfig:
    """Return the settings of a file of the directory's own."""
    return attrs.evolve(config, path=directory / _FILE, create=True)


def _create_async(
    directory: Path, *, serializer: Serializer | None = None, synchronous: Synchronous = "full"
) -> SQLiteEventStore:
    return SQLiteEventStore(directory / _FILE, serializer=serializer, synchronous=synchronous)


def _create_sync(directory: Path, *, serializer: Serializer | None = None) -> SQLiteSyncEventStore:
    return SQLiteSyncEventStore(directory / _FILE, serializer=serializer)


def _faults_of(config: SQLiteConfig) -> Faults:
    return _faults.faults(config.path)


def _faults_fresh(directory: Path) -> Faults:
    return _faults.faults(directory / _FILE)


@hookimpl
def orchestrix_backends() -> list[Backend]:
    """Offer the async store, which an application runs on."""
    return [
        Backend(
            kind="event_store",
            name="sqlite",
            config=SQLiteConfig,
            create=_create,
            capabilities=_ASYNC,
            scratch=_scratch,
            faults=_faults_of,
        )
    ]


@hookimpl
def orchestrix_contract_subjects() -> list[ContractSubject]:
    """Offer both stores to the contract suite."""
    return [
        ContractSubject(
            kind="event_store",
            name="sqlite",
            create=_create_async,
            capabilities=_ASYNC,
            faults=_faults_fresh,
        ),
        ContractSubject(
            kind="event_store",
            name="sqlite-sync",
            create=_create_sync,
            capabilities=_SYNC,
            faults=_faults_fresh,
        ),
    ]
