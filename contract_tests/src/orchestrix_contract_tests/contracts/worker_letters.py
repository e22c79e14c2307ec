"""Workers: an event that cannot be handled holds up its own stream, and no other."""

from __future__ import annotations

import logging
from typing import Any, Final

import pytest

from orchestrix_contract_tests.contracts._base import requires
from orchestrix_contract_tests.contracts._store import StoreContract
from orchestrix_contract_tests.contracts._workers import (
    QUICK,
    Wrapped,
    all_done,
    count,
    counting,
    fill,
    mistakes,
    running,
    until,
    versions,
)
from orchestrix_contract_tests.driver import Driver, Stores
from orchestrix_core import Event, JSONSerializer, MessageRegistry, RecordedEvent, Transaction
from orchestrix_core.subscriptions import (
    DeadLetter,
    DeadLetters,
    Subscription,
    Worker,
    forget,
    lags,
)

__all__ = ["WorkerLetterContract"]

# Names that a careless search by prefix, or a careless key, takes for one another.
STREAMS = ("a", "a/b", "a/", "a%2F", "A", "a/00000000000000000003", "ä ~")


class Poisoned:
    """A handler that fails at certain events until it is cured."""

    def __init__(self, *poison: tuple[str, int]) -> None:
        self.poison = set(poison)
        self.tried: list[tuple[str, int]] = []

    async def __call__(self, record: RecordedEvent, transaction: Transaction | None) -> None:
        place = (record.aggregate_id, record.version)
        self.tried.append(place)
        if transaction is not None:
            await count(record, transaction)
        if place in self.poison:
            msg = f"poison \0 in {place}"
            raise ValueError(msg)


def of(stream: str, letters: list[DeadLetter]) -> list[tuple[int, str]]:
    return [(each.version, each.state) for each in letters if each.aggregate_id == stream]


_yesterday: Final = MessageRegistry()
_today: Final = {name: MessageRegistry() for name in ("a gap", "other fields")}
_before: Final = {name: MessageRegistry() for name in ("no class", "an older class")}


class _Stored(Event, type="contract.room.booked", version=2, registry=_yesterday):
    room: str


class _Kept(Event, type="contract.room.left", registry=_yesterday):
    pass


class _Newer(Event, type="contract.room.booked", version=3, registry=_today["a gap"]):
    room: str


class _Other(Event, type="contract.room.booked", version=2, registry=_today["other fields"]):
    room: int


class _Older(Event, type="contract.room.booked", registry=_before["an older class"]):
    room: str


for _registry in (*_today.values(), *_before.values()):

    class _KeptStill(Event, type="contract.room.left", registry=_registry):
        pass


