"""A history, looked up by event and by place: made once, in one pass, for all rules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cached_property
from math import inf
from typing import Final

import attrs

from orchestrix_contract_tests.history.operations import Append, History, Load, Row

__all__ = ["Effort", "Evidence", "Sequenced"]

_AROUND: Final = 2
"""How many rows are told on each side of a place."""


@attrs.define(eq=False)
class Effort:
    """One append, with all attempts at it: they are complete before anything is asked."""

    ids: tuple[str, ...]
    attempts: list[Append] = attrs.field(factory=list)

    @property
    def stream(self) -> str:
        """Where it belongs."""
        return self.attempts[0].stream

    def of(self, outcome: str) -> list[Append]:
        """Return the attempts that came out like this."""
        return [one for one in self.attempts if one.outcome == outcome]

    @cached_property
    def was_refused(self) -> bool:
        """Whether every attempt was."""
        return all(one.outcome == "refused" for one in self.attempts)

    @cached_property
    def began(self) -> float:
        """The first moment at which it can have been stored: no refused attempt has stored it."""
        able = [one for one in self.attempts if one.outcome != "refused"]
        return min(one.began for one in able or self.attempts)


class Sequenced:
    """Rows in one order: the log, or a stream."""

    def __init__(self, rows: Sequence[Row], efforts: dict[str, Effort]) -> None:
        self.rows = rows
        self.index = {row.id: number for number, row in reversed(list(enumerate(rows)))}
        self._is_inside = self._find_insides(efforts)

    def _find_insides(self, efforts: dict[str, Effort]) -> list[bool]:
        """Tell for each number of rows whether an append is there by half after so many."""
        left: dict[int, int] = {}
        found = [False]
        for row in self.rows:
            effort = efforts.get(row.id)
            if effort is not None:
                still = left.get(id(effort), len(effort.ids)) - 1
                left[id(effort)] = still
                if not still:
                    del left[id(effort)]
            found.append(bool(left))
        return found

    def is_inside(self, count: int) -> bool:
        """Whether the first `count` rows hold an append by half."""
        return self._is_inside[min(count, len(self.rows))]

    def around(self, number: int) -> tuple[Row, ...]:
        """Return the rows beside this one."""
        return tuple(self.rows[max(number - _AROUND, 0) : number + _AROUND + 1])


class Evidence:
    """
    What is known of each event.

    Attributes:
        efforts: the append of each event.
        place: where it is stored in the end.
        log: all rows in order, where the store has a log.
        streams: the rows of each stream.
        known: the first moment at which somebody knew that it is stored: it was acknowledged, or
            somebody saw it.
    """

    def __init__(self, history: History) -> None:
        self.history = history
        self.appends = history.appends
        self.efforts: dict[str, Effort] = {}
        self.all_efforts = list(self._find_efforts(self.appends))
        has_log = any(row.position is not None for row in history.stored)
        self.log = Sequenced(history.stored if has_log else [], self.efforts)
        self.place = {row.id: row for row in reversed(history.stored)}
        self.streams = self._find_streams()
        self.known = self._find_known()
        self._empty = Sequenced([], {})

    def _find_efforts(self, appends: Iterable[Append]) -> Iterable[Effort]:
        efforts: dict[tuple[str, ...], Effort] = {}
        for one in appends:
            effort = efforts.setdefault(one.ids, Effort(one.ids))
            effort.attempts.append(one)
            for event in one.ids:
                self.efforts.setdefault(event, effort)
        return efforts.values()

    def _find_streams(self) -> dict[str, Sequenced]:
        rows: defaultdict[str, list[Row]] = defaultdict(list)
        for row in self.history.stored:
            rows[row.stream].append(row)
        return {stream: Sequenced(own, self.efforts) for stream, own in rows.items()}

    def _find_known(self) -> dict[str, float]:
        known: dict[str, float] = {}
        for one in self.appends:
            if one.outcome == "acknowledged":
                self._learn(known, one.ids, one.ended)
        for look in self.history.looks:
            seen = look.ids if isinstance(look, Load) else [row.id for row in look.rows]
            self._learn(known, seen, look.ended)
        return known

    @staticmethod
    def _learn(known: dict[str, float], events: Iterable[str], moment: float) -> None:
        for event in events:
            known[event] = min(known.get(event, inf), moment)

    def stream(self, name: str) -> Sequenced:
        """Return the rows of a stream, which may have none."""
        return self.streams.get(name, self._empty)

    def at(self, stream: str, version: int) -> Row | None:
        """Return what is stored there."""
        rows = self.stream(stream).rows
        return rows[version - 1] if 0 < version <= len(rows) else None

    def known_at(self, event: str) -> float:
        """Return the first moment at which somebody knew that it is stored."""
        return self.known.get(event, inf)

    def began(self, event: str) -> float:
        """Return the first moment at which it can have been stored."""
        effort = self.efforts.get(event)
        return -inf if effort is None else effort.began

    def attempts(self, *events: str) -> tuple[Append, ...]:
        """Return what was tried to store these events, each attempt once."""
        efforts = [self.efforts[event] for event in events if event in self.efforts]
        found = {id(effort): effort for effort in efforts}
        return tuple(one for effort in found.values() for one in effort.attempts)
