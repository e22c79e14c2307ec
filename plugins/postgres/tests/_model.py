"""What a store must do with appends: one after another, each stored whole or refused."""

from __future__ import annotations

import random
from itertools import count
from typing import TypeAlias

from orchestrix.infrastructure.postgres._append import Append, Row, StreamAppend
from orchestrix_core import ConcurrencyError, DuplicateEventError

Outcome: TypeAlias = tuple[str, ...] | None
"""None when it is stored, else what the error says."""


def told(error: Exception | None) -> Outcome:
    """Return what an error of the store says, in the terms of this model."""
    if isinstance(error, ConcurrencyError):
        actual, expected = error.actual_version, error.expected_version
        return ("conflict", error.aggregate_id, str(expected), str(actual))
    if isinstance(error, DuplicateEventError):
        return ("duplicate", error.aggregate_id, error.event_id)
    return None if error is None else ("error", repr(error))


class Model:
    """
    The log, kept in Python.

    Attributes:
        log: stream, version and id of each event, in order.
    """

    def __init__(self) -> None:
        self.log: list[tuple[str, int, str]] = []
        self.places: dict[str, tuple[str, int]] = {}
        self.versions: dict[str, int] = {}

    def append(self, append: Append) -> Outcome:
        """Store an append, or say why not."""
        versions = [self.versions.get(write.aggregate_id, 0) for write in append]
        pairs = list(zip(append, versions, strict=True))
        conflicts = [(w, v) for w, v in pairs if w.expected not in (None, v)]
        if conflicts and self._is_stored(append):
            return None
        for write in append:
            for row in write.rows:
                if row[0] in self.places:
                    return ("duplicate", write.aggregate_id, row[0])
        for write, version in conflicts:
            return ("conflict", write.aggregate_id, str(write.expected), str(version))
        for write, version in pairs:
            self._store(write, version)
        return None

    def _is_stored(self, append: Append) -> bool:
        """Tell whether this is the very same as an earlier append."""
        places = [
            self.places.get(row[0]) == (write.aggregate_id, (write.expected or 0) + n)
            for write in append
            for n, row in enumerate(write.rows, 1)
        ]
        versioned = all(write.expected is not None for write in append if write.rows)
        return bool(places) and versioned and all(places)

    def _store(self, write: StreamAppend, version: int) -> None:
        for n, row in enumerate(write.rows, version + 1):
            self.log.append((write.aggregate_id, n, row[0]))
            self.places[row[0]] = (write.aggregate_id, n)
            self.versions[write.aggregate_id] = n


class Appends:
    """Makes batches of appends that get in each other's way; `model` is what they meet."""

    def __init__(self, seed: int, model: Model) -> None:
        self._random = random.Random(seed)
        self._model = model
        self._ids = map(str, count(1))
        self._earlier: list[Append] = []

    def batch(self) -> list[Append]:
        """Return what goes out together, of one kind or of many."""
        roll, size = self._random.random(), self._random.choice((1, 1, 2, 3, 5, 9))
        if self._earlier and roll > 0.9:
            return [self._random.choice(self._earlier)]
        if roll > 0.75:
            return self._group()
        if roll < 0.3:
            batch = [self._append(reuse=0.0, most=1, streams=1) for _ in range(size)]
        else:
            reuse = 0.0 if roll < 0.6 else 0.15
            batch = [self._append(reuse, 3, self._random.choice((1, 1, 3))) for _ in range(size)]
        self._earlier += batch
        if roll > 0.6:
            for _ in range(self._random.randint(0, 2)):
                batch.insert(
                    self._random.randint(0, len(batch)), self._random.choice(self._earlier)
                )
        return batch

    def _group(self) -> list[Append]:
        """Return single events for different streams, some of them once again."""
        group: list[Append] = []
        for name in self._random.sample("abcdef", self._random.randint(2, 5)):
            again = [a for a in self._earlier if [w.aggregate_id for w in a] == [name]]
            again = [append for append in again if len(append[0].rows) == 1]
            new = [self._write(name, reuse=0.05, most=1)]
            self._earlier.append(new)
            group.append(self._random.choice([*again[-2:], new, new, new, new]))
        return group

    def _append(self, reuse: float, most: int, streams: int) -> Append:
        names = self._random.sample("abcdef", self._random.randint(1, streams))
        append = [self._write(name, reuse, most) for name in names]
        ids = [row[0] for write in append for row in write.rows]
        # An id twice within an append is refused before anything is sent.
        return append if len(set(ids)) == len(ids) else self._append(reuse, most, streams)

    def _write(self, stream: str, reuse: float, most: int) -> StreamAppend:
        size = self._random.randint(0 if most > 1 else 1, most)
        ids = [next(self._ids) for _ in range(size)]
        if ids and self._random.random() < reuse:  # stored already, or by a neighbour
            last = int(ids[-1])
            ids[-1] = str(self._random.randint(self._random.choice((1, max(last - 8, 1))), last))
            ids = list(dict.fromkeys(ids))
        version = self._model.versions.get(stream, 0)
        near = (version, version, version, version + 1, version + 2, max(version - 1, 0), None)
        rows: list[Row] = [(id, "t", 1, None, "{}") for id in ids]
        return StreamAppend(stream, self._random.choice(near), rows)
