"""
What is changed: mutmut's operators, and ours, which take away what a backend does.

An operator is a function of a node that yields what may stand in its place. Not changed is what no
test of behaviour can see: annotations, docstrings, names for type checkers, and texts of messages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeAlias

import libcst as cst
from libcst import matchers as m
from mutmut.mutation.mutators import mutation_operators

__all__ = ["changes_of", "is_left_alone"]

Operator: TypeAlias = Callable[[Any], Iterable[cst.CSTNode]]

_NOTHING: Final = cst.parse_statement("pass")
_RAISE: Final = cst.IndentedBlock([cst.parse_statement("raise")])
_PASS: Final = cst.IndentedBlock([_NOTHING])
_NO_CONTEXT: Final = cst.parse_expression('__import__("contextlib").nullcontext()')
_STORE: Final = m.Assign(targets=[m.AssignTarget(m.Attribute() | m.Subscript())])
_FOR_TYPES: Final = m.Call(func=m.Name("TypeVar") | m.Name("ParamSpec"))
_MESSAGE: Final = m.Assign(targets=[m.AssignTarget(m.Name("msg"))])
_ALL: Final = m.Assign(targets=[m.AssignTarget(m.Name("__all__"))])
_LENGTHS_AGREE: Final = m.Arg(keyword=m.Name("strict"))  # of zip: they do
_VARIABLE: Final = m.Attribute() | m.Name(m.MatchIfTrue(lambda name: name not in ("True", "False")))
_DOCSTRING: Final = m.SimpleStatementLine([m.Expr(m.SimpleString() | m.ConcatenatedString())])


def is_left_alone(node: cst.CSTNode) -> bool:
    """Tell whether a node and all in it stays as it is."""
    if isinstance(node, cst.Annotation | cst.Decorator | cst.Import | cst.ImportFrom):
        return True
    if m.matches(node, _LENGTHS_AGREE):
        return True
    if isinstance(node, cst.AnnAssign):
        return m.matches(node.annotation, m.Annotation(m.Name("TypeAlias")))
    if isinstance(node, cst.Raise):  # its text alone: that it raises is changed by what leads here
        return m.matches(node, m.Raise(m.Call(args=[m.Arg(m.Name("msg"))])))
    return m.matches(node, _MESSAGE | _ALL | _DOCSTRING | m.Assign(value=_FOR_TYPES))


def changes_of(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """Yield what may stand in the place of a node."""
    for kind, operator in _OURS:
        if isinstance(node, kind):
            yield from operator(node)
    for kind, theirs in mutation_operators:
        if isinstance(node, kind):
            yield from _worthwhile(node, theirs(node))


def _worthwhile(node: Any, changes: Iterable[cst.CSTNode]) -> Iterator[cst.CSTNode]:
    """
    Leave out what any use of the code would trip over, and what says the same once more.

    A name that is bound to None, a call that no signature takes: such mutants die in every test.
    """
    if isinstance(node, cst.Assign | cst.AnnAssign | cst.BaseString):
        return
    for change in changes:
        if not isinstance(node, cst.Call) or _is_of_use(node, change):
            yield change


def _is_of_use(node: cst.Call, change: cst.CSTNode) -> bool:
    """Tell whether a keyword was taken out, or a variable was replaced by None."""
    if not isinstance(change, cst.Call):
        return True
    gone = [old for old in node.args if not any(old is new for new in change.args)]
    if len(change.args) < len(node.args):
        return gone[0].keyword is not None and not m.matches(gone[0], _LENGTHS_AGREE)
    return all(m.matches(argument.value, _VARIABLE) for argument in gone)


def _drop(node: cst.SimpleStatementLine) -> Iterator[cst.CSTNode]:
    """Do not call, raise, delete, leave, or store in an object."""
    statement = node.body[0]
    dropped = m.Expr(m.Call() | m.Await()) | m.Del() | m.Raise() | m.Return(None) | _STORE
    if len(node.body) == 1 and m.matches(statement, dropped | m.AugAssign()):
        yield _NOTHING


def _return_nothing(node: cst.Return) -> Iterator[cst.CSTNode]:
    if node.value is not None and not m.matches(node.value, m.Name("None") | m.Name("False")):
        yield node.with_changes(value=cst.Name("None"))


def _decide(node: cst.If) -> Iterator[cst.CSTNode]:
    for value in ("True", "False"):
        yield node.with_changes(test=cst.Name(value), whitespace_before_test=_SPACE)


def _never_loop(node: cst.While) -> Iterator[cst.CSTNode]:
    yield node.with_changes(test=cst.Name("False"), whitespace_after_while=_SPACE)


def _keep_all(node: cst.CompIf) -> Iterator[cst.CSTNode]:
    yield node.with_changes(test=cst.Name("True"), whitespace_before_test=_SPACE)


def _no_items(node: cst.For) -> Iterator[cst.CSTNode]:
    if node.asynchronous is None:
        yield node.with_changes(iter=cst.parse_expression("()"))


def _without(node: cst.WithItem) -> Iterator[cst.CSTNode]:
    """Enter the block without the lock, the translation, or what else is held during it."""
    if node.asname is None:
        yield node.with_changes(item=_NO_CONTEXT)


def _let_through(node: cst.ExceptHandler) -> Iterator[cst.CSTNode]:
    if not m.matches(node.body, m.IndentedBlock([m.SimpleStatementLine([m.Raise(None)])])):
        yield node.with_changes(body=_RAISE)


def _not_finally(node: cst.Finally) -> Iterator[cst.CSTNode]:
    if len(node.body.body) > 1:  # a single statement is dropped as such
        yield node.with_changes(body=_PASS)


def _one_less(node: cst.Integer) -> Iterator[cst.CSTNode]:
    yield cst.parse_expression(f"({node.evaluated_value - 1})")


def _another_text(node: cst.SimpleString) -> Iterator[cst.CSTNode]:
    """Say something else; theirs keeps the old text within, where a search would find it."""
    yield node.with_changes(value=f'{node.prefix}"XX"')


_SPACE: Final = cst.SimpleWhitespace(" ")
_OURS: Final[list[tuple[type[cst.CSTNode], Operator]]] = [
    (cst.SimpleStatementLine, _drop),
    (cst.Return, _return_nothing),
    (cst.If, _decide),
    (cst.While, _never_loop),
    (cst.CompIf, _keep_all),
    (cst.For, _no_items),
    (cst.WithItem, _without),
    (cst.ExceptHandler, _let_through),
    (cst.Finally, _not_finally),
    (cst.Integer, _one_less),
    (cst.SimpleString, _another_text),
]
