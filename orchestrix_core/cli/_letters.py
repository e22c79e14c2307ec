"""`orchestrix dead-letters`: events that were set aside, handled again or given up."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from orchestrix_core.cli._events import event_document
from orchestrix_core.cli._groups import Listing
from orchestrix_core.cli._output import meant, note, print_json, print_table
from orchestrix_core.cli._read import LimitOption, open_store
from orchestrix_core.cli._session import JsonOption, Session, run, session_of
from orchestrix_core.projections._pointers import read_pointer
from orchestrix_core.stores import DOCUMENTS, GLOBAL_LOG
from orchestrix_core.subscriptions import DeadLetter, DeadLetters
from orchestrix_core.subscriptions._checkpoints import CHECKPOINTS, documents_in

__all__ = ["COLUMNS", "StreamOption", "add_to", "cells", "facts", "subscriptions_named"]

_EXAMPLE: Final = "Example: orchestrix dead-letters OrderTotals --stream ORD-42 --json"
COLUMNS: Final = (
    "subscription", "stream", "position", "version", "event", "state", "attempts", "time", "error",
)  # fmt: skip

StreamOption = Annotated[str | None, typer.Option(help="Only those of this stream.")]


def add_to(program: typer.Typer) -> typer.Typer:
    """Add the group with its first command, and return it for the others."""
    group = typer.Typer(cls=Listing, help="Events that were set aside since a handler failed.")
    group.command("list", epilog=_EXAMPLE)(show)
    program.add_typer(group, name="dead-letters", epilog=_EXAMPLE)
    return group


def show(
    ctx: typer.Context,
    subscription: Annotated[
        str | None, typer.Argument(help="Only those of this subscription, or projection.")
    ] = None,
    stream: StreamOption = None,
    limit: LimitOption = 1000,
    json: JsonOption = False,
) -> None:
    """
    List the dead letters; meant by default.

    An event at which a handler failed ("failed") holds up the later events of its stream
    ("parked") until it is handled after all. --json adds the events and the tracebacks.
    """
    letters, documents = run(_listed(session_of(ctx), subscription, stream, limit, json))
    if json:
        print_json({"dead_letters": documents})
    elif letters:
        print_table(COLUMNS, [cells(letter) for letter in letters[:limit]])
    else:
        typer.echo("no dead letters")
    if len(letters) > limit:
        note(f"note: there are {len(letters)}: give a --limit or a --stream")


async def _listed(
    session: Session, subscription: str | None, stream: str | None, limit: int, whole: bool
) -> tuple[list[DeadLetter], list[dict[str, Any]]]:
    async with open_store(session, GLOBAL_LOG, DOCUMENTS) as store:
        names = await (
            _all(store) if subscription is None else subscriptions_named(store, subscription)
        )
        letters = [
            letter for name in names for letter in await DeadLetters(store, name).list(stream)
        ]
        shown = letters[:limit] if whole else []
        return letters, [await _document(store, letter) for letter in shown]


async def _all(store: Any) -> list[str]:
    """Return the names of all subscriptions that are stored."""
    keys = [found.key async for found in documents_in(store, CHECKPOINTS)]
    return [key for key in keys if "/" not in key]


async def subscriptions_named(store: Any, name: str) -> list[str]:
    """Return the subscription of this name, or those of the projection's generations."""
    if await store.get_document(CHECKPOINTS, name) is not None:
        return [name]
    pointer = await read_pointer(store, name)
    made = [one.full_name for one in (pointer.live, pointer.building) if one is not None]
    if made:
        return made
    reason = f"no subscription {name!r} is stored; {meant(name, await _all(store))}"
    raise typer.BadParameter(reason, param_hint="SUBSCRIPTION")


def cells(letter: DeadLetter) -> tuple[object, ...]:
    place = (letter.subscription, letter.aggregate_id, letter.position, letter.version)
    time = letter.time.isoformat(timespec="seconds")
    return (*place, letter.event_type, letter.state, letter.attempts, time, letter.error)


def facts(letter: DeadLetter) -> dict[str, Any]:
    return {
        "subscription": letter.subscription,
        "stream": letter.aggregate_id,
        "position": letter.position,
        "version": letter.version,
        "state": letter.state,
        "attempts": letter.attempts,
        "time": letter.time.isoformat(),
        "error": letter.error,
    }


async def _document(store: Any, letter: DeadLetter) -> dict[str, Any]:
    """Return a letter with its event and the traceback."""
    (record,) = await store.read_log(letter.position - 1, 1)
    event = event_document(record.event)
    return {**facts(letter), "event": event, "traceback": letter.traceback}
