"""What every contract has: a subject, a gate for its capabilities, and a guard of its tests."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

import pytest

from orchestrix_contract_tests.pytest_plugin import BACKEND_PROPERTY, MISSING_PROPERTY
from orchestrix_core import ContractSubject

__all__ = ["Contract", "requires", "subject_name"]

requires = pytest.mark.requires
"""The test is for backends that declare these capabilities."""

_Fixture = type(pytest.fixture(lambda: None))
_GATE = "contract_gate"
_XFAIL_ARGUMENTS = {"reason", "strict", "raises"}


class Contract:
    """
    A set of promises; a subclass in a test module gives the `subject` that has to keep them.

    `subject` is either the value itself or a pytest fixture that returns it. A subclass may add
    tests and fixtures. It may replace a test of the contract only by one that says why it fails:
    `@pytest.mark.xfail(reason="...", strict=True)`.
    """

    subject: ClassVar[Any]

    def __init_subclass__(cls, *, needs: tuple[str, ...] = (), **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _refuse_weakening(cls)
        _mark_tests(cls, needs)
        given = cls.__dict__.get("subject")
        if given is not None and not isinstance(given, _Fixture):
            cls.subject = pytest.fixture(name="subject")(lambda self: given)

    @pytest.fixture(name="subject")
    def _no_subject(self, request: pytest.FixtureRequest) -> Any:
        pytest.fail(f"{request.cls.__name__} must set `subject`: what shall keep this contract?")

    @pytest.fixture(autouse=True)
    def contract_gate(self, request: pytest.FixtureRequest, subject: Any) -> None:
        """Skip, and say why, where the subject does not declare what the test requires."""
        name = subject_name(subject)
        properties = request.node.user_properties
        properties.append((BACKEND_PROPERTY, name))
        declared: frozenset[str] = getattr(subject, "capabilities", frozenset())
        needed = [c for mark in request.node.iter_markers("requires") for c in mark.args]
        for capability in needed:
            if capability not in declared:
                properties.append((MISSING_PROPERTY, capability))
                pytest.skip(f"{name} does not declare {capability!r}")


def subject_name(subject: Any) -> str:
    """Return what reports call the subject."""
    if isinstance(subject, ContractSubject):
        return f"{subject.kind} {subject.name}"
    return str(getattr(subject, "__name__", subject))


def _refuse_weakening(cls: type[Contract]) -> None:
    """Look through the whole ancestry: a mixin in front of a contract hides a test just as well."""
    contracts = [base for base in cls.__mro__ if issubclass(base, Contract)]
    guarded = {n for base in contracts for n in vars(base) if n.startswith("test") or n == _GATE}
    for name in sorted(guarded):
        definers = [base for base in cls.__mro__ if name in vars(base)]
        override = vars(definers[0])[name]
        if len(definers) > 1 and not (name != _GATE and _is_reasoned_xfail(override)):
            msg = (
                f"{cls.__qualname__} replaces {definers[-1].__name__}.{name}: a contract cannot "
                "be weakened; if the backend cannot keep this promise, decorate the override "
                'with @pytest.mark.xfail(reason="why", strict=True)'
            )
            raise TypeError(msg)


def _is_reasoned_xfail(test: Any) -> bool:
    """No condition and no run=False: those would let the test not run at all."""
    for mark in getattr(test, "pytestmark", ()):
        if mark.name == "xfail" and not mark.args and mark.kwargs.keys() <= _XFAIL_ARGUMENTS:
            reason = str(mark.kwargs.get("reason", ""))
            return bool(reason.strip()) and mark.kwargs.get("strict") is True
    return False


def _mark_tests(cls: type[Contract], needs: tuple[str, ...]) -> None:
    """
    Mark the tests of this class alone: a mark on the class would hold for all it is mixed with.

    Async tests run in both modes of pytest-asyncio, each in a loop of its own.
    """
    for name, test in vars(cls).items():
        if not name.startswith("test") or not callable(test):
            continue
        if needs:
            requires(*needs)(test)
        if inspect.iscoroutinefunction(test):
            pytest.mark.asyncio(loop_scope="function")(test)
