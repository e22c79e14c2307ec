"""
How time is taken: all contestants of all cases in one process, round by round.

In each round each contestant runs once, and the order turns by one from round to round, so that
whatever else the machine does falls on all of them. The garbage collector runs as it does in an
application, for everyone alike; what was there before a measurement is kept out of its sight.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from statistics import median
from time import perf_counter
from typing import TypeAlias

import attrs

Work: TypeAlias = Callable[[], int]
"""What is timed; it returns how many events it handled, so that none can be left out unseen."""
Start: TypeAlias = Callable[[int], AbstractContextManager[Work]]
"""Prepares work on so many events; neither preparing nor clearing up is timed."""


@attrs.frozen
class Contestant:
    """One way to do the work of a case."""

    name: str
    start: Start


@attrs.frozen
class Comparison:
    """`target`: how fast ours must be, as a multiple of the baseline; None: for information."""

    ours: str
    baseline: str
    target: float | None = None


@attrs.frozen(kw_only=True)
class Case:
    """
    Contestants that do the same work.

    Attributes:
        name: for `--only`, and in the table.
        count: how many events the work handles in a round; `step` divides it.
        step: the events that are handled together.
    """

    name: str
    count: int
    contestants: Sequence[Contestant]
    comparisons: Sequence[Comparison]
    step: int = 1

    def scaled(self, scale: float) -> Case:
        """Return the case with less, or more, to do."""
        steps = max(1, round(self.count * scale / self.step))
        return attrs.evolve(self, count=steps * self.step)


@attrs.frozen
class Result:
    """A comparison of a case, in seconds per event, round by round."""

    case: str
    comparison: Comparison
    ours: Sequence[float]
    baseline: Sequence[float]

    @property
    def ratio(self) -> float:
        """How fast ours is, as a multiple of the baseline's speed: of the two medians."""
        return median(self.baseline) / median(self.ours)

    @property
    def ratios(self) -> list[float]:
        """The same for each round."""
        return [theirs / ours for ours, theirs in zip(self.ours, self.baseline, strict=True)]

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        target = self.comparison.target
        return None if target is None else self.ratio >= target


def measure(
    cases: Sequence[Case], rounds: int, tell: Callable[[str], object] = lambda text: None
) -> list[Result]:
    """Run all cases and return their comparisons, in order."""
    taken: dict[tuple[str, str], list[float]] = {}
    for number in range(-1, rounds):
        for case in cases:
            tell(f"round {number + 1} of {rounds}: {case.name}" if number >= 0 else "warming up")
            if number < 0:  # classes and codecs are made at their first use
                case = case.scaled(0.05)
            for contestant in _turned(case.contestants, number):
                seconds = _seconds_per_event(contestant, case.count)
                if number >= 0:
                    taken.setdefault((case.name, contestant.name), []).append(seconds)
    return [
        Result(case.name, each, taken[case.name, each.ours], taken[case.name, each.baseline])
        for case in cases
        for each in case.comparisons
    ]


def _turned(contestants: Sequence[Contestant], by: int) -> list[Contestant]:
    first = by % len(contestants)
    return [*contestants[first:], *contestants[:first]]


def _seconds_per_event(contestant: Contestant, count: int) -> float:
    with contestant.start(count) as work:
        gc.collect()
        gc.freeze()
        try:
            begin = perf_counter()
            done = work()
            seconds = perf_counter() - begin
        finally:
            gc.unfreeze()
    if done != count:
        msg = f"{contestant.name} handled {done} events instead of {count}"
        raise AssertionError(msg)
    return seconds / count
