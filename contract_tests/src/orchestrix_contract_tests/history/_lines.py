"""A history as lines of JSON, so that who writes it may be killed at any moment."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from math import inf
from pathlib import Path
from typing import Any, Final

import attrs

from orchestrix_contract_tests.history.operations import Append, History, Load, Operation, Read, Row
from orchestrix_core import OrchestrixError

__all__ = ["HistoryFileError", "lines_of", "read_history", "streams_in", "write_history"]

_NAMES: Final = {"load": Load, "read": Read}


class HistoryFileError(OrchestrixError):
    """A file is no history; file, line and reason are told."""


def read_history(*files: Path) -> History:
    """
    Read what one or several recorders wrote.

    An append that has no end is one of unknown outcome. A last line that was cut off, since its
    writer was killed, is left out.
    """
    reader = _Reader()
    for file in files:
        for number, line in enumerate(_whole_lines(file), 1):
            try:
                reader.take(json.loads(line))
            except (ValueError, TypeError, KeyError) as exc:
                msg = f"{file}, line {number}: no line of a history: {type(exc).__name__}: {exc}"
                raise HistoryFileError(msg) from exc
    return reader.history()


def _whole_lines(file: Path) -> Iterator[str]:
    try:
        with file.open(encoding="utf-8") as lines:
            yield from (line for line in lines if line.endswith("\n"))
    except (OSError, UnicodeDecodeError) as exc:
        msg = f"{file}: cannot be read: {exc}"
        raise HistoryFileError(msg) from exc


def streams_in(file: Path) -> list[str]:
    """Return the streams that a file has appends to, without reading all the rest."""
    appends = (line for line in _whole_lines(file) if line.startswith('{"op":"append"'))
    return list(dict.fromkeys(json.loads(line)["stream"] for line in appends))


class _Reader:
    """Puts together what stands in several lines."""

    def __init__(self) -> None:
        self._about: dict[str, Any] = {}
        self._begun: dict[str, dict[str, Any]] = {}
        self._operations: list[Operation] = []
        self._stored: list[Row] = []

    def take(self, line: dict[str, Any]) -> None:
        """Take the next line of a file."""
        what = line.pop("op")
        if what == "append":
            self._give_up(line["worker"])
            self._begun[line["worker"]] = _timed(line)
        elif what == "ended":
            begun = self._begun.pop(line["worker"])
            self._operations.append(Append(**{**begun, **_timed(line)}))
        elif what == "stored":
            self._stored += (Row(*row) for row in line["rows"])
        elif what == "about":
            self._about |= line
        else:
            self._operations.append(_look(_NAMES[what], line))

    def _give_up(self, worker: str) -> None:
        """Whoever goes on without an end of the last append has never got one."""
        begun = self._begun.pop(worker, None)
        if begun is not None:
            self._operations.append(Append(**begun, outcome="unknown"))

    def history(self) -> History:
        """Return all that was taken."""
        for worker in list(self._begun):
            self._give_up(worker)
        return History(self._operations, self._stored, self._about)


def _look(kind: type[Load | Read], line: dict[str, Any]) -> Load | Read:
    if "rows" in line:
        line["rows"] = [Row(*row) for row in line["rows"]]
    return kind(**_timed(line))


def _timed(line: dict[str, Any]) -> dict[str, Any]:
    """JSON has no infinity: a moment that is null is one that is not known."""
    return {n: v for n, v in line.items() if v is not None or n not in ("began", "ended")}


def write_history(history: History, file: Path) -> None:
    """Write a whole history to a file."""
    with file.open("w", encoding="utf-8") as lines:
        lines.writelines(lines_of(history))


def lines_of(history: History) -> Iterator[str]:
    """Yield a whole history, line by line."""
    yield _line("about", history.about)
    for one in history.operations:
        yield from _lines_of(one)
    for row in history.stored:
        yield _line("stored", {"rows": [attrs.astuple(row)]})


def _lines_of(operation: Operation) -> Iterable[str]:
    facts = attrs.asdict(operation, recurse=False)
    if isinstance(operation, Append):
        end = {name: facts.pop(name) for name in ("outcome", "ended", "error")}
        yield _line("append", facts)
        yield _line("ended", {"worker": operation.worker, **end})
    elif isinstance(operation, Load):
        yield _line("load", facts)
    else:
        yield _line("read", {**facts, "rows": [attrs.astuple(row) for row in operation.rows]})


def _line(op: str, facts: dict[str, Any]) -> str:
    known = {n: None if v in (inf, -inf) else v for n, v in facts.items()}
    return json.dumps({"op": op, **known}, separators=(",", ":")) + "\n"