class WorkerLetterContract(StoreContract, needs=("documents", "global_log", "async")):
    """Dead letters, and what becomes of them."""

    @pytest.mark.parametrize("transactional", [True, False])
    async def test_poison_holds_up_its_own_stream_alone(
        self, store: Driver, transactional: bool
    ) -> None:
        """Dead letters: the events behind it wait in order; other streams go on."""
        handle = Poisoned(("a", 2))
        await fill(store, "abc")
        subscription = counting(handle=handle, transactional=transactional, batch=4)
        async with running(Worker(store.store, [subscription])):
            await all_done(store, subscription)
            await fill(store, "ab", rounds=1)
            await all_done(store, subscription)
            (lag,) = await lags(store.store, [subscription])
        letters = await DeadLetters(store.store, "counting").list()
        waiting = [(version, "parked") for version in range(3, 10)]
        assert of("a", letters) == [(2, "failed"), *waiting]
        assert len(letters) == 8
        assert (lag.blocked, lag.dead_letters, lag.behind) == (1, 8, 0)
        assert [v for stream, v in handle.tried if stream == "a"][-1] == 2
        if transactional:
            assert (await versions(store))["a"] == [1]
            assert await mistakes(store, without="a") == []

    @requires("persistent")
    @pytest.mark.parametrize(
        ("why", "error"),
        [("a gap", "UpcastingError"), ("other fields", "SerializationError")],
    )
    async def test_event_that_cannot_be_read_is_a_dead_letter(
        self, stores: Stores, why: str, error: str
    ) -> None:
        """Dead letters: it holds up its own stream, until a program comes that can read it."""
        old = await stores.open(serializer=JSONSerializer(_yesterday))
        await old.save("b", [_Kept()])
        await old.save("a", [_Kept(), stored := _Stored(room="101"), _Kept(), _Stored(room="102")])
        await old.save("b", [_Kept()])
        subscription = counting(batch=2)
        new = await stores.open(serializer=JSONSerializer(_today[why]))
        async with running(Worker(new.store, [subscription])):
            await all_done(new, subscription)
        assert await versions(new) == {"a": [1], "b": [1, 2]}
        letters = DeadLetters(new.store, "counting")
        failed, *parked = await letters.list()
        assert (failed.aggregate_id, failed.version, failed.state) == ("a", 2, "failed")
        assert (failed.event_id, failed.event_type) == (stored.id, "contract.room.booked")
        assert (failed.error or "").split(":")[0].split(".")[-1] == error
        assert [(each.version, each.state) for each in parked] == [(3, "parked"), (4, "parked")]
        assert await letters.replay() == 1
        async with running(Worker(new.store, [subscription])):
            await until(lambda: _attempts(letters, 2 * QUICK.attempts))
        assert await letters.replay() == 1
        async with running(Worker(old.store, [subscription])):
            await until(lambda: _is_clear(letters))
        assert await versions(old) == {"a": [1, 2, 3, 4], "b": [1, 2]}

    @requires("persistent")
    @pytest.mark.parametrize("why", _before)
    async def test_event_of_a_newer_program_is_waited_for(
        self, stores: Stores, why: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Workers: while programs are replaced, an old one leaves what is new to the new."""
        caplog.set_level(logging.WARNING, "orchestrix_core.subscriptions")
        new = await stores.open(serializer=JSONSerializer(_yesterday))
        old = await stores.open(serializer=JSONSerializer(_before[why]))
        subscription = counting()
        async with running(Worker(old.store, [subscription])):
            await new.save("a", [_Kept(), _Stored(room="101"), _Kept()])
            await until(lambda: _says(caplog, "contract.room.booked"))
        assert await DeadLetters(new.store, "counting").list() == []
        async with running(Worker(new.store, [subscription])):
            await all_done(new, subscription)
        assert await versions(new) == {"a": [1, 2, 3]}

    async def test_letter_tells_what_happened(self, store: Driver) -> None:
        """Dead letters: the event, the error with its traceback, and how often it was tried."""
        handle = Poisoned(("a", 2))
        await fill(store, "a", rounds=1)
        subscription = counting(handle=handle)
        async with running(Worker(store.store, [subscription])):
            await all_done(store, subscription)
        failed, parked = await DeadLetters(store.store, "counting").list("a")
        record = (await store.read_log())[1]
        assert (failed.subscription, failed.aggregate_id) == ("counting", "a")
        assert (failed.position, failed.version) == (record.position, 2)
        assert (failed.event_id, failed.event_type) == (record.event.id, record.event.type)
        assert failed.error == "ValueError: poison \\0 in ('a', 2)"
        assert "in __call__" in (failed.traceback or "")
        assert failed.time.utcoffset() is not None
        assert failed.attempts == handle.tried.count(("a", 2)) == QUICK.attempts
        assert (parked.error, parked.traceback, parked.attempts) == (None, None, 0)

    @pytest.mark.parametrize("transactional", [True, False])
    async def test_replay_handles_the_stream_in_order(
        self, store: Driver, stores: Stores, transactional: bool
    ) -> None:
        """Dead letters: after the cause is gone, from anywhere, in order; then it is free."""
        (elsewhere,) = await stores.rivals(store, 1)
        letters = DeadLetters(elsewhere.store, "counting")
        handle = Poisoned(("a", 2), ("b", 1))
        await fill(store, "abc")
        subscription = counting(handle=handle, transactional=transactional, partitions=2)
        async with running(Worker(store.store, [subscription])):
            await all_done(store, subscription)
            handle.poison.clear()
            handle.tried.clear()
            assert await letters.replay("a") == 1
            await until(lambda: _is_clear(letters, "a"))
            assert handle.tried == [("a", version) for version in range(2, 7)]
            assert len(await letters.list("b")) == 6
            assert await letters.replay() == 1
            await until(lambda: _is_clear(letters))
            await fill(store, "ab", rounds=1)
            await all_done(store, subscription)
        if transactional:
            assert await mistakes(store) == []
        assert handle.tried[-6:] == [(s, v) for s in "ab" for v in (7, 8, 9)] or transactional

    async def test_replay_that_fails_stays_with_the_new_error(self, store: Driver) -> None:
        """Dead letters: once more in vain; the attempts add up, and what follows still waits."""
        letters = DeadLetters(store.store, "counting")
        handle = Poisoned(("a", 2))
        await fill(store, "a")
        subscription = counting(handle=handle)
        async with running(Worker(store.store, [subscription])):
            await all_done(store, subscription)
            handle.poison = {("a", 2), ("a", 4)}
            await letters.replay("a")
            await until(lambda: _attempts(letters, 2 * QUICK.attempts))
            handle.poison = {("a", 4)}
            await letters.replay("a")
            await until(lambda: _begins_with(letters, 4, "failed"))
            first, *others = await letters.list("a")
            assert (first.error, first.attempts) == (
                "ValueError: poison \\0 in ('a', 4)",
                QUICK.attempts,
            )
            assert [(other.version, other.state) for other in others] == [
                (5, "parked"),
                (6, "parked"),
            ]
        assert await versions(store) == {"a": [1, 2, 3]}

    async def test_dropped_event_is_never_handled(self, store: Driver) -> None:
        """Dead letters: one is given up, and the stream goes on behind it."""
        letters = DeadLetters(store.store, "counting")
        await fill(store, "ab")
        subscription = counting(handle=Poisoned(("a", 2), ("a", 5)))
        async with running(Worker(store.store, [subscription])):
            await all_done(store, subscription)
            second, third, *_ = await letters.list("a")
            assert await letters.drop("a", third.position)
            assert await letters.drop("a", second.position)
            assert not await letters.drop("a", second.position)
            await until(lambda: _begins_with(letters, 5, "failed"))
            await letters.drop("a", (await letters.list())[0].position)
            await until(lambda: _is_clear(letters))
        assert await versions(store) == {"a": [1, 4, 6], "b": [1, 2, 3, 4, 5, 6]}

    async def test_what_was_dropped_while_nothing_ran_is_passed(self, store: Driver) -> None:
        """Dead letters: nothing need run, neither for `drop` nor for `replay`."""
        letters = DeadLetters(store.store, "counting")
        await fill(store, "abc")
        handle = Poisoned(("a", 2), ("b", 6), ("c", 3))
        async with running(Worker(store.store, [counting(handle=handle)])):
            await all_done(store, "counting")
        for stream in "ab":
            await letters.drop(stream, (await letters.list(stream))[0].position)
        assert await letters.replay("c") == 1
        assert await letters.replay("c") == 0, "it is due already"
        handle.poison.clear()
        async with running(Worker(store.store, [counting(handle=handle)])):
            await until(lambda: _is_clear(letters))
            await fill(store, "abc", rounds=1)
            await all_done(store, "counting")
        assert await versions(store) == {
            "a": [1, *range(3, 10)],
            "b": [1, 2, 3, 4, 5, 7, 8, 9],
            "c": [*range(1, 10)],
        }

    async def test_next_worker_knows_which_streams_wait(self, store: Driver) -> None:
        """Dead letters: over a restart, later events still queue up behind the first."""
        for n in range(3):
            await fill(store, "ab", rounds=1)
            handle = Poisoned(("a", 1))
            async with running(Worker(store.store, [counting(handle=handle)])):
                await all_done(store, "counting")
            assert (("a", 1) in handle.tried) == (n == 0)
        letters = await DeadLetters(store.store, "counting").list()
        assert of("a", letters) == [(1, "failed"), *((v, "parked") for v in range(2, 10))]
        assert await mistakes(store, without="a") == []

    async def test_streams_of_similar_names_are_kept_apart(self, store: Driver) -> None:
        """Dead letters: each stream has its own, whatever it is called."""
        letters = DeadLetters(store.store, "counting")
        handle = Poisoned(*((stream, 1) for stream in STREAMS[1:]))
        await fill(store, STREAMS, rounds=1, size=2)
        async with running(Worker(store.store, [counting(handle=handle)])):
            await all_done(store, "counting")
            handle.poison.clear()
            for n, stream in enumerate(STREAMS):
                waiting = {letter.aggregate_id for letter in await letters.list()}
                assert waiting == set(STREAMS[max(1, n) :])
                await letters.replay(stream)
                await until(lambda stream=stream: _is_clear(letters, stream))  # type: ignore[misc]  # mypy and defaults
        assert await mistakes(store) == []

    async def test_letter_whose_commit_was_in_doubt_is_there_once(self, store: Driver) -> None:
        """Dead letters: the answer was lost, the letter was not; later events queue up."""
        cut = Wrapped(store)

        async def handle(record: RecordedEvent, transaction: Transaction | None) -> None:
            await count(record, transaction)
            if record.aggregate_id == "a":
                cut.forgets = int(record.version == 1)
                raise ValueError

        await fill(store, "ab", rounds=1)
        subscription: Subscription = counting(handle=handle, batch=1)
        async with running(Worker(cut, [subscription])):
            await all_done(store, subscription)
        letters = await DeadLetters(store.store, "counting").list()
        assert of("a", letters) == [(1, "failed"), (2, "parked"), (3, "parked")]
        assert await mistakes(store, without="a") == []

    async def test_worker_that_was_told_nothing_sees_a_letter_go(self, store: Driver) -> None:
        """Dead letters: dropped between two looks, and the next event is not parked for ever."""
        letters = DeadLetters(store.store, "counting")
        subscription = counting(handle=Poisoned(("a", 1)))
        await fill(store, "a", rounds=1, size=1)
        async with running(Worker(store.store, [subscription], lease=3600)):
            await all_done(store, subscription)
            await letters.drop("a", (await letters.list())[0].position)
            await fill(store, "a", rounds=1, size=2)
            await all_done(store, subscription)
            await until(lambda: _is_clear(letters))
        assert await versions(store) == {"a": [2, 3]}

    async def test_forgotten_subscription_starts_anew(self, store: Driver) -> None:
        """Workers: nothing is left of one that was forgotten."""
        await fill(store, "ab")
        handle: Any = Poisoned(("a", 1))
        for _ in range(2):
            handle.tried.clear()
            async with running(Worker(store.store, [counting(handle=handle, partitions=2)])):
                await all_done(store, "counting")
            assert ("a", 1) in handle.tried
            await forget(store.store, "counting")
            assert await lags(store.store) == []
            assert await DeadLetters(store.store, "counting").list() == []


async def _is_clear(letters: DeadLetters, stream: str | None = None) -> bool:
    return await letters.list(stream) == []


async def _attempts(letters: DeadLetters, count: int) -> bool:
    first = (await letters.list())[0]
    return (first.attempts, first.state) == (count, "failed")


async def _begins_with(letters: DeadLetters, version: int, state: str) -> bool:
    first = (await letters.list())[0]
    return (first.version, first.state) == (version, state)


async def _says(caplog: pytest.LogCaptureFixture, text: str) -> bool:
    return any(text in record.getMessage() for record in caplog.records)
