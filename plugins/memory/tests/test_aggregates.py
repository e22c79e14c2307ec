"""Aggregates and their repository, on the memory store."""

from __future__ import annotations

import pytest

from orchestrix.infrastructure.memory import InMemoryAsyncEventStore
from orchestrix_core import (
    AggregateRoot,
    ConcurrencyError,
    Event,
    MessageRegistry,
    Repository,
    Snapshot,
    StorageError,
    when,
)
from orchestrix_core.aggregates import UnhandledEventError

MINE = MessageRegistry()


class Opened(Event, registry=MINE):
    owner: str


class Moved(Event, registry=MINE):
    cents: int


class MovedFast(Moved, registry=MINE):
    pass


class Closed(Event, registry=MINE):
    pass


class Account(AggregateRoot):
    owner = ""
    cents = 0

    @when(Opened)
    def _opened(self, event: Opened) -> None:
        self.owner = event.owner

    @when(Moved)
    def _moved(self, event: Moved) -> None:
        self.cents += event.cents

    def to_state(self):
        return {"owner": self.owner, "cents": self.cents}

    def from_state(self, state):
        self.owner, self.cents = state["owner"], state["cents"]


@pytest.fixture
def store():
    return InMemoryAsyncEventStore()


@pytest.fixture
def accounts(store):
    return Repository(store, Account, snapshot_every=3)


async def opened(accounts, *cents):
    account = await accounts.load("A")
    account.record(Opened(owner="Ann"))
    for amount in cents:
        account.record(Moved(cents=amount))
    await accounts.save(account)
    return account


async def test_a_saved_aggregate_loads_as_it_was(accounts):
    saved = await opened(accounts, 5, -2)
    assert (saved.version, saved.uncommitted_events) == (3, [])
    loaded = await accounts.load("A")
    assert (loaded.owner, loaded.cents, loaded.version) == ("Ann", 3, 3)
    assert loaded.uncommitted_events == []


async def test_an_unknown_aggregate_is_new(accounts):
    account = await accounts.load("B")
    assert (account.id, account.version, account.cents) == ("B", 0, 0)


async def test_who_comes_second_is_refused_and_keeps_its_events(accounts, store):
    await opened(accounts)
    first, second = await accounts.load("A"), await accounts.load("A")
    first.record(Moved(cents=1))
    second.record(Moved(cents=2))
    await accounts.save(first)
    with pytest.raises(ConcurrencyError) as caught:
        await accounts.save(second)
    assert (caught.value.expected_version, caught.value.actual_version) == (1, 2)
    assert len(second.uncommitted_events) == 1
    assert len(await store.load("A")) == 2


async def test_a_save_repeated_after_an_unknown_outcome_stores_once(accounts, store):
    account = await accounts.load("A")
    account.record(Opened(owner="Ann"))
    await store.save("A", account.uncommitted_events, 0)  # the answer to this one was lost
    await accounts.save(account)
    assert len(await store.load("A")) == 1


async def test_a_snapshot_is_taken_each_time_a_multiple_is_crossed(accounts, store):
    account = await opened(accounts, 1)
    assert await store.load_snapshot_async("A") is None
    account.record(Moved(cents=1))
    account.record(Moved(cents=1))
    await accounts.save(account)
    snapshot = await store.load_snapshot_async("A")
    assert (snapshot.version, snapshot.state) == (4, {"owner": "Ann", "cents": 3})


async def test_loading_starts_from_the_snapshot(accounts, store):
    await opened(accounts, 1, 1)
    state = {"owner": "Zoe", "cents": 100}
    await store.save_snapshot_async(Snapshot(aggregate_id="A", version=3, state=state))
    loaded = await accounts.load("A")
    assert (loaded.owner, loaded.cents, loaded.version) == ("Zoe", 100, 3)


async def test_a_snapshot_of_another_schema_is_replayed(accounts, store):
    await opened(accounts, 1, 1)
    await store.save_snapshot_async(
        Snapshot(aggregate_id="A", version=3, state={"other": 1}, schema_version=2)
    )
    loaded = await accounts.load("A")
    assert (loaded.owner, loaded.cents, loaded.version) == ("Ann", 2, 3)


async def test_a_snapshot_that_fails_does_not_fail_the_save(store, caplog):
    class Full(InMemoryAsyncEventStore):
        async def save_snapshot_async(self, snapshot):
            raise StorageError("disk full")

    accounts = Repository(Full(), Account, snapshot_every=1)
    account = await opened(accounts)
    assert account.uncommitted_events == []
    assert "no snapshot of 'A'" in caplog.text


async def test_a_snapshot_needs_a_saved_aggregate_and_a_state(store):
    class Stateless(AggregateRoot):
        @when(Opened)
        def _opened(self, event):
            pass

    accounts = Repository(store, Stateless)
    account = Stateless("A")
    with pytest.raises(TypeError, match="to_state"):
        await accounts.take_snapshot(account)
    account.record(Opened(owner="Ann"))
    with pytest.raises(ValueError, match="not saved"):
        await accounts.take_snapshot(account)


def test_an_event_without_an_applier_is_an_error():
    with pytest.raises(UnhandledEventError, match=r"Account has no @when\(Closed\)"):
        Account("A").record(Closed())


def test_the_applier_of_a_base_class_serves_its_subclasses():
    account = Account("A")
    account.record(MovedFast(cents=4))
    assert account.cents == 4


def test_a_subclass_has_its_parents_appliers_and_its_own():
    class Savings(Account):
        closed = False

        @when(Closed)
        def _closed(self, event):
            self.closed = True

    savings = Savings("A")
    savings.replay([Moved(cents=1), Closed()])
    assert (savings.cents, savings.closed, savings.version) == (1, True, 2)
    with pytest.raises(UnhandledEventError):
        Account("A").apply(Closed())


def test_when_takes_event_classes():
    with pytest.raises(TypeError, match="event classes, not <class 'int'>"):
        when(int)
    with pytest.raises(TypeError, match="at least one"):
        when()


def test_a_method_may_be_marked_twice_and_an_event_not():
    class Both(AggregateRoot):
        applied = 0

        @when(Moved)
        @when(Opened, Closed)
        def _any(self, event):
            self.applied += 1

    both = Both("A")
    both.replay([Moved(cents=1), Opened(owner="Ann"), Closed()])
    assert both.applied == 3
    with pytest.raises(TypeError, match=r"Twice has two @when\(Moved\) methods: one, two"):

        class Twice(AggregateRoot):
            one = when(Moved)(lambda self, event: None)
            two = when(Moved)(lambda self, event: None)


def test_an_applier_is_overridden_by_its_name():
    class Strict(Account):
        def _moved(self, event):
            self.cents += 2 * event.cents

    strict = Strict("A")
    strict.replay([Moved(cents=1)])
    assert strict.cents == 2
    with pytest.raises(UnhandledEventError, match="AggregateRoot has no"):
        AggregateRoot("A").apply(Closed())


def test_an_apply_of_its_own_sees_each_event():
    class Seeing(Account):
        def apply(self, event):
            self.seen = [*getattr(self, "seen", ()), type(event)]
            super().apply(event)

    seeing = Seeing("A")
    seeing.replay([Opened(owner="Ann")])
    seeing.record(Moved(cents=1))
    assert (seeing.seen, seeing.version) == ([Opened, Moved], 2)


def test_snapshot_every_is_at_least_one(store):
    with pytest.raises(ValueError, match="snapshot_every"):
        Repository(store, Account, snapshot_every=0)
