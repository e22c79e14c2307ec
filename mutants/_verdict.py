"""Whether the list of survivors says what is so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from mutants._results import Outcome
from mutants._settings import REASONS, Settings
from mutants._sites import Mutant, mutants_of

__all__ = ["all_mutants", "figures", "gone", "wrong"]


def all_mutants(settings: Settings) -> list[Mutant]:
    """Return every mutant of a backend."""
    modules = sorted(settings.source.glob("*.py"))
    chosen = [path for path in modules if path.stem not in settings.left_out]
    return [each for path in chosen for each in mutants_of(path)]


def gone(settings: Settings, mutants: Iterable[Mutant]) -> list[str]:
    """Say which of the listed do not exist any more."""
    there = {mutant.key for mutant in mutants}
    return [
        f"{settings.backend}: listed, but there is no such mutant any more: {key}"
        for key in settings.survivors
        if key not in there
    ]


def wrong(settings: Settings, outcomes: Mapping[str, Outcome]) -> Iterator[str]:
    """Say which survive without being listed, and which are listed and do not."""
    for key, outcome in outcomes.items():
        listed = key in settings.survivors
        if outcome.killed and listed:
            yield f"{settings.backend}: listed, but {outcome.what} by {outcome.by}: {key}"
        elif not outcome.killed and not listed:
            yield f"{settings.backend}: survived {outcome.of} tests, and is not listed: {key}"


def figures(settings: Settings, outcomes: Mapping[str, Outcome]) -> str:
    """Count what became of the mutants, and the reasons of those that live."""
    counts = Counter(outcome.what for outcome in outcomes.values())
    own = {file for module in settings.own for file in settings.own_files(module)}
    by_own = sum(outcome.by.partition("::")[0] in own for outcome in outcomes.values())
    reasons = Counter(
        settings.survivors[key].reason if key in settings.survivors else "not listed"
        for key, outcome in outcomes.items()
        if not outcome.killed
    )
    lines = [f"{settings.backend}: {counts.total()} mutants"]
    lines += [f"  {number:5} {what}" for what, number in counts.most_common()]
    lines.append(
        f"  {by_own:5} of these by no test of the contract, but by one of the backend's own"
    )
    for reason, number in reasons.most_common():
        lines.append(f"  {number:9} {reason}: {REASONS.get(reason, 'say why, or kill it')}")
    return "\n".join(lines)
