"""The command `orchestrix certify-history`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrix_contract_tests.history._lines import read_history
from orchestrix_contract_tests.history.checker import check
from orchestrix_contract_tests.history.findings import Finding
from orchestrix_contract_tests.history.operations import History
from orchestrix_contract_tests.history.summary import Summary
from orchestrix_core.cli._output import print_json, printable
from orchestrix_core.cli._session import JsonOption

__all__ = ["add_to"]


def add_to(program: typer.Typer) -> None:
    """Add the command."""
    program.command(epilog="Example: orchestrix certify-history history.jsonl")(certify_history)


def certify_history(
    files: Annotated[
        list[Path], typer.Argument(help="A recorded history; several are parts of one.")
    ],
    most: Annotated[int, typer.Option(min=1, help="Findings to print at most.")] = 20,
    json: JsonOption = False,
) -> None:
    """
    Judge what workers did to a store, as it was recorded.

    Ends with status 0 when no rule was broken, and 1 when one was.
    """
    history = read_history(*files)
    found = check(history)
    if json:
        print_json(_document(history, found))
    else:
        _print(history, found, most)
    raise typer.Exit(1 if found else 0)


def _print(history: History, found: list[Finding], most: int) -> None:
    about = ", ".join(f"{name} {value}" for name, value in history.about.items())
    typer.echo(printable(f"{about}: {Summary.of(history)}" if about else f"{Summary.of(history)}"))
    for finding in found[:most]:
        typer.echo()
        for line in finding.lines():
            typer.echo(printable(line))
    left = len(found) - most
    typer.echo(f"\n{len(found) or 'no'} findings" + (f", {left} not shown" if left > 0 else ""))


def _document(history: History, found: list[Finding]) -> dict[str, Any]:
    return {
        "about": history.about,
        **Summary.of(history).document(),
        "findings": [finding.document() for finding in found],
    }
