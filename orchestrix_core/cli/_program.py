"""The program itself: its commands, those of the plugins, and how errors end it."""

from __future__ import annotations

import os
import sys
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer
import typer.core
import typer.main

from orchestrix_core.cli import (
    _doctor,
    _init,
    _letters,
    _plugins,
    _projections,
    _read,
    _replay,
    _run,
    _scaffold,
    _state,
)
from orchestrix_core.cli._groups import take_config
from orchestrix_core.cli._session import CONFIG_HELP, session_of
from orchestrix_core.cli.demo import command as _demo
from orchestrix_core.errors import (
    BackendNotFoundError,
    ConfigurationError,
    MissingCapabilityError,
    OrchestrixError,
)
from orchestrix_core.secrets import mask

__all__ = ["main", "make_program"]

_WRONG_INPUT: Final = (ConfigurationError, BackendNotFoundError, MissingCapabilityError)
"""Errors that the user can mend; they end with status 2, as wrong options do."""


class Program(typer.core.TyperGroup):
    """A group of commands that asks the plugins for theirs when it knows no other answer."""

    typer_program: typer.Typer
    asked = False

    def list_commands(self, ctx: Any) -> list[str]:
        """Return all names; a bad configuration must not keep `--help` from working."""
        try:
            self.ask_plugins(ctx)
        except OrchestrixError as error:
            typer.echo(f"commands of plugins are left out: {mask(str(error))}", err=True)
        return super().list_commands(ctx)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command; plugins are loaded only for a name that the core has not."""
        if cmd_name not in self.commands:
            self.ask_plugins(ctx)
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            take_config(command)
        return command

    def ask_plugins(self, ctx: Any) -> None:
        """Add the commands of the plugins; who fails is in the registry's errors."""
        if not self.asked:
            self.asked = True
            session_of(ctx).registry.add_commands(self.typer_program)
            self.commands.update(typer.main.get_group(self.typer_program).commands)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"orchestrix-core {metadata.version('orchestrix-core')}")
        raise typer.Exit


def _root(
    config: Annotated[
        Path | None,
        typer.Option(help=CONFIG_HELP),
    ] = None,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Look into an event-sourced application: what is installed, is it healthy, what happened."""


def make_program() -> Program:
    """Return the program with the commands of the core."""
    program = typer.Typer(
        cls=Program,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        epilog="Example: orchestrix --config shop.toml doctor",
    )
    program.callback()(_root)
    _plugins.add_to(program)
    _scaffold.add_to(program)
    _doctor.add_to(program)
    _read.add_to(program)
    _state.add_to(program)
    _projections.add_to(program)
    _replay.add_to(_letters.add_to(program))
    _run.add_to(program)
    _init.add_to(program)
    _demo.add_to(program)
    group = typer.main.get_group(program)
    if not isinstance(group, Program):
        msg = f"typer made a {type(group).__name__} of a Program"
        raise TypeError(msg)
    group.typer_program = program
    return group


def main() -> NoReturn:
    """Run the program on the arguments of the process, and end the process with its status."""
    try:
        make_program()(prog_name="orchestrix")
    except OrchestrixError as error:
        typer.echo(f"orchestrix: {mask(str(error))}", err=True)
        status = 2 if isinstance(error, _WRONG_INPUT) else 1
    except SystemExit as end:
        status = end.code  # type: ignore[assignment]  # typer always ends with a number
    except BrokenPipeError:
        status = 1
    _flush()
    sys.exit(status)


def _flush() -> None:
    """Write out what is buffered; a reader that has gone (`| head`) is no error worth a word."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # The interpreter flushes once more at its end, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
