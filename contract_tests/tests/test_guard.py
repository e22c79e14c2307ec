"""A contract cannot be weakened by whoever subclasses it."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

import orchestrix_contract_tests
from orchestrix_contract_tests import EventStoreContract, contracts

WEAKENED = r"replaces AppendContract\.test_large_batch"


def override(test: Any) -> type:
    return type("TestWeaker", (EventStoreContract,), {"test_large_batch": test})


def passing(self: Any) -> None:
    """A test that sees nothing."""


def test_override_is_refused_when_the_class_is_made() -> None:
    with pytest.raises(TypeError, match=WEAKENED):
        override(passing)


def test_undeclaring_is_refused() -> None:
    with pytest.raises(TypeError, match=WEAKENED):
        override(None)


@pytest.mark.parametrize(
    "mark",
    [
        pytest.mark.skip(reason="slow"),
        pytest.mark.xfail,
        pytest.mark.xfail(strict=True),
        pytest.mark.xfail(reason=" ", strict=True),
        pytest.mark.xfail(reason="known"),
        pytest.mark.xfail(reason="known", strict=False),
        pytest.mark.xfail(False, reason="known", strict=True),
        pytest.mark.xfail(reason="known", strict=True, run=False),
    ],
    ids=lambda mark: str(mark.mark.kwargs),
)
def test_mark_that_gives_no_strict_reason_is_refused(mark: pytest.MarkDecorator) -> None:
    def test(self: Any) -> None:
        """A test that is marked."""

    with pytest.raises(TypeError, match=WEAKENED):
        override(mark(test))


def test_reasoned_strict_xfail_is_accepted() -> None:
    @pytest.mark.xfail(reason="this database takes 500 at most", strict=True)
    def test(self: Any) -> None:
        raise NotImplementedError

    assert override(test)


def test_mixin_in_front_is_refused() -> None:
    mixin = type("Mixin", (), {"test_large_batch": passing})
    with pytest.raises(TypeError, match=WEAKENED):
        type("TestWeaker", (mixin, EventStoreContract), {})


def test_override_in_an_intermediate_class_is_refused() -> None:
    with pytest.raises(TypeError, match=WEAKENED):
        type("Middle", (EventStoreContract,), {"test_large_batch": passing})


def test_gate_cannot_be_replaced() -> None:
    gate = pytest.fixture(autouse=True)(lambda self: None)
    with pytest.raises(TypeError, match="contract_gate"):
        type("TestWeaker", (EventStoreContract,), {"contract_gate": gate})


def test_own_tests_may_be_added() -> None:
    assert type("TestMore", (EventStoreContract,), {"test_of_my_own": passing})


@pytest.mark.parametrize("name", orchestrix_contract_tests.__all__)
def test_every_contract_test_names_its_promise(name: str) -> None:
    contract = getattr(orchestrix_contract_tests, name)
    tests = inspect.getmembers(contract, lambda member: inspect.isfunction(member))
    docs = {test: (function.__doc__ or "") for test, function in tests if test.startswith("test")}
    assert docs
    starts = (
        "Promise",
        "Commands: ",
        "Events: ",
        "Timers: ",
        "Documents: ",
        "Workers: ",
        "Projections: ",
        "Sagas: ",
        "History: ",
        "Dead letters: ",
        "Cancellation: ",
        "Clock going back: ",
        "Connection cut: ",
        "Lost answer: ",
        "Server restart: ",
        "Slow commit: ",
        "Pool exhaustion: ",
        "Section",
        "Reference",
        "`",
    )
    assert [test for test, doc in docs.items() if not doc.startswith(starts)] == []


def test_complete_contract_has_every_store_contract() -> None:
    missing = [
        contract.__name__
        for contract in vars(contracts).values()
        if isinstance(contract, type)
        and not issubclass(contracts.CompleteStoreContract, contract)
        and "Store" in contract.__name__
    ]
    assert missing == []


def test_public_names_are_those_of_the_contracts() -> None:
    assert sorted(orchestrix_contract_tests.__all__) == sorted(contracts.__all__)
    with pytest.raises(AttributeError, match="NoSuchContract"):
        orchestrix_contract_tests.NoSuchContract  # noqa: B018  # the look-up is the test


def test_no_module_is_too_long() -> None:
    package = Path(inspect.getfile(orchestrix_contract_tests)).parent
    lengths = {path.name: len(path.read_text().splitlines()) for path in package.rglob("*.py")}
    assert {name: length for name, length in lengths.items() if length > 400} == {}
