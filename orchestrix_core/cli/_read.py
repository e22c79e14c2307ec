"""`orchestrix events`, `log`, `trace` and `streams`: what happened."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing, asynccontextmanager
from typing import Annotated, Any

import typer

from orchestrix_core._backends import create, event_store, opened, require
from orchestrix_core.cli._events import RAW, event_document, record_document, summary
from orchestrix_core.cli._output import note, print_json, print_line, print_table, printable
from orchestrix_core.cli._session import JsonOption, Session, run, session_of
from orchestrix_core.cli._waterfall import waterfall, waterfall_rows
from orchestrix_core.records import RecordedEvent, StreamInfo
from orchestrix_core.serialization import Serializer
from orchestrix_core.stores import GLOBAL_LOG, PERSISTENT, AsyncStreamCatalog
from orchestrix_core.validation import check_id

__all__ = ["LimitOption", "StreamArgument", "add_to", "open_store"]

_PAGE = 1000


def _id(value: str) -> str:
    """Refuse an id that no store can hold, an empty one or bytes that are no text."""
    try:
        check_id(value, "it")
    except ValueError as exc:
        raise typer.BadParameter(str(exc)) from exc
    return value


StreamArgument = Annotated[str, typer.Argument(help="The stream (aggregate id).", callback=_id)]
LimitOption = Annotated[int, typer.Option(min=1, help="How many to print at most.")]


def add_to(program: typer.Typer) -> None:
    """Add the commands."""
    program.command(epilog="Example: orchestrix events ORD-42 --at 3")(events)
    program.command(epilog="Example: orchestrix log --after 1000 --types OrderPaid --follow")(log)
    program.command(epilog="Example: orchestrix trace 4bf92f3577b34da6a3ce929d0e0e4736")(trace)
    program.command(epilog="Example: orchestrix streams --prefix ORD-")(streams)


@asynccontextmanager
async def open_store(
    session: Session, *needs: str, serializer: Serializer = RAW
) -> AsyncIterator[Any]:
    """Open the configured event store; by default for reading events of whatever class."""
    configuration, registry = session.configuration, session.registry
    configuration.check_names(registry)
    backend = event_store(configuration, registry).backend
    require(backend, needs)
    if PERSISTENT not in backend.capabilities:
        note(f"note: the event store {backend.name!r} keeps nothing between two processes")
    async with opened(create(configuration, backend, serializer, existing=True)) as store:
        yield store


def events(
    ctx: typer.Context,
    stream: StreamArgument,
    at: Annotated[
        int | None, typer.Option(min=1, help="Show the stream as it was at this version.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Print the events of a stream, in order."""
    stored = run(_load(session_of(ctx), stream))
    if at is not None and at > len(stored):
        reason = f"stream {stream!r} is at version {len(stored)}"
        raise typer.BadParameter(reason, param_hint="--at")
    documents = [
        {"version": version, **event_document(event)}
        for version, event in enumerate(stored[:at], start=1)
    ]
    if json:
        print_json({"stream": stream, "version": len(documents), "events": documents})
    elif documents:
        rows = [(item["version"], *summary(item), item["id"]) for item in documents]
        print_table(("version", "type", "time", "data", "id"), rows)
    else:
        typer.echo(f"stream {printable(stream)!r} has no events")


async def _load(session: Session, stream: str) -> list[Any]:
    async with open_store(session) as store:
        return list(await store.load(stream))


def log(
    ctx: typer.Context,
    after: Annotated[int, typer.Option(min=0, help="Start after this position.")] = 0,
    limit: Annotated[
        int | None, typer.Option(min=1, help="How many to print at most; 1000 without --follow.")
    ] = None,
    types: Annotated[
        list[str] | None,
        typer.Option(help="Keep only this stored type; give it again for several."),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with each new event, until Ctrl-C.")
    ] = False,
    json: Annotated[
        bool,
        typer.Option("--json", help="Print one JSON document; with --follow, one in each line."),
    ] = False,
) -> None:
    """Print the events of all streams in commit order."""
    session, wanted = session_of(ctx), frozenset(types) if types else None
    if follow:
        run(_follow(session, after, limit, wanted, json))
        return
    records, head = run(_read_log(session, after, limit or _PAGE, wanted))
    documents = [record_document(record) for record in records]
    if json:
        print_json({"after": after, "head": head, "events": documents})
    elif documents:
        rows = [(d["position"], d["stream"], d["version"], *summary(d)) for d in documents]
        print_table(("position", "stream", "version", "type", "time", "data"), rows)
    else:
        typer.echo(f"no events after position {after} (the log ends at {head})")
    if len(documents) == (limit or _PAGE) and documents[-1]["position"] < head:
        note(f"note: there may be more: --after {documents[-1]['position']}")


