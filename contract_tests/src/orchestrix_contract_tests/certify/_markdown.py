"""Certificates as a page of Markdown, with a badge for a README."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import quote

from orchestrix_contract_tests.certify._report import Certificate, Guarantee, Outcome

__all__ = ["badge", "page"]


def page(certificates: Sequence[Certificate]) -> str:
    """Return the page: a section for each backend."""
    lines = ["# Certification", ""]
    for certificate in certificates:
        lines += _section(certificate)
    return "\n".join(lines)


def badge(certificate: Certificate) -> str:
    """Return the line for a README."""
    core = certificate.versions.get("orchestrix-core", "")
    verdict, colour = ("certified", "brightgreen") if certificate.certified else ("failed", "red")
    if certificate.partial:
        verdict, colour = "partial", "lightgrey"
    label = quote(f"orchestrix {core}".replace("-", "--"))
    text = f"orchestrix {core}: {certificate.kind} {certificate.name} {verdict}"
    return f"![{text}](https://img.shields.io/badge/{label}-{verdict}-{colour})"


def _section(certificate: Certificate) -> Iterator[str]:
    yield from (f"## {certificate.kind} {certificate.name}", "", badge(certificate), "")
    yield from _facts(certificate)
    yield from ("| guarantee | about | verdict | tests | seconds |", "|---|---|---|---|---|")
    for guarantee in certificate.guarantees:
        yield _row(guarantee)
    yield ""
    for name, reasons in certificate.not_offered.items():
        yield from (f"Not offered: {name}: {_cell('; '.join(reasons))}", "")
    if certificate.measured:
        yield from ("", *(f"- {_cell(line)}" for line in certificate.measured))
    for outcome in certificate.failures:
        yield from _failure(certificate, outcome)
    yield ""
    for guarantee in certificate.guarantees:
        yield from _tests(guarantee)


def _facts(certificate: Certificate) -> Iterator[str]:
    if certificate.error is not None:
        yield from (f"Not certified: {_cell(certificate.error)}", "")
    versions = ", ".join(f"{part} {version}" for part, version in certificate.versions.items())
    yield f"Tried with {certificate.settings} settings, seed {certificate.seed}, on {versions}."
    declared = ", ".join(f"`{name}`" for name in certificate.capabilities) or "nothing"
    yield from (f"It declares {declared}.", "")


def _row(guarantee: Guarantee) -> str:
    verdict = guarantee.verdict
    ran = len(guarantee.outcomes) - guarantee.count("skipped")
    shown = f"{verdict}: {', '.join(guarantee.missing)}" if verdict == "not declared" else verdict
    tests = f"{guarantee.count('passed')} of {ran}"
    cells = (guarantee.name, guarantee.title, shown, tests, f"{guarantee.seconds:.2f}")
    return f"| {' | '.join(map(_cell, cells))} |"


def _failure(certificate: Certificate, outcome: Outcome) -> Iterator[str]:
    yield from ("", f"**Broken: {', '.join(outcome.guarantees)}**: {outcome.claim}", "", "```text")
    yield from (outcome.test, *(outcome.reason or "").splitlines())
    yield from (outcome.history or "").splitlines()
    yield from (certificate.replay(outcome), "```")


def _tests(guarantee: Guarantee) -> Iterator[str]:
    yield from (f"<details><summary>{guarantee.name}: its tests</summary>", "")
    for outcome in guarantee.outcomes:
        why = f", for want of {outcome.missing}" if outcome.missing else ""
        why += f", not offered: {outcome.not_offered}" if outcome.not_offered else ""
        became = f"{outcome.outcome}{why}, {outcome.seconds:.2f} s"
        yield f"- `{outcome.test}`: {became}. {outcome.claim}"
    yield from ("", "</details>", "")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
