"""Writes down what a worker does, while it does it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any, Self

import attrs

from orchestrix_contract_tests.history.operations import Outcome, Row

__all__ = ["Recorder"]


class Recorder:
    """
    Appends lines to a file, each in one write: what was noted is there, however the process ends.

    An append is noted before it is tried, since it may be the last thing that its process does. A
    worker does one thing after another; concurrent tasks are workers of different names.
    """

    def __init__(self, file: Path) -> None:
        self._file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Note no more."""
        os.close(self._file)

    def append(self, worker: str, stream: str, expected: int | None, ids: Sequence[str]) -> None:
        """Note that `save` is about to be called."""
        facts = {"worker": worker, "stream": stream, "expected": expected, "ids": list(ids)}
        self._note("append", **facts, began=monotonic())

    def ended(self, worker: str, outcome: Outcome, error: BaseException | None = None) -> None:
        """Note what came of it."""
        ended = None if outcome == "unknown" else monotonic()
        name = None if error is None else type(error).__name__
        self._note("ended", worker=worker, outcome=outcome, ended=ended, error=name)

    def load(
        self, worker: str, stream: str, after: int, ids: Sequence[str], *, began: float
    ) -> None:
        """Note what a load returned just now."""
        facts = {"worker": worker, "stream": stream, "after": after, "ids": list(ids)}
        self._note("load", **facts, began=began, ended=monotonic())

    def read(
        self, worker: str, after: int, limit: int, rows: Sequence[Row], *, began: float
    ) -> None:
        """Note what a page of the log held just now."""
        ended = monotonic()
        facts = {"worker": worker, "after": after, "limit": limit, "rows": _plain(rows)}
        self._note("read", **facts, began=began, ended=ended)

    def stored(self, rows: Sequence[Row]) -> None:
        """Note what is stored when all has ended, or the next part of it."""
        self._note("stored", rows=_plain(rows))

    def about(self, **facts: Any) -> None:
        """Note what this is a history of."""
        self._note("about", **facts)

    def _note(self, op: str, **facts: Any) -> None:
        line = json.dumps({"op": op, **facts}, separators=(",", ":")).encode() + b"\n"
        while line:
            line = line[os.write(self._file, line) :]


def _plain(rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    return [attrs.astuple(row) for row in rows]
