"""
Claims: where a page says what is promised, and which test or guarantee it names as the proof.

In a page of the documentation a claim is a role, {proof}`...` or {guarantee}`...`; where the page
is read as it stands, in a README, it is a comment, `<!-- proof: ... -->`. A name may have the
backend before it that the claim is about: {proof}`sqlite: DurabilityContract::test_x`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal, TypeAlias

import attrs

__all__ = ["Claim", "claims_in", "split", "unproven_in"]

Kind: TypeAlias = Literal["proof", "guarantee"]

_FENCE: Final = re.compile(r"^(`{3,}).*?^\1$", re.MULTILINE | re.DOTALL)
_ROLE: Final = re.compile(r"\{(?P<kind>proof|guarantee)\}`(?P<text>[^`]+)`")
_COMMENT: Final = re.compile(r"<!--\s*(?P<kind>proof|guarantee):(?P<text>.*?)-->", re.DOTALL)
_EXEMPT: Final = re.compile(r"<!--\s*no proof:\s*\S.*?-->", re.DOTALL)
_TARGET: Final = re.compile(r"(?:(?P<backend>[\w-]+):(?!:)\s*)?(?P<name>.+)", re.DOTALL)
_STRONG: Final = re.compile(
    r"\b(never|exactly once|at least once|all or nothing|all or none|survives?)\b", re.IGNORECASE
)
"""Words that promise: what stands beside them has to have a proof."""
_BLOCK: Final = re.compile(r"^(?:\s*(?:[-*]|\d+\.)\s|\|)")
"""A line with which another item of a list, or row of a table, begins."""


@attrs.frozen
class Claim:
    """What is named as the proof, of which backend (None: of all), and in which line."""

    line: int
    kind: Kind
    name: str
    backend: str | None = None


def split(text: str) -> Iterator[tuple[str, str | None]]:
    """Yield name and backend of each proof in the text of a role."""
    for part in " ".join(text.split()).split(", "):
        found = _TARGET.fullmatch(part.strip())
        if found:
            yield found["name"], found["backend"]


def claims_in(text: str) -> Iterator[Claim]:
    """Yield what a page claims; blocks of code claim nothing."""
    prose = _without_code(text)
    for pattern in (_ROLE, _COMMENT):
        for found in pattern.finditer(prose):
            kind: Kind = "proof" if found["kind"] == "proof" else "guarantee"
            for name, backend in split(found["text"]):
                yield Claim(_line(prose, found.start()), kind, name, backend)


def unproven_in(text: str) -> Iterator[tuple[int, str]]:
    """Yield line and word of each paragraph that promises something and names no proof."""
    for line, block in _blocks(_without_code(text)):
        strong = _STRONG.search(block)
        proven = any(pattern.search(block) for pattern in (_ROLE, _COMMENT, _EXEMPT))
        if strong and not proven:
            yield line + block.count("\n", 0, strong.start()), strong[0]


def _line(text: str, place: int) -> int:
    return text.count("\n", 0, place) + 1


def _without_code(text: str) -> str:
    """Return the text with its blocks of code empty, as many lines as before."""
    return _FENCE.sub(lambda found: "\n" * found[0].count("\n"), text)


def _blocks(text: str) -> Iterator[tuple[int, str]]:
    """Yield the first line of each paragraph, item of a list, or row of a table, and its text."""
    begin, lines = 1, list[str]()
    for number, line in enumerate([*text.splitlines(), ""], 1):
        ends = not line.strip() or line.startswith("#") or _BLOCK.match(line)
        if ends and lines:
            yield begin, "\n".join(lines)
            lines = []
        if line.strip() and not line.startswith("#"):
            begin = begin if lines else number
            lines.append(line)
