"""Tries mutants, several at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from multiprocessing.connection import wait

import attrs

from mutants._plan import Planner
from mutants._results import Outcome
from mutants._settings import Settings
from mutants._sites import Mutant
from mutants._trial import Trial

__all__ = ["run"]


@attrs.define(eq=False)
class _Running:
    """A trial under way."""

    mutant: Mutant
    trial: Trial
    tests: int
    began: float
    heard: float
    test: str = "the import"

    def outcome(self, what: str, by: str) -> Outcome:
        seconds = round(time.monotonic() - self.began, 2)
        return Outcome(self.mutant.key, what, by, seconds, self.tests)


def run(
    settings: Settings,
    planner: Planner,
    mutants: Iterable[Mutant],
    *,
    jobs: int,
    tell: Callable[[Outcome], None],
) -> None:
    """Try the mutants; `tell` hears of each, as it is over."""
    waiting = list(mutants)[::-1]
    running: list[_Running] = []
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                started = _start(settings, planner, waiting.pop())
                if isinstance(started, Outcome):
                    tell(started)
                else:
                    running.append(started)
            for each, outcome in _step(running, planner):
                running.remove(each)
                tell(outcome)
    finally:
        for left in running:
            left.trial.end()


def _start(settings: Settings, planner: Planner, mutant: Mutant) -> _Running | Outcome:
    tests = planner.plan(mutant)
    if not tests:
        return Outcome(mutant.key, "survived", "no test runs it", 0.0, 0)
    now = time.monotonic()
    return _Running(mutant, Trial(settings, mutant, tests), len(tests), now, now)


def _step(running: Sequence[_Running], planner: Planner) -> list[tuple[_Running, Outcome]]:
    """Listen for a while; return the trials that are over."""
    ready = wait([each.trial.report for each in running], timeout=0.5) if running else []
    over = []
    for each in running:
        outcome = _listen(each) if each.trial.report in ready else _look(each, planner)
        if outcome is not None:
            each.trial.end()
            if outcome.killed:
                planner.note(each.mutant, outcome.by)
            over.append((each, outcome))
    return over


def _listen(each: _Running) -> Outcome | None:
    each.heard = time.monotonic()
    try:
        word, value = each.trial.report.recv()
    except EOFError:
        return each.outcome("ended", each.test)
    if word == "start":
        each.test = value
    elif word == "failed":
        return each.outcome("killed", value)
    elif word == "done":
        return each.outcome("survived" if value == 0 else "killed", "" if value == 0 else each.test)
    return None


def _look(each: _Running, planner: Planner) -> Outcome | None:
    late = time.monotonic() - each.heard > planner.patience(each.test)
    return each.outcome("hung", each.test) if late else None
