"""A process killed at any moment loses nothing acknowledged and leaves no half append."""

from __future__ import annotations

import random
from itertools import count
from time import monotonic

import pytest

from orchestrix.infrastructure.sqlite import SQLiteSyncEventStore
from orchestrix_core import StreamWrite

PATIENCE = 120.0  # no measure of speed: an end to waiting for what never comes


def ids_of(store, stream):
    return [event.id for event in store.load(stream)]


def killed(child, rng):
    """Kill the child at a random moment after its first acknowledgement; return what it said."""
    said = []
    for words in child.lines_until(monotonic() + PATIENCE):
        said.append(words)
        if words == ["ack"]:
            break
    said += child.lines_until(monotonic() + rng.uniform(0, 0.025))
    child.kill()
    return said + child.rest()


def check(store, streams, unknown, notes):
    """Acknowledged: there. Unknown: whole or absent, and repeating it adds it once."""
    before = {stream: list(ids) for stream, ids in streams.items()}
    if unknown is not None:
        for stream, _, ids in unknown:
            streams[stream] += ids
    now = {stream: ids_of(store, stream) for stream in streams}
    assert now in (before, streams)
    assert store.integrity_check() == []
    if unknown is not None:
        repeated = [StreamWrite(stream, notes(*ids), expected) for stream, expected, ids in unknown]
        store.save_all(repeated)
        store.save_all(repeated)
    assert {stream: ids_of(store, stream) for stream in streams} == streams


@pytest.mark.parametrize("writer", ["append_for_ever", "append_for_ever_async"])
def test_sigkill_loses_nothing_acknowledged(writer, path, start, notes):
    rng = random.Random()
    streams: dict[str, list[str]] = {"a": [], "b": []}
    in_flight = acknowledged = 0
    for round_ in count():
        if round_ >= 30 and in_flight:
            break
        assert round_ < 500, "no kill fell into an append: the moments are not random"
        versions = {stream: len(ids) for stream, ids in streams.items()}
        said = killed(start(writer, path, f"{round_}", versions), rng)
        tried = [words[1] for words in said if words[0] == "try"]
        done = said.count(["ack"])
        assert len(tried) - done in (0, 1)
        for planned in tried[:done]:
            for stream, _, ids in planned:
                streams[stream] += ids
        with SQLiteSyncEventStore(path) as store:
            check(store, streams, tried[done] if len(tried) > done else None, notes)
        in_flight += len(tried) > done
        acknowledged += done
    assert acknowledged >= 30


def test_sigkill_while_the_file_is_made(tmp_path, start, notes):
    rng = random.Random()
    unfinished = 0
    for round_ in count():
        if round_ >= 12 and unfinished:
            break
        assert round_ < 500, "every file was finished before the kill"
        path = tmp_path / f"{round_}.db"
        child = start("create", path)
        assert child.next() == ["start"]
        said = list(child.lines_until(monotonic() + rng.uniform(0, 0.006)))
        child.kill()
        unfinished += ["open"] not in said + child.rest()
        with SQLiteSyncEventStore(path) as store:
            store.save("a", notes("alive"), 0)
            assert store.head() == 1
            assert store.integrity_check() == []
