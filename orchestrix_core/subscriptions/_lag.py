"""How far subscriptions have got."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Final

import attrs

from orchestrix_core.errors import NotCaughtUpError
from orchestrix_core.subscriptions._checkpoints import CHECKPOINTS, documents_in, letters_of
from orchestrix_core.subscriptions._letter_keys import stream_of
from orchestrix_core.subscriptions._subscription import Subscription, partition_of

__all__ = ["Lag", "caught_up", "lags"]

_SHORTEST, _LONGEST = 0.005, 0.1  # seconds between two looks
_UNSEEN: Final = "no worker has run it yet"


@attrs.frozen(kw_only=True)
class Lag:
    """
    How far one partition of a subscription has got.

    Attributes:
        name: of the subscription.
        partition: counted from 0.
        position: every event up to here was handled or set aside.
        behind: positions from there to the end of the log.
        owner: the worker that holds it; None: nobody.
        started: whether a worker has ever held it.
        blocked: streams that wait for a dead letter.
        dead_letters: events set aside, those that wait behind one among them.
    """

    name: str
    partition: int
    position: int
    behind: int
    owner: str | None
    started: bool
    blocked: int
    dead_letters: int


async def lags(store: Any, subscriptions: Iterable[Subscription | str] | None = None) -> list[Lag]:
    """Return how far each partition has got, by name and partition; None: all that are stored."""
    names = None if subscriptions is None else _names(subscriptions)
    head = await store.head()
    stored = [found async for found in documents_in(store, CHECKPOINTS)]
    rows = []
    for header in stored:
        if "/" not in header.key and (names is None or header.key in names):
            partitions = {found.key: found.body for found in stored}
            rows += await _rows(store, header.key, header.body["partitions"], partitions, head)
    return rows


async def _rows(
    store: Any, name: str, count: int, bodies: dict[str, dict[str, Any]], head: int
) -> list[Lag]:
    streams: list[set[str]] = [set() for _ in range(count)]
    letters = [0] * count
    async for letter in documents_in(store, letters_of(name)):
        stream = stream_of(letter.key)
        number = partition_of(stream, count)
        streams[number].add(stream)
        letters[number] += 1
    rows = []
    for number in range(count):
        body = bodies.get(f"{name}/{number}")
        if body is not None:
            rows.append(
                Lag(
                    name=name,
                    partition=number,
                    position=body["position"],
                    behind=max(0, head - body["position"]),
                    owner=body["owner"],
                    started=body["epoch"] > 0,
                    blocked=len(streams[number]),
                    dead_letters=letters[number],
                )
            )
    return rows


def _names(subscriptions: Iterable[Subscription | str]) -> set[str]:
    return {each if isinstance(each, str) else each.name for each in subscriptions}


async def caught_up(
    store: Any,
    subscriptions: Iterable[Subscription | str],
    *,
    after: int | None = None,
    timeout: float = 10.0,  # noqa: ASYNC109 - the error tells how far each has got
) -> None:
    """
    Wait until every partition has got to the position `after`; None: to the present end of the log.

    Raises:
        NotCaughtUpError: after `timeout` seconds, with a table of how far each has got.
    """
    names = _names(subscriptions)
    position = await store.head() if after is None else after
    wait = _SHORTEST
    try:
        async with asyncio.timeout(timeout) as limit:
            while not await _reached(store, names, position):
                await asyncio.sleep(wait)
                wait = min(wait * 1.5, _LONGEST)
    except TimeoutError:
        if not limit.expired():
            raise
        table = _table(names, await lags(store, names))
        raise NotCaughtUpError(position, timeout, table) from None


async def _reached(store: Any, names: set[str], position: int) -> bool:
    """Whether all partitions of all subscriptions have got there."""
    for name in names:
        header = await store.get_document(CHECKPOINTS, name)
        if header is None:
            return False
        found = [one async for one in documents_in(store, CHECKPOINTS, f"{name}/")]
        if len(found) < header.body["partitions"]:
            return False
        if any(one.body["position"] < position for one in found):
            return False
    return True


def _table(names: set[str], rows: Sequence[Lag]) -> str:
    """Return the lags as text, one partition a line."""
    lines: list[tuple[str, ...]] = [
        ("subscription", "position", "behind", "owner", "blocked", "dead letters")
    ]
    for row in rows:
        facts = (row.position, row.behind, row.owner or "nobody", row.blocked, row.dead_letters)
        lines.append((f"{row.name}/{row.partition}", *map(str, facts)))
    unseen = names - {row.name for row in rows}
    lines += [(name, _UNSEEN, "", "", "", "") for name in sorted(unseen)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
