"""What a repository promises: retries, the cache, snapshots, time travel, what it reports."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import attrs
import pytest

from orchestrix.infrastructure.memory import InMemoryAsyncEventStore, InMemoryEventStore
from orchestrix_core import (
    AggregateRoot,
    CannotSaveError,
    ConcurrencyError,
    Decider,
    Event,
    JSONSerializer,
    MessageRegistry,
    Repository,
    Snapshot,
    StorageError,
    SyncRepository,
    UnhandledEventError,
    when,
)
from orchestrix_core.testing import frozen

MINE = MessageRegistry()


class Added(Event, registry=MINE):
    word: str


class Unknown(Event, registry=MINE):
    pass


class Words(AggregateRoot):
    def __init__(self, id):
        super().__init__(id)
        self.words = []

    def add(self, word):
        self.record(Added(word=word))
        return len(self.words)

    @when(Added)
    def _added(self, event):
        if event.word == "half":
            self.words.append("wrong")
            raise ValueError("half")
        self.words.append(event.word)

    def to_state(self):
        return {"words": list(self.words)}

    def from_state(self, state):
        self.words = ["half-changed"]
        self.words = list(state["words"])


class Spy(InMemoryAsyncEventStore):
    """A store that says what it was asked for, and lets others go first while it loads."""

    def __init__(self):
        super().__init__()
        self.asked = []

    async def load(self, aggregate_id, from_version=0):
        self.asked.append(("load", aggregate_id, from_version))
        events = await super().load(aggregate_id, from_version)
        await asyncio.sleep(0)
        return events

    async def load_snapshot_async(self, aggregate_id):
        self.asked.append(("load_snapshot", aggregate_id))
        return await super().load_snapshot_async(aggregate_id)


class Watching:
    def __init__(self):
        self.operations, self.gauges = [], []

    @contextmanager
    def operation(self, name, attributes):
        self.operations.append((name, attributes))
        yield

    def record(self, name, value, attributes):
        self.gauges.append((name, value, attributes))


@pytest.fixture
def store():
    return Spy()


async def fill(store, id, *words):
    await store.save(id, [Added(word=word) for word in words])
    store.asked.clear()


def words_of(events):
    return [event.word for event in events]


# execute


@pytest.mark.parametrize("cache", [None, 4])
async def test_execute_saves_and_returns_what_the_function_does(store, cache):
    words = Repository(store, Words, cache=cache)

    async def later(aggregate):
        await asyncio.sleep(0)
        return aggregate.add("b")

    assert await words.execute("A", lambda aggregate: aggregate.add("a")) == 1
    assert await words.execute("A", later) == 2
    assert words_of(await store.load("A")) == ["a", "b"]


@pytest.mark.parametrize("cache", [None, 4])
async def test_of_many_at_once_each_is_saved_exactly_once(store, cache):
    words = Repository(store, Words, cache=cache, attempts=50)
    tasks = [words.execute("A", lambda each, n=n: each.add(f"w{n}")) for n in range(20)]
    lengths = await asyncio.gather(*tasks)
    assert sorted(lengths) == list(range(1, 21))
    events = await store.load("A")
    assert sorted(words_of(events)) == sorted(f"w{n}" for n in range(20))
    assert (await words.load("A")).words == words_of(events)


async def test_execute_gives_up_after_its_attempts(store):
    words, tried = Repository(store, Words, attempts=3), []

    async def too_slow(aggregate):
        tried.append(aggregate.version)
        await store.save("A", [Added(word="faster")])
        aggregate.add("slow")

    with pytest.raises(ConcurrencyError):
        await words.execute("A", too_slow)
    assert tried == [0, 1, 2]
    assert words_of(await store.load("A")) == ["faster"] * 3
    with pytest.raises(ConcurrencyError):
        await Repository(store, Words, attempts=1).execute("A", too_slow)
    assert len(tried) == 4


async def test_only_a_conflict_over_this_stream_is_tried_again(store):
    words, tried = Repository(store, Words), []

    def fail(aggregate, error):
        tried.append(error)
        aggregate.add("never")
        raise error

    for error in (ConcurrencyError("B", 0, 1), StorageError("down"), KeyError("mine")):
        with pytest.raises(type(error)):
            await words.execute("A", lambda aggregate, error=error: fail(aggregate, error))
    assert len(tried) == 3
    assert await store.load("A") == []


async def test_a_conflict_over_another_stream_ends_the_attempts(store):
    words, tried = Repository(store, Words), []

    async def decide(aggregate):
        tried.append(aggregate.version)
        if len(tried) == 1:
            await store.save("A", [Added(word="faster")])
            aggregate.add("late")
        else:
            raise ConcurrencyError("B", 0, 1)

    with pytest.raises(ConcurrencyError, match="'B'"):
        await words.execute("A", decide)
    assert tried == [0, 1]


async def test_execute_without_events_writes_nothing(store):
    words = Repository(store, Words)
    assert await words.execute("A", lambda aggregate: aggregate.version) == 0
    assert await store.head() == 0


async def test_execute_needs_a_function(store):
    with pytest.raises(TypeError, match="function of the aggregate, not 'add'"):
        await Repository(store, Words).execute("A", "add")


# saving


async def test_what_is_recorded_while_the_store_is_busy_is_kept(store):
    class Busy(InMemoryAsyncEventStore):
        async def save(self, aggregate_id, events, expected_version=None):
            if expected_version == 0:
                aggregate.add("b")
            await super().save(aggregate_id, events, expected_version)

    busy = Busy()
    words = Repository(busy, Words)
    aggregate = await words.load("A")
    aggregate.add("a")
    await words.save(aggregate)
    assert words_of(await busy.load("A")) == ["a"]
    assert words_of(aggregate.uncommitted_events) == ["b"]
    await words.save(aggregate)
    assert words_of(await busy.load("A")) == ["a", "b"]


async def test_a_half_changed_aggregate_is_not_saved(store):
    words = Repository(store, Words, cache=4)
    await fill(store, "A", "a")
    aggregate = await words.load("A")
    with pytest.raises(ValueError, match="half"):
        aggregate.add("half")
    aggregate.add("b")
    with pytest.raises(CannotSaveError, match="aggregate 'A' cannot be saved: one of its @when"):
        await words.save(aggregate)
    assert (await words.load("A")).words == ["a"]


async def test_an_event_that_nothing_applies_changes_nothing(store):
    words = Repository(store, Words)
    aggregate = await words.load("A")
    with pytest.raises(UnhandledEventError):
        aggregate.record(Unknown())
    aggregate.add("a")
    await words.save(aggregate)
    assert len(await store.load("A")) == 1


# the cache


async def test_a_kept_aggregate_reads_only_what_is_newer(store):
    words = Repository(store, Words, cache=2)
    await fill(store, "A", "a", "b")
    assert (await words.load("A")).words == ["a", "b"]
    await store.save("A", [Added(word="c")])
    assert (await words.load("A")).words == ["a", "b", "c"]
    assert (await words.load("A")).words == ["a", "b", "c"]
    assert store.asked == [("load_snapshot", "A"), *(("load", "A", n) for n in (0, 2, 3))]


async def test_what_one_caller_does_no_other_sees(store):
    words = Repository(store, Words, cache=2)
    await fill(store, "A", "a")
    mine, theirs = await words.load("A"), await words.load("A")
    mine.add("mine")
    mine.words[0] = "spoilt"
    assert theirs.words == ["a"]
    assert (await words.load("A")).words == ["a"]
    with pytest.raises(KeyError):
        await words.execute("A", lambda each: (each.add("x"), each.words.clear(), {}["no"]))
    leaked = await words.execute("A", lambda each: (each.add("b"), each)[1])
    leaked.add("after the save")
    assert (await words.load("A")).words == ["a", "b"]


async def test_a_conflict_leaves_the_cache_right(store):
    words = Repository(store, Words, cache=2)
    await fill(store, "A", "a")
    first, second = await words.load("A"), await words.load("A")
    first.add("first")
    second.add("second")
    await words.save(first)
    with pytest.raises(ConcurrencyError):
        await words.save(second)
    again = await words.load("A")
    assert (again.words, again.version, again.uncommitted_events) == (["a", "first"], 2, [])


async def test_a_save_of_unknown_outcome_leaves_the_cache_right(store):
    words = Repository(store, Words, cache=2)
    await fill(store, "A", "a")
    save, store.lost = store.save, True

    async def lose_the_answer(*arguments):
        await save(*arguments)
        raise StorageError("connection lost")

    store.save = lose_the_answer
    with pytest.raises(StorageError):
        await words.execute("A", lambda each: each.add("b"))
    assert (await words.load("A")).words == ["a", "b"]


async def test_of_loads_at_once_none_applies_an_event_twice(store):
    words = Repository(store, Words, cache=2)
    await fill(store, "A", "a")
    await words.load("A")
    await store.save("A", [Added(word="b")])
    early = [asyncio.create_task(words.load("A")) for _ in range(3)]
    await asyncio.sleep(0)  # they have asked the store, and wait
    await store.save("A", [Added(word="c")])
    loaded = await asyncio.gather(*early, *(words.load("A") for _ in range(3)))
    for aggregate in loaded:
        assert aggregate.words == ["a", "b", "c"][: aggregate.version]
    assert [each.version for each in loaded[3:]] == [3, 3, 3]


async def test_the_least_recently_used_one_makes_room(store):
    watching = Watching()
    words = Repository(store, Words, cache=2, instrumentation=watching)
    for id in "ABC":
        await fill(store, id, id)
    for id in ("A", "B", "A", "C", "new", "A", "B"):
        await words.load(id)
    asked = [(id, start) for name, id, *start in store.asked if name == "load"]
    assert [(id, *start) for id, start in asked] == [
        ("A", 0), ("B", 0), ("A", 1), ("C", 0), ("new", 0), ("A", 1), ("B", 0),
    ]  # fmt: skip
    kind = {"aggregate_type": "Words"}
    assert watching.gauges == [("aggregates_in_memory", n, kind) for n in (1, 2)]


async def test_a_kept_aggregate_that_is_ahead_of_its_stream_is_dropped(store):
    watching = Watching()
    words = Repository(store, Words, cache=2, instrumentation=watching)
    await fill(store, "A", "a", "b")
    await words.load("A")
    restored = Spy()
    await fill(restored, "A", "z")
    words._store = restored  # as if an older copy of the store had been put back
    assert await words.execute("A", lambda each: each.add("y")) == 2
    assert (await words.load("A")).words == ["z", "y"]
    assert [value for _, value, _ in watching.gauges] == [1, 0, 1]


async def test_an_aggregate_that_cannot_be_replayed_is_not_kept_half_changed(store):
    words = Repository(store, Words, cache=2)
    await fill(store, "A", "a")
    await words.load("A")
    await store.save("A", [Added(word="half")])
    for _ in range(2):
        with pytest.raises(ValueError, match="half"):
            await words.load("A")
    assert store.asked[-1] == ("load", "A", 0)


async def test_an_aggregate_that_cannot_be_copied_cannot_be_kept(store):
    class Locked(Words):
        def __init__(self, id):
            super().__init__(id)
            self.lock = threading.Lock()

    await fill(store, "A", "a")
    with pytest.raises(TypeError, match="Locked cannot be copied: give it a __deepcopy__"):
        await Repository(store, Locked, cache=2).load("A")


def test_threads_that_share_a_cache_see_whole_aggregates():
    with InMemoryEventStore() as store:
        words = SyncRepository(store, Words, cache=1, attempts=100)
        seen = []

        def work(name):
            for n in range(15):
                words.execute("A", lambda each, n=n: each.add(f"{name}{n}"))
                seen.append((words.load("A"), name, n))

        threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        stored = words_of(store.load("A"))
    assert sorted(stored) == sorted(f"{name}{n}" for name in "abcd" for n in range(15))
    assert len(seen) == 60
    for aggregate, name, n in seen:
        assert aggregate.words == stored[: aggregate.version]
        assert f"{name}{n}" in aggregate.words


# snapshots


@pytest.mark.parametrize("state", [{"other": 1}, {"words": 7}])
async def test_a_snapshot_that_fails_to_load_is_replayed_and_reported_once(store, state, caplog):
    words = Repository(store, Words)
    for id in "AB":
        await fill(store, id, "a", "b")
        await store.save_snapshot_async(Snapshot(aggregate_id=id, version=1, state=state))
        loaded = await words.load(id)
        assert (loaded.words, loaded.version) == (["a", "b"], 2)
    assert caplog.text.count("from_state failed") == 1
    assert "snapshot of 'A'" in caplog.text


async def test_a_snapshot_that_could_not_be_used_is_replaced_by_the_next_save(store, caplog):
    words = Repository(store, Words, snapshot_every=100)
    await fill(store, "A", "a")
    old = Snapshot(aggregate_id="A", version=1, state={"other": 1}, schema_version=7)
    await store.save_snapshot_async(old)
    await words.execute("A", lambda each: each.add("b"))
    new = await store.load_snapshot_async("A")
    assert (new.version, new.schema_version, new.state) == (2, 1, {"words": ["a", "b"]})
    assert "has schema version 7 and cannot be used (wanted: version 1)" in caplog.text
    await words.execute("A", lambda each: each.add("c"))
    assert (await store.load_snapshot_async("A")).version == 2


async def test_a_policy_says_when_a_snapshot_is_due(store):
    asked = []

    def due(aggregate, before):
        asked.append((aggregate.version, before))
        return aggregate.words[-1] == "now"

    words = Repository(store, Words, snapshot_when=due)
    for word in ("a", "now", "b"):
        await words.execute("A", lambda each, word=word: each.add(word))
    assert asked == [(1, 0), (2, 1), (3, 2)]
    assert (await store.load_snapshot_async("A")).version == 2


async def test_a_policy_that_fails_does_not_fail_the_save(store, caplog):
    words = Repository(store, Words, snapshot_when=lambda aggregate, before: 1 / 0)
    await words.execute("A", lambda each: each.add("a"))
    assert len(await store.load("A")) == 1
    assert "no snapshot of 'A' was taken" in caplog.text


async def test_what_has_no_snapshots_asks_for_none(store):
    class Plain(AggregateRoot):
        @when(Added)
        def _added(self, event):
            pass

    await Repository(store, Plain).load("A")
    assert store.asked == [("load", "A", 0)]
    with pytest.raises(TypeError, match="Plain has no snapshots"):
        Repository(store, Plain, snapshot_every=2)


# time travel


async def test_an_aggregate_as_it_was(store):
    words = Repository(store, Words, cache=2, snapshot_every=2)
    with frozen() as world:
        for word in "abcd":
            await words.execute("A", lambda each, word=word: each.add(word))
            world.advance(minutes=1)
    then = datetime(2024, 1, 1, tzinfo=UTC)
    for version in range(5):
        past = await words.load("A", at=version)
        assert (past.words, past.version) == (list("abcd")[:version], version)
        moment = then + timedelta(minutes=version - 1)
        assert (await words.load("A", at=moment)).words == past.words
    assert ("load", "A", 4) in store.asked  # at=4 began at the snapshot of version 4
    assert (await words.load("A")).words == list("abcd")


async def test_what_was_is_not_saved(store):
    words = Repository(store, Words)
    await fill(store, "A", "a", "b")
    past = await words.load("A", at=2)
    past.add("what if")
    with pytest.raises(CannotSaveError, match="loaded as of 2; load it without at="):
        await words.save(past)
    assert len(await store.load("A")) == 2


async def test_a_clock_that_goes_wrong_ends_what_had_happened(store):
    times = [datetime(2024, 1, day, tzinfo=UTC) for day in (1, 9, 2)]
    events = [Added(word=str(each.day), timestamp=each) for each in times]
    await store.save("A", events)
    past = await Repository(store, Words).load("A", at=datetime(2024, 1, 5, tzinfo=UTC))
    assert past.words == ["1"]


@pytest.mark.parametrize(
    ("at", "error", "match"),
    [
        (-1, ValueError, "at must be a version, 0 or more, not -1"),
        (True, TypeError, "at must be a version or an aware datetime, not True"),
        ("now", TypeError, "at must be"),
        (datetime(2024, 1, 1), ValueError, "give it a time zone"),
        (3, ValueError, "at=3: stream 'A' has only 2 events"),
    ],
)
async def test_a_moment_that_cannot_be_is_refused(store, at, error, match):
    await fill(store, "A", "a", "b")
    with pytest.raises(error, match=match):
        await Repository(store, Words).load("A", at=at)


# what is reported, and refused


async def test_loads_are_reported(store):
    watching = Watching()
    words = Repository(store, Words, instrumentation=watching)
    await words.load("A")
    await words.load("B", at=0)
    assert watching.operations == [
        ("load_aggregate", {"aggregate_type": "Words", "aggregate_id": id}) for id in "AB"
    ]
    assert watching.gauges == []


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"cache": 0}, "cache must be a whole number, at least 1, not 0"),
        ({"attempts": 0}, "attempts must be"),
        ({"snapshot_every": 0}, "snapshot_every must be"),
        ({"snapshot_every": True}, "snapshot_every must be"),
        ({"snapshot_every": 1, "snapshot_when": lambda a, b: True}, "not both"),
    ],
)
def test_options_that_mean_nothing_are_refused(store, options, match):
    with pytest.raises(ValueError, match=match):
        Repository(store, Words, **options)
    with pytest.raises(ValueError, match=match):
        SyncRepository(store, Words, **options)


def test_what_is_no_aggregate_is_refused(store):
    with pytest.raises(TypeError, match="aggregate must be a subclass of AggregateRoot or a Deci"):
        Repository(store, int)


# deciders


@attrs.frozen
class Empty:
    pass


@attrs.frozen
class Full:
    words: tuple[str, ...]
    counts: dict[int, str] = attrs.field(factory=dict)


def decide(command, state):
    if command == "refuse":
        raise ValueError("refused")
    return [Added(word=word) for word in command.split()]


def evolve(state, event):
    before = () if isinstance(state, Empty) else state.words
    return Full((*before, event.word), {len(before): event.word})


WORDS = Decider(Empty(), decide, evolve, state_type=Empty | Full, snapshot_version=1, name="Words")


@pytest.mark.parametrize("cache", [None, 2])
async def test_a_decider_is_executed_by_commands(store, cache):
    words = Repository(store, WORDS, cache=cache)
    assert words_of(await words.execute("A", "a b")) == ["a", "b"]
    assert await words.execute("A", "") == []
    with pytest.raises(ValueError, match="refused"):
        await words.execute("A", "refuse")
    assert len(await words.execute("A", lambda each: each.decide("c") + each.decide("d"))) == 2
    loaded = await words.load("A")
    assert (loaded.state.words, loaded.version) == (("a", "b", "c", "d"), 4)
    assert (await words.load("A", at=1)).state.words == ("a",)
    assert (await words.load("new")).state == Empty()


async def test_a_decider_wins_conflicts_too(store):
    words = Repository(store, WORDS, cache=2, attempts=50)
    await asyncio.gather(*(words.execute("A", f"w{n}") for n in range(15)))
    assert (await words.load("A")).state.words == tuple(words_of(await store.load("A")))
    assert (await words.load("A")).version == 15


async def test_the_state_of_a_decider_comes_back_from_a_snapshot(store):
    words = Repository(store, WORDS, snapshot_every=2)
    await words.execute("A", "a b c")
    store.asked.clear()
    loaded = await Repository(store, WORDS).load("A")
    assert store.asked == [("load_snapshot", "A"), ("load", "A", 3)]
    assert loaded.state == Full(("a", "b", "c"), {2: "c"})
    snapshot = await store.load_snapshot_async("A")
    value = {"words": ["a", "b", "c"], "counts": {"2": "c"}}
    assert snapshot.state == {"state": {"type": "Full", "value": value}}


async def test_a_state_that_would_not_come_back_is_kept_in_no_snapshot(store, caplog):
    vague = attrs.evolve(WORDS, initial=(), evolve=lambda state, event: (*state, event.word))
    words = Repository(store, attrs.evolve(vague, state_type=list), snapshot_every=1)
    await words.execute("A", "a")
    assert await store.load_snapshot_async("A") is None
    assert "would not read back the same" in caplog.text


async def test_a_decider_may_share_the_serializers_converter(store):
    class Length:  # known neither to attrs nor to JSON
        def __init__(self, meters):
            self.meters = meters

        def __eq__(self, other):
            return self.meters == other.meters

    serializer = JSONSerializer()
    serializer.register_hooks(Length, unstructure=lambda length: length.meters, structure=Length)
    measured = Decider(
        Length(0),
        decide,
        lambda state, event: Length(state.meters + len(event.word)),
        snapshot_version=1,
        converter=serializer.converter,
    )
    await Repository(store, measured, snapshot_every=1).execute("A", "abc de")
    assert (await store.load_snapshot_async("A")).state == {"state": 5}
    assert (await Repository(store, measured).load("A")).state == Length(5)


async def test_a_decider_of_another_schema_is_replayed(store, caplog):
    await Repository(store, WORDS, snapshot_every=1).execute("A", "a")
    newer = Repository(store, attrs.evolve(WORDS, snapshot_version=2))
    assert (await newer.load("A")).state.words == ("a",)
    assert "schema version 1 and cannot be used (wanted: version 2)" in caplog.text


async def test_a_decider_without_snapshot_version_has_no_snapshots(store):
    plain = attrs.evolve(WORDS, snapshot_version=None)
    with pytest.raises(TypeError, match="Words has no snapshots"):
        Repository(store, plain, snapshot_every=2)
    await Repository(store, plain).load("A")
    assert store.asked == [("load", "A", 0)]


async def test_what_a_decider_decides_must_be_events(store):
    for wrong in (None, Added(word="a"), ["a"]):
        words = Repository(store, Decider(Empty(), lambda command, state, w=wrong: w, evolve))
        with pytest.raises(TypeError, match="decide of Empty must return a list of events, not"):
            await words.execute("A", "a")
    with pytest.raises(TypeError, match="evolve must be a function, not 1"):
        Decider(Empty(), decide, 1)


async def test_events_of_which_one_is_refused_change_no_state(store):
    def picky(state, event):
        if event.word == "b":
            raise ValueError("b")
        return evolve(state, event)

    decided = await Repository(store, attrs.evolve(WORDS, evolve=picky)).load("A")
    with pytest.raises(ValueError, match="b"):
        decided.decide("a b")
    assert (decided.state, decided.version, decided.uncommitted_events) == (Empty(), 0, [])


# the synchronous twin


def test_a_sync_store_has_a_repository_too():
    with InMemoryEventStore() as store:
        words = SyncRepository(store, Words, snapshot_every=2, cache=2)
        assert words.execute("A", lambda each: each.add("a")) == 1
        aggregate = words.load("A")
        aggregate.add("b")
        words.save(aggregate)
        assert store.load_snapshot("A").state == {"words": ["a", "b"]}
        assert words.load("A", at=1).words == ["a"]
        words.take_snapshot(words.load("A"))
        assert words_of(SyncRepository(store, WORDS).execute("A", "c")) == ["c"]
        assert words.load("A").words == ["a", "b", "c"]


def test_a_sync_repository_tries_again_and_gives_up():
    with InMemoryEventStore() as store:
        tried = []

        def slow(aggregate):
            tried.append(aggregate.version)
            if len(tried) != 3:
                store.save("A", [Added(word="faster")])
            return aggregate.add("slow")

        words = SyncRepository(store, Words, attempts=3)
        assert words.execute("A", slow) == 3
        with pytest.raises(ConcurrencyError):
            words.execute("A", slow)
        assert tried == [0, 1, 2, 3, 4, 5]


async def test_a_sync_repository_takes_no_async_function():
    async def later(aggregate):
        pass

    with InMemoryEventStore() as store:
        with pytest.raises(TypeError, match=r"plain function, not .*later.*: use Repository"):
            SyncRepository(store, Words).execute("A", later)
        # A running event loop is left alone.
        assert SyncRepository(store, Words).execute("A", lambda each: each.add("a")) == 1
