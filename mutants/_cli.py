"""The command line: which backends, how many mutants at a time, and what is wrong in the end."""

from __future__ import annotations

import argparse
import fnmatch
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mutants._observation import load, observe
from mutants._plan import Planner
from mutants._results import Outcome, Results
from mutants._run import run
from mutants._settings import BACKENDS, ROOT, Settings, read
from mutants._sites import Mutant
from mutants._trial import warm_up
from mutants._verdict import all_mutants, figures, gone, wrong

LISTED_SECONDS = 5.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Try the mutants of each backend; exit with 1 where one lives or dies against the list."""
    options = _options(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and end what is under way
    found = []
    for settings in map(read, options.backends or BACKENDS):
        mutants = all_mutants(settings)
        found += gone(settings, mutants)
        if not options.check:
            found += _prove(settings, mutants, options)
    for line in found:
        print(line)
    sys.exit(1 if found else 0)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m mutants", description=__doc__)
    add = parser.add_argument
    add("backends", nargs="*", metavar="BACKEND", help=f"of {', '.join(BACKENDS)}; default: all")
    add("--check", action="store_true", help="only whether the listed survivors exist")
    add("--jobs", type=int, default=os.cpu_count() or 2, help="at a time; default: one per core")
    add("--keep", action="store_true", help="begin with the kills of another state of the code")
    add("--thorough", action="store_true", help="run all tests on the listed survivors, too")
    add("--seconds", type=float, default=0.0, help="of tests for each mutant; default: all tests")
    add("--only", default="*", metavar="PATTERN", help="only mutants that are called like this")
    add("--work", type=Path, default=ROOT / ".tox" / "mutants-kept", metavar="FOLDER")
    return parser.parse_args(arguments)


def _prove(settings: Settings, mutants: list[Mutant], options: argparse.Namespace) -> list[str]:
    warm_up(settings)
    results = Results(settings, options.work / settings.backend, keep=options.keep)
    if not results.observed.exists():
        print(f"{settings.backend}: {len(mutants)} mutants; watching the tests", flush=True)
        observe(settings, results.observed)
    seen = load(results.observed)
    listed_seconds = 0.0 if options.thorough else LISTED_SECONDS
    planner = Planner(settings, seen, options.seconds, listed_seconds)
    chosen = [each for each in mutants if fnmatch.fnmatchcase(each.key, options.only)]

    def try_(some: list[Mutant]) -> None:
        progress = _Progress(settings, results, len(some))
        run(settings, planner, some, jobs=options.jobs, tell=progress.tell)

    def is_open(mutant: Mutant) -> bool:
        known = results.by_key.get(mutant.key)
        return known is None or not (known.killed or known.of >= len(planner.plan(mutant)))

    try_([each for each in chosen if is_open(each)])
    # Of the listed, those that died: once more, for a busy machine fails a test as well.
    listed = [each for each in chosen if each.key in settings.survivors]
    try_([each for each in listed if results.by_key[each.key].killed])
    outcomes = {each.key: results.by_key[each.key] for each in chosen}
    print(figures(settings, outcomes), flush=True)
    return list(wrong(settings, outcomes))


class _Progress:
    """Notes outcomes, and prints survivors as they come and how far it is."""

    def __init__(self, settings: Settings, results: Results, total: int) -> None:
        self._settings = settings
        self._results = results
        self._total = total
        self._counts: Counter[str] = Counter()
        self._began = time.monotonic()

    def tell(self, outcome: Outcome) -> None:
        """Hear of one."""
        self._results.add(outcome)
        self._counts[outcome.what] += 1
        if not outcome.killed and outcome.key not in self._settings.survivors:
            print(f"  survived {outcome.of} tests: {outcome.key}", flush=True)
        done = self._counts.total()
        if done % 25 == 0 or done == self._total:
            minutes = (time.monotonic() - self._began) / 60
            counts = ", ".join(f"{number} {what}" for what, number in self._counts.items())
            name = self._settings.backend
            print(f"{name}: {done} of {self._total}, {minutes:.1f} min: {counts}", flush=True)
