"""What the core itself provides keeps the contracts, too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from orchestrix_contract_tests import InstrumentationContract, SerializerContract
from orchestrix_core import (
    NO_INSTRUMENTATION,
    ContractSubject,
    Instrumentation,
    JSONSerializer,
    compose,
)
from orchestrix_core.instrumentation import Gauge, Operation


class Recorder:
    """Watches with a `contextlib` manager, as most instrumentations do."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    @contextmanager
    def operation(self, name: Operation, attributes: Mapping[str, str]) -> Iterator[None]:
        self.notes.append(f"begin {name}")
        try:
            yield
        finally:
            self.notes.append(f"end {name}")

    def record(self, name: Gauge, value: float, attributes: Mapping[str, str]) -> None:
        self.notes.append(f"{name} {value}")


def watcher(name: str, watch: Instrumentation) -> ContractSubject:
    return ContractSubject(
        kind="tracing", name=name, create=lambda _: watch, capabilities=frozenset()
    )


class TestJSONSerializer(SerializerContract):
    subject = JSONSerializer


class TestNoInstrumentation(InstrumentationContract):
    subject = watcher("none", NO_INSTRUMENTATION)


class TestComposedInstrumentation(InstrumentationContract):
    subject = watcher("composed", compose(Recorder(), NO_INSTRUMENTATION, Recorder()))