async def _read_log(
    session: Session, after: int, limit: int, types: frozenset[str] | None
) -> tuple[list[RecordedEvent], int]:
    async with open_store(session, GLOBAL_LOG) as store:
        return await store.read_log(after, limit, types), await store.head()


async def _follow(
    session: Session, after: int, limit: int | None, types: frozenset[str] | None, json: bool
) -> None:
    printed = 0
    async with open_store(session, GLOBAL_LOG) as store, aclosing(store.subscribe(after)) as live:
        async for record in live:
            document = record_document(record)
            if types is None or document["type"] in types:
                _print_record(document, json)
                printed += 1
            if printed == limit:
                return


def _print_record(document: dict[str, Any], json: bool) -> None:
    if json:
        print_json(document, indent=None)
    else:
        place = (document["position"], document["stream"], document["version"])
        print_line("  ".join(printable(part) for part in (*place, *summary(document))))


def trace(
    ctx: typer.Context,
    trace_id: Annotated[str, typer.Argument(help="The trace id, 32 hex digits.", callback=_id)],
    json: JsonOption = False,
) -> None:
    """
    Print the events that a trace caused, over all streams, as a waterfall.

    Each event stands below what caused it, with the time since the first one and a line from its
    cause to itself. What caused the outermost, a command for instance, is named by its id.
    """
    documents = [event_document(event) for event in run(_load_trace(session_of(ctx), trace_id))]
    steps = waterfall(documents)
    if json:
        print_json({"trace_id": trace_id, "events": steps})
    elif steps:
        rows = zip(waterfall_rows(steps), steps, strict=True)
        print_table(
            ("event", "offset", "time line", "caused by", "data", "id"),
            [(*row, summary(step)[2], step["id"]) for row, step in rows],
        )
    else:
        typer.echo(f"no events have the trace {printable(trace_id)!r}")


async def _load_trace(session: Session, trace_id: str) -> list[Any]:
    async with open_store(session) as store:
        return list(await store.load_by_trace(trace_id))


def streams(
    ctx: typer.Context,
    prefix: Annotated[str, typer.Option(help="Keep only ids that start with this.")] = "",
    limit: LimitOption = _PAGE,
    json: JsonOption = False,
) -> None:
    """List the streams and how many events each holds."""
    found = run(_streams(session_of(ctx), prefix, limit + 1))
    shown = found[:limit]
    if json:
        print_json(
            {"streams": [{"stream": row.aggregate_id, "version": row.version} for row in shown]}
        )
    elif shown:
        print_table(("stream", "version"), [(row.aggregate_id, row.version) for row in shown])
    else:
        typer.echo(f"no streams start with {printable(prefix)!r}" if prefix else "no streams")
    if len(found) > limit:
        note(f"note: there are more than {limit}: give a --limit or a --prefix")


async def _streams(session: Session, prefix: str, limit: int) -> list[StreamInfo]:
    async with open_store(session) as store:
        if not isinstance(store, AsyncStreamCatalog):
            require(event_store(session.configuration, session.registry).backend, [GLOBAL_LOG])
            return _matching(await _counted(store), prefix)[:limit]
        found: list[StreamInfo] = []
        after = ""
        while len(found) < limit and (page := await store.streams(after, _PAGE)):
            found += _matching(page, prefix)
            after = page[-1].aggregate_id
        return found[:limit]


def _matching(page: Iterable[StreamInfo], prefix: str) -> list[StreamInfo]:
    return [row for row in page if row.aggregate_id.startswith(prefix)]


async def _counted(store: Any) -> list[StreamInfo]:
    """Count the streams of a store that has no list of them, along its log."""
    versions: dict[str, int] = {}
    after = 0
    while page := await store.read_log(after, _PAGE):
        versions |= {record.aggregate_id: record.version for record in page}
        after = page[-1].position
    return [StreamInfo(aggregate_id=id, version=versions[id]) for id in sorted(versions)]
