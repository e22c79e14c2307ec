"""Tests that stand outside of the contract suite: whether there are such, read from the sources."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, TypeAlias

__all__ = ["complaint", "words_of"]

CONTRACTS: Final = "contract_tests/src/orchestrix_contract_tests/contracts"
_Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
_TOKEN: Final = re.compile(r"[\w/.*]+")


def complaint(root: Path, test: str) -> str | None:
    """Return what is wrong with `path::test` or `path::Class::test`; None where it is run."""
    path, *names = test.split("::")
    if not (root / path).is_file():
        return f"there is no file {path}"
    found = _find(root, path, names)
    if found is None:
        return f"{path} has no test {'::'.join(names)}"
    if marks := [mark for mark in map(_mark, found.decorator_list) if mark in ("skip", "xfail")]:
        return f"{test} is marked as {marks[0]}, so it proves nothing"
    if not any(path.startswith(place) for place in _run_by_tox(root)):
        return f"no environment of tox.ini runs {path}"
    return None


def words_of(root: Path, test: str) -> str:
    """Return what a test says that it proves: its docstring's first line, or its name."""
    path, *names = test.split("::")
    found = _find(root, path, names) if (root / path).is_file() else None
    text = ast.get_docstring(found) if found else None
    return text.splitlines()[0] if text else names[-1].removeprefix("test_").replace("_", " ")


def _find(root: Path, path: str, names: list[str]) -> _Function | None:
    if len(names) == 1:
        return _function(_tree(root / path).body, names[0])
    for node in _tree(root / path).body:
        if isinstance(node, ast.ClassDef) and node.name == names[0]:
            return _method(root, node, names[-1])
    return None


def _method(root: Path, node: ast.ClassDef, name: str) -> _Function | None:
    """Look in the class itself, then in the contracts that it keeps."""
    found = _function(node.body, name)
    bases = iter([ast.unparse(base) for base in node.bases])
    while found is None and (base := next(bases, None)) is not None:
        contract = _contracts(root).get(base)
        found = _method(root, contract, name) if contract else None
    return found


def _function(body: list[ast.stmt], name: str) -> _Function | None:
    functions = (node for node in body if isinstance(node, _Function) and node.name == name)
    return next(functions, None) if name.startswith("test") else None


def _mark(decorator: ast.expr) -> str:
    """Return the last word of `pytest.mark.skip(...)`; what is marked by a condition may run."""
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return ast.unparse(called).rpartition("pytest.mark.")[2]


@cache
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


@cache
def _contracts(root: Path) -> dict[str, ast.ClassDef]:
    trees = [_tree(file) for file in sorted((root / CONTRACTS).glob("*.py"))]
    classes = (node for tree in trees for node in tree.body if isinstance(node, ast.ClassDef))
    return {node.name: node for node in classes}


@cache
def _run_by_tox(root: Path) -> frozenset[str]:
    return frozenset(_places((root / "tox.ini").read_text(encoding="utf-8")))


def _places(text: str) -> Iterator[str]:
    """Yield the files and directories that follow `pytest` in the commands."""
    for line in text.replace("{/}", "/").splitlines():
        command, _, arguments = line.partition("pytest ")
        if command.strip().endswith(":") or not command.strip():
            yield from (word for word in _TOKEN.findall(arguments) if "tests" in word.split("/"))
