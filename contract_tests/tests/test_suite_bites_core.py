"""Broken serializers, broken instrumentations, and stores that only the state machine is given."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import attrs
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from orchestrix.infrastructure.memory import InMemoryAsyncEventStore
from orchestrix_contract_tests import InstrumentationContract, SerializerContract
from orchestrix_contract_tests.domain import OrderPlaced
from orchestrix_contract_tests.machine import StoreMachine
from orchestrix_core import (
    ConcurrencyError,
    ContractSubject,
    JSONSerializer,
    MessageRegistry,
    SerializationError,
    UnknownMessageType,
)


class RoundsDecimals(JSONSerializer):
    def decode(self, type, version, data):
        event = super().decode(type, version, data)
        if isinstance(event, OrderPlaced):
            return attrs.evolve(event, total=event.total.normalize())
        return event


class MakesEventsAnew(JSONSerializer):
    def decode(self, type, version, data):
        event = super().decode(type, version, data)
        return type_of(event)(**_given(event)) if type == "contract.account.opened" else event


def type_of(event):
    return event.__class__


def _given(event):
    optional = ("correlation_id", "causation_id", "trace_id")
    state = {name: value for name, value in vars(event).items() if name != "type"}
    return {n: v for n, v in state.items() if n not in optional or v is not None}


class StoresAnything(JSONSerializer):
    def encode(self, event):
        try:
            return super().encode(event)
        except SerializationError:
            return super().encode(attrs.evolve(event, notes={}))


class IgnoresUpcasters(JSONSerializer):
    def decode(self, type, version, data):
        return super().decode(type, self._registry.resolve(type).__message_version__, data)


class GuessesUnknownTypes(JSONSerializer):
    def __init__(self, registry: MessageRegistry) -> None:
        super().__init__(registry, unknown="raw")

    def decode(self, type, version, data):
        with suppress(UnknownMessageType, SerializationError):
            return super().decode(type, version, data)
        return None


SERIALIZERS: Final = [
    (RoundsDecimals, "test_example_reads_back_exactly"),
    (MakesEventsAnew, "test_decoding_inherits_nothing"),
    (StoresAnything, "test_unstorable_value_names_its_path"),
    (IgnoresUpcasters, "test_upcasters_are_applied"),
    (GuessesUnknownTypes, "test_unknown_name"),
]


@pytest.mark.parametrize(("serializer", "test"), SERIALIZERS)
def test_broken_serializer_is_caught(
    serializer: type, test: str, run_contract: Callable[..., Any]
) -> None:
    options = ["-k", "not test_generated_events_read_back_exactly"]
    assert test in run_contract(SerializerContract, serializer, *options)["failed"]


class Watches:
    def record(self, name, value, attributes):
        pass


class Swallows(Watches):
    @contextmanager
    def operation(self, name, attributes):
        with suppress(BaseException):
            yield


class Wraps(Watches):
    @contextmanager
    def operation(self, name, attributes):
        try:
            yield
        except Exception as error:
            raise RuntimeError(name) from error


class HasOneManagerForAll(Watches):
    def __init__(self) -> None:
        self.manager = self.watch()

    @contextmanager
    def watch(self):
        yield

    def operation(self, name, attributes):
        return self.manager


class KeepsAStackForAllTasks(Watches):
    def __init__(self) -> None:
        self.stack: list[object] = []

    @contextmanager
    def operation(self, name, attributes):
        me = object()
        self.stack.append(me)
        try:
            yield
        finally:
            if self.stack.pop() is not me:
                raise RuntimeError("operations must end in the reverse order of their beginning")


class NeedsAnAttribute(Watches):
    @contextmanager
    def operation(self, name, attributes):
        attributes["message_type"]
        yield


class NeedsToKnowTheGauge(Watches):
    @contextmanager
    def operation(self, name, attributes):
        yield

    def record(self, name, value, attributes):
        attributes["projection"]


INSTRUMENTATIONS: Final = [
    (Swallows, "test_exception_passes_unchanged"),
    (Wraps, "test_exception_passes_unchanged"),
    (HasOneManagerForAll, "test_operations_may_be_repeated"),
    (KeepsAStackForAllTasks, "test_operations_overlap_in_tasks"),
    (NeedsAnAttribute, "test_any_attributes_will_do"),
    (NeedsToKnowTheGauge, "test_gauges_take_any_value"),
]


@pytest.mark.parametrize(("watch", "test"), INSTRUMENTATIONS)
def test_broken_instrumentation_is_caught(
    watch: type, test: str, run_contract: Callable[..., Any]
) -> None:
    subject = ContractSubject(
        kind="tracing", name=watch.__name__, create=lambda _: watch(), capabilities=frozenset()
    )
    assert test in run_contract(InstrumentationContract, subject)["failed"]


class NeverConflicts(InMemoryAsyncEventStore):
    async def save(self, aggregate_id, events, expected_version=None):
        try:
            await super().save(aggregate_id, events, expected_version)
        except ConcurrencyError:
            await super().save(aggregate_id, events)


class ForgetsTheSecondTrace(InMemoryAsyncEventStore):
    async def load_by_trace(self, trace_id):
        events = await super().load_by_trace(trace_id)
        return events[:1] if len(events) == 3 else events


class KeepsTheLastSnapshot(InMemoryAsyncEventStore):
    async def save_snapshot_async(self, snapshot):
        known = await self.load_snapshot_async(snapshot.aggregate_id)
        if known is None or snapshot.version >= known.version - 1:
            raised = attrs.evolve(
                snapshot, version=max(snapshot.version, known.version if known else 0)
            )
            await super().save_snapshot_async(raised)


STORES: Final = [NeverConflicts, ForgetsTheSecondTrace, KeepsTheLastSnapshot]


@pytest.mark.parametrize("store", STORES)
def test_state_machine_finds_it(
    store: type, tmp_path: Path, subject_of: Callable[[type], Any]
) -> None:
    generated = settings(
        max_examples=300,
        stateful_step_count=25,
        phases=[Phase.generate],  # finding it is enough; making it small takes long
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    machine: Any = partial(StoreMachine, subject_of(store), tmp_path)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(machine, settings=generated)
