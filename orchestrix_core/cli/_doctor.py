"""`orchestrix doctor`: the settings in force; do the backends answer, can the application start."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import attrs
import typer

from orchestrix_core._backends import create, event_store, message_bus, observers, opened, ping
from orchestrix_core.cli._output import print_json, print_table, printable
from orchestrix_core.cli._plugins import errors_document, print_errors
from orchestrix_core.cli._run import application
from orchestrix_core.cli._session import JsonOption, Session, run, session_of
from orchestrix_core.errors import OrchestrixError
from orchestrix_core.plugins import InstalledBackend
from orchestrix_core.secrets import mask

__all__ = ["add_to"]

_PATIENCE = 10.0  # seconds for a backend to open and answer; a dead host must not hang the doctor


@attrs.frozen
class Health:
    """How one backend answered."""

    kind: str
    name: str
    distribution: str
    healthy: bool
    milliseconds: float
    error: str | None


def add_to(program: typer.Typer) -> None:
    """Add the command."""
    program.command(epilog="Example: orchestrix --config shop.toml doctor")(doctor)


def doctor(ctx: typer.Context, json: JsonOption = False) -> None:
    """
    Show the configuration with the source of each value, ping each backend, import the modules.

    Ends with status 1 when a backend is not healthy, or the application cannot start: a module
    cannot be imported, or the store lacks what is required. Secrets are masked.
    """
    session = session_of(ctx)
    session.configuration.check_names(session.registry)
    rows = list(_in_use(session))
    entries = session.configuration.entries(session.registry)
    health = run(_examine(session, rows))
    wrong = _hindrance(session)
    if json:
        print_json(_document(session, [attrs.asdict(entry) for entry in entries], health, wrong))
    else:
        _print(session, [attrs.astuple(entry) for entry in entries], health, wrong)
    if wrong is not None or not all(row.healthy for row in health):
        raise typer.Exit(1)


def _in_use(session: Session) -> Iterator[InstalledBackend]:
    """Yield the backends of the application; what is not installed is an error by itself."""
    yield event_store(session.configuration, session.registry)
    bus = message_bus(session.configuration, session.registry)
    if bus is not None:
        yield bus
    yield from observers(session.configuration, session.registry)


async def _examine(session: Session, rows: list[InstalledBackend]) -> list[Health]:
    return [await _health(session, row) for row in rows]


async def _health(session: Session, row: InstalledBackend) -> Health:
    started, answered, error = time.perf_counter(), False, None
    backend = create(session.configuration, row.backend)
    try:
        async with asyncio.timeout(_PATIENCE), opened(backend):
            answered = await ping(backend)
    except TimeoutError:
        error = f"no answer within {_PATIENCE:.0f} seconds"
    except Exception as exc:  # whatever a driver raises: this is what the doctor is here to tell
        error = mask(f"{type(exc).__name__}: {exc}")
    took = round((time.perf_counter() - started) * 1000, 1)
    if not answered and error is None:
        error = "does not answer"
    kind, name = row.key
    return Health(kind, name, row.plugin.distribution, error is None, took, error)


def _hindrance(session: Session) -> str | None:
    """Return why `orchestrix run` would not come to open the backends; None: it would."""
    try:
        application(session)._engine.check()
    except OrchestrixError as exc:
        return mask(str(exc))
    except Exception as exc:  # whatever a module does: this is what the doctor is here to tell
        return mask(f"{type(exc).__name__}: {exc}")
    return None


def _document(
    session: Session, entries: list[Any], health: list[Health], wrong: str | None
) -> dict[str, Any]:
    file = session.configuration.document.file
    return {
        "healthy": wrong is None and all(row.healthy for row in health),
        "configuration": {"file": str(file) if file else None, "settings": entries},
        "application": {"healthy": wrong is None, "error": wrong},
        "backends": [attrs.asdict(row) for row in health],
        "errors": errors_document(session.registry),
    }


def _print(session: Session, entries: list[Any], health: list[Health], wrong: str | None) -> None:
    file = session.configuration.document.file
    typer.echo(f"configuration: {file or 'none found'}")
    print_table(("key", "value", "source"), entries)
    typer.echo("\nbackends:")
    rows = [
        (r.kind, r.name, r.distribution, r.error or "ok", f"{r.milliseconds} ms") for r in health
    ]
    print_table(("kind", "name", "distribution", "health", "time"), rows)
    typer.echo(f"\napplication: {'it can start' if wrong is None else printable(wrong)}")
    print_errors(session.registry)
