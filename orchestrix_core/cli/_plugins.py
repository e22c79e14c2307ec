"""`orchestrix plugins`: what is installed, from where, what failed to load, what will go."""

from __future__ import annotations

from typing import Any

import typer

from orchestrix_core._providers import FIRST_STEP
from orchestrix_core.cli._output import print_json, print_table
from orchestrix_core.cli._session import JsonOption, session_of
from orchestrix_core.plugins import PluginRegistry

__all__ = ["add_to", "errors_document"]


def add_to(program: typer.Typer) -> None:
    """Add the command."""
    program.command(epilog="Example: orchestrix plugins --json")(plugins)


def plugins(ctx: typer.Context, json: JsonOption = False) -> None:
    """
    List the installed backends, the plugins that failed to load and why, and what will go.

    Ends with status 1 when something failed to load: all else works, but something is amiss.
    """
    root = ctx.find_root()
    root.command.ask_plugins(root)  # type: ignore[attr-defined]  # the root is our Program
    registry = session_of(ctx).registry
    if json:
        print_json(_document(registry))
    else:
        _print_backends(registry)
        print_errors(registry)
        _print_told("deprecated", _deprecations(registry))
    if registry.errors:
        raise typer.Exit(1)


def _document(registry: PluginRegistry) -> dict[str, Any]:
    return {
        "backends": _backends(registry),
        "errors": errors_document(registry),
        "deprecations": _deprecations(registry),
    }


def errors_document(registry: PluginRegistry) -> list[dict[str, str]]:
    """Return what failed to load, as JSON values."""
    return [
        {
            "plugin": error.name,
            "distribution": error.distribution,
            "version": error.version,
            "reason": error.reason,
        }
        for error in registry.errors
    ]


def print_errors(registry: PluginRegistry) -> None:
    """Print what failed to load, when anything did."""
    _print_told("failed to load", errors_document(registry))


def _print_told(what: str, document: list[dict[str, str]]) -> None:
    if document:
        typer.echo(f"\n{what}:")
        print_table(tuple(document[0]), [tuple(row.values()) for row in document])


def _deprecations(registry: PluginRegistry) -> list[dict[str, str]]:
    return [
        {
            "plugin": plugin.name,
            "distribution": plugin.distribution,
            "version": plugin.version,
            "reason": text,
        }
        for plugin in registry.plugins
        for text in plugin.deprecations
    ]


def _backends(registry: PluginRegistry) -> list[dict[str, Any]]:
    return [
        {
            "kind": row.backend.kind,
            "name": row.backend.name,
            "distribution": row.plugin.distribution,
            "version": row.plugin.version,
            "capabilities": sorted(row.backend.capabilities),
        }
        for row in registry.backends
    ]


def _print_backends(registry: PluginRegistry) -> None:
    rows = [(*row.values(),) for row in _backends(registry)]
    if not rows:
        typer.echo(f"no backends installed\nget a first one: {FIRST_STEP}")
        return
    columns = ("kind", "name", "distribution", "version", "capabilities")
    print_table(columns, [(*row[:-1], ", ".join(row[-1])) for row in rows])
