"""A subject with few connections for each process; a module of its own, for they import it, too."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from orchestrix.infrastructure.postgres import PostgreSQLEventStore
from orchestrix.infrastructure.postgres.plugin import contract_subject
from orchestrix_core import ContractSubject


def create(directory: Path, *, dsn: str) -> PostgreSQLEventStore:
    return PostgreSQLEventStore(dsn, pool_min_size=1, pool_max_size=4)


def subject(dsn: str) -> ContractSubject:
    capabilities = contract_subject(dsn).capabilities
    return ContractSubject(
        kind="event_store",
        name="postgres",
        create=partial(create, dsn=dsn),
        capabilities=capabilities,
    )
