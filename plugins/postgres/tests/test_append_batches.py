"""Batches of appends that get in each other's way end as if they came one after another."""

from __future__ import annotations

import pytest

from orchestrix.infrastructure.postgres import PostgreSQLEventStore
from orchestrix.infrastructure.postgres._append import StreamAppend

from ._batches import compare, write
from ._functions import replace_functions


@pytest.mark.parametrize("seed", range(3))
async def test_a_batch_is_as_good_as_one_after_another(dsn, monkeypatch, seed):
    await compare(dsn, monkeypatch, seed)


BROKEN = {
    "an id comes twice": ("(SELECT count(DISTINCT u.id) FROM unnest(ids) AS u(id)) <", "0 >"),
    "an id is stored": ("e.event_id = ANY (ids)", "false"),
    "a single id is stored": ("e.event_id = id)", "false)"),
    "an id in a group is stored": ("IF is_known", "IF false"),
    "in a group the version counts": ("OR i.want = coalesce(s.version, 0)", "OR true"),
    "in a group only losers are told": ("e.position = head + i.n", "false"),
    "only winners are written": ("WHERE wins[i.w]", ""),
    "a winner moves its stream on": ("heads[slots[w]] := befores[w] +", "befores[w] :="),
    "an append is whole": ("wins[w] := reason IS NULL", "wins[w] := reason IS DISTINCT FROM w"),
    "the version is that of the moment": ("befores[reason]", "heads[slots[reason]]"),
    "the first conflict is told": ("FOR w IN REVERSE last..first", "FOR w IN first..last"),
    "a stream comes twice": ("count(DISTINCT u.stream) = total", "true"),
    "positions follow the order": (
        "SELECT head + i.n,",
        "SELECT head + 1 + cardinality(ids) - i.n,",
    ),
}
"""What the functions see to, and what makes them forget it."""


@pytest.mark.parametrize("what", BROKEN)
async def test_the_comparison_notices_what_is_forgotten(dsn, monkeypatch, what):
    await replace_functions(dsn, BROKEN[what])
    with pytest.raises(AssertionError):
        await compare(dsn, monkeypatch, 0)


@pytest.mark.parametrize("others", [0, 1])
async def test_a_stream_twice_in_an_append_is_refused(dsn, others):
    """The store's arguments rule it out; whoever calls the function gets nothing by half."""
    rows = [(str(n), "t", 1, None, "{}") for n in range(4)]
    twice = [StreamAppend("a", 0, rows[:1]), StreamAppend("a", 0, rows[1:2])]
    other = [StreamAppend("b", 0, rows[2:])]
    async with PostgreSQLEventStore(dsn, 1, 2) as store:
        found = await write(store, [twice, other][: 1 + others])
        assert found[0][0] == "error"
        assert found[1:] == [None] * others
        assert await store.head() == 2 * others
