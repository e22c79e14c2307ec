"""Projections that are broken in one place each: the contract catches every one."""

from __future__ import annotations

from inspect import signature

import pytest

from orchestrix.infrastructure.memory import plugin
from orchestrix_contract_tests import ProjectionContract, driver
from orchestrix_contract_tests.driver import Stores
from orchestrix_core import MissingCapabilityError, Projection, Projections, View, on
from orchestrix_core.messages import Event
from orchestrix_core.projections import (
    ProjectionReader,
    _inline,
    _keeper,
    _rebuild,
    _switch,
    _updates,
)
from orchestrix_core.projections._switch import Switch

(ASYNC,) = (
    subject
    for subject in plugin.orchestrix_contract_subjects()
    if "documents" in subject.capabilities
)


@pytest.fixture
async def stores(tmp_path):
    async with Stores(ASYNC, tmp_path) as stores:
        yield stores


@pytest.fixture
async def store(stores):
    return await stores.open()


class EffectOutsideOfTheTransaction(View):
    async def put(self, key, body):
        draft = self._transaction._documents._below.draft()
        draft.put(self._collection, key, body, None, None)
        draft.commit()


async def nothing(*_args):
    return []


async def always(*_args):
    return True


async def cached_for_ever(self):
    if self._known is None:
        self._known = (await _rebuild.read_pointer(self._store, self._name)).live
    return self._known


follow_once = _keeper.Projections._look


async def never_changes_over(self, worker, projection, running):
    if projection.name not in running:
        await follow_once(self, worker, projection, running)


async def half_a_switch(self, transaction, seen, head):
    """The new generation is live, and its checkpoints are left where they were."""


def restarted(*_args):
    return False


def leave_all_to_the_switch(monkeypatch):
    """Let nothing be built before the switch, and let that have any number of events to handle."""

    async def at_once(self, goal):
        return None

    monkeypatch.setattr(_rebuild._Rebuild, "_reach", at_once)
    monkeypatch.setattr(_switch, "CLOSE", 10_000)


async def test_a_switch_may_have_everything_to_do(store, stores, monkeypatch):
    leave_all_to_the_switch(monkeypatch)
    contract = ProjectionContract()
    await contract.test_new_view_replaces_the_old_one_under_readers_and_writers(store, stores)


BROKEN = [
    (_updates, "view_of", EffectOutsideOfTheTransaction, "handler_that_fails_behind_its_effect"),
    (Switch, "_missing", nothing, "new_view_replaces_the_old_one_under_readers_and_writers"),
    (Switch, "_advance", half_a_switch, "worker_elsewhere_changes_over"),
    (ProjectionReader, "_live", cached_for_ever, "new_view_replaces_the_old_one_under_readers"),
    (ProjectionReader, "_live", cached_for_ever, "other_version_waits_for_its_rebuild"),
    (_keeper.Projections, "_look", never_changes_over, "worker_elsewhere_changes_over"),
    (_keeper, "is_kept_by", lambda *_: True, "other_version_waits_for_its_rebuild"),
    (_rebuild, "_is_same", restarted, "rebuild_that_was_broken_off_is_resumed"),
    (_rebuild._Rebuild, "_check", nothing, "dead_letters_keep_a_worse_view_from_being_read"),
    (_inline, "_is_new", always, "append_that_is_repeated_is_heard_once"),
    (_keeper, "inline_changes", nothing, "view_is_there_when_the_append_returns"),
    (Switch, "_read", nothing, "rebuild_under_appends_is_exact"),
]


@pytest.mark.parametrize(
    ("owner", "name", "broken", "test"),
    BROKEN,
    ids=lambda value: getattr(value, "__name__", value) if not isinstance(value, type) else None,
)
async def test_what_is_broken_is_caught(
    store, stores, caplog, monkeypatch, owner, name, broken, test
):
    (found,) = (each for each in dir(ProjectionContract) if each.startswith(f"test_{test}"))
    method = getattr(ProjectionContract(), found)
    given = {"store": store, "stores": stores, "caplog": caplog}
    arguments = {each: given[each] for each in signature(method).parameters}
    monkeypatch.setattr(owner, name, broken)
    if name == "_missing":  # that there is something missing must not be left to chance
        leave_all_to_the_switch(monkeypatch)
    monkeypatch.setattr(driver, "PATIENCE", 1.5)
    with pytest.raises((AssertionError, pytest.fail.Exception, TimeoutError)):
        await method(**arguments)


async def test_tables_are_refused_where_there_is_no_sql(store):
    class Tables(Projection, tables=["orders"]):
        async def setup(self, view): ...

        @on(Event)
        async def heard(self, event, view): ...

    with pytest.raises(MissingCapabilityError, match="lacks sql"):
        await Projections(store.store, [Tables]).prepare()
    assert await store.find_documents("projections") == []


async def test_documents_are_refused_where_there_are_none():
    class Documents(Projection):
        @on(Event)
        async def heard(self, event, view): ...

    with pytest.raises(MissingCapabilityError, match="lacks global_log, documents"):
        await Projections(object(), [Documents]).prepare()
    await Projections(object(), []).prepare()


def test_two_of_one_name_are_refused():
    class Documents(Projection):
        @on(Event)
        async def heard(self, event, view): ...

    class Others(Documents, name="Documents"): ...

    with pytest.raises(ValueError, match=r"Documents.*Documents and .*Others"):
        Projections(object(), [Documents, Others])
