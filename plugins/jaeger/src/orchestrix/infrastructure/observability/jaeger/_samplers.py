"""Which traces are kept: Jaeger's samplers for where a trace begins; what belongs to it follows."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Sequence
from time import monotonic

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.util.types import Attributes

from orchestrix.infrastructure.observability.jaeger._config import TracingConfig

__all__ = ["RateLimiting", "sampler"]


def sampler(config: TracingConfig) -> Sampler:
    """Return the sampler that `config` asks for."""
    param = float(config.jaeger_sampler_param)
    match config.jaeger_sampler_type:
        case "const":
            root: Sampler = ALWAYS_ON if param else ALWAYS_OFF
        case "probabilistic":
            root = TraceIdRatioBased(param)
        case _:
            root = RateLimiting(param)
    return ParentBased(root)


class RateLimiting(Sampler):
    """
    Keeps so many traces a second, by a leaky bucket as in Jaeger's clients.

    What is not used is saved up to one second's worth, and at least to one trace: a rate of 0.1
    keeps one trace in ten seconds.
    """

    def __init__(self, per_second: float, *, clock: Callable[[], float] = monotonic) -> None:
        self._rate = per_second
        self._most = max(per_second, 1.0)
        self._clock = clock
        self._balance = self._most
        self._asked_at = clock()
        self._renew_lock()
        if hasattr(os, "register_at_fork"):  # or the child might find it locked for good
            renew = weakref.WeakMethod(self._renew_lock)
            os.register_at_fork(after_in_child=lambda: (again := renew()) and again())

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Keep the trace if the rate allows one more now."""
        if self._take():
            return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes, trace_state)
        return SamplingResult(Decision.DROP, None, trace_state)

    def get_description(self) -> str:
        """Say what it does, as the other samplers do."""
        return f"RateLimiting{{{self._rate:g}}}"

    def _renew_lock(self) -> None:
        self._lock = threading.Lock()

    def _take(self) -> bool:
        with self._lock:
            now = self._clock()
            earned = (now - self._asked_at) * self._rate
            self._asked_at = now
            self._balance = min(self._balance + earned, self._most)
            if self._balance < 1.0:
                return False
            self._balance -= 1.0
            return True
