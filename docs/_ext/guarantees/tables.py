"""What the page shows: tables, as nodes of docutils."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from docutils import nodes

from guarantees.book import Book, Entry
from orchestrix_contract_tests.certify._guarantees import title_of

__all__ = ["anchor", "certificates", "guarantees", "listed", "tests"]

Row: TypeAlias = Sequence[str | nodes.Node]
"""The cells of a row: text, or nodes that stand in a line."""
SYMBOLS = {"passed": "✓", "failed": "✗"}


def anchor(*names: str) -> str:
    """Return the id of a test, or of a kind and a guarantee, on the page."""
    return nodes.make_id(" ".join(names).replace("::", " ").replace("_", " "))


def guarantees(book: Book, kind: str) -> list[nodes.Node]:
    """Return which guarantees hold on the backends of a kind."""
    entries = book.of_kind(kind)
    head = ["guarantee", "about", *(entry.certificate.name for entry in entries)]
    names = [name for name in book.guarantees if any(entry.of(name) for entry in entries)]
    rows: list[Row] = [
        [_link(kind, name), title_of(name), *(_verdict(entry, name) for entry in entries)]
        for name in names
    ]
    return [table(head, rows)]


def _verdict(entry: Entry, guarantee: str) -> str:
    verdict = entry.verdict(guarantee)
    missing = ", ".join(entry.certificate.missing(entry.of(guarantee)))
    if not missing:
        return verdict
    more = f"not declared: {missing}"
    return more if verdict == "not declared" else f"{verdict} ({more})"


def certificates(book: Book) -> list[nodes.Node]:
    """Return what each certificate was made with, and how to see it again."""
    head = ["backend", "declares", "seed", "versions", "made by"]
    rows: list[Row] = []
    for certificate in (entry.certificate for entry in book.entries):
        versions = ", ".join(f"{part} {version}" for part, version in certificate.versions.items())
        rows.append([
            f"{certificate.kind} {certificate.name}",
            ", ".join(certificate.capabilities),
            str(certificate.seed),
            versions,
            nodes.literal(text=certificate.command),
        ])  # fmt: skip
    return [table(head, rows)]


def tests(book: Book, kind: str) -> list[nodes.Node]:
    """Return each guarantee with its tests, and what became of them."""
    found: list[nodes.Node] = []
    for name in book.guarantees:
        if any(entry.of(name) for entry in book.of_kind(kind)):
            title = ": ".join(filter(None, (name.strip("`"), title_of(name))))
            found += [nodes.rubric("", title, ids=[anchor(kind, name)]), _tests(book, kind, name)]
    return found


def _tests(book: Book, kind: str, guarantee: str) -> nodes.table:
    entries = book.of_kind(kind)
    head = ["test", "proves", *(entry.certificate.name for entry in entries)]
    about = {test: entry.tests[test] for entry in entries for test in entry.of(guarantee)}
    rows: list[Row] = []
    for test in sorted(about):
        many = f" ({about[test].count} times)" if about[test].count > 1 else ""
        name = nodes.literal(text=test)
        # A test of several guarantees, or kinds, is told of more than once, and found by the first.
        if (kind, guarantee) == book.home(test):
            name["ids"] = [anchor(test)]
        marks = [SYMBOLS.get(entry.certificate.outcome(test), "-") for entry in entries]
        rows.append([name, about[test].claim + many, *marks])
    return table(head, rows)


def _link(kind: str, guarantee: str) -> nodes.Node:
    refid = anchor(kind, guarantee)
    return nodes.reference("", guarantee.strip("`"), refid=refid, internal=True)


def listed(rows: Iterable[Row]) -> list[nodes.Node]:
    """Return the tests outside of the suite, what each proves, and where that is claimed."""
    return [table(["test", "proves", "claimed in"], list(rows))]


def table(head: Sequence[str], rows: Sequence[Row]) -> nodes.table:
    """Return a table of text and of nodes that stand in a line."""
    group = nodes.tgroup("", cols=len(head))
    group += [nodes.colspec(colwidth=1) for _ in head]
    group += nodes.thead("", _row(head))
    group += nodes.tbody("", *map(_row, rows))
    return nodes.table("", group, classes=["colwidths-auto"])


def _row(cells: Row) -> nodes.row:
    return nodes.row("", *_entries(cells))


def _entries(cells: Row) -> Iterator[nodes.entry]:
    for cell in cells:
        content = nodes.Text(cell) if isinstance(cell, str) else cell
        yield nodes.entry("", nodes.paragraph("", "", content))
