"""Histories of a store that is right, made up: workers, moments, choices, and a model of a log."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from itertools import count
from random import Random
from typing import Any

from orchestrix_contract_tests.history import Append, History, Load, Read, Row

WORKERS = ("w0", "w1", "w2", "w3")


class Model:
    """
    A store whose calls take effect at one moment between their beginning and their end.

    Of what has no answer, some takes effect long after the caller went on.
    """

    def __init__(self, random: Random, streams: int = 3) -> None:
        self.random = random
        self.streams = streams
        self.log: list[Row] = []
        self.versions: Counter[str] = Counter()
        self.stored: dict[tuple[str, ...], int] = {}
        self.operations: list[Any] = []
        self._known: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._after: Counter[str] = Counter()
        self._again: dict[str, tuple[str, int | None, tuple[str, ...]]] = {}
        self._due: list[tuple[float, int, Any]] = []
        self._number = count()

    def run(self, calls: int) -> History:
        """Return the history of so many calls, made by workers that do one after another."""
        for worker in WORKERS:
            self._plan(worker, self.random.random())
        while self._due:
            moment, _, effect = heapq.heappop(self._due)
            effect(moment, more=len(self.operations) < calls)
        return History(self.operations, self.log)

    def _plan(self, worker: str, free: float) -> None:
        began = free + self.random.random()
        call = self.random.choice((self._append, self._append, self._load, self._read))
        self._at(began + self.random.random(), call(worker, began))

    def _at(self, moment: float, effect: Any) -> None:
        heapq.heappush(self._due, (moment, next(self._number), effect))

    def _done(self, worker: str, moment: float, ended: float, *, more: bool) -> None:
        if more:
            self._plan(worker, max(moment, ended))

    def _append(self, worker: str, began: float) -> Any:
        again = self._again.pop(worker) if worker in self._again else None
        stream, expected, ids = again or self._fresh(worker)
        noticed = self.random.random() < 0.9

        def effect(moment: float, *, more: bool) -> None:
            ended = moment + self.random.random()
            if noticed:
                self.operations.append(self._call(worker, stream, expected, ids, began, ended))
            else:
                self.operations.append(
                    Append(
                        worker=worker, stream=stream, expected=expected, ids=ids,
                        outcome="unknown", began=began,
                    )
                )  # fmt: skip
                if expected is not None and self.random.random() < 0.7:
                    self._again[worker] = (stream, expected, ids)
                late = self.random.choice((0, 0, 3, None))
                if late is not None:
                    self._at(moment + late, lambda _, more: self._store(stream, expected, ids))
            self._done(worker, moment, ended, more=more)

        return effect

    def _fresh(self, worker: str) -> tuple[str, int | None, tuple[str, ...]]:
        stream = f"s{self.random.randrange(self.streams)}"
        expected = None if self.random.random() < 0.2 else self._known[worker][stream]
        number = next(self._number)
        ids = tuple(f"{worker}-{number}-{n}" for n in range(self.random.randint(1, 3)))
        return stream, expected, ids

    def _call(
        self, worker: str, stream: str, expected: int | None, ids: Any, began: float, ended: float
    ) -> Append:
        error = self._store(stream, expected, ids)
        self._known[worker][stream] = self.versions[stream]
        if error is None and expected is not None and self.random.random() < 0.2:
            self._again[worker] = (stream, expected, ids)
        return Append(
            worker=worker, stream=stream, expected=expected, ids=ids,
            outcome="refused" if error else "acknowledged", began=began, ended=ended, error=error,
        )  # fmt: skip

    def _store(self, stream: str, expected: int | None, ids: tuple[str, ...]) -> str | None:
        """Append, or return the name of the error."""
        version = self.versions[stream]
        if ids in self.stored:
            return None if expected == self.stored[ids] else "DuplicateEventError"
        if expected not in (None, version):
            return "ConcurrencyError"
        self.stored[ids] = version
        for event in ids:
            last = self.log[-1].position if self.log else 0
            position = (last or 0) + self.random.choice((1, 1, 4))
            self.versions[stream] += 1
            self.log.append(Row(position, stream, self.versions[stream], event))
        return None

    def _load(self, worker: str, began: float) -> Any:
        stream = f"s{self.random.randrange(self.streams)}"

        def effect(moment: float, *, more: bool) -> None:
            after = max(self.versions[stream] - self.random.randrange(8), 0)
            ids = [row.id for row in self.log if row.stream == stream][after:]
            ended = moment + self.random.random()
            self._known[worker][stream] = self.versions[stream]
            self.operations.append(
                Load(worker=worker, stream=stream, after=after, ids=ids, began=began, ended=ended)
            )
            self._done(worker, moment, ended, more=more)

        return effect

    def _read(self, worker: str, began: float) -> Any:
        limit = self.random.choice((1, 4, 100))

        def effect(moment: float, *, more: bool) -> None:
            after = self._after[worker]
            rows = [row for row in self.log if (row.position or 0) > after][:limit]
            ended = moment + self.random.random()
            self.operations.append(
                Read(worker=worker, after=after, limit=limit, rows=rows, began=began, ended=ended)
            )
            self._after[worker] = (rows[-1].position or 0) if rows else after
            self._done(worker, moment, ended, more=more)

        return effect
