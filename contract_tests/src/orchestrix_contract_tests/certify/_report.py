"""What a run found: a verdict for each test, for each guarantee, and for the backend."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

import attrs

from orchestrix_contract_tests.certify._guarantees import in_order, title_of

__all__ = ["Certificate", "Guarantee", "Outcome", "Verdict"]

Verdict: TypeAlias = Literal["holds", "broken", "not proven", "not declared", "not offered"]

_HARMLESS: Final = {"holds", "not declared", "not offered"}


@attrs.frozen(kw_only=True)
class Outcome:
    """
    What became of one test.

    Attributes:
        test: its id, `Contract::test[parameters]`.
        claim: the sentence that it proves.
        guarantees: what it is about.
        outcome: "passed", "failed" or "skipped".
        seconds: how long it took, with its preparations.
        missing: the capability for want of which it was skipped.
        not_offered: why the fault that it takes is not offered.
        reason: why it failed or was skipped.
        history: the shortest example that fails, where Hypothesis made one up.
        measured: numbers by their names, of a test that measures.
    """

    test: str
    claim: str
    guarantees: Sequence[str]
    outcome: Literal["passed", "failed", "skipped"]
    seconds: float
    missing: str | None = None
    not_offered: str | None = None
    reason: str | None = None
    history: str | None = None
    measured: Mapping[str, Any] | None = None


@attrs.frozen
class Guarantee:
    """One promise, and the tests that are about it."""

    name: str
    outcomes: Sequence[Outcome]

    @property
    def title(self) -> str:
        """What it is about, in a few words."""
        return title_of(self.name)

    @property
    def verdict(self) -> Verdict:
        """It holds when a test has passed and none has failed; what was not asked for is told."""
        found = {outcome.outcome for outcome in self.outcomes}
        if "failed" in found:
            return "broken"
        if "passed" in found:
            return "holds"
        if not all(outcome.missing or outcome.not_offered for outcome in self.outcomes):
            return "not proven"
        return "not offered" if self.not_offered else "not declared"

    def count(self, outcome: str) -> int:
        """Return how many tests had this outcome."""
        return sum(1 for found in self.outcomes if found.outcome == outcome)

    @property
    def seconds(self) -> float:
        """How long its tests took."""
        return sum(outcome.seconds for outcome in self.outcomes)

    @property
    def missing(self) -> list[str]:
        """The capabilities that would have had more tests run."""
        return sorted({outcome.missing for outcome in self.outcomes if outcome.missing})

    @property
    def not_offered(self) -> list[str]:
        """Why its fault cannot be made."""
        return sorted({outcome.not_offered for outcome in self.outcomes if outcome.not_offered})


@attrs.frozen(kw_only=True)
class Certificate:
    """
    What a run found about one backend.

    Attributes:
        kind, name: the backend.
        settings: "its own" as the plugin offers it, or "the configuration's".
        seed: what made the generated examples.
        command: the command line that makes them again.
        capabilities: what it declares.
        versions: of every part.
        outcomes: of every test.
        seconds: how long the run took.
        partial: whether only some tests were asked for, which proves nothing of the rest.
        error: why the run was refused or did not come to its end.
    """

    kind: str
    name: str
    settings: str
    seed: int
    command: str
    capabilities: Sequence[str]
    versions: Mapping[str, str]
    outcomes: Sequence[Outcome]
    seconds: float
    partial: bool = False
    error: str | None = None

    @property
    def certified(self) -> bool:
        """Whether all of it was tried, and holds."""
        return self.holds and not self.partial

    @property
    def guarantees(self) -> list[Guarantee]:
        """Each guarantee with its tests, in the order of the specification."""
        names = in_order(name for outcome in self.outcomes for name in outcome.guarantees)
        return [
            Guarantee(name, [o for o in self.outcomes if name in o.guarantees]) for name in names
        ]

    @property
    def holds(self) -> bool:
        """Whether the run came to its end and every declared guarantee holds."""
        verdicts = {guarantee.verdict for guarantee in self.guarantees}
        return self.error is None and "holds" in verdicts and verdicts <= _HARMLESS

    @property
    def not_offered(self) -> dict[str, list[str]]:
        """The guarantees of faults that the backend does not offer, and why not."""
        return {one.name: one.not_offered for one in self.guarantees if one.not_offered}

    @property
    def measured(self) -> list[str]:
        """What the tests have measured, a line for each."""
        return [
            f"{', '.join(outcome.guarantees)}: {_numbers(outcome.measured)}"
            for outcome in self.outcomes
            if outcome.measured
        ]

    @property
    def failures(self) -> list[Outcome]:
        """The tests that failed, each once, whatever its parameters: the first tells enough."""
        firsts: dict[str, Outcome] = {}
        for outcome in self.outcomes:
            if outcome.outcome == "failed":
                firsts.setdefault(outcome.test.partition("[")[0], outcome)
        return list(firsts.values())

    def replay(self, outcome: Outcome) -> str:
        """Return the command line that runs a test again, with the same examples."""
        return f"{self.command} --test {shlex.quote(outcome.test)}"

    def document(self) -> dict[str, Any]:
        """Return all of it as JSON values."""
        facts = attrs.asdict(self, filter=attrs.filters.exclude("outcomes"))
        rows = [self._row(guarantee) for guarantee in self.guarantees]
        return {"certified": self.certified, **facts, "guarantees": rows}

    def _row(self, guarantee: Guarantee) -> dict[str, Any]:
        return {
            "name": guarantee.name,
            "title": guarantee.title,
            "verdict": guarantee.verdict,
            "seconds": round(guarantee.seconds, 3),
            "missing": guarantee.missing,
            "not_offered": guarantee.not_offered,
            "tests": [self._test(outcome) for outcome in guarantee.outcomes],
        }

    def _test(self, outcome: Outcome) -> dict[str, Any]:
        row = attrs.asdict(outcome, filter=attrs.filters.exclude("guarantees"))
        row["seconds"] = round(outcome.seconds, 3)
        return row | ({"replay": self.replay(outcome)} if outcome.outcome == "failed" else {})


def _numbers(measured: Mapping[str, Any]) -> str:
    """Return what was measured as words; a group of nothing is left out."""
    told = ((name.replace("_", " "), number) for name, number in measured.items() if number != {})
    return ", ".join(
        f"{name} ({_numbers(number)})" if isinstance(number, Mapping) else f"{name} {number}"
        for name, number in told
    )
