"""What of subscriptions needs no store: their values, shares, watching, keys of letters."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from orchestrix_core import MissingCapabilityError, RetryPolicy, Subscription, Worker
from orchestrix_core.subscriptions import partition_of
from orchestrix_core.subscriptions._balance import Watch, quota
from orchestrix_core.subscriptions._letter_keys import key_of, prefix_of, stream_of

STREAMS = [f"order-{n}" for n in range(2000)]


async def handle(record, transaction):
    pass


def test_partition_is_the_same_for_ever():
    known = {"": 1, "a": 3, "order-1": 4, "Müller": 1, "\ud800": 4}
    assert {stream: partition_of(stream, 5) for stream in known} == known


def test_partition_is_the_same_in_another_process():
    code = (
        "from orchestrix_core.subscriptions import partition_of;"
        "print([partition_of(f'order-{n}', 7) for n in range(50)])"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert said.strip() == str([partition_of(stream, 7) for stream in STREAMS[:50]])


@pytest.mark.parametrize("partitions", [1, 2, 3, 16])
def test_streams_are_spread_over_all_partitions(partitions):
    found = Counter(partition_of(stream, partitions) for stream in STREAMS)
    assert set(found) == set(range(partitions))
    assert max(found.values()) < 1.4 * len(STREAMS) / partitions


@pytest.mark.parametrize("partitions", [1, 2, 3, 7, 16])
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_shares_are_even_and_hold_everything(partitions, count):
    workers = [f"w{n}" for n in range(count)]
    shares = [quota("name", partitions, worker, workers) for worker in workers]
    assert sum(shares) == partitions
    assert max(shares) - min(shares) <= 1


def test_a_worker_that_the_others_do_not_know_yet_counts_itself():
    assert quota("name", 4, "new", ["old"]) == 2
    assert quota("name", 4, "new", []) == 4


def test_small_subscriptions_go_to_different_workers():
    workers = ["a", "b", "c"]
    holders = Counter(
        next(worker for worker in workers if quota(f"s{n}", 1, worker, workers)) for n in range(300)
    )
    assert min(holders.values()) > 50


def test_watch_tells_for_how_long_a_revision_has_stood_still():
    now = 100.0
    watch = Watch(lambda: now)
    assert watch.still_for("a", 1) == 0
    now = 103.0
    assert watch.still_for("a", 1) == 3
    assert watch.still_for("a", 2) == 0
    now = 104.0
    assert watch.still_for("a", 2) == 1
    watch.keep(["b"])
    assert watch.still_for("a", 2) == 0


def test_pauses_double_up_to_the_longest():
    policy = RetryPolicy(attempts=9, first=1.0, longest=5.0)
    for failed, whole in [(1, 1.0), (2, 2.0), (3, 4.0), (4, 5.0), (5000, 5.0)]:
        pauses = [policy.pause(failed) for _ in range(50)]
        assert all(whole / 2 <= pause <= whole for pause in pauses)
        assert len(set(pauses)) > 1, "at random, or many would come back together"


@pytest.mark.parametrize(
    ("settings", "named"),
    [({"attempts": 0}, "attempts"), ({"first": -1}, "first"), ({"longest": -1}, "longest")],
)
def test_policy_must_make_sense(settings, named):
    with pytest.raises(ValueError, match=named):
        RetryPolicy(**settings)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"name": ""}, "name"),
        ({"name": "a/b"}, "name"),
        ({"partitions": 0}, "partitions"),
        ({"batch": 0}, "batch"),
        ({"start": "later"}, "start"),
    ],
)
def test_subscription_must_make_sense(settings, named):
    with pytest.raises(ValueError, match=named):
        Subscription(**({"name": "n", "handle": handle} | settings))


def test_types_are_a_collection_of_names():
    assert Subscription(name="n", handle=handle, types=["a", "b"]).types == {"a", "b"}
    with pytest.raises(TypeError, match="types"):
        Subscription(name="n", handle=handle, types="OrderPlaced")


@pytest.mark.parametrize("stream", ["a", "a/b", "a%2F", "ä ~", "\n", "a/00000000000000000001"])
def test_keys_of_letters_lead_back_to_the_stream(stream):
    keys = [key_of(stream, position) for position in (1, 9, 10, 10**15)]
    assert keys == sorted(keys)
    assert {stream_of(key) for key in keys} == {stream}
    assert all(key.startswith(prefix_of(stream)) for key in keys)
    assert not prefix_of(stream).startswith(prefix_of("a")) or stream == "a"


def test_store_without_documents_is_refused():
    class LogAlone:
        save_all = read_log = head = subscribe = handle

    with pytest.raises(MissingCapabilityError, match="LogAlone") as caught:
        Worker(LogAlone())
    assert caught.value.missing == ("documents",)
    with pytest.raises(MissingCapabilityError) as caught:
        Worker(object())
    assert caught.value.missing == ("global_log", "documents")


def test_lease_must_last():
    with pytest.raises(ValueError, match="lease"):
        Worker(object(), lease=0)
