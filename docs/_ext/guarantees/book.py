"""What is proven: the certificates, held against the suite as it is now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cached_property
from importlib import metadata
from pathlib import Path

import attrs

from guarantees.certificates import Certificate, file_name, read
from guarantees.claims import Claim
from guarantees.sources import complaint as complaint_of_source
from guarantees.suite import Subject, Test, present_tests
from orchestrix_contract_tests.certify._guarantees import in_order
from orchestrix_core import Backend, ContractSubject
from orchestrix_core.plugins import PluginRegistry

__all__ = ["MAKE", "Book", "Complaint", "Entry", "entries_of", "is_elsewhere", "open_book"]

CORE = "orchestrix-core"
MAKE = "make it anew: tox run -e certificates"


@attrs.frozen
class Complaint:
    """What is wrong, and where: `file`, or `file:line`."""

    where: str
    what: str


@attrs.frozen
class Entry:
    """A certificate, and the tests that the suite has for its backend now."""

    certificate: Certificate
    tests: Mapping[str, Test]

    def of(self, guarantee: str) -> list[str]:
        """Return the tests that are about a guarantee."""
        return [test for test, about in self.tests.items() if guarantee in about.guarantees]

    def verdict(self, guarantee: str) -> str:
        """Return "holds" when a test of it has passed and none has failed, else what is so."""
        outcomes = {self.certificate.outcome(test) for test in self.of(guarantee)}
        for outcome, verdict in (("failed", "broken"), ("passed", "holds")):
            if outcome in outcomes:
                return verdict
        if outcomes and outcomes <= {"not declared", "not offered"}:
            return "not offered" if "not offered" in outcomes else "not declared"
        return "not proven"

    def differing(self) -> list[str]:
        """Return the tests that came, went or changed since the certificate was made."""
        then, now = self.certificate.tests, {t: about.count for t, about in self.tests.items()}
        return sorted(test for test in {*then, *now} if then.get(test) != now.get(test))

    def stale(self) -> str | None:
        """Return how the suite differs from the one that the certificate was made with."""
        differing = self.differing()
        if not differing:
            return None
        first, count = differing[0], len(differing)
        then, now = self.certificate.tests, self.tests
        what = "is not in it" if first not in then else "has changed" if first in now else "is gone"
        return f"is stale, {count} of its tests differ from those of the suite: {first} {what}"

    def complaints(self) -> Iterator[str]:
        """Yield why the certificate proves nothing, or nothing any more."""
        certificate = self.certificate
        if certificate.error:
            yield f"the run did not come to its end: {certificate.error}; {MAKE}"
        for test in certificate.failed:
            yield f"{test} has failed; see it: {certificate.command} --test '{test}'"
        if stale := self.stale():
            yield f"{stale}; {MAKE}"
        if (made := certificate.versions.get(CORE)) != (now := metadata.version(CORE)):
            yield f"is stale, it is about {CORE} {made}, and this is {now}; {MAKE}"
        declared = _declared().get((certificate.kind, certificate.name))
        if declared is None:
            yield "no plugin that is installed offers this backend"
        elif sorted(declared) != certificate.capabilities:
            yield f"is stale, the backend now declares {', '.join(sorted(declared))}; {MAKE}"


@attrs.define(slots=False)
class Book:
    """All certificates, in the order of the columns."""

    root: Path
    entries: Sequence[Entry]
    complaints: Sequence[Complaint]

    def of_kind(self, kind: str) -> list[Entry]:
        """Return the entries of the backends of a kind."""
        return [entry for entry in self.entries if entry.certificate.kind == kind]

    @cached_property
    def guarantees(self) -> list[str]:
        """Every guarantee, in the order of the specification."""
        tests = (test for entry in self.entries for test in entry.tests.values())
        return in_order(name for test in tests for name in test.guarantees)

    def full_name(self, guarantee: str) -> str:
        """Return the name of a guarantee, which may be code: `persistent` is one."""
        return guarantee if guarantee in self.guarantees else f"`{guarantee}`"

    def home(self, name: str) -> tuple[str, str] | None:
        """Return the first kind and guarantee under which a test, or a guarantee, is told of."""
        for entry in self.entries:
            if name in entry.tests:
                return entry.certificate.kind, in_order(entry.tests[name].guarantees)[0]
            if entry.of(name):
                return entry.certificate.kind, name
        return None

    def complaint(self, claim: Claim) -> str | None:
        """Return why a claim is not proven; None when it is."""
        if claim.kind == "proof" and is_elsewhere(claim.name):
            return complaint_of_source(self.root, claim.name)
        entries = [e for e in self.entries if claim.backend in (None, e.certificate.name)]
        if not entries:
            return f"there is no certificate of {claim.backend!r}"
        if claim.kind == "proof":
            return self._test(claim, entries)
        return self._guarantee(claim, entries)

    def _test(self, claim: Claim, entries: Iterable[Entry]) -> str | None:
        having = [entry for entry in entries if claim.name in entry.tests]
        if not having:
            known = sorted({test for entry in self.entries for test in entry.tests})
            return f"the contract suite has no test {claim.name}{_hint(claim.name, known)}"
        outcomes = {e.certificate.name: e.certificate.outcome(claim.name) for e in having}
        return _unless_proven(claim.name, outcomes, good="passed", bad="failed")

    def _guarantee(self, claim: Claim, entries: Iterable[Entry]) -> str | None:
        name = self.full_name(claim.name)
        having = [entry for entry in entries if entry.of(name)]
        if not having:
            return f"no test is about {claim.name}{_hint(claim.name, self.guarantees)}"
        verdicts = {entry.certificate.name: entry.verdict(name) for entry in having}
        return _unless_proven(claim.name, verdicts, good="holds", bad="broken")


def _unless_proven(name: str, found: Mapping[str, str], *, good: str, bad: str) -> str | None:
    """What no backend breaks, and one keeps, is proven: others may not declare that they do."""
    if broken := [backend for backend, what in found.items() if what == bad]:
        return f"{name} is {bad} on {', '.join(broken)}".replace("is failed", "has failed")
    if good in found.values():
        return None
    told = "; ".join(f"{what} on {backend}" for backend, what in found.items())
    return f"{name} has no passing test: {told}"


def _hint(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def is_elsewhere(name: str) -> bool:
    """Tell whether a test is named by its file, and so is none of the contract suite."""
    return ".py::" in name


def open_book(root: Path, directory: Path, backends: Mapping[str, Sequence[str]]) -> Book:
    """Read the certificates of these backends, by kind, and collect the suite for them."""
    complaints: list[Complaint] = []
    certificates: list[Certificate] = []
    for kind, names in backends.items():
        for file in (directory / file_name(kind, name) for name in names):
            try:
                certificates.append(read(file))
            except (OSError, ValueError) as exc:
                complaints.append(Complaint(str(file), f"{exc}; {MAKE}"))
    entries = entries_of(certificates)
    for entry in entries:
        file = directory / file_name(entry.certificate.kind, entry.certificate.name)
        complaints += [Complaint(str(file), what) for what in entry.complaints()]
    return Book(root, entries, complaints)


def entries_of(certificates: Sequence[Certificate]) -> list[Entry]:
    """Return the certificates, each with the tests of the suite."""
    subjects = [Subject(c.kind, "async" in c.capabilities, c.faults) for c in certificates]
    tests = present_tests(subjects)
    return [Entry(c, tests[s]) for c, s in zip(certificates, subjects, strict=True)]


def _declared() -> dict[tuple[str, str], frozenset[str]]:
    """Return what the backends declare that plugins offer now; some have no subject here."""
    registry = PluginRegistry.discover()
    rows: list[Backend | ContractSubject] = [row.backend for row in registry.backends]
    rows += [row.subject for row in registry.installed_subjects()]
    return {(row.kind, row.name): row.capabilities for row in rows}
