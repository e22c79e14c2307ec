"""
The mutants of a file: what each is called, which lines it is in, and its source.

A mutant is known by module, function and the lines that differ: it is the same one after lines were
added above it, and another one when the line itself was changed.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import attrs
import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider

from mutants._operators import changes_of, is_left_alone

__all__ = ["Mutant", "mutants_of"]

_STATEMENT = (cst.BaseCompoundStatement, cst.SimpleStatementLine)


@attrs.frozen(eq=False)
class Mutant:
    """
    One change of one place.

    Attributes:
        where: module and function, or class, or module alone: `_ledger.Ledger.append`.
        old: the lines that differ, as they are, in one line.
        new: the same, changed.
        count: 1 for the second in its function that reads the same, and so on.
        function: first and last line in the outermost function; None for what runs at import.
    """

    where: str
    old: str
    new: str
    path: Path
    function: tuple[int, int] | None
    count: int = 0
    _file: cst.Module = attrs.field(repr=False, kw_only=True)
    _node: cst.CSTNode = attrs.field(repr=False, kw_only=True)
    _change: cst.CSTNode = attrs.field(repr=False, kw_only=True)

    @property
    def key(self) -> str:
        """What tells it from every other."""
        again = f" ({self.count + 1})" if self.count else ""
        return f"{self.where}: {self.old} -> {self.new}{again}"

    def source(self) -> str:
        """Return the whole file with the change in it."""
        changed = self._file.deep_replace(self._node, self._change)
        assert isinstance(changed, cst.Module)
        return changed.code


def mutants_of(path: Path) -> list[Mutant]:
    """Return every mutant of a file whose source is Python, in the order of its lines."""
    wrapper = MetadataWrapper(cst.parse_module(path.read_text(encoding="utf-8")))
    finder = _Finder(path, wrapper.module)
    wrapper.visit(finder)
    return list(_numbered(finder.found))


def _numbered(found: Iterable[Mutant]) -> Iterator[Mutant]:
    seen: Counter[str] = Counter()
    for mutant in found:
        yield attrs.evolve(mutant, count=seen[mutant.key])
        seen[mutant.key] += 1


class _Finder(cst.CSTVisitor):
    """Walks through a file, and knows where it is."""

    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self, path: Path, module: cst.Module) -> None:
        super().__init__()
        self.found: list[Mutant] = []
        self._path = path
        self._module = module
        self._around: list[cst.CSTNode] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        if is_left_alone(node):
            return False
        self._around.append(node)
        for change in changes_of(node):
            self._add(node, change)
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        if self._around and self._around[-1] is original_node:
            self._around.pop()

    def _add(self, node: cst.CSTNode, change: cst.CSTNode) -> None:
        statement = next(each for each in reversed(self._around) if isinstance(each, _STATEMENT))
        before = self._module.code_for_node(statement)
        replaced = change if node is statement else statement.deep_replace(node, change)
        assert isinstance(replaced, cst.CSTNode)
        old, new = _difference(before, self._module.code_for_node(replaced))
        if old != new:
            self.found.append(
                Mutant(
                    self._where(),
                    old,
                    new,
                    self._path,
                    self._function(),
                    file=self._module,
                    node=node,
                    change=change,
                )
            )

    def _where(self) -> str:
        names = [
            each.name.value
            for each in self._around
            if isinstance(each, cst.FunctionDef | cst.ClassDef)
        ]
        return ".".join((self._path.stem, *names))

    def _function(self) -> tuple[int, int] | None:
        for each in self._around:
            if isinstance(each, cst.FunctionDef):
                first = self.get_metadata(PositionProvider, each.body.body[0])
                last = self.get_metadata(PositionProvider, each)
                return first.start.line, last.end.line
        return None


def _difference(before: str, after: str) -> tuple[str, str]:
    """Return the lines that differ, each side in one line."""
    lines = list(difflib.ndiff(_lines(before), _lines(after)))
    old = " ".join(line[2:] for line in lines if line.startswith("- "))
    new = " ".join(line[2:] for line in lines if line.startswith("+ "))
    return old, new


def _lines(code: str) -> list[str]:
    """Return what is code, without the comments behind it."""
    lines = (line.partition("  # ")[0].strip() for line in code.splitlines())
    return [line for line in lines if line and not line.startswith("#")]
