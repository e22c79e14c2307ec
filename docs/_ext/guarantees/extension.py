"""
The Sphinx side: roles, directives, and what makes a build fail.

Settings in `conf.py`, paths being relative to its directory:

- `guarantees_backends`: the names of the backends that have certificates, by kind, in the order of
  the columns;
- `guarantees_directory`: where the certificates are;
- `guarantees_root`: the root of the tree, from which tests outside of the suite are named;
- `guarantees_also`: pages beside the documentation that claim something, as patterns;
- `guarantees_lax`: pages, as patterns, in which strong words need no proof;
- `guarantees_page`: the page that has the tables, where the roles lead to.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Final
from weakref import WeakKeyDictionary

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole
from sphinx.util.typing import ExtensionMetadata

from guarantees import tables
from guarantees.book import Book, is_elsewhere, open_book
from guarantees.claims import claims_in, split, unproven_in
from guarantees.sources import words_of

__all__ = ["add_to"]

UNPROVEN: Final = (
    "{word!r} promises something, and no proof is named: add {{proof}}`TEST` (in a README "
    "<!-- proof: TEST -->), or <!-- no proof: why --> where nothing is promised"
)
_logger = logging.getLogger(__name__)
_books: WeakKeyDictionary[Sphinx, Book] = WeakKeyDictionary()


class Mark(nodes.Inline, nodes.TextElement):
    """Where a page names a proof, until it is known where the page with the tables is."""


class ProofRole(SphinxRole):
    """{proof}`TEST, TEST`: small signs that lead to the tests, which `check` looks at."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the signs."""
        marks = [Mark("", "✓", name=name, proof=True) for name, _ in split(self.text)]
        return [nodes.superscript("", "", *marks)], []


class GuaranteeRole(SphinxRole):
    """{guarantee}`Promise 3`: the name of the guarantee, which leads to its tests."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the name."""
        return [Mark("", name, name=name, proof=False) for name, _ in split(self.text)], []


class GuaranteesDirective(SphinxDirective):
    """
    One of the tables: `{guarantees} certificates`, `{guarantees} elsewhere`.

    With a kind of backend, `{guarantees} event_store` is the table of its guarantees, and
    `{guarantees} event_store tests` that of their tests.
    """

    required_arguments = 1
    optional_arguments = 1
    application: ClassVar[Sphinx]

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        app = self.application
        book = _book(app)
        if self.arguments == ["certificates"]:
            return tables.certificates(book)
        if self.arguments == ["elsewhere"]:
            return tables.listed(_elsewhere(app, book))
        show = tables.tests if self.arguments[1:] == ["tests"] else tables.guarantees
        return show(book, self.arguments[0])


def _book(app: Sphinx) -> Book:
    """Open the certificates once for each build."""
    if app not in _books:
        directory = Path(app.confdir, app.config.guarantees_directory)
        _books[app] = open_book(_root(app), directory, app.config.guarantees_backends)
    return _books[app]


def _root(app: Sphinx) -> Path:
    return Path(app.confdir, app.config.guarantees_root).resolve()


def _pages(app: Sphinx) -> Iterator[Path]:
    """Yield the pages that may claim something, and those beside the documentation."""
    yield from (Path(app.env.doc2path(docname)) for docname in sorted(app.env.found_docs))
    for pattern in app.config.guarantees_also:
        yield from sorted(_root(app).glob(pattern))


def _name(app: Sphinx, file: Path) -> str:
    path, root = file.resolve(), _root(app)
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(file)


def _elsewhere(app: Sphinx, book: Book) -> Iterator[list[str | nodes.Node]]:
    """Yield the tests outside of the suite that pages name, each with the pages."""
    pages: defaultdict[str, set[str]] = defaultdict(set)
    for file in _pages(app):
        for claim in claims_in(file.read_text(encoding="utf-8")):
            if is_elsewhere(claim.name):
                pages[claim.name].add(_name(app, file))
    for test in sorted(pages):
        name = nodes.literal(text=test, ids=[tables.anchor(test)])
        yield [name, words_of(book.root, test), ", ".join(sorted(pages[test]))]


def lead(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Make links of the marks."""
    for mark in list(doctree.findall(Mark)):
        page = app.builder.get_relative_uri(docname, app.config.guarantees_page)
        place = _anchor(_book(app), mark["name"])
        title = f"proven by {mark['name']}" if mark["proof"] else ""
        link = nodes.reference("", mark.astext(), refuri=f"{page}#{place}", reftitle=title)
        mark.replace_self(link)


def _anchor(book: Book, name: str) -> str:
    """Return where a test or a guarantee is told of; what is wrong with it is told by `check`."""
    guarantee = book.full_name(name)
    if guarantee in book.guarantees:
        return tables.anchor(*(book.home(guarantee) or ()))
    return tables.anchor(name)


def check(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Warn of each claim that is not proven, and of certificates that prove nothing any more."""
    book = _book(app)
    for complaint in book.complaints:
        _warn(f"{_name(app, Path(complaint.where))}:1", complaint.what)
    for file in _pages(app):
        text = file.read_text(encoding="utf-8")
        for claim in claims_in(text):
            if what := book.complaint(claim):
                _warn(f"{_name(app, file)}:{claim.line}", what)
        if not any(file.match(pattern) for pattern in app.config.guarantees_lax):
            for line, word in unproven_in(text):
                _warn(f"{_name(app, file)}:{line}", UNPROVEN.format(word=word))
    return []


def _warn(where: str, what: str) -> None:
    _logger.warning("%s", what, location=where, type="guarantees")


def always_read(app: Sphinx, env: BuildEnvironment, *_: set[str]) -> list[str]:
    """Read the page with the tables anew in each build: it shows what no page depends on."""
    return [app.config.guarantees_page] if app.config.guarantees_page in env.found_docs else []


def add_to(app: Sphinx) -> ExtensionMetadata:
    """Register all of it."""
    app.add_config_value("guarantees_backends", {}, "env", dict)
    app.add_config_value("guarantees_directory", "certificates", "env", str)
    app.add_config_value("guarantees_root", "..", "env", str)
    app.add_config_value("guarantees_also", [], "env", list)
    app.add_config_value("guarantees_lax", [], "env", list)
    app.add_config_value("guarantees_page", "guarantees", "env", str)
    app.add_node(Mark)
    app.add_role("proof", ProofRole())
    app.add_role("guarantee", GuaranteeRole())
    bound = type("BoundDirective", (GuaranteesDirective,), {"application": app})
    app.add_directive("guarantees", bound)
    app.connect("env-get-outdated", always_read)
    app.connect("env-updated", check)
    app.connect("doctree-resolved", lead)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
