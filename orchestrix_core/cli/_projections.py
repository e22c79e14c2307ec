"""`orchestrix projections`: how each view is, and making one anew."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Annotated, Final

import attrs
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from orchestrix_core.cli._groups import Listing
from orchestrix_core.cli._output import meant, note, print_json, print_table
from orchestrix_core.cli._read import open_store
from orchestrix_core.cli._session import JsonOption, Session, run, session_of
from orchestrix_core.errors import RebuildError
from orchestrix_core.projections import Generation, Projection, rebuild
from orchestrix_core.projections import Progress as Done
from orchestrix_core.projections._pointers import POINTERS, Pointer, read_pointer
from orchestrix_core.projections._rebuild import Report
from orchestrix_core.serialization import JSONSerializer
from orchestrix_core.stores import DOCUMENTS, GLOBAL_LOG
from orchestrix_core.subscriptions import Lag, lags
from orchestrix_core.subscriptions._checkpoints import documents_in

__all__ = ["add_to"]

_EXAMPLE: Final = "Example: orchestrix projections rebuild OrderTotals"
_NOBODY: Final = "nobody"


@attrs.frozen(kw_only=True)
class Row:
    """
    One generation of a projection, as the table shows it.

    Attributes:
        name: of the projection.
        generation: its number.
        version: of the projection's class that makes it.
        kind: "async", "inline", or "building" for one that a rebuild makes.
        position: where its last partition stands; None for one that changes with each append.
        behind: positions from there to the end of the log.
        partitions: how many it has.
        owners: the worker that holds each partition; None: nobody.
        blocked: streams that wait for a dead letter.
        dead_letters: events set aside.
    """

    name: str
    generation: int
    version: int
    kind: str
    position: int | None
    behind: int
    partitions: int
    owners: Sequence[str | None]
    blocked: int
    dead_letters: int

    def cells(self) -> tuple[object, ...]:
        """Return what stands in the table."""
        numbers = (self.position, self.behind, self.partitions)
        facts = (self.name, self.generation, self.kind, *numbers)
        return (*facts, _owners(self.owners), self.blocked, self.dead_letters)


_COLUMNS: Final = (
    "name", "generation", "kind", "position", "behind", "partitions", "owner", "blocked streams",
    "dead letters",
)  # fmt: skip


def add_to(program: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(cls=Listing, help="Show how projections are, and make them anew.")
    group.command("list", epilog="Example: orchestrix projections --json")(show)
    group.command("rebuild", epilog=_EXAMPLE)(make_anew)
    program.add_typer(group, name="projections", epilog=_EXAMPLE)


def show(ctx: typer.Context, json: JsonOption = False) -> None:
    """
    List the projections that have a view, and how far each one has got; meant by default.

    A rebuild that is going on, or was interrupted, has a row of its own ("building"). No module
    of the application is imported.
    """
    rows = run(_rows(session_of(ctx)))
    if json:
        print_json({"projections": [attrs.asdict(row) for row in rows]})
    elif rows:
        print_table(_COLUMNS, [row.cells() for row in rows])
    else:
        typer.echo("no projections")


async def _rows(session: Session) -> list[Row]:
    async with open_store(session, GLOBAL_LOG, DOCUMENTS) as store:
        names = [found.key async for found in documents_in(store, POINTERS)]
        pointers = [await read_pointer(store, name) for name in names]
        made = [generation for pointer in pointers for generation in _generations(pointer)]
        found = await lags(store, [generation.full_name for _, generation in made])
        head = await store.head()
    return [_row(kind, generation, found, head) for kind, generation in made]


def _generations(pointer: Pointer) -> Iterator[tuple[str, Generation]]:
    if pointer.live is not None:
        yield ("inline" if pointer.live.inline else "async"), pointer.live
    if pointer.building is not None:
        yield "building", pointer.building


def _row(kind: str, generation: Generation, found: Iterable[Lag], head: int) -> Row:
    parts = [lag for lag in found if lag.name == generation.full_name and kind != "inline"]
    position = min((lag.position for lag in parts), default=0)
    return Row(
        name=generation.projection,
        generation=generation.number,
        version=generation.version,
        kind=kind,
        position=None if kind == "inline" else position,
        behind=0 if kind == "inline" else max(0, head - position),
        partitions=generation.partitions,
        owners=[lag.owner for lag in parts],
        blocked=sum(lag.blocked for lag in parts),
        dead_letters=sum(lag.dead_letters for lag in parts),
    )


def _owners(owners: Sequence[str | None]) -> str:
    """Return who holds the partitions, with how many if there are several."""
    counted = Counter(owner or _NOBODY for owner in owners)
    if len(owners) <= 1:
        return ", ".join(counted)
    return ", ".join(f"{owner} ({count})" for owner, count in sorted(counted.items()))


def make_anew(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The projection, NAME or module:NAME of its class.")],
    restart: Annotated[
        bool, typer.Option("--restart", help="Begin anew where a former run was interrupted.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """
    Make the view of a projection anew from the whole log, then have it read instead of the old one.

    The old view is read and kept up to date meanwhile. What was interrupted goes on where it was
    when the command is given again; given in several processes at once, they share the work.
    """
    session = session_of(ctx)
    projection = _find(session, name)
    began = time.monotonic()
    try:
        number = run(_rebuild(session, projection, restart))
    except typer.Exit:
        note(f"interrupted: what is done is kept, run `{_again(name)}` to go on")
        raise
    except RebuildError:
        note(
            f"what is done is kept; see `orchestrix dead-letters`, then run `{_again(name)}` "
            "to go on, or with --restart to begin anew"
        )
        raise
    if json:
        seconds = round(time.monotonic() - began, 3)
        print_json({"projection": projection.name, "generation": number, "seconds": seconds})
    else:
        typer.echo(f"{projection.name}: generation {number} is live")


def _again(name: str) -> str:
    return f"orchestrix projections rebuild {name}"


async def _rebuild(session: Session, projection: type[Projection], restart: bool) -> int:
    lease = session.configuration.runtime.lease
    needs = (GLOBAL_LOG, DOCUMENTS)
    async with open_store(session, *needs, serializer=JSONSerializer()) as store:
        with _progress(projection.name) as report:
            return await rebuild(store, projection, restart=restart, lease=lease, progress=report)


def _find(session: Session, name: str) -> type[Projection]:
    """Return the projection of this name that the modules of the application have."""
    modules = session.import_modules()
    if ":" in name:
        modules.append(session.import_module(name.partition(":")[0], "NAME"))
    known = {found.name: found for module in modules for found in _in(module)}
    wanted = name.partition(":")[2] or name
    by_class = {found.__name__: found for found in known.values()}
    found = known.get(wanted) or by_class.get(wanted)
    if found is None:
        reason = f"no module of the application has a projection {name!r}; {meant(wanted, known)}"
        more = "add its module, modules = [...], or name it as module:NAME"
        raise session.configuration.document.fault(("modules",), f"{reason}: {more}")
    return found


def _in(module: ModuleType) -> Iterator[type[Projection]]:
    for thing in list(vars(module).values()):
        if isinstance(thing, type) and issubclass(thing, Projection) and thing.hearers.types:
            yield thing


@contextmanager
def _progress(name: str) -> Iterator[Report]:
    """Show how far it is, on stderr: as a bar on a terminal, else as a line now and then."""
    if not sys.stderr.isatty():
        yield _Lines(name).report
        return
    columns = (
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(),
        TextColumn("{task.completed:,} of {task.total:,}, {task.fields[rate]:,.0f} a second"),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=0, rate=0.0)
        yield lambda done: bar.update(task, total=done.total, completed=done.done, rate=done.rate)


class _Lines:
    """Prints a line for each tenth, and one for the end."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._told = -1

    def report(self, done: Done) -> None:
        """Say how far it is, unless that was said."""
        tenth = 10 * done.done // done.total if done.total else 10
        if tenth > self._told:
            self._told = tenth
            note(
                f"{self._name}: {done.done:,} of {done.total:,} positions, "
                f"{done.rate:,.0f} a second"
            )
