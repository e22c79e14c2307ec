"""
What was done to a store, and what came of it: the rows of a history.

Moments are those of `time.monotonic`, one clock for all processes of a machine. Whatever is not
known of them is infinite: then it proves nothing, and so nothing is held against a store.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any, Literal, TypeAlias, cast

import attrs

__all__ = ["Append", "History", "Load", "Operation", "Outcome", "Read", "Row"]

Outcome: TypeAlias = Literal["acknowledged", "refused", "unknown"]


@attrs.frozen
class Row:
    """
    An event and its place; `position` is None for a store that has no log.

    `version` counts from 1 in each stream.
    """

    position: int | None
    stream: str
    version: int
    id: str


def _ids(given: Sequence[str]) -> tuple[str, ...]:
    return tuple(given)


def _some(instance: Append, attribute: attrs.Attribute[Any], value: tuple[str, ...]) -> None:
    if not value or len(set(value)) < len(value):
        msg = f"ids: {value}: an append has an event at least, and each of them once"
        raise ValueError(msg)


@attrs.frozen(kw_only=True)
class Append:
    """
    One call of `save`. Calls with the same ids are attempts at the same append.

    Attributes:
        worker: who called; it does one thing after another.
        expected: the expected version, None for any.
        ids: the ids of the events, in order; no other append has any of them.
        outcome: "refused" is an error that says that nothing was stored; "unknown" is any other
            error, or no answer at all.
        began, ended: moments before the call and after it; an unknown outcome has no end.
        error: the name of the error's class.
    """

    worker: str
    stream: str
    expected: int | None
    ids: tuple[str, ...] = attrs.field(converter=_ids, validator=_some)
    outcome: Outcome
    began: float = -inf
    ended: float = inf
    error: str | None = None


@attrs.frozen(kw_only=True)
class Load:
    """
    One call of `load`.

    Attributes:
        after: how many events of the stream it was to skip.
        ids: what it returned.
    """

    worker: str
    stream: str
    after: int
    ids: tuple[str, ...] = attrs.field(converter=_ids)
    began: float = -inf
    ended: float = inf


def _rows(given: Sequence[Row]) -> tuple[Row, ...]:
    return tuple(given)


@attrs.frozen(kw_only=True)
class Read:
    """
    One page of the log.

    Attributes:
        after: the position that it was to begin after.
        limit: how many rows it was to return at most. What a subscription yielded is a page that
            is full: nothing says that it had to yield more.
        rows: what it returned.
    """

    worker: str
    after: int
    limit: int
    rows: tuple[Row, ...] = attrs.field(converter=_rows)
    began: float = -inf
    ended: float = inf


Operation: TypeAlias = Append | Load | Read


def _operations(given: Sequence[Operation]) -> list[Operation]:
    return list(given)


def _listed(given: Sequence[Row]) -> list[Row]:
    return list(given)


@attrs.frozen
class History:
    """
    Everything that was done, and everything that is stored in the end.

    Attributes:
        operations: in any order.
        stored: the log as it was read when all had ended; without a log, one stream after another.
        about: what made it: the store, the seed, and so on.
    """

    operations: list[Operation] = attrs.field(converter=_operations)
    stored: list[Row] = attrs.field(converter=_listed)
    about: dict[str, Any] = attrs.field(factory=dict)

    @property
    def appends(self) -> list[Append]:
        """The calls of `save`."""
        return [one for one in self.operations if isinstance(one, Append)]

    @property
    def looks(self) -> list[Load | Read]:
        """The calls that read."""
        return cast(
            "list[Load | Read]", [one for one in self.operations if not isinstance(one, Append)]
        )
