"""`orchestrix postgres migrate` and `orchestrix postgres status`."""

from __future__ import annotations

from typing import Any

import attrs
import typer

from orchestrix.infrastructure.postgres._config import PostgreSQLConfig
from orchestrix.infrastructure.postgres._database import Database
from orchestrix.infrastructure.postgres._schema import SCHEMA_VERSION, SchemaStatus
from orchestrix_core.cli._output import print_json, print_table
from orchestrix_core.cli._session import JsonOption, run, session_of

__all__ = ["add_to"]


def add_to(program: typer.Typer) -> None:
    """Add the group of commands."""
    group = typer.Typer(no_args_is_help=True, help="Look after the tables in PostgreSQL.")
    group.command(epilog="Example: orchestrix postgres status --json")(status)
    group.command(epilog="Example: orchestrix --config shop.toml postgres migrate")(migrate)
    program.add_typer(group, name="postgres")


def _database(ctx: typer.Context, *, create: bool) -> Database:
    """Return the database that the configuration names, whichever store is in use."""
    session = session_of(ctx)
    backend = session.registry.installed("event_store", "postgres").backend
    settings: PostgreSQLConfig = session.configuration.settings(backend)
    return Database(attrs.evolve(settings, create=create), "postgres")


def status(ctx: typer.Context, json: JsonOption = False) -> None:
    """
    Show which migrations were applied, and which are still to come.

    Changes nothing. Ends with status 1 when a migration is pending.
    """
    database = _database(ctx, create=False)
    found = run(database.status())
    _print(database, found, json)
    if found.pending:
        raise typer.Exit(1)


def migrate(ctx: typer.Context, json: JsonOption = False) -> None:
    """Create the tables, or bring them up to date; safe to run any number of times."""
    database = _database(ctx, create=True)
    run(database.prepare())
    _print(database, run(database.status()), json)


def _print(database: Database, found: SchemaStatus, json: bool) -> None:
    if json:
        print_json(_document(database, found))
        return
    typer.echo(f"{database.where}, schema {found.schema!r}: at {found.version} of {SCHEMA_VERSION}")
    rows = [(number, at.isoformat(timespec="seconds")) for number, at in found.applied.items()]
    print_table(("migration", "applied"), [*rows, *((n, "pending") for n in found.pending)])


def _document(database: Database, found: SchemaStatus) -> dict[str, Any]:
    return {
        "database": database.where,
        "schema": found.schema,
        "version": found.version,
        "newest": SCHEMA_VERSION,
        "applied": {str(number): at.isoformat() for number, at in found.applied.items()},
        "pending": found.pending,
    }
