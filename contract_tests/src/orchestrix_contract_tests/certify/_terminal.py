"""A certificate and the way to it, on a terminal; plain lines where the output is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Self

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from orchestrix_contract_tests.certify._job import Job
from orchestrix_contract_tests.certify._report import Certificate, Guarantee, Outcome
from orchestrix_core.cli._output import note, print_table, printable

__all__ = ["Follow", "print_certificate"]

_INDENT: Final = "    "


class Follow:
    """Shows on stderr how far a run is: a bar, or a line for its start and for each failure."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._soak: TaskID | None = None
        self._tenths = 0
        if sys.stderr.isatty():
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
            console = Console(stderr=True)
            self._bar = Progress(*columns, TimeElapsedColumn(), console=console, transient=True)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def begin(self, job: Job, count: int) -> None:
        """Show that a run begins."""
        what = f"{job.kind} {job.name}"
        self._tenths = 0
        if self._bar is None:
            note(f"certifying {what}: {count} tests, seed {job.seed}")
            return
        for task in self._bar.task_ids:
            self._bar.remove_task(task)
        self._soak = None
        self._bar.add_task(printable(what), total=count)

    def advance(self, outcome: Outcome) -> None:
        """Show that a test has ended."""
        if outcome.outcome == "failed":
            note(f"failed: {printable(outcome.test)}")
        if self._bar is not None:
            for task in self._bar.task_ids:
                if task != self._soak:
                    self._bar.advance(task)

    def soaking(self, share: float, text: str) -> None:
        """Show how far a soak is: a bar of its own, or a line for each tenth."""
        percent = round(share * 100)
        if self._bar is None:
            if int(share * 10) > self._tenths:
                self._tenths = int(share * 10)
                note(f"soak: {percent} %: {printable(text)}")
            return
        if self._soak is None:
            self._soak = self._bar.add_task("", total=100)
        self._bar.update(self._soak, completed=percent, description=f"soak: {printable(text)}")


def print_certificate(certificate: Certificate, *, verbose: bool) -> None:
    """Print what holds, what does not and how to see it again, and what it was tried with."""
    typer.echo(f"{certificate.kind} {certificate.name}, with {certificate.settings} settings")
    columns = ("guarantee", "verdict", "tests", "seconds", "about")
    rows = [_row(guarantee) for guarantee in certificate.guarantees]
    if rows:
        print_table(columns, rows)
    for name, reasons in certificate.not_offered.items():
        typer.echo(f"not offered: {name}: {printable('; '.join(reasons))}")
    for line in certificate.measured:
        typer.echo(printable(line))
    if verbose:
        _print_tests(certificate)
    for outcome in certificate.failures:
        _print_failure(certificate, outcome)
    typer.echo()
    print_table(("part", "version"), list(certificate.versions.items()))
    typer.echo(f"\n{_verdict(certificate)}")


def _row(guarantee: Guarantee) -> tuple[str, ...]:
    verdict: str = guarantee.verdict
    if guarantee.verdict == "not declared":
        verdict += f": {', '.join(guarantee.missing)}"
    ran = len(guarantee.outcomes) - guarantee.count("skipped")
    tests = f"{guarantee.count('passed')} of {ran}" if ran else ""
    return guarantee.name, verdict, tests, f"{guarantee.seconds:.2f}", guarantee.title


def _print_tests(certificate: Certificate) -> None:
    for guarantee in certificate.guarantees:
        typer.echo(f"\n{guarantee.name}")
        rows = [(o.outcome, f"{o.seconds:.2f}", o.test, o.claim) for o in guarantee.outcomes]
        print_table(("outcome", "seconds", "test", "claim"), rows)


def _print_failure(certificate: Certificate, outcome: Outcome) -> None:
    typer.echo(f"\nbroken: {', '.join(outcome.guarantees)}: {outcome.claim}")
    for line in _details(certificate, outcome):
        typer.echo(f"{_INDENT}{printable(line)}")


def _details(certificate: Certificate, outcome: Outcome) -> Iterator[str]:
    yield outcome.test
    yield from (outcome.reason or "").splitlines()
    if outcome.history is not None:
        yield "the shortest history that fails:"
        yield from (f"{_INDENT}{line}" for line in outcome.history.splitlines())
    yield f"see it again: {certificate.replay(outcome)}"


def _verdict(certificate: Certificate) -> str:
    took = f"seed {certificate.seed}, {certificate.seconds:.1f} s"
    if certificate.error is not None:
        return f"not certified: {printable(certificate.error)} ({took})"
    broken = [one.name for one in certificate.guarantees if one.verdict in ("broken", "not proven")]
    if broken:
        return f"not certified: {', '.join(broken)} ({took})"
    if certificate.partial:
        return f"what was asked for holds; a certificate takes all tests ({took})"
    return f"certified ({took})" if certificate.holds else f"not certified: nothing held ({took})"
