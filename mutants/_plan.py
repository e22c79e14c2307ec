"""Which tests a mutant meets, in which order, and how long each may take."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import accumulate
from typing import Final

from mutants._observation import Observation
from mutants._settings import Settings
from mutants._sites import Mutant

__all__ = ["Planner"]

_PATIENCE: Final = 6.0
_FACTOR: Final = 12.0


class Planner:
    """
    Puts the tests in order: first those that killed mutants of the same function, then the quick.

    Tests of the backend's own come last: they kill what no test of the contract does.

    Args:
        seconds: how much time is worth spending on a mutant; 0 for any.
        listed_seconds: the same for one of which it is known that it lives.
        patience: seconds that a test may take, besides twelve times what it takes otherwise.
    """

    def __init__(
        self,
        settings: Settings,
        seen: Observation,
        seconds: float = 0.0,
        listed_seconds: float = 0.0,
        patience: float = _PATIENCE,
    ) -> None:
        self._settings = settings
        self._seen = seen
        self._seconds = seconds
        self._listed_seconds = listed_seconds
        self._patience = patience
        self._kills: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def plan(self, mutant: Mutant) -> list[str]:
        """Return the tests for a mutant."""
        kills = self._kills[mutant.where]

        def order(test: str) -> tuple[bool, int, bool, float]:
            seen = self._seen.tests[test]
            slow = seen.generated or seen.processes
            return not seen.contract, -kills[test], slow, seen.seconds

        tests = sorted(self._seen.touching(mutant, self._settings), key=order)
        listed = mutant.key in self._settings.survivors
        return self._in_time(tests, self._listed_seconds if listed else self._seconds)

    def _in_time(self, tests: list[str], limit: float) -> list[str]:
        spent = accumulate(self._seen.tests[test].seconds for test in tests)
        fitting = sum(1 for seconds in spent if seconds <= limit)
        return tests[: max(fitting, 1)] if limit else tests

    def note(self, mutant: Mutant, test: str) -> None:
        """Remember what killed a mutant."""
        self._kills[mutant.where][test] += 1

    def patience(self, test: str) -> float:
        """Return how long a test may take."""
        seen = self._seen.tests.get(test)
        return self._patience + _FACTOR * (seen.seconds if seen else self._patience)
