"""What the commands of one run share: the configuration and the plugins, read when first needed."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Coroutine
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, TypeVar

import typer

from orchestrix_core.configuration import Configuration
from orchestrix_core.plugins import PluginRegistry

__all__ = ["CONFIG_HELP", "INTERRUPTED", "JsonOption", "Session", "run", "session_of"]

T = TypeVar("T")

INTERRUPTED = 130
"""The exit status after Ctrl-C, 128 + SIGINT, as of `tail -f`."""

CONFIG_HELP = "Configuration file; without it, ORCHESTRIX_CONFIG or the nearest orchestrix.toml."
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


class Session:
    """One run of the program."""

    def __init__(self, config: Path | None) -> None:
        self.config = config

    @cached_property
    def configuration(self) -> Configuration:
        """The configuration named by `--config`, or else the nearest."""
        return Configuration.load(self.config)

    @cached_property
    def registry(self) -> PluginRegistry:
        """The installed plugins, but for those that the configuration blocks."""
        return PluginRegistry.discover(block=self.configuration.block)

    def import_modules(self) -> list[ModuleType]:
        """Import the application's modules, those beside the configuration file among them."""
        folder = str(self.configuration.document.folder)
        if folder not in sys.path:
            sys.path.insert(0, folder)
        return self.configuration.import_modules()

    def import_module(self, name: str, hint: str) -> ModuleType:
        """Import one more, which was named at `hint`."""
        try:
            return importlib.import_module(name)
        except (Exception, SystemExit) as exc:
            reason = f"the module {name!r} cannot be imported: {type(exc).__name__}: {exc}"
            raise typer.BadParameter(reason, param_hint=hint) from exc


def session_of(ctx: typer.Context) -> Session:
    """Return the session of this run, made when the first one asks."""
    root = ctx.find_root()
    if not isinstance(root.obj, Session):
        named = root.params.get("config")  # not converted yet: the commands come before the root
        root.obj = Session(Path(named) if named else None)
    return root.obj


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's work to its end; Ctrl-C ends the program without a word."""
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
