"""`orchestrix plugin new`: write a project in which a backend is to be implemented."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from importlib import metadata
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template
from typing import Annotated, Final

import attrs
import typer
from packaging.version import Version

from orchestrix_core._providers import KNOWN, provider_of
from orchestrix_core.hookspecs import Kind
from orchestrix_core.plugins import KINDS

__all__ = ["Project", "add_to", "write"]

_TEMPLATES: Final = files(__package__) / "templates"
_SUFFIX: Final = ".tmpl"
_DOT: Final = "dot_"
_PACKAGE: Final = "__package__"
_NAME: Final = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_LONGEST: Final = 24  # so that each line of the templates is short enough
_TAKEN: Final = frozenset(
    {"core", "contract-tests", *(n for names in KNOWN.values() for n in names)}
)
_FORMS: Final[dict[Kind, tuple[str, str, str]]] = {
    "event_store": ("_store", "EventStore", "An event store for Orchestrix"),
    "message_bus": ("_bus", "MessageBus", "A message bus for Orchestrix"),
    "tracing": ("_tracing", "Tracing", "Tracing for Orchestrix"),
    "metrics": ("_metrics", "Metering", "Metrics for Orchestrix"),
}
"""For each kind: the module to implement, what its class is called, and what that is."""


class KindName(StrEnum):
    """The kinds of backends, as the command line takes them."""

    event_store = "event_store"
    message_bus = "message_bus"
    tracing = "tracing"
    metrics = "metrics"


@attrs.frozen
class Project:
    """
    A plugin that is to be written.

    Attributes:
        name: of the backend, as a configuration chooses it.
        kind: what it is.
    """

    name: str
    kind: Kind

    @property
    def distribution(self) -> str:
        """What is installed; it owns the name of the backend."""
        return provider_of(self.name)

    @property
    def package(self) -> str:
        """What is imported."""
        return self.distribution.replace("-", "_")

    @property
    def module(self) -> str:
        """The module of the package that is to be implemented."""
        return _FORMS[self.kind][0]

    def values(self) -> dict[str, str]:
        """Return what stands in the templates by name."""
        module, suffix, summary = _FORMS[self.kind]
        title = "".join(part.capitalize() for part in self.name.split("-"))
        return {
            "name": self.name,
            "kind": self.kind,
            "distribution": self.distribution,
            "package": self.package,
            "module": module,
            "Class": title,
            "Main": title + suffix,
            "summary": summary,
            "core": _compatible(metadata.version("orchestrix-core")),
        }


def _compatible(version: str) -> str:
    """Return the versions that promise to be the same for plugins."""
    here = Version(version)
    after = f"{here.major}.{here.minor + 1}" if here.major == 0 else str(here.major + 1)
    return f">={version},<{after}"


def add_to(program: typer.Typer) -> None:
    """Add the group of commands."""
    group = typer.Typer(no_args_is_help=True, help="Write a plugin of your own.")
    group.callback()(_group)  # a group of one command is no group to typer, without this
    group.command(epilog="Example: orchestrix plugin new acme --kind event_store")(new)
    program.add_typer(group, name="plugin")


def _group() -> None:
    """Write a plugin of your own."""


def new(
    name: Annotated[str, typer.Argument(help="The backend's name, as configurations choose it.")],
    kind: Annotated[KindName, typer.Option(help="What the backend is.")],
    directory: Annotated[
        Path | None, typer.Option(help="Where to write; ./orchestrix-NAME unless told.")
    ] = None,
) -> None:
    """
    Write a complete project for a backend: all but the backend itself.

    It can be installed at once; its tests are the contract, and say what is missing.
    """
    project = Project(_checked(name), next(one for one in KINDS if one == kind))
    place = directory or Path(project.distribution)
    _check_place(place)
    for file in write(project, place):
        typer.echo(f"wrote {file}")
    typer.echo(
        f"\nnext: cd {place} && python -m pip install -e '.[test]' && pytest\n"
        f"then implement src/{project.package}/{project.module}.py"
    )


def write(project: Project, place: Path) -> list[Path]:
    """Write the files of a project, and return where they are."""
    written = []
    for target, template in _files(project):
        file = place / target
        file.parent.mkdir(parents=True, exist_ok=True)
        text = Template(template.read_text(encoding="utf-8")).substitute(project.values())
        file.write_text(text, encoding="utf-8")
        written.append(file)
    return sorted(written)


def _files(project: Project) -> Iterator[tuple[Path, Traversable]]:
    for part in ("common", project.kind):
        yield from _below(_TEMPLATES / part, Path(), project)


def _below(
    folder: Traversable, place: Path, project: Project
) -> Iterator[tuple[Path, Traversable]]:
    for entry in folder.iterdir():
        name = entry.name.replace(_PACKAGE, project.package).removesuffix(_SUFFIX)
        if name.startswith(_DOT):  # under its own name it would be in force here
            name = f".{name.removeprefix(_DOT)}"
        if entry.is_dir():
            yield from _below(entry, place / name, project)
        elif entry.name.endswith(_SUFFIX):
            yield place / name, entry


def _checked(name: str) -> str:
    own = name.removeprefix("orchestrix-")
    if not _NAME.fullmatch(own) or len(own) > _LONGEST:
        near = re.sub(r"[^a-z0-9]+", "-", own.lower()).lstrip("-0123456789")[:_LONGEST].strip("-")
        reason = (
            f"{name!r} is no name for a backend: take up to {_LONGEST} small letters, digits and "
            "single hyphens, a letter first"
        )
        raise typer.BadParameter(f"{reason}, as in {near or 'acme'!r}", param_hint="NAME")
    if own in _TAKEN:
        reason = f"{own!r} is taken: {provider_of(own)} is a distribution of Orchestrix itself"
        raise typer.BadParameter(reason, param_hint="NAME")
    return own


def _check_place(place: Path) -> None:
    if place.exists() and not place.is_dir():
        raise typer.BadParameter(f"{place} is a file", param_hint="--directory")
    if place.is_dir() and any(place.iterdir()):
        reason = f"{place} is not empty, and nothing in it is overwritten: name another --directory"
        raise typer.BadParameter(reason, param_hint="--directory")
