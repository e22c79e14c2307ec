"""
Certificates: what `orchestrix certify --json` has found about each backend, kept as small files.

A file has nothing that differs from run to run, no times and no dates; only another suite, other
versions or another result change it. Parameters of a test are counted, not listed.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import attrs
import cattrs

__all__ = [
    "Certificate",
    "Outcome",
    "dump",
    "file_name",
    "merged",
    "read",
    "reduced",
]

Outcome = Literal["passed", "failed", "not declared", "not offered", "skipped", "unknown"]


@attrs.frozen(kw_only=True)
class Certificate:
    """
    What became of each test of the suite with one backend.

    Attributes:
        kind, name: the backend.
        seed, command: what the generated examples were made from, and how to see all of it again.
        capabilities: what the backend declares.
        versions: of all parts.
        passed, failed: how often, by the test.
        not_declared: how often a test was skipped, by the capability that was missing.
        not_offered: how often a test of a fault was skipped, by the reason why it cannot be made.
        skipped: how often a test was skipped, by another reason.
        error: why the run did not come to its end.
    """

    kind: str
    name: str
    seed: int
    command: str
    capabilities: list[str]
    versions: dict[str, str]
    passed: dict[str, int]
    failed: dict[str, int] = attrs.field(factory=dict)
    not_declared: dict[str, dict[str, int]] = attrs.field(factory=dict)
    not_offered: dict[str, dict[str, int]] = attrs.field(factory=dict)
    skipped: dict[str, dict[str, int]] = attrs.field(factory=dict)
    error: str | None = None

    @property
    def faults(self) -> bool:
        """Whether faults were made, too."""
        return "--faults" in self.command.split()

    @property
    def tests(self) -> Counter[str]:
        """Every test, and how many there are of it with their parameters."""
        found = Counter(self.passed) + Counter(self.failed)
        for reasons in (self.not_declared, self.not_offered, self.skipped):
            for counts in reasons.values():
                found += Counter(counts)
        return found

    def outcome(self, test: str) -> Outcome:
        """Return what became of a test: passed, when some of it did and none failed."""
        if test in self.failed:
            return "failed"
        if test in self.passed:
            return "passed"
        if self.missing([test]):
            return "not declared"
        if any(test in counts for counts in self.not_offered.values()):
            return "not offered"
        return "skipped" if test in self.tests else "unknown"

    def missing(self, tests: Iterable[str]) -> list[str]:
        """Return the capabilities for want of which some of the tests were not run."""
        wanted = set(tests)
        return sorted(name for name, counts in self.not_declared.items() if wanted & counts.keys())


def merged(old: Certificate, new: Certificate, changed: Iterable[str]) -> Certificate:
    """Return the old one with the tests that have changed as the new one has them."""
    gone = set(changed)

    def of(mine: Mapping[str, int], others: Mapping[str, int]) -> dict[str, int]:
        return {test: count for test, count in mine.items() if test not in gone} | {**others}

    def by_reason(name: str) -> dict[str, dict[str, int]]:
        mine, others = getattr(old, name), getattr(new, name)
        found = {why: of(mine.get(why, {}), others.get(why, {})) for why in {*mine, *others}}
        return {why: counts for why, counts in found.items() if counts}

    return attrs.evolve(
        old,
        passed=of(old.passed, new.passed),
        failed=of(old.failed, new.failed),
        not_declared=by_reason("not_declared"),
        not_offered=by_reason("not_offered"),
        skipped=by_reason("skipped"),
        error=new.error,
    )


def reduced(document: Mapping[str, Any]) -> Certificate:
    """Return the certificate in one element of `certificates` of the document of `certify`."""
    rows = {row["test"]: row for one in document["guarantees"] for row in one["tests"]}
    counts: dict[str, Counter[str]] = {"passed": Counter(), "failed": Counter()}
    skipped: dict[str, defaultdict[str, Counter[str]]] = {
        why: defaultdict(Counter) for why in ("not_declared", "not_offered", "skipped")
    }
    for test, row in rows.items():
        if row["outcome"] != "skipped":
            where = counts[row["outcome"]]
        else:
            why, reason = _why(row)
            where = skipped[why][reason]
        where[test.partition("[")[0]] += 1
    facts: dict[str, Any] = {
        key: document[key] for key in ("kind", "name", "seed", "command", "error")
    }
    return Certificate(
        **facts | counts | skipped,
        capabilities=sorted(document["capabilities"]),
        versions={part: _plain(part, version) for part, version in document["versions"].items()},
    )


def _why(row: Mapping[str, Any]) -> tuple[str, str]:
    """Return why a test was skipped: in which way, and for want of what."""
    if row["missing"]:
        return "not_declared", row["missing"]
    if row["not_offered"]:
        return "not_offered", row["not_offered"]
    return "skipped", row["reason"]


def _plain(part: str, version: str) -> str:
    """Keep of a platform the system alone: its kernel is nobody's business and proves nothing."""
    return version.partition("-")[0] if part == "platform" else version


def file_name(kind: str, name: str) -> str:
    """Return the name of the file that a backend's certificate is in."""
    return f"{kind}-{name}.json"


def dump(certificate: Certificate) -> str:
    """Return the text of the file: sorted, a test in each line."""
    facts = attrs.asdict(certificate, filter=lambda _, value: value not in ({}, None))
    return json.dumps(facts, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def read(file: Path) -> Certificate:
    """Read a file; whatever is wrong with it is a `ValueError`."""
    try:
        return cattrs.structure(json.loads(file.read_text(encoding="utf-8")), Certificate)
    except (json.JSONDecodeError, cattrs.BaseValidationError) as exc:
        msg = f"is no certificate: {exc}"
        raise ValueError(msg) from exc
