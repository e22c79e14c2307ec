"""`orchestrix state` and `diff`: an aggregate as its events made it, and what changed it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import islice, pairwise
from typing import Annotated, Any

import typer

from orchestrix_core.aggregates._past import happened
from orchestrix_core.cli._aggregates import Found, find_aggregate, import_application, states
from orchestrix_core.cli._output import print_json, print_table, printable
from orchestrix_core.cli._read import StreamArgument, open_store
from orchestrix_core.cli._saga_state import is_saga, print_saga
from orchestrix_core.cli._session import JsonOption, Session, run, session_of
from orchestrix_core.cli._values import (
    ABSENT,
    Difference,
    differences,
    text_of,
    text_of_path,
)
from orchestrix_core.messages import Event, stored_as
from orchestrix_core.serialization import JSONSerializer

__all__ = ["add_to"]

AggregateOption = Annotated[
    str | None,
    typer.Option(
        help="The aggregate class or decider, NAME or module:NAME; without it, the one that "
        "applies the events of the stream."
    ),
]
Events = Sequence[Event]


def add_to(program: typer.Typer) -> None:
    """Add the commands."""
    program.command(epilog="Example: orchestrix state ORD-42 --at 2026-03-01T12:00:00Z")(state)
    program.command(epilog="Example: orchestrix diff ORD-42 3 7")(diff)


def state(
    ctx: typer.Context,
    stream: StreamArgument,
    at: Annotated[
        str | None,
        typer.Option(metavar="N|TIME", help="Go back to this version, or this moment."),
    ] = None,
    aggregate: AggregateOption = None,
    json: JsonOption = False,
) -> None:
    """
    Print the state of an aggregate, as its events made it.

    The modules of the configuration are imported: the aggregate is theirs. It is made anew and its
    stored events are applied; nothing is written. Of an instance of a saga, saga-NAME-KEY, it is
    the state that was stored with its last reaction, and the commands it asked for.
    """
    session = session_of(ctx)
    events = _load(session, stream, aggregate)
    if not events:
        _print_nothing(stream, json)
        return
    until = len(events) if at is None else _version(stream, events, at, "--at")
    if aggregate is None and is_saga(events):
        print_saga(stream, events, until, json)
        return
    found = find_aggregate(session, stream, events, aggregate)
    *_, last = states(found, stream, events[:until])
    time = events[until - 1].timestamp.isoformat() if until else None
    if json:
        print_json({**_heading(stream, found), "version": until, "time": time, "state": last})
        return
    typer.echo(
        f"{found.name} {printable(stream)!r} at version {until}{(time and f', {time}') or ''}"
    )
    print_table(("field", "value"), [(name, text_of(value)) for name, value in last.items()])


def diff(
    ctx: typer.Context,
    stream: StreamArgument,
    a: Annotated[str, typer.Argument(metavar="A", help="The earlier version, or a moment.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The later version, or a moment.")],
    aggregate: AggregateOption = None,
    json: JsonOption = False,
) -> None:
    """Print what changed in the state of an aggregate between two versions, and by which events."""
    session = session_of(ctx)
    events = _load(session, stream, aggregate)
    if not events:
        _print_nothing(stream, json)
        return
    if aggregate is None and is_saga(events):
        reason = f"{stream!r} is an instance of a saga: orchestrix state --at N shows how it was"
        raise typer.BadParameter(reason, param_hint="STREAM")
    first, last = _version(stream, events, a, "A"), _version(stream, events, b, "B")
    if last < first:
        reason = f"version {last} comes before {first}: the earlier one stands first"
        raise typer.BadParameter(reason, param_hint="B")
    found = find_aggregate(session, stream, events, aggregate)
    made = list(islice(states(found, stream, events[:last]), first, None))
    steps = [
        (version, events[version - 1], list(differences(before, after)))
        for version, (before, after) in enumerate(pairwise(made), first + 1)
    ]
    changes = [(change, _causes(change, steps)) for change in differences(made[0], made[-1])]
    if json:
        print_json(_document(stream, found, (first, last), changes, steps))
    else:
        typer.echo(f"{found.name} {printable(stream)!r} from version {first} to {last}")
        _print(changes, events)


def _load(session: Session, stream: str, aggregate: str | None) -> list[Any]:
    """Return the events of a stream, in their classes where the application has them."""
    import_application(session, aggregate)
    return run(_loaded(session, stream))


async def _loaded(session: Session, stream: str) -> list[Any]:
    async with open_store(session, serializer=JSONSerializer(unknown="raw")) as store:
        return list(await store.load(stream))


def _version(stream: str, events: Events, at: str, name: str) -> int:
    """Return the version that a number or a moment stands for."""
    try:
        moment: int | datetime = int(at) if at.isdecimal() else datetime.fromisoformat(at)
    except ValueError as exc:
        reason = f"{at!r} is no version and no moment such as 2026-03-01T12:00:00Z"
        raise typer.BadParameter(reason, param_hint=name) from exc
    if isinstance(moment, datetime) and moment.tzinfo is None:
        reason = f"{at!r} has no time zone: write it as {moment.isoformat()}Z, or with +02:00"
        raise typer.BadParameter(reason, param_hint=name)
    if isinstance(moment, int) and moment > len(events):
        reason = f"stream {stream!r} is at version {len(events)}"
        raise typer.BadParameter(reason, param_hint=name)
    return len(happened(stream, 0, events, moment))


def _print_nothing(stream: str, json: bool) -> None:
    if json:
        print_json({"stream": stream, "version": 0})
    else:
        typer.echo(f"stream {printable(stream)!r} has no events")


Step = tuple[int, Event, list[Difference]]
Change = tuple[Difference, list[int]]


def _causes(change: Difference, steps: Sequence[Step]) -> list[int]:
    """Return the versions whose events changed this place, or something above or below it."""
    return [
        version
        for version, _, parts in steps
        if any(part.path[: len(change.path)] == change.path[: len(part.path)] for part in parts)
    ]


def _heading(stream: str, found: Found) -> dict[str, Any]:
    return {"stream": stream, "aggregate": found.name}


def _document(
    stream: str,
    found: Found,
    span: tuple[int, int],
    changes: Sequence[Change],
    steps: Sequence[Step],
) -> dict[str, Any]:
    return {
        **_heading(stream, found),
        "from": span[0],
        "to": span[1],
        "changes": [{**_change(change), "versions": causes} for change, causes in changes],
        "events": [
            {
                "version": version,
                "type": stored_as(event)[0],
                "id": event.id,
                "timestamp": event.timestamp.isoformat(),
                "changes": [_change(part) for part in parts],
            }
            for version, event, parts in steps
        ],
    }


def _change(change: Difference) -> dict[str, Any]:
    """Return a change as JSON values; a side that has nothing there is left out."""
    sides = {"before": change.before, "after": change.after}
    there = {name: value for name, value in sides.items() if value is not ABSENT}
    return {"field": text_of_path(change.path), **there}


def _print(changes: Sequence[Change], events: Events) -> None:
    if not changes:
        typer.echo("nothing changed")
        return
    print_table(
        ("field", "before", "after", "changed by"),
        [
            (
                text_of_path(change.path),
                text_of(change.before),
                text_of(change.after),
                ", ".join(f"{number} {stored_as(events[number - 1])[0]}" for number in causes),
            )
            for change, causes in changes
        ],
    )
