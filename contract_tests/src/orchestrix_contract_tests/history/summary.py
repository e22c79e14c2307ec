"""How much a history holds, in numbers."""

from __future__ import annotations

from collections import Counter
from typing import Any, Self

import attrs

from orchestrix_contract_tests.history.operations import Append, History, Load

__all__ = ["Summary"]


@attrs.frozen(kw_only=True)
class Summary:
    """
    Numbers of a history, or of several added up.

    Attributes:
        calls: how many calls there were, of each kind; appends by their outcome.
        errors: how many appends ended with each error that says nothing about its outcome; that
            workers themselves have not waited for an answer is none.
        events: how many events are stored in the end.
    """

    calls: Counter[str] = attrs.field(factory=Counter)
    errors: Counter[str] = attrs.field(factory=Counter)
    events: int = 0

    @classmethod
    def of(cls, history: History) -> Self:
        """Count what is in a history."""
        return cls(
            calls=Counter(_kind(one) for one in history.operations),
            errors=Counter(
                one.error
                for one in history.appends
                if one.outcome == "unknown" and one.error not in (None, "CancelledError")
            ),
            events=len(history.stored),
        )

    def __add__(self, other: Summary) -> Summary:
        return Summary(
            calls=self.calls + other.calls,
            errors=self.errors + other.errors,
            events=self.events + other.events,
        )

    @property
    def operations(self) -> int:
        """How many calls there were."""
        return self.calls.total()

    def __str__(self) -> str:
        kinds = ("acknowledged", "refused", "unknown")
        appends = ", ".join(f"{self.calls[kind]} {kind}" for kind in kinds)
        return (
            f"{sum(self.calls[kind] for kind in kinds)} appends ({appends}), "
            f"{self.calls['loads']} loads, {self.calls['pages']} pages of the log; "
            f"{self.events} events stored"
        )

    def document(self) -> dict[str, Any]:
        """Return the numbers as JSON values."""
        return {
            "operations": self.operations,
            **{kind: self.calls[kind] for kind in sorted(self.calls)},
            "errors": dict(self.errors),
            "events": self.events,
        }


def _kind(one: object) -> str:
    if isinstance(one, Append):
        return one.outcome
    return "loads" if isinstance(one, Load) else "pages"
