"""Makes a schema ours, brings an older one up to date, and leaves everyone else's alone."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import asyncpg
import attrs

from orchestrix.infrastructure.postgres._config import PostgreSQLConfig
from orchestrix.infrastructure.postgres._sql import MIGRATIONS, QUERIES, SCHEMA, fill
from orchestrix_core import StorageError

__all__ = ["SCHEMA_VERSION", "SchemaStatus", "drop", "prepare", "status"]

SCHEMA_VERSION: Final = max(MIGRATIONS)
_OLDEST_SERVER: Final = 130000


@attrs.frozen(kw_only=True)
class SchemaStatus:
    """What stands in the schema; `applied` tells when each migration came in."""

    schema: str
    server: int
    applied: dict[int, datetime]

    @property
    def version(self) -> int:
        """The newest migration that was applied, 0 when there is none."""
        return max(self.applied, default=0)

    @property
    def pending(self) -> list[int]:
        """The migrations that are still to come."""
        return [number for number in MIGRATIONS if number not in self.applied]


async def prepare(connection: asyncpg.Connection, config: PostgreSQLConfig) -> None:
    """Create the tables or migrate them; any number of processes may try at the same time."""
    found = await status(connection, config)
    if not found.pending:
        return
    if not config.create:
        have = f"has schema {found.version}" if found.applied else "holds no event store"
        msg = (
            f"schema {config.schema!r} {have}, and {SCHEMA_VERSION} is needed: run "
            "`orchestrix postgres migrate`, or allow it with create=True"
        )
        raise StorageError(msg)
    async with connection.transaction(isolation="read_committed"):
        await connection.execute(QUERIES["lock_migrations"].replace("$1", f"'{config.schema}'"))
        # Again: another process may have been faster.
        await _upgrade(connection, config, await status(connection, config))


async def drop(connection: asyncpg.Connection, config: PostgreSQLConfig) -> None:
    """Remove the schema with all that stands in it."""
    await connection.execute(fill(QUERIES["drop_schema"], config.schema, config.payload))


async def status(connection: asyncpg.Connection, config: PostgreSQLConfig) -> SchemaStatus:
    """Look, and refuse a server or a schema that is not to be used; nothing is changed."""
    facts = await connection.fetchrow(QUERIES["facts"], config.schema)
    _check_server(facts)
    applied = {}
    if facts["versioned"]:
        rows = await connection.fetch(fill(QUERIES["applied"], config.schema, config.payload))
        applied = {row["version"]: row["applied_at"] for row in rows}
    found = SchemaStatus(schema=config.schema, server=facts["server"], applied=applied)
    _check_owner(found, facts["occupied"])
    if facts["payload"] not in (None, config.payload):
        msg = (
            f"schema {config.schema!r} keeps documents as {facts['payload']}: set payload = "
            f"{facts['payload']!r}, or choose another schema for {config.payload!r}"
        )
        raise StorageError(msg)
    return found


def _check_server(facts: asyncpg.Record) -> None:
    if facts["server"] < _OLDEST_SERVER:
        msg = f"PostgreSQL {facts['server'] // 10000} is too old: 13 or later is needed"
        raise StorageError(msg)
    if facts["encoding"] != "UTF8":
        msg = (
            f"the database's encoding is {facts['encoding']}, which cannot hold every character: "
            "create a database with ENCODING 'UTF8'"
        )
        raise StorageError(msg)


def _check_owner(found: SchemaStatus, occupied: bool) -> None:
    if occupied and not found.applied:
        msg = (
            f"schema {found.schema!r} has a table 'events' of another application; it was not "
            "touched: choose another schema"
        )
        raise StorageError(msg)
    if found.version > SCHEMA_VERSION:
        msg = (
            f"schema {found.schema!r} is at {found.version}, newer than {SCHEMA_VERSION}, the "
            "newest known here; it was not touched: upgrade orchestrix-postgres"
        )
        raise StorageError(msg)


async def _upgrade(
    connection: asyncpg.Connection, config: PostgreSQLConfig, found: SchemaStatus
) -> None:
    """Make all at once where there is nothing yet, else go on from where it stands."""

    async def run(statement: str) -> None:
        await connection.execute(fill(statement, config.schema, config.payload))

    if not found.pending:
        return
    facts = await connection.fetchrow(QUERIES["facts"], config.schema)
    if not facts["exists"]:  # to ask for it again takes rights that it does not need
        await run(QUERIES["create_schema"])
    if not facts["versioned"]:
        await run(QUERIES["create_versions"])
    for script in [MIGRATIONS[number] for number in found.pending] if found.applied else [SCHEMA]:
        await run(script)
    note = fill(QUERIES["note_version"], config.schema, config.payload)
    await connection.executemany(note, [(number,) for number in found.pending])
