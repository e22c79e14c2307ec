"""Appending to PostgreSQL: our store, asyncpg by hand, and the peers."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks import _peer_eventsource, _peer_postgres, _postgres_ours, _postgres_raw
from benchmarks._measure import Case, Comparison, Contestant
from benchmarks._orders import CALLERS
from benchmarks._postgres import writing

_OURS = "postgres"
_RAW = "asyncpg"


def _peers(size: int) -> list[Contestant]:
    found = []
    if _peer_postgres.INSTALLED:
        for name, log in (("eventsourcing", False), ("eventsourcing, log", True)):
            found.append(Contestant(name, _peer_postgres.appending(size, log=log)))
    if _peer_eventsource.INSTALLED:
        start = writing(_peer_eventsource.opened, _peer_eventsource.appending(size))
        found.append(Contestant("eventsource-py", start))
    return found


def _peers_together() -> list[Contestant]:
    found = []
    if _peer_postgres.INSTALLED:
        for name, log in (("eventsourcing", False), ("eventsourcing, log", True)):
            found.append(Contestant(name, _peer_postgres.appending_together(log=log)))
    if _peer_eventsource.INSTALLED:
        start = writing(_peer_eventsource.opened, _peer_eventsource.append_together)
        found.append(Contestant("eventsource-py", start))
    return found


def _beside(peers: Sequence[Contestant], target: float | None) -> list[Comparison]:
    return [Comparison(_OURS, peer.name, target) for peer in peers]


def _one() -> Case:
    peers = _peers(1)
    return Case(
        name="postgres-append-1",
        count=20,
        slices=20,
        contestants=[
            Contestant(_OURS, writing(_postgres_ours.opened, _postgres_ours.appending(1))),
            Contestant(_RAW, writing(_postgres_raw.opened, _postgres_raw.append_one_by_one)),
            *peers,
        ],
        comparisons=[Comparison(_OURS, _RAW, 0.75), *_beside(peers, 3.5)],
    )


def _together() -> Case:
    peers = _peers_together()
    held = writing(_postgres_raw.held, _postgres_raw.append_together)
    pooled = writing(_postgres_raw.pooled, _postgres_raw.append_pooled)
    return Case(
        name=f"postgres-append-{CALLERS}-callers",
        count=20 * CALLERS,
        slices=4,
        step=CALLERS,
        contestants=[
            Contestant(_OURS, writing(_postgres_ours.opened, _postgres_ours.append_together)),
            Contestant(_RAW, held),
            Contestant("asyncpg, pool", pooled),
            *peers,
        ],
        comparisons=[
            Comparison(_OURS, _RAW, 1.2),
            Comparison(_OURS, "asyncpg, pool", 1.2),
            *_beside(peers, 10),
        ],
    )


def _hundred() -> Case:
    peers = _peers(100)
    return Case(
        name="postgres-append-100",
        count=500,
        slices=10,
        step=100,
        contestants=[
            Contestant(_OURS, writing(_postgres_ours.opened, _postgres_ours.appending(100))),
            Contestant(_RAW, writing(_postgres_raw.opened, _postgres_raw.append_many)),
            *peers,
        ],
        comparisons=[Comparison(_OURS, _RAW, 1.0), *_beside(peers, None)],
    )


def cases() -> list[Case]:
    """Return the cases: one after the other, many at a time, a hundred at once."""
    return [_one(), _together(), _hundred()]
