"""A store that is watched keeps the contract, and each of its operations is seen."""

from __future__ import annotations

from contextlib import contextmanager

import attrs
import pytest

from orchestrix.infrastructure.memory import InMemoryAsyncEventStore
from orchestrix.infrastructure.memory.plugin import orchestrix_contract_subjects
from orchestrix_contract_tests import CompleteStoreContract
from orchestrix_contract_tests.domain import Opened
from orchestrix_core import (
    NO_INSTRUMENTATION,
    AsyncEventLog,
    AsyncEventStore,
    ConcurrencyError,
    Snapshot,
    StreamWrite,
)
from orchestrix_core._watching import watched


class Recorder:
    """Notes each operation of the store, and how it ended."""

    def __init__(self):
        self.seen = []

    @contextmanager
    def operation(self, name, attributes):
        self.seen.append((name, dict(attributes)))
        try:
            yield
        except Exception as error:
            self.seen.append(type(error))
            raise

    def record(self, name, value, attributes):
        raise AssertionError("a store has no gauges")


def _watched(directory):
    return watched(InMemoryAsyncEventStore(), Recorder(), "memory")


PLAIN = next(row for row in orchestrix_contract_subjects() if row.name == "memory")


class TestWatchedStore(CompleteStoreContract):
    subject = attrs.evolve(PLAIN, name="memory, watched", create=_watched)


def test_without_instrumentation_the_store_is_what_it_was():
    store = InMemoryAsyncEventStore()
    assert watched(store, NO_INSTRUMENTATION, "memory") is store


def test_it_is_still_a_store_and_a_log():
    store = _watched(None)
    assert isinstance(store, AsyncEventStore)
    assert isinstance(store, AsyncEventLog)


@pytest.mark.parametrize(
    ("call", "operation", "stream"),
    [
        (lambda store: store.save("A", [Opened(owner="Ada")]), "append", "A"),
        (lambda store: store.save(aggregate_id="A", events=[]), "append", "A"),
        (lambda store: store.save_all([StreamWrite("A", [Opened(owner="Ada")])]), "append", None),
        (lambda store: store.load("A"), "load", "A"),
        (lambda store: store.load_by_trace("a" * 32), "load_by_trace", None),
        (
            lambda store: store.save_snapshot_async(
                Snapshot(aggregate_id="A", version=1, state={})
            ),
            "save_snapshot",
            "A",
        ),
        (lambda store: store.load_snapshot_async("A"), "load_snapshot", "A"),
        (lambda store: store.read_log(), "read_log", None),
        (lambda store: store.head(), "head", None),
    ],
)
async def test_each_operation_is_seen_once(call, operation, stream):
    watch = Recorder()
    async with watched(InMemoryAsyncEventStore(), watch, "memory") as store:
        await call(store)
    expected = {"operation": operation, "backend": "memory"}
    if stream is not None:
        expected["aggregate_id"] = stream
    assert watch.seen == [("storage", expected)]


async def test_a_failure_is_seen_and_goes_on():
    watch = Recorder()
    async with watched(InMemoryAsyncEventStore(), watch, "memory") as store:
        with pytest.raises(ConcurrencyError):
            await store.save("A", [Opened(owner="Ada")], expected_version=3)
    assert watch.seen[-1] is ConcurrencyError
