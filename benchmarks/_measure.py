"""
How time is taken: all contestants of all cases in one process, round by round.

A round has slices: each contestant runs a slice, in an order that turns by one, then each the
next, so that whatever else the machine does falls on all of them alike. The garbage collector runs
as it does in an application, for everyone; what others made is kept out of its sight.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from statistics import median
from time import perf_counter
from typing import TypeAlias

import attrs

Work: TypeAlias = Callable[[], int]
"""What is timed; it returns how many events it handled, so that none can be left out unseen."""
Prepare: TypeAlias = Callable[[int], Work]
"""Gets the next slice ready, by its number from 0; not timed."""
Start: TypeAlias = Callable[[int], AbstractContextManager[Prepare]]
"""Opens what a round needs, for so many events in a slice; neither this nor closing is timed."""


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
        count: how many events a slice handles, a multiple of `step`.
        slices: how many slices a round has.
        step: the events that are handled together.
    """

    name: str
    count: int
    slices: int
    contestants: Sequence[Contestant]
    comparisons: Sequence[Comparison]
    step: int = 1

    def scaled(self, scale: float) -> Case:
        """Return the case with less, or more, to do."""
        return attrs.evolve(self, slices=max(1, round(self.slices * scale)))

    def smallest(self) -> Case:
        """Return the case with next to nothing to do."""
        return attrs.evolve(self, count=self.step, slices=1)


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
    for case in cases:  # classes and codecs are made at their first use: not on the clock
        tell(f"warming up: {case.name}")
        _round(case.smallest(), 0)
    taken: dict[tuple[str, str], list[float]] = {}
    for number in range(rounds):
        for case in cases:
            tell(f"round {number + 1} of {rounds}: {case.name}")
            for name, seconds in _round(case, number).items():
                taken.setdefault((case.name, name), []).append(seconds)
    return [
        Result(case.name, each, taken[case.name, each.ours], taken[case.name, each.baseline])
        for case in cases
        for each in case.comparisons
    ]


def _round(case: Case, number: int) -> dict[str, float]:
    """Return the seconds per event of each contestant."""
    seconds = dict.fromkeys((contestant.name for contestant in case.contestants), 0.0)
    with ExitStack() as stack:
        stack.callback(gc.unfreeze)
        opened = [
            (contestant.name, stack.enter_context(contestant.start(case.count)))
            for contestant in case.contestants
        ]
        for part in range(case.slices):
            first = (number + part) % len(opened)
            for name, prepare in opened[first:] + opened[:first]:
                seconds[name] += _timed(name, prepare(part), case.count)
    return {name: total / (case.count * case.slices) for name, total in seconds.items()}


def _timed(name: str, work: Work, count: int) -> float:
    gc.collect()
    gc.freeze()
    begin = perf_counter()
    done = work()
    seconds = perf_counter() - begin
    if done != count:
        msg = f"{name} handled {done} events instead of {count}"
        raise AssertionError(msg)
    return seconds
