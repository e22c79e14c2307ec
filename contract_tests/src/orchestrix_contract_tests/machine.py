"""Any sequence of operations, made up by Hypothesis, on a store and on a model of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from orchestrix_contract_tests.domain import Deposited, unstorable
from orchestrix_contract_tests.driver import Driver, Stores
from orchestrix_contract_tests.model import Model
from orchestrix_core import ContractSubject, Event, SerializationError, Snapshot, StreamWrite
from orchestrix_core.stores import GLOBAL_LOG, MULTI_STREAM, PERSISTENT

__all__ = ["StoreMachine"]

STREAMS: Final = ("a", "b", "ä")
TRACES: Final = ("1" * 32, "2" * 32)

Rule = TypeVar("Rule", bound=Callable[..., Any])

streams = st.sampled_from(STREAMS)
traces = st.sampled_from((None, *TRACES))
offsets = st.sampled_from((None, 0, 0, 0, -1, 1))
"""What is expected: anything, the true version, or one beside it."""
batches = st.lists(traces, max_size=3)


def _has(capability: str) -> Callable[[Rule], Rule]:
    return precondition(lambda self: capability in self.subject.capabilities)


def _new(batch: list[str | None]) -> list[Event]:
    return [Deposited(amount=Decimal(n), trace_id=trace) for n, trace in enumerate(batch)]


class StoreMachine(RuleBasedStateMachine):
    """Does the same to a store and to the model, and compares all that can be read."""

    def __init__(self, subject: ContractSubject, directory: Path) -> None:
        super().__init__()
        self.subject = subject
        self.model = Model()
        self.repeatable: list[list[StreamWrite]] = []
        self.runner = asyncio.Runner()
        self.stores = Stores(subject, directory)
        try:
            self.store: Driver = self.run(self.stores.open())
        except BaseException:  # nobody tears down what was never there
            self.runner.close()
            raise

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run to the end, in the loop that belongs to this machine."""
        return self.runner.run(work)

    def teardown(self) -> None:
        self.run(self.stores.__aexit__())
        self.run(self.stores.discard())
        self.runner.close()

    def _write(self, stream: str, events: list[Event], offset: int | None) -> StreamWrite:
        version = len(self.model.stream(stream))
        return StreamWrite(stream, events, None if offset is None else max(0, version + offset))

    def _append(self, writes: list[StreamWrite], work: Coroutine[Any, Any, None]) -> None:
        """Do it to both; the store has to raise what the model says, or nothing."""
        refusals = self.model.append(writes)
        raised: Exception | None = None
        try:
            self.run(work)
        except Exception as error:
            raised = error
        if type(raised) not in (refusals or {type(None)}):
            allowed = " or ".join(kind.__name__ for kind in refusals) or "no error"
            msg = f"expected {allowed}, got {raised!r}"
            raise AssertionError(msg) from raised
        if raised is None and all(write.expected_version is not None for write in writes):
            self.repeatable.append(writes)

    def _save(self, write: StreamWrite) -> None:
        aggregate_id, events, expected = write.aggregate_id, write.events, write.expected_version
        self._append([write], self.store.save(aggregate_id, list(events), expected))

    @rule(stream=streams, batch=batches, offset=offsets)
    def save(self, stream: str, batch: list[str | None], offset: int | None) -> None:
        self._save(self._write(stream, _new(batch), offset))

    @_has(MULTI_STREAM)
    @rule(parts=st.dictionaries(streams, st.tuples(batches.filter(bool), offsets), max_size=3))
    def save_all(self, parts: dict[str, tuple[list[str | None], int | None]]) -> None:
        writes = [self._write(s, _new(batch), offset) for s, (batch, offset) in parts.items()]
        self._append(writes, self.store.save_all(writes))

    @precondition(lambda self: self.repeatable)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        writes = data.draw(st.sampled_from(self.repeatable))
        if len(writes) == 1:
            self._save(writes[0])
        elif MULTI_STREAM in self.subject.capabilities:
            self._append(writes, self.store.save_all(writes))

    @precondition(lambda self: self.model.log)
    @rule(data=st.data(), stream=streams, offset=offsets, first=st.booleans())
    def reuse(self, data: st.DataObject, stream: str, offset: int | None, first: bool) -> None:
        _, stored = data.draw(st.sampled_from(self.model.log))
        events = [stored, *_new([None])]
        self._save(self._write(stream, events if first else events[::-1], offset))

    @rule(stream=streams, batch=batches)
    def save_unstorable(self, stream: str, batch: list[str | None]) -> None:
        try:
            self.run(self.store.save(stream, [*_new(batch), unstorable()]))
        except SerializationError:
            return
        msg = "an unstorable event was accepted"
        raise AssertionError(msg)

    @rule(stream=streams, version=st.integers(0, 6), state=st.integers())
    def save_snapshot(self, stream: str, version: int, state: int) -> None:
        snapshot = Snapshot(aggregate_id=stream, version=version, state={"n": str(state)})
        self.model.snapshot(snapshot)
        self.run(self.store.save_snapshot(snapshot))

    @rule(stream=streams, version=st.integers(0, 8))
    def load_from(self, stream: str, version: int) -> None:
        loaded = self.run(self.store.load(stream, version))
        assert loaded == self.model.stream(stream)[version:]

    @_has(PERSISTENT)
    @rule()
    def reopen(self) -> None:
        self.run(self.store.close())
        self.store = self.run(self.stores.open())

    @invariant()
    def streams_agree(self) -> None:
        for stream in STREAMS:
            assert self.run(self.store.load(stream)) == self.model.stream(stream)

    @invariant()
    def traces_agree(self) -> None:
        for trace in TRACES:
            assert self.run(self.store.load_by_trace(trace)) == self.model.trace(trace)

    @invariant()
    def snapshots_agree(self) -> None:
        for stream in STREAMS:
            snapshot = self.run(self.store.load_snapshot(stream))
            assert snapshot == self.model.snapshots.get(stream)

    @_has(GLOBAL_LOG)
    @invariant()
    def logs_agree(self) -> None:
        records = self.run(self.store.read_log())
        assert [(r.aggregate_id, r.event) for r in records] == self.model.log
        assert [record.version for record in records] == self.model.versions()
        positions = [record.position for record in records]
        assert positions == sorted(set(positions))
        assert self.run(self.store.head()) == (positions[-1] if positions else 0)
