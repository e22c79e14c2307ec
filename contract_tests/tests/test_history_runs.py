"""Workers on stores in memory: what they record is enough to judge by; and how runs end."""

from __future__ import annotations

import asyncio

import pytest

from orchestrix.infrastructure.memory import InMemoryAsyncEventStore, InMemoryEventStore
from orchestrix_contract_tests.history import (
    Append,
    HistoryRunError,
    Load,
    Plan,
    Read,
    Summary,
    _writing,
    check,
    record,
)
from orchestrix_core import ContractSubject, StorageError
from orchestrix_core.stores import ASYNC, MULTI_PROCESS

PLAN = Plan(seed=3, workers=4, appends=400, streams=4)


@pytest.mark.parametrize("backend", [InMemoryAsyncEventStore, InMemoryEventStore])
async def test_sound_store_has_no_finding_and_much_to_judge(backend, subject_of, tmp_path):
    history = await record(subject_of(backend), tmp_path, PLAN, tmp_path / "history")
    assert check(history) == []
    numbers = Summary.of(history)
    assert numbers.calls["acknowledged"] > PLAN.appends, "some were repeated"
    assert numbers.calls["refused"] > 100, "they contend"
    assert numbers.calls["unknown"] >= 3, "some did not wait for the answer"
    assert not numbers.errors
    assert numbers.calls["loads"] > 100
    assert len({one.expected is None for one in history.appends}) == 2
    assert history.about == {"store": backend.__name__, "seed": 3, "round": "r"}


async def test_readers_follow_the_log_to_its_end(subject_of, tmp_path):
    subject = subject_of(InMemoryAsyncEventStore)
    history = await record(subject, tmp_path, PLAN, tmp_path / "history")
    seen = {}
    for one in history.operations:
        if isinstance(one, Read):
            seen.setdefault(one.worker, []).extend(one.rows)
    assert list(seen) == ["r.w0.pages", "r.w1.pages", "r.w2.subscribes"]
    assert list(seen.values()) == [history.stored] * 3


async def test_store_without_a_log_is_judged_by_its_streams(tmp_path):
    subject = ContractSubject(
        kind="event_store", name="streams", create=lambda _: InMemoryAsyncEventStore(),
        capabilities=frozenset({ASYNC}),
    )  # fmt: skip
    history = await record(subject, tmp_path, PLAN, tmp_path / "history")
    assert check(history) == []
    assert {type(one) for one in history.operations} == {Append, Load}
    assert {row.position for row in history.stored} == {None}
    assert len(history.stored) > PLAN.appends


class NeverAnswers(InMemoryAsyncEventStore):
    async def save(self, aggregate_id, events, expected_version=None):
        raise StorageError("the disk is gone")


async def test_store_that_never_answers_ends_the_run(subject_of, tmp_path, monkeypatch):
    monkeypatch.setattr(_writing, "_PAUSE", 0)
    with pytest.raises(HistoryRunError, match="gave no answer 100 times: StorageError: the disk"):
        await record(subject_of(NeverAnswers), tmp_path, PLAN, tmp_path / "history")


class Skeleton(InMemoryAsyncEventStore):
    async def save(self, aggregate_id, events, expected_version=None):
        raise NotImplementedError("save is missing: see the guide")


async def test_what_is_not_written_yet_is_told_as_it_is(subject_of, tmp_path):
    with pytest.raises(NotImplementedError, match=r"^save is missing: see the guide$"):
        await record(subject_of(Skeleton), tmp_path, PLAN, tmp_path / "history")


class Hangs(InMemoryAsyncEventStore):
    async def save(self, aggregate_id, events, expected_version=None):
        await asyncio.Event().wait()


async def test_call_that_hangs_ends_the_run(subject_of, tmp_path, monkeypatch):
    monkeypatch.setattr("orchestrix_contract_tests.driver.PATIENCE", 0.05)
    with pytest.raises(HistoryRunError, match="save did not return"):
        await record(subject_of(Hangs), tmp_path, PLAN, tmp_path / "history")


async def test_subject_that_no_other_process_can_make(tmp_path):
    subject = ContractSubject(
        kind="event_store", name="local", create=lambda _: InMemoryAsyncEventStore(),
        capabilities=frozenset({ASYNC, MULTI_PROCESS}),
    )  # fmt: skip
    with pytest.raises(HistoryRunError, match="function at the top of a module"):
        await record(subject, tmp_path, PLAN, tmp_path / "history")


@pytest.mark.parametrize("argument", ["workers", "tasks", "streams", "appends"])
def test_plan_of_nothing_is_none(argument):
    with pytest.raises(ValueError, match=argument):
        Plan(**{argument: 0})
