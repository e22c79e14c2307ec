"""What the tests do when nothing is broken: how long each takes, and which lines it runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import attrs

from mutants._observer import Observer
from mutants._settings import Settings
from mutants._sites import Mutant
from mutants._trial import Trial

__all__ = ["Observation", "Observed", "load", "observe"]


@attrs.frozen
class Observed:
    """
    What one test does.

    Attributes:
        contract: whether it is a test of the contract suite.
        generated: whether Hypothesis makes up what it does: then a failure takes a while.
        lines: `file:line` of the package, for each that it ran.
        processes: whether it starts some: what those run is not seen here.
    """

    contract: bool
    generated: bool
    seconds: float
    processes: bool
    lines: frozenset[str]


@attrs.frozen
class Observation:
    """What the tests that were run do, by their ids."""

    tests: Mapping[str, Observed]

    def touching(self, mutant: Mutant, settings: Settings) -> list[str]:
        """Return the tests that count for a mutant, and run some of its function."""
        own = settings.own_files(mutant.path.stem)
        return [
            test
            for test, seen in self.tests.items()
            if (seen.contract or test.partition("::")[0] in own) and _touches(seen, mutant)
        ]


def _touches(seen: Observed, mutant: Mutant) -> bool:
    if mutant.function is None or seen.processes:
        return True
    first, last = mutant.function
    return any(f"{mutant.path.name}:{line}" in seen.lines for line in range(first, last + 1))


def observe(settings: Settings, kept: Path) -> Observation:
    """Run all tests once; they must pass. Keep what was seen in a file."""
    trial = Trial(settings, None, [], Observer(kept))
    try:
        failed, status = _until_done(trial)
        if failed or status != 0:
            output = (trial.folder / "output.txt").read_text(errors="replace")
            msg = f"without a mutant, {failed or 'the run'} fails:\n{output}"
            raise RuntimeError(msg)
    finally:
        trial.end()
    return load(kept)


def _until_done(trial: Trial) -> tuple[list[str], int]:
    failed: list[str] = []
    while True:
        try:
            word, value = trial.report.recv()
        except EOFError:
            return failed, -1
        if word == "done":
            return failed, value
        if word == "failed":
            failed.append(value)


def load(kept: Path) -> Observation:
    """Read what was seen before."""
    rows = json.loads(kept.read_text(encoding="utf-8"))
    return Observation(
        {test: Observed(**{**row, "lines": frozenset(row["lines"])}) for test, row in rows.items()}
    )
