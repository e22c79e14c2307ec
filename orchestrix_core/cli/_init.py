"""`orchestrix init`: write a commented configuration to start from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import attrs
import typer

from orchestrix_core._providers import DEFAULT_BUS, FIRST_BACKEND, FIRST_STEP
from orchestrix_core.cli._session import session_of
from orchestrix_core.configuration import FILE_NAME
from orchestrix_core.configuration._structuring import config_fields
from orchestrix_core.errors import ConfigurationError
from orchestrix_core.hookspecs import Backend, Kind
from orchestrix_core.plugins import PluginRegistry

__all__ = ["add_to"]

_PAGE = """\
# The configuration of an Orchestrix application; `orchestrix doctor` shows what is in force.
#
# Values may hold ${{NAME}} or ${{NAME:-default}} from the environment, and an environment variable
# such as ORCHESTRIX__EVENT_STORE__{variable}__... stands over the file.

[orchestrix]
# Which backend keeps the events{installed}.
event_store.use = "{store}"

# Which backend carries messages; without a choice it is "{default_bus}", where that is installed.
{bus}
{watching}
# Your modules, imported at start-up; what they define, handlers and the like, is registered.
modules = []

# Whether subscriptions and timers run in the process of an application.
# worker = true

# Seconds after which other processes take over from one of which nothing is heard, and that what
# is in hand has to finish in at the end; days for which the results of commands are kept.
# lease = 10.0
# grace = 10.0
# commands_kept = 7.0

# What the event store must be able to do, checked at start-up: "persistent", "global_log", ...
requires = []

# Plugins that must not be loaded.
block = []
{settings}"""


def add_to(program: typer.Typer) -> None:
    """Add the command."""
    program.command(epilog="Example: orchestrix --config shop.toml init")(init)


def init(
    ctx: typer.Context,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Write a commented orchestrix.toml here, or the file that --config names."""
    file = session_of(ctx).config or Path(FILE_NAME)
    registry = PluginRegistry.discover()
    try:
        with file.open("w" if force else "x", encoding="utf-8") as target:
            target.write(render(registry))
    except FileExistsError as exc:
        reason = "exists already; overwrite it with --force"
        raise ConfigurationError(reason, file=str(file)) from exc
    except OSError as exc:
        raise ConfigurationError(f"cannot be written: {exc.strerror}", file=str(file)) from exc
    typer.echo(f"wrote {file}; next: orchestrix doctor")
    if not registry.names("event_store"):
        typer.echo(f"no backends installed; get a first one: {FIRST_STEP}")


def render(registry: PluginRegistry) -> str:
    """Return the page, with the settings of every backend that is installed."""
    names = registry.names("event_store")
    store = FIRST_BACKEND if FIRST_BACKEND in names or not names else names[0]
    shown = [row.backend for row in registry.backends if config_fields(row.backend.config)]
    return _PAGE.format(
        variable=store.upper().replace("-", "_"),
        installed=f"; installed: {', '.join(names)}" if names else "",
        store=store,
        default_bus=DEFAULT_BUS,
        bus=_bus(registry.names("message_bus")),
        watching="".join(_watching(registry, kind) for kind in ("tracing", "metrics")),
        settings="".join("\n" + "\n".join(_table(backend)) + "\n" for backend in shown),
    )


def _bus(names: Sequence[str]) -> str:
    """Choose the default bus, or else the first; where there is none, leave the line to be used."""
    name = DEFAULT_BUS if DEFAULT_BUS in names or not names else names[0]
    return f'{"" if names else "# "}message_bus.use = "{name}"'


def _watching(registry: PluginRegistry, kind: Kind) -> str:
    """Offer what watches each operation; nothing is chosen until its line is used."""
    lines = [f'# {kind}.use = "{name}"' for name in registry.names(kind)]
    return "\n".join(["", "# What watches each operation.", *lines, ""]) if lines else ""


def _table(backend: Backend) -> Iterator[str]:
    yield f"# [orchestrix.{backend.kind}.{backend.name}]"
    for name, field in config_fields(backend.config).items():
        yield f"# {name} = {_toml(field.default)}"


def _toml(value: Any) -> str:
    """Write a default as TOML; a value that has no default, or no TOML form, is left to fill in."""
    if isinstance(value, Enum) and value is not attrs.NOTHING:
        value = value.value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str | Path):
        return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
    return "..."
