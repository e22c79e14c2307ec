"""`orchestrix dead-letters replay` and `drop`: what was set aside is handled again, or given up."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Final

import typer

from orchestrix_core.cli._letters import COLUMNS, StreamOption, cells, facts, subscriptions_named
from orchestrix_core.cli._output import note, print_json, print_table, printable
from orchestrix_core.cli._read import open_store
from orchestrix_core.cli._session import JsonOption, Session, run, session_of
from orchestrix_core.stores import DOCUMENTS, GLOBAL_LOG
from orchestrix_core.subscriptions import DeadLetter, DeadLetters

__all__ = ["REPLAY_EXAMPLE", "add_to"]

REPLAY_EXAMPLE: Final = "Example: orchestrix dead-letters replay OrderTotals --wait"
_DROP_EXAMPLE: Final = "Example: orchestrix dead-letters drop mail --stream ORD-42"
_PAUSE: Final = 0.05  # seconds between two looks at what a worker has done
_NEEDS: Final = (GLOBAL_LOG, DOCUMENTS)

SubscriptionArgument = Annotated[
    str, typer.Argument(help="The subscription; of a projection, its name is enough.")
]


def add_to(group: typer.Typer) -> None:
    """Add the commands to the group `dead-letters`."""
    group.command("replay", epilog=REPLAY_EXAMPLE)(replay)
    group.command("drop", epilog=_DROP_EXAMPLE)(drop)


def replay(
    ctx: typer.Context,
    subscription: SubscriptionArgument,
    stream: StreamOption = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until it is done; status 1 if any fails again.")
    ] = False,
    timeout: Annotated[
        float, typer.Option(min=0, help="With --wait: seconds to wait for a worker.")
    ] = 60.0,
    json: JsonOption = False,
) -> None:
    """
    Have the events that failed handled again, and then those that wait behind them, in order.

    The worker that runs the subscription does it (`orchestrix run`), or the next one to.
    """
    session = session_of(ctx)
    marked, before, after = run(_replayed(session, subscription, stream, timeout if wait else None))
    failed = [letter for letter in after if letter.state == "failed"]
    pending = len({_stream(letter) for letter in after} - {_stream(letter) for letter in failed})
    result = {
        "subscription": subscription,
        "streams": marked,
        "done": len(before - {_stream(letter) for letter in after}) if wait else None,
        "pending": pending if wait else None,
        "failed": [facts(letter) for letter in failed] if wait else None,
    }
    if json:
        print_json(result)
    else:
        _print_replayed(result, failed if wait else [])
    if wait and pending:
        note(f"not done within {timeout:g} seconds: is a worker running (orchestrix run)?")
    if wait and (failed or pending):
        raise typer.Exit(1)


Stream = tuple[str, str]
"""A subscription and a stream."""


def _stream(letter: DeadLetter) -> Stream:
    return letter.subscription, letter.aggregate_id


async def _replayed(
    session: Session, subscription: str, stream: str | None, patience: float | None
) -> tuple[int, set[Stream], list[DeadLetter]]:
    """Return how many streams were marked, which stood still, and what stands first in each now."""
    async with open_store(session, *_NEEDS) as store:
        boxes = [
            DeadLetters(store, name) for name in await subscriptions_named(store, subscription)
        ]
        before = {_stream(letter) for letter in await _firsts(boxes, stream)}
        marked = sum([await box.replay(stream) for box in boxes])
        after = await _firsts(boxes, stream)
        if patience is not None:
            after = await _settled(boxes, stream, patience)
        return marked, before, after


async def _boxes(store: Any, subscription: str) -> list[DeadLetters]:
    return [DeadLetters(store, name) for name in await subscriptions_named(store, subscription)]


async def _settled(
    boxes: Sequence[DeadLetters], stream: str | None, patience: float
) -> list[DeadLetter]:
    """Wait until no stream is being handled; return what stands first in each that is left."""
    end = asyncio.get_running_loop().time() + patience
    while True:
        firsts = await _firsts(boxes, stream)
        waiting = any(letter.state != "failed" for letter in firsts)
        if not waiting or asyncio.get_running_loop().time() > end:
            return firsts
        await asyncio.sleep(_PAUSE)


async def _firsts(boxes: Iterable[DeadLetters], stream: str | None) -> list[DeadLetter]:
    """Return the first letter of each stream: it tells how the stream is."""
    first: dict[Stream, DeadLetter] = {}
    for box in boxes:
        for letter in await box.list(stream):
            first.setdefault(_stream(letter), letter)
    return list(first.values())


def _print_replayed(result: dict[str, Any], failed: Sequence[DeadLetter]) -> None:
    if not result["streams"] and not result["pending"] and not failed:
        typer.echo("nothing stands still there")
    elif result["done"] is None:
        typer.echo(f"streams to be handled again: {result['streams']}")
    else:
        rest = f"; that wait still: {result['pending']}" if result["pending"] else ""
        typer.echo(f"streams that go on: {result['done']}; that failed again: {len(failed)}{rest}")
        if failed:
            print_table(COLUMNS, [cells(letter) for letter in failed])


def drop(
    ctx: typer.Context,
    subscription: SubscriptionArgument,
    stream: StreamOption = None,
    position: Annotated[
        int | None, typer.Option(min=1, help="The event at this position, with --stream.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: JsonOption = False,
) -> None:
    """
    Give up the event at which each stream stands still: it will never be handled.

    With --stream only the one of this stream, with --position any event that was set aside. The
    events behind it are handled then.
    """
    if position is not None and stream is None:
        raise typer.BadParameter("it takes a --stream too", param_hint="--position")
    session = session_of(ctx)
    letters = run(_to_drop(session, subscription, stream, position))
    if letters and not yes:
        _ask(letters)
    dropped = run(_dropped(session, letters))
    if json:
        print_json({"dropped": [facts(letter) for letter in dropped]})
    elif dropped:
        typer.echo(f"events given up: {len(dropped)}")
    else:
        typer.echo("nothing to give up there")


async def _to_drop(
    session: Session, subscription: str, stream: str | None, position: int | None
) -> list[DeadLetter]:
    async with open_store(session, *_NEEDS) as store:
        boxes = [
            DeadLetters(store, name) for name in await subscriptions_named(store, subscription)
        ]
        if position is None:
            firsts = await _firsts(boxes, stream)
            return [letter for letter in firsts if letter.state == "failed"]
        found = [letter for box in boxes for letter in await box.list(stream)]
        return [letter for letter in found if letter.position == position]


def _ask(letters: Sequence[DeadLetter]) -> None:
    """Show what is to be given up, and end unless that is meant."""
    for letter in letters:
        place = f"{letter.event_type} at position {letter.position} of stream"
        why = f" ({letter.error})" if letter.error else ""
        note(printable(f"{letter.subscription}: {place} {letter.aggregate_id!r}{why}"))
    typer.confirm(f"Give up {len(letters)}, never to be handled?", abort=True, err=True)


async def _dropped(session: Session, letters: Iterable[DeadLetter]) -> list[DeadLetter]:
    async with open_store(session, *_NEEDS) as store:
        return [
            letter
            for letter in letters
            if await DeadLetters(store, letter.subscription).drop(
                letter.aggregate_id, letter.position
            )
        ]
