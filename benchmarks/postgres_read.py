"""Reading from PostgreSQL, typed events out: a stream, and the log."""

from __future__ import annotations

from benchmarks import _peer_eventsource, _peer_postgres, _postgres_ours, _postgres_raw
from benchmarks._measure import Case, Comparison, Contestant
from benchmarks._orders import LOADED, LOG_SLICES, PAGE
from benchmarks._postgres import reading


def _load() -> Case:
    contestants = [
        Contestant(
            "postgres",
            reading(_postgres_ours.opened, _postgres_ours.fill_stream, _postgres_ours.load),
        ),
        Contestant(
            "asyncpg", reading(_postgres_raw.opened, _postgres_raw.fill_stream, _postgres_raw.load)
        ),
    ]
    comparisons = [Comparison("postgres", "asyncpg")]
    if _peer_postgres.INSTALLED:
        contestants.append(Contestant("eventsourcing", _peer_postgres.loading()))
        comparisons.append(Comparison("postgres", "eventsourcing", 2.5))
    if _peer_eventsource.INSTALLED:
        peer = _peer_eventsource
        contestants.append(
            Contestant("eventsource-py", reading(peer.opened, peer.fill_stream, peer.load))
        )
        comparisons.append(Comparison("postgres", "eventsource-py"))
    return Case(
        name=f"postgres-load-{LOADED}",
        count=LOADED,
        slices=10,
        step=LOADED,
        contestants=contestants,
        comparisons=comparisons,
    )


def _log() -> Case:
    contestants = [
        Contestant(
            "postgres",
            reading(_postgres_ours.opened, _postgres_ours.fill_log, _postgres_ours.read_log),
        ),
        Contestant(
            "asyncpg", reading(_postgres_raw.opened, _postgres_raw.fill_log, _postgres_raw.read_log)
        ),
    ]
    comparisons = [Comparison("postgres", "asyncpg")]
    if _peer_postgres.INSTALLED:
        contestants.append(Contestant("eventsourcing, log", _peer_postgres.reading_log()))
        comparisons.append(Comparison("postgres", "eventsourcing, log", 3))
    if _peer_eventsource.INSTALLED:
        peer = _peer_eventsource
        contestants.append(
            Contestant("eventsource-py", reading(peer.opened, peer.fill_log, peer.read_log))
        )
        comparisons.append(Comparison("postgres", "eventsource-py"))
    return Case(
        name="postgres-log",
        count=5 * PAGE,
        slices=LOG_SLICES,
        step=PAGE,
        contestants=contestants,
        comparisons=comparisons,
    )


def cases() -> list[Case]:
    """Return the cases."""
    return [_load(), _log()]
