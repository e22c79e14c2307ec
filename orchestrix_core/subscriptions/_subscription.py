"""What a subscription is: from which events of the log, to which handler, how careful."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Collection
from hashlib import blake2b
from typing import Any, Literal, TypeAlias

import attrs

from orchestrix_core.documents import Transaction
from orchestrix_core.records import RecordedEvent

__all__ = ["Group", "Handle", "RetryPolicy", "Subscription", "partition_of"]

Handle: TypeAlias = Callable[[RecordedEvent, Transaction | None], Awaitable[None]]
Group: TypeAlias = Callable[[RecordedEvent], str]


def _at_least(least: float) -> Callable[[Any, Any, float], None]:
    def check(_: Any, attribute: Any, value: float) -> None:
        if not value >= least:
            msg = f"{attribute.name} must be {least} at least, not {value!r}"
            raise ValueError(msg)

    return check


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """
    How often a handler that fails is tried, and how long to wait in between.

    Attributes:
        attempts: how often an event is tried at all, before it becomes a dead letter.
        first: seconds before the second try; doubled for each further one.
        longest: seconds at most between two tries.
    """

    attempts: int = attrs.field(default=5, validator=_at_least(1))
    first: float = attrs.field(default=0.1, validator=_at_least(0))
    longest: float = attrs.field(default=10.0, validator=_at_least(0))

    def pause(self, failed: int) -> float:
        """Return how long to wait after `failed` tries: at random, so that many do not meet."""
        whole = min(self.longest, self.first * 2.0 ** min(failed - 1, 60))
        return whole * random.uniform(0.5, 1.0)  # noqa: S311 - it is no secret


def _check_name(_: Any, attribute: Any, value: str) -> None:
    if not value or "/" in value:
        msg = f"{attribute.name} must be a text without '/', and not empty; got {value!r}"
        raise ValueError(msg)


def _names(types: Collection[str] | None) -> frozenset[str] | None:
    if isinstance(types, str):
        msg = f"types must be a collection of stored names, not the one text {types!r}"
        raise TypeError(msg)
    return None if types is None else frozenset(types)


@attrs.frozen(kw_only=True)
class Subscription:
    """
    A handler for the events of the log, and where it has got to.

    Each event comes at least once, those of one stream in their order. The position that was
    reached is kept in the store, under `name`.

    Attributes:
        name: of the subscription, and of its checkpoint; no "/".
        handle: called with each event, and with the transaction of its effect; None when not
            `transactional`. Messages made in it inherit correlation and trace from the event.
        types: stored names of the events to be handled; None: all.
        partitions: in how many parts the streams are divided, each one handled in order by one
            process at a time.
        transactional: what the handler does in the transaction becomes visible together with the
            position, so it takes effect exactly once. If False, the position follows the effect.
        batch: events in one transaction at most; or, without, in front of one checkpoint.
        start: where a subscription begins that no worker has seen before: at the first event, or
            behind the newest.
        retry: what happens when the handler fails.
        projection: what the lag is reported of, as `projection_lag`; None: it is not reported.
        group: gives for an event the text that stands in the place of its stream wherever order is
            kept: events of one group, of whichever streams, are in one partition, in the order of
            the log, and wait together for a dead letter. It must always give the same for an event.
    """

    name: str = attrs.field(validator=_check_name)
    handle: Handle
    types: frozenset[str] | None = attrs.field(default=None, converter=_names)
    partitions: int = attrs.field(default=1, validator=_at_least(1))
    transactional: bool = True
    batch: int = attrs.field(default=100, validator=_at_least(1))
    start: Literal["beginning", "now"] = attrs.field(
        default="beginning", validator=attrs.validators.in_(("beginning", "now"))
    )
    retry: RetryPolicy = attrs.field(factory=RetryPolicy)
    projection: str | None = None
    group: Group | None = None

    def group_of(self, record: RecordedEvent) -> str:
        """Return what an event is kept in order with: its stream, unless `group` says otherwise."""
        return record.aggregate_id if self.group is None else self.group(record)


def partition_of(aggregate_id: str, partitions: int) -> int:
    """Return the partition of a stream: the same in every process, on every machine, for ever."""
    if partitions == 1:
        return 0
    digest = blake2b(aggregate_id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") % partitions
