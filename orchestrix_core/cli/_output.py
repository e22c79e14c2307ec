"""How results are printed: tables for people, JSON for programs."""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import typer
from rich import box
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["meant", "note", "print_json", "print_line", "print_table", "printable"]


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
    cells = [["" if cell is None else printable(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _print_for_a_terminal(columns, cells)
    else:
        _print_plain([list(columns), *cells])


def _print_for_a_terminal(columns: Sequence[str], rows: list[list[str]]) -> None:
    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    Console().print(table)


def _print_plain(rows: list[list[str]]) -> None:
    """Print columns as wide as they need to be: there may be thousands of rows, for a program."""
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        padded = (set_cell_size(cell, width) for cell, width in zip(row, widths, strict=True))
        typer.echo("  ".join(padded).rstrip())


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


def meant(name: str, known: Iterable[str]) -> str:
    """Say what there is instead of a name that is not there, the nearest one first."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    guess = f"did you mean {near[0]!r}? " if near else ""
    return f"{guess}there are {', '.join(map(repr, names))}" if names else "there are none"
