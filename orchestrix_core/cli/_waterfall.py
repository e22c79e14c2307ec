"""A trace as a waterfall: each event below what caused it, and when on the trace's time line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

__all__ = ["waterfall", "waterfall_rows"]

Documents = Sequence[dict[str, Any]]

_WIDTH: Final = 24
"""How many characters the time line has."""


def waterfall(documents: Documents) -> list[dict[str, Any]]:
    """
    Return the events of a trace, each after its cause, with where it stands.

    `depth` is how many events of the trace led to it; `offset_ms` is when it was made after the
    first one, `after_cause_ms` after the one that caused it (None for the outermost).
    """
    by_id = {document["id"]: document for document in documents}
    start = min((_made(document) for document in documents), default=None)
    return [
        {
            **document,
            "depth": depth,
            "offset_ms": _milliseconds(_made(document) - start) if start else 0.0,
            "after_cause_ms": _after_cause(document, by_id) if depth else None,
        }
        for document, depth in _depth_first(documents, by_id)
    ]


def _depth_first(
    documents: Documents, by_id: dict[str, dict[str, Any]]
) -> Iterator[tuple[dict[str, Any], int]]:
    caused: dict[str | None, list[dict[str, Any]]] = {}
    for document in documents:
        caused.setdefault(document.get("causation_id"), []).append(document)
    outermost = [d for d in documents if d.get("causation_id") not in by_id]
    seen: set[str] = set()
    # Ids are data: where events name each other as causes, the rest still comes, as outermost.
    for first in (*outermost, *documents):
        waiting = [(first, 0)]
        while waiting:
            document, depth = waiting.pop()
            if document["id"] not in seen:
                seen.add(document["id"])
                yield document, depth
                effects = caused.get(document["id"], [])
                waiting += [(effect, depth + 1) for effect in reversed(effects)]


def _made(document: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(document["timestamp"])


def _milliseconds(time: timedelta) -> float:
    return round(time / timedelta(milliseconds=1), 3)


def _after_cause(document: dict[str, Any], by_id: dict[str, dict[str, Any]]) -> float:
    return _milliseconds(_made(document) - _made(by_id[document["causation_id"]]))


def waterfall_rows(steps: Documents) -> list[tuple[str, str, str, str]]:
    """Return for each step: the event, set in below its cause; offset; time line; cause."""
    whole = max((step["offset_ms"] for step in steps), default=0.0)
    return [
        (
            "  " * step["depth"] + step["type"],
            f"+{step['offset_ms']:,.1f} ms",
            _time_line(step, whole),
            _cause(step),
        )
        for step in steps
    ]


def _time_line(step: dict[str, Any], whole: float) -> str:
    """Draw from the cause to the event: a wait is a line, the event its end."""
    if not whole:
        return "*"
    offset: float = step["offset_ms"]
    waited: float = step["after_cause_ms"] or 0.0
    end = round(offset / whole * (_WIDTH - 1))
    begin = round((offset - waited) / whole * (_WIDTH - 1))
    begin = max(0, min(begin, end))  # clocks differ: an effect may seem to come before its cause
    return " " * begin + "-" * (end - begin) + "*"


def _cause(step: dict[str, Any]) -> str:
    if step["depth"]:
        return f"{step['after_cause_ms']:,.1f} ms before"
    return str(step.get("causation_id", ""))
