"""The command `orchestrix certify`."""

from __future__ import annotations

import random
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import attrs
import typer

from orchestrix_contract_tests.certify._job import WORKERS, Job
from orchestrix_contract_tests.certify._markdown import page
from orchestrix_contract_tests.certify._report import Certificate
from orchestrix_contract_tests.certify._running import certify as run_job
from orchestrix_contract_tests.certify._targets import Target, targets, versions_with
from orchestrix_contract_tests.certify._terminal import Follow, print_certificate
from orchestrix_core.cli._output import note, print_json
from orchestrix_core.cli._session import INTERRUPTED, JsonOption, Session, session_of
from orchestrix_core.errors import ConfigurationError
from orchestrix_core.hookspecs import Kind
from orchestrix_core.plugins import KINDS
from orchestrix_core.secrets import mask

__all__ = ["add_to"]


class KindName(StrEnum):
    """The kinds of backends, as the command line takes them."""

    event_store = "event_store"
    message_bus = "message_bus"
    tracing = "tracing"
    metrics = "metrics"


@attrs.frozen(kw_only=True)
class _How:
    """What the options say of every run; see `Job`."""

    seed: int
    examples: int | None
    faults: bool
    soak: float | None
    workers: int
    tests: tuple[str, ...]


def add_to(program: typer.Typer) -> None:
    """Add the command."""
    program.command(epilog="Example: orchestrix certify --backend sqlite --markdown report.md")(
        certify
    )


def certify(
    ctx: typer.Context,
    backend: Annotated[str | None, typer.Option(help="Only this backend.")] = None,
    kind: Annotated[KindName | None, typer.Option(help="Only this kind of backend.")] = None,
    json: JsonOption = False,
    markdown: Annotated[
        Path | None, typer.Option(help="Write a page with a badge to this file, too.")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Make the generated examples of an earlier run again."),
    ] = None,
    test: Annotated[
        list[str] | None,
        typer.Option(help="Only the test of this id, or those of a pattern; may be repeated."),
    ] = None,
    examples: Annotated[
        int | None, typer.Option(min=1, help="Examples for each generated test (25 unless told).")
    ] = None,
    faults: Annotated[
        bool,
        typer.Option(
            "--faults",
            help="Make faults, too: lost connections, restarts, slow commits and others.",
        ),
    ] = False,
    soak: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            metavar="MINUTES",
            help="Have workers use each store at once for so long, too, and judge what they see.",
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, help="How many workers soak a store: processes if it allows it.")
    ] = WORKERS,
    verbose: Annotated[bool, typer.Option("--verbose", help="List every test.")] = False,
) -> None:
    """
    Prove that backends keep their promises: run the contract suite, and report what holds.

    Tries what the installed plugins offer, and what the configuration has chosen, with its
    settings, in a scratch file, schema or prefix: existing data is never touched. Ends with
    status 0 only when every guarantee that is declared holds.
    """
    session = session_of(ctx)
    found = targets(session, _kind(kind), backend)
    for error in session.registry.errors:
        note(f"left out: {mask(str(error))}")
    if not found:
        raise ConfigurationError("nothing to certify: no plugin of this kind offers a backend")
    how = _How(
        seed=random.randrange(2**32) if seed is None else seed,  # no secret
        examples=examples,
        faults=faults,
        soak=soak,
        workers=workers,
        tests=tuple(test or ()),
    )
    certificates = _run(session, found, how)
    if markdown is not None:
        _write(markdown, page(certificates))
    _print(certificates, json=json, verbose=verbose)
    raise typer.Exit(0 if all(one.holds for one in certificates) else 1)


def _kind(given: KindName | None) -> Kind | None:
    return None if given is None else next(kind for kind in KINDS if kind == given)


def _run(session: Session, found: Iterable[Target], how: _How) -> list[Certificate]:
    with Follow() as follow:
        try:
            return [_certify(session, one, how, follow) for one in found]
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None


def _certify(session: Session, target: Target, how: _How, follow: Follow) -> Certificate:
    file = session.configuration.document.file
    job = Job(
        kind=target.kind,
        name=target.name,
        configured=target.configured,
        config=str(file.resolve()) if file else None,
        block=session.configuration.block,
        seed=how.seed,
        examples=how.examples,
        faults=how.faults,
        soak=how.soak,
        workers=how.workers,
        tests=how.tests,
        directory="",
    )
    return run_job(job, versions_with(target.plugin), follow, refused=target.refused)


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise ConfigurationError(f"cannot be written: {exc.strerror}", file=str(file)) from exc


def _print(certificates: list[Certificate], *, json: bool, verbose: bool) -> None:
    if json:
        print_json(_document(certificates))
        return
    for number, certificate in enumerate(certificates):
        if number:
            typer.echo()
        print_certificate(certificate, verbose=verbose)


def _document(certificates: list[Certificate]) -> dict[str, Any]:
    return {
        "certified": all(one.certified for one in certificates),
        "certificates": [one.document() for one in certificates],
    }
