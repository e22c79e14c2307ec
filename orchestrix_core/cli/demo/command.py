"""`orchestrix demo`: load the flights, follow the log, and show what a store can do."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any, Final

import attrs
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from orchestrix_core._backends import create, event_store, opened, require
from orchestrix_core._providers import FIRST_BACKEND
from orchestrix_core.cli._output import print_json
from orchestrix_core.cli._session import JsonOption, run, session_of
from orchestrix_core.cli.demo.delays import follow_log
from orchestrix_core.cli.demo.flights import TOTAL
from orchestrix_core.cli.demo.loading import LogStore, load_flights, rows_loaded
from orchestrix_core.cli.demo.report import Report
from orchestrix_core.cli.demo.tour import (
    append_in_conflict,
    busiest_aircraft,
    expected_counts,
    find_trace,
    rebuild,
)
from orchestrix_core.configuration import Configuration
from orchestrix_core.plugins import PluginRegistry
from orchestrix_core.stores import GLOBAL_LOG, MULTI_STREAM, PERSISTENT

__all__ = ["add_to"]

_NEEDS: Final = (GLOBAL_LOG, MULTI_STREAM, PERSISTENT)
_FILE: Final = "orchestrix-demo.db"
_WIDTH: Final = 120  # columns where no terminal tells: wide enough for every table

LimitOption = Annotated[
    int | None,
    typer.Option(min=1, max=TOTAL, help=f"Load only the first rows; without it all {TOTAL:,}."),
]


def add_to(program: typer.Typer) -> None:
    """Add the command."""
    program.command(epilog="Example: orchestrix demo --limit 20000")(demo)


def demo(ctx: typer.Context, limit: LimitOption = None, json: JsonOption = False) -> None:
    """
    Turn the flights that left New York in 2013 into events, and look at them.

    They go to the event store of the configuration; without one, to the SQLite file
    orchestrix-demo.db in the working directory. A run that was interrupted goes on where it was.
    """
    session = session_of(ctx)
    configuration = _or_default(session.configuration)
    try:
        report = run(_demo(configuration, session.registry, limit or TOTAL))
    except typer.Exit:
        typer.echo("interrupted: run it again to go on from the last append", err=True)
        raise
    if json:
        print_json(report.to_json())
    else:
        report.print_to(Console(width=None if sys.stdout.isatty() else _WIDTH))
    if not report.complete:
        raise typer.Exit(1)


def _or_default(configuration: Configuration) -> Configuration:
    if "event_store" in configuration.chosen:
        return configuration
    settings = {"use": FIRST_BACKEND, FIRST_BACKEND: {"path": _FILE}}
    table = {**configuration.document.table, "event_store": settings}
    return Configuration.from_document(attrs.evolve(configuration.document, table=table))


async def _demo(configuration: Configuration, registry: PluginRegistry, limit: int) -> Report:
    backend = event_store(configuration, registry).backend
    require(backend, _NEEDS)
    path = getattr(configuration.settings(backend), "path", None)
    async with opened(create(configuration, backend)) as store:
        facts = await _steps(store, limit)
    file = Path(path) if isinstance(path, Path) else None
    return Report(
        backend=backend.name,
        file=None if file is None else str(file),
        file_size=file.stat().st_size if file is not None and file.is_file() else None,
        peak_memory=_peak_memory(),
        **facts,
    )


async def _steps(store: LogStore, limit: int) -> dict[str, Any]:
    start = perf_counter()
    there = await rows_loaded(store)
    with _bar("Loading rows", limit, done=min(there, limit)) as step:
        new, events = await load_flights(store, limit, lambda rows, _: step(rows))
    loaded = perf_counter()
    with _bar("Following the log", await store.head()) as step:
        delays, followed = await follow_log(store, step)
    end = perf_counter()
    rows = await rows_loaded(store)
    aircraft = busiest_aircraft(rows, most=5)
    return {
        "rows": rows,
        "rows_new": new,
        "events_new": events,
        "load_seconds": loaded - start,
        "follow_events": followed,
        "follow_seconds": end - loaded,
        "delays": delays,
        "expected": expected_counts(rows),
        "rebuilt": [await rebuild(store, stream) for stream in aircraft],
        "refused": await append_in_conflict(store, aircraft[0]) if aircraft else None,
        "traced": await find_trace(store, rows),
    }


@contextmanager
def _bar(title: str, total: int, done: int = 0) -> Iterator[Any]:
    """Show a progress bar on stderr; where that is no terminal, only its end."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        task = progress.add_task(title, total=total, completed=done)
        yield lambda steps: progress.advance(task, steps)


def _peak_memory() -> int:
    """Return the most memory that this process has held, in bytes; 0 where it cannot be told."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
