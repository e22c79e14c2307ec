"""How results are printed: tables for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["note", "print_json", "print_line", "print_table", "printable"]

_UNLIMITED = 1_000_000  # columns: nothing is wrapped or cut where no terminal limits the width


def printable(value: object) -> str:
    """Return `value` as text that cannot steer a terminal."""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text
    )


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; a terminal folds long cells, and nothing is ever cut."""
    terminal = sys.stdout.isatty()
    table = Table(box=box.SIMPLE_HEAD if terminal else None, pad_edge=terminal)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text("" if cell is None else printable(cell)) for cell in row))
    console = Console(width=None if terminal else _UNLIMITED)
    if terminal:
        console.print(table)
        return
    with console.capture() as capture:
        console.print(table)
    for line in capture.get().splitlines():
        typer.echo(line.rstrip())


def print_line(text: str) -> None:
    """Print a line and flush it, for output that a reader follows."""
    typer.echo(text)
    sys.stdout.flush()


def print_json(document: Any, *, indent: int | None = 2) -> None:
    """Print one JSON document."""
    print_line(json.dumps(document, ensure_ascii=False, indent=indent))


def note(text: str) -> None:
    """Say something beside the result, on stderr."""
    typer.echo(text, err=True)
