"""Counts and times one operation, with `with` as well as with `async with`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from time import perf_counter
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

from prometheus_client import Histogram

from orchestrix.infrastructure.observability.prometheus._errors import error_type
from orchestrix.infrastructure.observability.prometheus._instruments import TRACKED
from orchestrix_core import current_trace_id

__all__ = ["OTHER", "Meter", "Tracker"]

_log = logging.getLogger(__name__)

OTHER: Final = "other"
"""What is counted when there are too many values of a label."""

_Pair: TypeAlias = tuple[Any, Any]


class Meter:
    """
    Notes what has happened; whatever goes wrong in that is logged once, and never raised.

    Args:
        instruments: by name, as of `make_instruments`.
        limit: how many values the label of one operation may have.
    """

    def __init__(self, instruments: Mapping[str, Any], limit: int) -> None:
        self._instruments = instruments
        self._limit = limit
        self._values: dict[str, set[str]] = {}
        self._pairs: dict[tuple[str, str, str], _Pair] = {}
        self._reported = False

    def finish(
        self, operation: str, value: str, seconds: float, kind: type[BaseException] | None
    ) -> None:
        """Count and time an operation that has ended, with the trace that it was part of."""
        try:
            error = "" if kind is None else error_type(kind)
            key = (operation, value, error)
            counter, timer = self._pairs.get(key) or self._pair(*key)
            trace = current_trace_id()
            exemplar = None if trace is None else {"trace_id": trace}
            if counter is not None:
                counter.inc(exemplar=exemplar)
            if timer is not None:
                timer(seconds, exemplar)
        except Exception:
            self._report()

    def set(self, gauge: str, value: str, number: float) -> None:
        """Set a gauge; less than nothing is nothing."""
        try:
            self._instruments[gauge].labels(self._bounded(gauge, value)).set(max(0, number))
        except Exception:
            self._report()

    def _pair(self, operation: str, value: str, error: str) -> _Pair:
        """Return the series of an operation, made when it first happens."""
        tracked = TRACKED[operation]
        label = self._bounded(operation, value)
        status = "error" if error else "success"
        counter, timer = None, None
        if tracked.counter is not None:
            counter = self._instruments[tracked.counter].labels(label, status, error)
        if tracked.timer in self._instruments:
            timer = _observer(self._instruments[tracked.timer].labels(label, status))
        pair = (counter, timer)
        if label == value:  # the others are too many to remember
            self._pairs[operation, value, error] = pair
        return pair

    def _bounded(self, name: str, value: str) -> str:
        known = self._values.setdefault(name, set())
        if value in known:
            return value
        if len(known) >= self._limit:
            return OTHER
        known.add(value)
        return value

    def _report(self) -> None:
        if not self._reported:
            self._reported = True
            _log.warning("a metric could not be written; this is said once", exc_info=True)


def _observer(timer: Any) -> Callable[[float, dict[str, str] | None], None]:
    """Return what notes a duration: a summary has no room for an exemplar, a histogram has."""
    if isinstance(timer, Histogram):
        return lambda seconds, exemplar: timer.observe(seconds, exemplar)
    return lambda seconds, exemplar: timer.observe(seconds)


class Tracker:
    """
    A context manager around one operation, which it never changes.

    Not for two operations at once: each asks for its own.
    """

    __slots__ = ("_began", "_meter", "_operation", "_value")

    def __init__(self, meter: Meter, operation: str, value: str) -> None:
        self._meter = meter
        self._operation = operation
        self._value = value
        self._began = 0.0

    def __enter__(self) -> Self:
        """Look at the clock."""
        self._began = perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Count the operation and its time; an exception goes on."""
        self._meter.finish(self._operation, self._value, perf_counter() - self._began, kind)

    async def __aenter__(self) -> Self:
        """Look at the clock."""
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Count the operation and its time; an exception goes on."""
        self.__exit__(kind, error, trace)
