"""How commands are put together: one that is meant without being named, and `--config` anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer
import typer.core
import typer.main

from orchestrix_core.cli._session import CONFIG_HELP, Session

__all__ = ["Listing", "take_config"]

_CONFIG: Final = "--config"


class Listing(typer.core.TyperGroup):
    """A group whose command `list` is meant where none is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put in `list` where it was left out."""
        if not args or args[0] not in (*self.commands, *ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)


def take_config(command: Any) -> None:
    """Let `--config` stand behind a command too, unless that has such an option of its own."""
    below = getattr(command, "commands", {})
    for one in below.values():
        take_config(one)
    if not below and not any(_CONFIG in parameter.opts for parameter in command.params):
        command.params.append(_config_option())


def _config_option() -> Any:
    """Return the option, made by typer as for any command."""
    program = typer.Typer(add_completion=False)
    program.command()(_take)
    (option,) = (
        parameter
        for parameter in typer.main.get_command(program).params
        if _CONFIG in parameter.opts
    )
    return option


def _set_config(ctx: typer.Context, value: str | None) -> None:
    if value is not None:
        root = ctx.find_root()
        root.params["config"] = value
        root.obj = Session(Path(value))  # the first one may have been made to find the command


def _take(
    config: Annotated[
        str | None,
        typer.Option(metavar="FILE", help=CONFIG_HELP, callback=_set_config, expose_value=False),
    ] = None,
) -> None:
    """Do nothing: this is here for its option."""
