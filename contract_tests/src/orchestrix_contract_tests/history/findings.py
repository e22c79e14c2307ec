"""What is wrong with a history: the rule that was broken, by which events and operations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal, TypeAlias

import attrs

from orchestrix_contract_tests.history.operations import Append, Load, Operation, Row

__all__ = ["RULES", "Finding", "Rule"]

Rule: TypeAlias = Literal[
    "lost event",
    "doubled event",
    "reordered event",
    "broken version",
    "position regression",
    "torn append",
    "stale read",
    "event from nowhere",
    "refused event",
]

RULES: Final[dict[Rule, str]] = {
    "lost event": "what was acknowledged, or seen, is there in the end",
    "doubled event": "an event is stored once, however often its append is repeated",
    "reordered event": "append, stream and log have one order, and it is that of time",
    "broken version": "of appends that expect one version one is acknowledged, there; none is "
    "refused that expects what is so",
    "position regression": "no event appears below what a reader has passed",
    "torn append": "an append is seen whole or not at all",
    "stale read": "what was acknowledged, or seen, before a read began is seen by it",
    "event from nowhere": "what is stored was appended, there",
    "refused event": "what was refused is not stored",
}
"""Each rule, and what it says."""

_MOST: Final = 6
"""Events and rows of one operation that are told; a page of the log has hundreds."""


@attrs.frozen(kw_only=True)
class Finding:
    """
    One breach of a rule.

    Attributes:
        rule: which.
        what: what happened, in a sentence.
        events: the ids of the events that it is about.
        operations: what was done that shows it.
        around: what is stored where it happened.
    """

    rule: Rule
    what: str
    events: tuple[str, ...] = ()
    operations: tuple[Operation, ...] = ()
    around: tuple[Row, ...] = ()

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> Iterator[str]:
        """Yield all of it as text."""
        yield f"{self.rule}: {self.what}"
        if self.events:
            yield f"    events: {_some(list(self.events))}"
        yield from (f"    {_described(one)}" for one in self.operations)
        yield from (f"    stored: {_placed(row)}" for row in self.around)

    def document(self) -> dict[str, Any]:
        """Return all of it as JSON values."""
        return {
            "rule": self.rule,
            "what": self.what,
            "events": list(self.events),
            "operations": [_described(one) for one in self.operations],
            "stored": [_placed(row) for row in self.around],
        }


def _described(one: Operation) -> str:
    """Return a line for an operation: who, when, what, and what came of it."""
    head = f"{one.worker} at {one.began:.6f} to {one.ended:.6f}:"
    if isinstance(one, Append):
        expected = "any version" if one.expected is None else f"version {one.expected}"
        came = f"{one.outcome} ({one.error})" if one.error else one.outcome
        return f"{head} appended {_some(list(one.ids))} to {one.stream} at {expected}: {came}"
    if isinstance(one, Load):
        return f"{head} loaded {one.stream} after {one.after}: {_some(list(one.ids))}"
    rows = _some([_placed(row) for row in one.rows])
    return f"{head} read the log after {one.after}, {one.limit} at most: {rows}"


def _placed(row: Row) -> str:
    where = "" if row.position is None else f"{row.position} "
    return f"{where}{row.stream}/{row.version} {row.id}"


def _some(words: list[str]) -> str:
    left = len(words) - _MOST
    more = f" and {left} more" if left > 0 else ""
    return f"[{', '.join(words[:_MOST])}]{more}"
