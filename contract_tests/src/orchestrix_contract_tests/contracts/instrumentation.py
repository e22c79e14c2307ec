"""Section 8: what watches an operation never changes it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import MappingProxyType
from typing import Final, get_args

import pytest

from orchestrix_contract_tests.contracts._base import Contract
from orchestrix_core import ContractSubject, Instrumentation
from orchestrix_core.instrumentation import Gauge, Operation

__all__ = ["InstrumentationContract"]

OPERATIONS: Final = get_args(Operation)
every_operation = pytest.mark.parametrize("name", OPERATIONS)
ATTRIBUTES: Final = MappingProxyType(
    {"message_type": "contract.order.placed", "operation": "append"}
)


class InstrumentationContract(Contract):
    """A context manager around each operation, from which every exception comes out unchanged."""

    @pytest.fixture
    def watch(self, subject: ContractSubject, tmp_path: Path) -> Instrumentation:
        """Return a new instrumentation."""
        made: Instrumentation = subject.create(tmp_path)
        return made

    def test_it_is_an_instrumentation(self, watch: Instrumentation) -> None:
        """Section 8: it has the methods of the protocol."""
        assert isinstance(watch, Instrumentation)

    @every_operation
    def test_operation_runs_once(self, watch: Instrumentation, name: Operation) -> None:
        """Section 8: the block runs, once, whatever the operation."""
        runs = 0
        with watch.operation(name, ATTRIBUTES):
            runs += 1
        assert runs == 1

    @every_operation
    @pytest.mark.parametrize("attributes", [{}, {"": ""}, {"key\n": 'ä"\\\n😀'}, {"k": "v" * 9999}])
    def test_any_attributes_will_do(
        self, watch: Instrumentation, name: Operation, attributes: dict[str, str]
    ) -> None:
        """Section 8: missing, odd and long attributes are no reason to fail; none is changed."""
        before = dict(attributes)
        with watch.operation(name, attributes):
            pass
        assert attributes == before

    @every_operation
    @pytest.mark.parametrize(
        "failure",
        [
            ValueError("v"),
            KeyError(),
            KeyboardInterrupt(),
            asyncio.CancelledError(),
            StopIteration(1),
        ],
        ids=lambda failure: type(failure).__name__,
    )
    def test_exception_passes_unchanged(
        self, watch: Instrumentation, name: Operation, failure: BaseException
    ) -> None:
        """Section 8: the very same exception comes out, neither swallowed nor wrapped."""
        with pytest.raises(type(failure)) as caught, watch.operation(name, ATTRIBUTES):
            raise failure
        assert caught.value is failure
        assert caught.value.__cause__ is None

    @pytest.mark.parametrize("name", get_args(Gauge))
    @pytest.mark.parametrize("value", [0, 3, 2.5, 1e300])
    def test_gauges_take_any_value(self, watch: Instrumentation, name: Gauge, value: float) -> None:
        """Section 8: a gauge is recorded, or not cared for, without an error."""
        assert watch.record(name, value, {"projection": "p", "aggregate_type": "a"}) is None  # type: ignore[func-returns-value]
        assert watch.record(name, value, {}) is None  # type: ignore[func-returns-value]

    def test_operations_nest(self, watch: Instrumentation) -> None:
        """Section 8: an operation inside another, also of the same name, and after a failure."""
        order = []
        with watch.operation("publish", ATTRIBUTES):
            with watch.operation("publish", ATTRIBUTES):
                order.append("inner")
            with pytest.raises(ValueError, match="inside"), watch.operation("storage", ATTRIBUTES):
                raise ValueError("inside")
            order.append("outer")
        assert order == ["inner", "outer"]

    def test_operations_may_be_repeated(self, watch: Instrumentation) -> None:
        """Section 8: each call gives a context manager that works, however often."""
        for _ in range(100):
            with watch.operation("storage", ATTRIBUTES):
                pass

    async def test_operations_overlap_in_tasks(self, watch: Instrumentation) -> None:
        """Section 8: tasks that begin and end in any order do not disturb each other."""
        gate = asyncio.Event()

        async def operate(number: int) -> int:
            with watch.operation(OPERATIONS[number % len(OPERATIONS)], {"operation": str(number)}):
                await gate.wait()
                if number % 3 == 0:
                    raise LookupError(number)
                return number

        tasks = [asyncio.create_task(operate(number)) for number in range(12)]
        await asyncio.sleep(0)  # all of them are inside now
        gate.set()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        for number, outcome in enumerate(outcomes):
            if isinstance(outcome, BaseException) and not isinstance(outcome, LookupError):
                raise outcome
            assert outcome == number if number % 3 else isinstance(outcome, LookupError)

    async def test_cancellation_passes(self, watch: Instrumentation) -> None:
        """Section 8: a cancelled operation ends as cancelled."""

        async def operate() -> None:
            with watch.operation("handle_command", ATTRIBUTES):
                await asyncio.Event().wait()

        task = asyncio.create_task(operate())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
