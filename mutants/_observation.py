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
    """
    What the tests that were run do.

    Attributes:
        tests: by their ids.
        outside: lines that ran at the import of the package, or of the tests: all tests need them.
    """

    tests: Mapping[str, Observed]
    outside: frozenset[str] = frozenset()

    def touching(self, mutant: Mutant, settings: Settings) -> list[str]:
        """Return the tests that count for a mutant, and run some of its function."""
        own = settings.own_files(mutant.path.stem)
        return [
            test
            for test, seen in self.tests.items()
            if (seen.contract or test.partition("::")[0] in own)
            and (seen.processes or self._runs(seen, mutant))
        ]

    def _runs(self, seen: Observed, mutant: Mutant) -> bool:
        if mutant.function is None:
            return True
        first, last = mutant.function
        lines = {f"{mutant.path.name}:{line}" for line in range(first, last + 1)}
        return not (lines.isdisjoint(seen.lines) and lines.isdisjoint(self.outside))


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
    content = json.loads(kept.read_text(encoding="utf-8"))
    tests = {
        test: Observed(**{**row, "lines": frozenset(row["lines"])})
        for test, row in content["tests"].items()
    }
    return Observation(tests, frozenset(content["outside"]))
