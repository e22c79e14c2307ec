"""When a snapshot is taken, and what is done with one that was found."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeAlias, TypeVar

from orchestrix_core.aggregates._root import AggregateRoot
from orchestrix_core.records import Snapshot

__all__ = ["SnapshotPolicy", "SnapshotReader", "make_snapshot", "snapshot_policy"]

A = TypeVar("A", bound=AggregateRoot)

SnapshotPolicy: TypeAlias = Callable[[A, int], bool]
"""`policy(aggregate, before)`: is a snapshot due, now that it was saved? `before` is the version
that the save began at, `aggregate.version` the one that it reached."""

_log = logging.getLogger("orchestrix_core.aggregates")


def snapshot_policy(
    every: int | None, policy: SnapshotPolicy[A] | None
) -> SnapshotPolicy[A] | None:
    """Return the policy that the two arguments of a repository ask for."""
    if every is None:
        return policy
    if policy is not None:
        msg = "give snapshot_every or snapshot_when, not both"
        raise ValueError(msg)
    if type(every) is not int or every < 1:
        msg = f"snapshot_every must be a whole number, at least 1, not {every!r}"
        raise ValueError(msg)
    return lambda aggregate, before: before // every < aggregate.version // every


def make_snapshot(aggregate: AggregateRoot) -> Snapshot:
    """Return the present state as a snapshot."""
    if aggregate.uncommitted_events:
        msg = f"{aggregate.id!r} has events that are not saved: save it, then take a snapshot"
        raise ValueError(msg)
    schema = aggregate._snapshot_schema()
    state = aggregate.to_state()
    if state is None or schema is None:
        raise TypeError(no_snapshots(type(aggregate).__name__))
    return Snapshot(
        aggregate_id=aggregate.id, version=aggregate.version, state=state, schema_version=schema
    )


def no_snapshots(name: str) -> str:
    """Say what the aggregate or decider of this name needs to be in a snapshot."""
    return (
        f"{name} has no snapshots: an aggregate needs to_state(), giving a state, and "
        "from_state(); a decider needs snapshot_version=1"
    )


class SnapshotReader:
    """Begins an aggregate at a snapshot; one that cannot be used is reported once."""

    def __init__(self) -> None:
        self._reported = False

    def begin(self, make: Callable[[str], A], id: str, snapshot: Snapshot | None) -> A:
        """Return the aggregate as of the snapshot, or a new one to which events are replayed."""
        aggregate = make(id)
        if snapshot is None:
            return aggregate
        if snapshot.schema_version != aggregate._snapshot_schema():
            return self._outdated(aggregate, snapshot, None)
        try:
            aggregate.from_state(snapshot.state)
        except Exception as error:
            return self._outdated(make(id), snapshot, error)  # the first may be half-changed
        aggregate.version = snapshot.version
        return aggregate

    def _outdated(self, aggregate: A, snapshot: Snapshot, error: Exception | None) -> A:
        aggregate._snapshot_outdated = True
        if not self._reported:
            self._reported = True
            _log.warning(
                "the snapshot of %r has schema version %s and cannot be used (wanted: version "
                "%s%s); its events are replayed, and further ones are not reported",
                snapshot.aggregate_id,
                snapshot.schema_version,
                aggregate._snapshot_schema(),
                "" if error is None else f"; from_state failed: {error!r}",
                exc_info=error,
            )
        return aggregate
