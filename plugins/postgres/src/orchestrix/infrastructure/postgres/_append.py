"""What goes to the server with an append, and what its answer means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from orchestrix.infrastructure.postgres._documents import check_jsonb
from orchestrix_core import (
    ConcurrencyError,
    DuplicateEventError,
    Event,
    OrchestrixError,
    SerializationError,
    Serializer,
    stored_as,
)

__all__ = [
    "LARGEST",
    "Append",
    "Row",
    "StreamAppend",
    "arguments",
    "check_text",
    "one_each",
    "one_event",
    "outcomes",
    "rows_of",
]

Row: TypeAlias = tuple[str, str, int, str | None, str]
"""Event id, stored name, schema version, trace id, document."""

LARGEST: Final = 2**63 - 1
_LONGEST: Final = 2000  # bytes: what an index holds for certain


class StreamAppend(NamedTuple):
    """What goes to one stream, already serialized."""

    aggregate_id: str
    expected: int | None
    rows: list[Row]


Append: TypeAlias = Sequence[StreamAppend]
"""What is stored whole or not at all."""


def _unfit(text: str) -> str | None:
    """Say what keeps a text out of an indexed column."""
    if "\0" in text:
        return "must not hold a NUL character, which PostgreSQL cannot store"
    if len(text) * 4 > _LONGEST and len(text.encode()) > _LONGEST:
        return f"must be at most {_LONGEST} bytes long"
    return None


def check_text(value: str, argument: str = "aggregate_id") -> None:
    """Refuse an id that no index can hold."""
    if reason := _unfit(value):
        msg = f"{argument} {reason}"
        raise ValueError(msg)


def rows_of(serializer: Serializer, events: Sequence[Event], payload: str) -> list[Row]:
    """Serialize events; nothing was touched when one of them cannot be."""
    rows = []
    for event in events:
        document = serializer.encode(event)
        if payload == "jsonb":
            check_jsonb(event, document)
        type, schema_version = stored_as(event)
        row = (event.id, type, schema_version, event.trace_id, _decoded(event, document))
        _check(event, row)
        rows.append(row)
    return rows


def _decoded(event: Event, document: bytes) -> str:
    try:
        return document.decode()
    except UnicodeDecodeError as error:
        reason = f"its serializer wrote no UTF-8: {error}"
        raise SerializationError(type(event).__name__, reason) from error


def _check(event: Event, row: Row) -> None:
    for name, value in (("id", row[0]), ("type", row[1]), ("trace_id", row[3])):
        if value is not None and (reason := _unfit(value)):
            raise SerializationError(f"{type(event).__name__}.{name}", reason)


def one_event(appends: Sequence[Append]) -> tuple[Any, ...] | None:
    """Return the arguments for a single event, None when there are more or fewer."""
    if len(appends) == 1 and len(appends[0]) == 1 and len(appends[0][0].rows) == 1:
        write = appends[0][0]
        return (write.aggregate_id, _sent(write.expected), *write.rows[0])
    return None


def one_each(appends: Sequence[Append]) -> tuple[Any, ...] | None:
    """Return columns for single events that have nothing in common, None when they are others."""
    if any(len(append) != 1 or len(append[0].rows) != 1 for append in appends):
        return None
    streams = [append[0].aggregate_id for append in appends]
    columns = list(map(list, zip(*(append[0].rows[0] for append in appends), strict=True)))
    if len(set(streams)) < len(streams) or len(set(columns[0])) < len(streams):
        return None
    return (streams, [_sent(append[0].expected) for append in appends], *columns)


def _sent(expected: int | None) -> int | None:
    """Beyond the server's integers no stream has a version, and the largest will do."""
    return None if expected is None else min(expected, LARGEST)


def arguments(appends: Sequence[Append], *, careful: bool) -> tuple[Any, ...]:
    """Return the columns that the server's function takes."""
    numbers: list[int] = []
    streams: list[str] = []
    expected: list[int | None] = []
    offsets: list[int] = []
    writes: list[int] = []
    rows: list[Row] = []
    for number, append in enumerate(appends):
        for write in append:
            numbers.append(number)
            streams.append(write.aggregate_id)
            expected.append(_sent(write.expected))
            offsets.append(len(rows))
            rows += write.rows
            writes += [len(streams)] * len(write.rows)
    columns = list(map(list, zip(*rows, strict=True))) or [[], [], [], [], []]
    return (careful, numbers, streams, expected, offsets, writes, *columns)


def outcomes(
    appends: Sequence[Append], refusals: Sequence[tuple[int, str, int | None, str | None]]
) -> list[OrchestrixError | None]:
    """Return for each append what keeps it from being stored, None for those that are."""
    found: list[OrchestrixError | None] = [None] * len(appends)
    for number, stream, actual, duplicate in refusals:
        if duplicate is not None:
            found[number] = DuplicateEventError(duplicate, stream)
        else:
            expected = next(w.expected for w in appends[number] if w.aggregate_id == stream)
            found[number] = ConcurrencyError(stream, expected or 0, actual or 0)
    return found
